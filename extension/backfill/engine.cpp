#include "backfill/engine.hpp"

#include <algorithm>
#include <optional>

#include "backfill/bad_rows.hpp"
#include "backfill/chunk_rounds.hpp"
#include "backfill/queue.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

namespace {

// A table of so few pages is filled in one go: rounds would take longer than they save.
constexpr std::uint32_t kFewPages = 128;
// How long to wait before looking again for a chunk that nobody has, and for helpers to end.
constexpr std::chrono::milliseconds kIdle{50};
// Between two visits of rows that a DELETE waits for. So many visits without anybody in the way
// mean that something else keeps them.
constexpr std::chrono::milliseconds kWaitForRows{200};
constexpr int kVainVisits = 10;
// How many of a visit's rows are asked for who has them locked.
constexpr std::size_t kAsked = 50;

// "1 row", "5 rows".
std::string counted(std::int64_t number, const char* one, const char* many) {
    return std::to_string(number) + " " + (number == 1 ? one : many);
}

class Backfill {
public:
    Backfill(const Task& task, Host& host, bool helper)
        : task_(task), helper_(helper), work_(task, host, helper), queue_(task) {}

    Outcome run() {
        SweepEnd end = SweepEnd::rewritten;
        // Once more from the start whenever the table was rewritten under us.
        while (end == SweepEnd::rewritten) {
            if (!take_up()) return Outcome::stopped;
            end = all_chunks();
            if (end == SweepEnd::finished) end = left_rows();
            while (end == SweepEnd::finished && !work_.host().gathered())
                if (!work_.idle(kIdle)) end = SweepEnd::stopped;
            if (end == SweepEnd::finished && deletes()) end = finish_delete();
        }
        if (end == SweepEnd::stopped) return Outcome::stopped;
        finish();
        return Outcome::finished;
    }

    void help() {
        if (all_chunks() == SweepEnd::finished) left_rows();
    }

private:
    // Rows that others had locked in a chunk that is done, as far as this run has seen.
    struct Left {
        Chunk chunk;
        PageSet locked;
    };

    // Makes the chunks when there are none or when they are those of another file.
    bool take_up();
    // Works at chunks until none is left that nobody has, and unless this is a helper, until all
    // are done.
    SweepEnd all_chunks();
    std::optional<Chunk> take();
    SweepEnd one_chunk(Chunk& chunk);
    // Tries the ranges of one chunk again in which rows were locked. `left` becomes their number.
    SweepEnd again(const Chunk& chunk, PageSet& locked, std::int64_t& left);
    SweepEnd left_rows();
    // What one visit of the whole table could not delete.
    struct Visit {
        std::int64_t left = 0;
        std::vector<Tid> some;  // rows of batches that left some
        std::string gave_way;   // to whom a batch had to
    };
    SweepEnd finish_delete();
    SweepEnd visit_all(const Chunk& all, Visit& visit);
    bool deletes() const { return task_.set_clause.empty(); }
    void finish();
    std::string left_text(std::int64_t rows) const;
    bool in_rounds() const { return !deletes() && rounds_.pay() && blocks_ >= kFewPages; }
    // Whether standbys let it; said when that changes.
    bool may_go_in_rounds();
    const char* stage() const { return deletes() ? "delete" : "backfill"; }

