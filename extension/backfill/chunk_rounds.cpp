#include "backfill/chunk_rounds.hpp"

#include <algorithm>
#include <utility>

#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::backfill {

namespace {

using std::chrono::milliseconds;

// A round has at least so many batches: while one of them gets ripe there are others to work at. A
// batch of another worker, or of an application, that was under way is over by then.
constexpr std::uint32_t kBatches = 16;
// Pages of a batch all the same: what a batch costs whatever its size is shared by so many.
constexpr std::uint32_t kLeastPages = 64;
// Between two looks at the horizon, at first.
constexpr std::chrono::microseconds kMoment{300};
// Pages that are pruned for the free space map at once.
constexpr std::uint32_t kFreePages = 64;

std::int64_t found_by(const Batch& batch) {
    return static_cast<std::int64_t>(batch.rows.size() + batch.waiting.size());
}

}  // namespace

SweepEnd ChunkRounds::run() {
    std::vector<Pages> pages_left{{chunk_.next, chunk_.pages.end}};
    // A chunk that is gone over again tells nothing back.
    pages_told_ = std::max(chunk_.pages_done, std::int64_t{chunk_.next} - chunk_.pages.first);
    for (int n = 1; !pages_left.empty(); ++n) {
        const bool last = n == Rounds::kMost || impatient_ || !rounds_.pay();
        const SweepEnd end = round(pages_left, last);
        if (end != SweepEnd::finished) return end;
        pages_left = waiting_.take();
        taken_up_ = std::exchange(left_, {});
        before_ = std::move(now_);
        now_ = Ripeness{};
        first_ = false;
    }
    if (in_vain_)
        patience_.in_vain();
    else
        patience_.not_in_vain();
    share_free_space();
    return SweepEnd::finished;
}

SweepEnd ChunkRounds::round(const std::vector<Pages>& pages, bool last) {
    Work::Sweep sweep;
    sweep.stage = "backfill";
    sweep.filenode = chunk_.filenode;
    if (!last) {
        sweep.rounds = &rounds_;
        // The predicate is asked again when a row is changed. What an application moved meanwhile
        // is found when the chunk's left pages are read again.
        if (!first_) sweep.waiting = &taken_up_;
        sweep.most_pages = pages_at_once();
        sweep.before = [&](Pages next) { return wait_until_ripe(next); };
    }
    sweep.record = [&](const Batch& batch) {
        // The chunk is done when all rounds are: a crash goes over it again.
        if (batch.changed > 0)
            work_.advance(chunk_, chunk_.next, batch.changed, pages_told_ + share_of_pages(batch));
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        now_.note(batch.next.block, batch.xid);
        pages_told_ += share_of_pages(batch);
        if (first_) candidates_ += found_by(batch);
        if (!batch.waiting.empty()) waiting_.add({batch.from.block, batch.next.block});
        left_.insert(left_.end(), batch.waiting.begin(), batch.waiting.end());
        rounds_.observe(batch.sample);
        if (!batch.may_be_hot) rounds_.give_up();
        if (batch.left() > 0) locked_.add(batch.found_on());
    };
    for (const Pages& range : pages) {
        const SweepEnd end = work_.sweep(range, sweep);
        if (end != SweepEnd::finished) return end;
    }
    return SweepEnd::finished;
}

std::uint32_t ChunkRounds::pages_at_once() const {
    return std::max(kLeastPages, (chunk_.pages.end - chunk_.pages.first) / kBatches);
}

// A batch changes a part of the rows on its pages: it counts for as large a part of the chunk.
std::int64_t ChunkRounds::share_of_pages(const Batch& batch) const {
    const std::int64_t pages = std::int64_t{chunk_.pages.end} - chunk_.pages.first;
    std::int64_t share = 0;
    if (first_) {
        const std::int64_t found = found_by(batch);
        share = found == 0 ? batch.pages() : batch.pages() * batch.changed / found;
    } else if (candidates_ > 0) {
        share = pages * batch.changed / candidates_;
    }
    return std::clamp<std::int64_t>(share, 0, pages - pages_told_);
}

bool ChunkRounds::wait_until_ripe(Pages pages) {
    const std::uint32_t needed = before_.needed(pages);
    if (work_.pruning() == Pruning::too_late) impatient_ = true;
    if (needed == 0 || impatient_) return true;
    Host& host = work_.host();
    const double began = host.fine_ms();
    for (int tries = 0;; ++tries) {
        if (horizon_ != 0 && precedes(needed, horizon_)) break;
        std::string holder;
        const bool go_on = work_.with_table([&](Table& table) {
            horizon_ = table.horizon();
            if (tries > 30 && !precedes(needed, horizon_)) holder = what_holds();
        });
        if (!go_on) return false;
        if (precedes(needed, horizon_)) break;
        if (waited_ms_ + host.fine_ms() - began > patience_.ms()) {
            impatient_ = in_vain_ = true;
            break;
        }
        const auto pause = milliseconds{std::min(1 << std::max(0, std::min(tries - 20, 6)), 50)};
        // Who is in the way is another batch, most of the time, and over in a moment.
        if (tries < 20)
            host.rest(kMoment);
        else if (holder.empty())
            host.sleep(pause, {});
        else if (!work_.wait(pause, holder))
            return false;
    }
    waited_ms_ += host.fine_ms() - began;
    work_.released();
    return true;
}

std::string ChunkRounds::what_holds() {
    return work_.pruning() == Pruning::at_once
               ? horizon_holder()
               : "old versions of " + task_.name + " are kept, because " + work_.why_kept();
}

std::string ChunkRounds::horizon_holder() {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT who FROM"
        " (SELECT 'pid ' || pid || coalesce(' (' || nullif(application_name, '') || ')', ''),"
        "         age(coalesce(backend_xmin, backend_xid)) FROM pg_stat_activity"
        "   WHERE pid <> pg_backend_pid() AND (datname IS NULL OR datname = current_database())"
        "  UNION ALL SELECT 'prepared transaction ' || gid, age(transaction)"
        "   FROM pg_prepared_xacts WHERE database = current_database()"
        "  UNION ALL SELECT 'replication slot ' || slot_name, age(xmin)"
        "   FROM pg_replication_slots) holder(who, age)"
        " WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1");
    const std::string who = found.empty() ? "somebody" : found.front().text(0);
    return who + " has a snapshot that still sees the versions of " + task_.name +
           " before they were filled";
}

// Behind a chunk its pages have room for the rows of the next one that move.
void ChunkRounds::share_free_space() {
    for (std::uint32_t block = chunk_.pages.first; block < chunk_.pages.end; block += kFreePages) {
        const Pages pages{block, std::min(chunk_.pages.end, block + kFreePages)};
        double began = 0;
        const bool go_on = work_.with_table([&](Table& table) {
            began = work_.host().fine_ms();
            table.share_free_space(pages);
        });
        if (!go_on) return;
        work_.rest_for(began);
    }
}

}  // namespace zdm::backfill