    const Task& task_;
    const bool helper_;
    Work work_;
    Queue queue_;
    std::uint32_t blocks_ = 0;  // of the table
    std::vector<Left> left_;
    std::int64_t left_behind_ = 0;  // rows that a DELETE could not delete
    Rounds rounds_;
    bool told_ = false;  // that there are no rounds
};

bool Backfill::take_up() {
    std::int64_t pages = 0;
    const bool ready = work_.with_table([&](Table& table) {
        const auto chunks = load_chunks(task_);
        const bool first = chunks.empty();
        // Who comes last tries them again.
        forget_bad_rows(task_, task_.step);
        if (!first && chunks.front().filenode == table.filenode()) {
            pages = chunks.back().pages.end;
        } else {
            pages = table.blocks();
            work_.forget_passed_over();
            const auto each = chunk_pages(table.blocks());
            make_chunks(task_, table.filenode(), table.blocks(), each);
            add_event(task_,
                      (first ? "begins with " : "the table was rewritten, begins again with ") +
                          counted(pages, "page", "pages") + " of " + task_.name + " in " +
                          counted(std::max<std::int64_t>(1, (pages + each - 1) / each), "chunk",
                                  "chunks"));
        }
        work_.progress().begin(pages);
        ZDM_FAULT(stage() + std::string{":chunks_before_commit"});
    });
    if (!ready) return false;
    ZDM_FAULT(stage() + std::string{":chunks_made"});
    left_.clear();
    queue_.rewind();
    return true;
}

std::optional<Chunk> Backfill::take() {
    std::optional<Chunk> chunk;
    work_.in_transaction([&] { chunk = queue_.take(); });
    if (!helper_) work_.host().share_work(std::max(0, queue_.open() - 1));
    return chunk;
}

SweepEnd Backfill::all_chunks() {
    for (;;) {
        auto chunk = take();
        if (!chunk && (helper_ || queue_.open() == 0)) return SweepEnd::finished;
        SweepEnd end = SweepEnd::finished;
        if (chunk) {
            end = one_chunk(*chunk);
            queue_.give_back();
        }
        // Whoever began the step makes the chunks anew.
        if (end == SweepEnd::rewritten && helper_) {
            chunk.reset();
            left_.clear();
            work_.forget_passed_over();
            queue_.rewind();
        } else if (end != SweepEnd::finished) {
            return end;
        }
        if (!chunk && !work_.idle(kIdle)) return SweepEnd::stopped;
    }
}

bool Backfill::may_go_in_rounds() {
    const bool may = work_.pruning() != Pruning::too_late;
    if (!helper_ && may == told_) {
        const std::string words =
            may ? "in page rounds again: no old versions have to be kept for standbys"
                : "no page rounds, rows are changed as a plain UPDATE changes them, because " +
                      work_.why_kept() +
                      ". With hot_standby_feedback = on there, or standby_grace = 0 here, it takes "
                      "less WAL and room.";
        work_.in_transaction([&] { add_event(task_, words); });
        told_ = !may;
    }
    return may;
}

SweepEnd Backfill::one_chunk(Chunk& chunk) {
    PageSet locked;
    blocks_ = std::max(blocks_, chunk.pages.end);
    Work::Sweep sweep;
    sweep.stage = stage();
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        work_.advance(chunk, batch.next.block, batch.changed,
                      std::int64_t{batch.next.block} - chunk.pages.first);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.left() > 0) locked.add(batch.found_on());
    };
    SweepEnd end = SweepEnd::finished;
    if (in_rounds() && may_go_in_rounds())
        end = ChunkRounds{task_, work_, rounds_, chunk, locked}.run();
    else
        end = work_.sweep({chunk.next, chunk.pages.end}, sweep);
    // Most row locks of an application are gone by now.
    if (end == SweepEnd::finished) end = again(chunk, locked, chunk.left);
    if (end != SweepEnd::finished) return end;
    work_.in_transaction([&] { finish_chunk(task_, chunk, chunk.left); });
    if (!locked.empty()) left_.push_back({chunk, std::move(locked)});
    ZDM_FAULT(stage() + std::string{":chunk_done"});
    return SweepEnd::finished;
}

SweepEnd Backfill::again(const Chunk& chunk, PageSet& locked, std::int64_t& left) {
    left = 0;
    const std::int64_t pages = std::int64_t{chunk.pages.end} - chunk.pages.first;
    Work::Sweep sweep;
    sweep.stage = stage();
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        if (batch.changed > 0) work_.advance(chunk, chunk.pages.end, batch.changed, pages);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.left() <= 0) return;
        left += batch.left();
        locked.add(batch.found_on());
    };
    for (const Pages& range : locked.take()) {
        const SweepEnd end = work_.sweep(range, sweep);
        if (end != SweepEnd::finished) return end;
    }
    return SweepEnd::finished;
}

// Once more at the very end. What is locked even then is the last pass's to wait for.
SweepEnd Backfill::left_rows() {
    for (auto& [chunk, locked] : left_) {
        const SweepEnd end = again(chunk, locked, chunk.left);
        if (end != SweepEnd::finished) return end;
        work_.in_transaction([&] { finish_chunk(task_, chunk, chunk.left); });
    }
    return SweepEnd::finished;
}

// A DELETE has no last pass. It reads the table once more here, and again as long as somebody is in
// the way of rows: rows that were locked, or moved by whoever had them, in this run or another one,
// and those that were passed over.
SweepEnd Backfill::finish_delete() {
    for (int vain = 0; vain < kVainVisits;) {
        Chunk all;
        const bool ready = work_.with_table([&](Table& table) {
            forget_bad_rows(task_, task_.step);
            all = load_chunks(task_).front();
            all.pages = {0, table.blocks()};
        });
        if (!ready) return SweepEnd::stopped;
        work_.forget_passed_over();
        Visit visit;
        const SweepEnd end = visit_all(all, visit);
        if (end != SweepEnd::finished) return end;
        left_behind_ = visit.left;
        if (visit.left == 0) break;
        std::string reason = visit.gave_way;
        if (reason.empty()) {
            const std::string holder = work_.holder_of(visit.some);
            if (!holder.empty()) reason = "rows of " + task_.name + " are locked by " + holder;
        }
        vain = reason.empty() ? vain + 1 : 0;
        if (!work_.wait(kWaitForRows, reason)) return SweepEnd::stopped;
    }
    work_.released();
    bool bad = false;
    work_.in_transaction([&] { bad = count_bad_rows(task_) > 0; });
    if (bad) throw passed_over_error(task_);
    return SweepEnd::finished;
}

SweepEnd Backfill::visit_all(const Chunk& all, Visit& visit) {
    Work::Sweep sweep;
    sweep.stage = stage();
    sweep.filenode = all.filenode;
    sweep.record = [&](const Batch& batch) {
        // As done as it is: only its rows are counted.
        if (batch.changed > 0) work_.advance(all, all.next, batch.changed, all.pages_done);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.left() <= 0) return;
        visit.left += batch.left();
        if (!batch.gave_way.empty()) visit.gave_way = batch.gave_way;
        for (const Tid row : batch.rows)
            if (visit.some.size() < kAsked) visit.some.push_back(row);
    };
    return work_.sweep(all.pages, sweep);
}

std::string Backfill::left_text(std::int64_t rows) const {
    if (rows == 0) return {};
    return "; " + std::to_string(rows) +
           (deletes() ? " are left: a trigger keeps them, or they are written anew"
                      : " were locked by others and are left for the last pass");
}

// The one transaction that commits synchronously, and with it all batches before it.
void Backfill::finish() {
    work_.in_transaction([&] {
        work_.progress().write(work_.host().now_ms(), {});
        const Totals totals = chunk_totals(task_);
        const double seconds = step_seconds(task_);
        const char* done = task_.set_clause.empty() ? "deleted " : "filled ";
        add_event(task_,
                  done + counted(totals.rows, "row", "rows") + " of " + task_.name + " in " +
                      counted(static_cast<std::int64_t>(seconds + 0.5), "second", "seconds") +
                      left_text(deletes() ? left_behind_ : totals.left));
    });
    ZDM_FAULT(stage() + std::string{":finished"});
}

}  // namespace

Outcome run_backfill(const Task& task, Host& host) { return Backfill{task, host, false}.run(); }

void help_backfill(const Task& task, Host& host) { Backfill{task, host, true}.help(); }

}  // namespace zdm::backfill
