#include "backfill/engine.hpp"

#include <algorithm>
#include <optional>

#include "backfill/chunk_rounds.hpp"
#include "backfill/delete_pass.hpp"
#include "backfill/leaves.hpp"
#include "backfill/queue.hpp"
#include "backfill/range.hpp"
#include "backfill/state.hpp"
#include "backfill/words.hpp"
#include "backfill/work.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

namespace {

// A table, or partition, of so few pages is filled in one go: rounds would take longer than they
// save.
constexpr std::uint32_t kFewPages = 128;
// How long to wait before looking again for a chunk that nobody has, and for helpers to end.
constexpr std::chrono::milliseconds kIdle{50};

class Backfill {
public:
    Backfill(const Task& task, Host& host, bool helper)
        : task_(task), helper_(helper), work_(task, host, helper), queue_(task) {}

    Outcome run() {
        SweepEnd end = SweepEnd::rewritten;
        // What of it was rewritten under us begins again.
        while (end == SweepEnd::rewritten) {
            if (!take_up()) return Outcome::stopped;
            end = all_chunks();
            if (end == SweepEnd::finished) end = left_rows();
            while (end == SweepEnd::finished && !work_.host().gathered())
                if (!work_.idle(kIdle)) end = SweepEnd::stopped;
            if (end == SweepEnd::finished && deletes())
                end = finish_delete(task_, work_, left_behind_);
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

    // Makes the chunks of leaves that have none or those of another file.
    bool take_up();
    // Works at chunks until none is left that nobody has, and unless this is a helper, until all
    // are done.
    SweepEnd all_chunks();
    std::optional<Chunk> take();
    void turn_to(const Leaf& leaf);
    SweepEnd one_chunk(Chunk& chunk);
    // The same, and what is to be done when it turns out that its leaf has gone.
    SweepEnd try_chunk(Chunk& chunk);
    // Tries the ranges of one chunk again in which rows were locked. `left` becomes their number.
    SweepEnd again(const Chunk& chunk, PageSet& locked, std::int64_t& left);
    SweepEnd left_rows();
    void let_go_of(const Leaf& leaf, const Gone& gone);
    bool deletes() const { return task_.set_clause.empty(); }
    void finish();
    std::string left_text(std::int64_t rows) const;
    // Of a leaf with so few pages the only chunk ends before.
    bool in_rounds(const Chunk& chunk) const {
        return !deletes() && rounds_.pay() && chunk.pages.end >= kFewPages;
    }
    // Whether standbys let it; said when that changes.
    bool may_go_in_rounds();
    const char* stage() const { return deletes() ? "delete" : "backfill"; }

    const Task& task_;
    const bool helper_;
    Work work_;
    Queue queue_;
    std::uint32_t relation_ = 0;  // the leaf that it works at
    std::vector<Left> left_;
    std::int64_t left_behind_ = 0;  // rows that a DELETE could not delete
    Rounds rounds_;
    Patience patience_;
    bool told_ = false;  // that there are no rounds
};

bool Backfill::take_up() {
    const auto made = fix_range(task_, work_, stage(), relation_ == 0);
    if (!made) return false;
    ZDM_FAULT(stage() + std::string{":chunks_made"});
    std::erase_if(left_,
                  [&](const Left& left) { return made->contains(left.chunk.leaf.relation); });
    queue_.rewind();
    return true;
}

std::optional<Chunk> Backfill::take() {
    std::optional<Chunk> chunk;
    work_.in_transaction([&] { chunk = queue_.take(); });
    if (!helper_) work_.host().share_work(std::max(0, queue_.open() - 1));
    return chunk;
}

// What was found out about changes in one leaf may not hold in the next: it has its own indexes.
void Backfill::turn_to(const Leaf& leaf) {
    if (relation_ != 0 && relation_ != leaf.relation) rounds_.turn();
    relation_ = leaf.relation;
    work_.aim(leaf);
}

SweepEnd Backfill::all_chunks() {
    for (;;) {
        auto chunk = take();
        if (!chunk && !queue_.has_shunned() && (helper_ || queue_.open() == 0))
            return SweepEnd::finished;
        SweepEnd end = SweepEnd::finished;
        if (chunk) {
            end = try_chunk(*chunk);
            queue_.give_back();
        }
        // Whoever began the step makes the chunks anew.
        if (end == SweepEnd::rewritten && helper_) {
            queue_.shun(*chunk);
            std::erase_if(left_, [&](const Left& left) {
                return left.chunk.leaf.relation == chunk->leaf.relation;
            });
            work_.forget_passed_over(chunk->leaf);
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

SweepEnd Backfill::try_chunk(Chunk& chunk) {
    try {
        return one_chunk(chunk);
    } catch (const Gone& gone) {
        let_go_of(chunk.leaf, gone);
        return SweepEnd::finished;
    }
}

void Backfill::let_go_of(const Leaf& leaf, const Gone& gone) {
    work_.in_transaction([&] { let_go(task_, leaf.relation, gone.what_happened); });
    work_.forget_passed_over(leaf);
}

SweepEnd Backfill::one_chunk(Chunk& chunk) {
    PageSet locked;
    turn_to(chunk.leaf);
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
    if (in_rounds(chunk) && may_go_in_rounds())
        end = ChunkRounds{task_, work_, rounds_, patience_, chunk, locked}.run();
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
        turn_to(chunk.leaf);
        try {
            const SweepEnd end = again(chunk, locked, chunk.left);
            if (end != SweepEnd::finished) return end;
        } catch (const Gone& gone) {
            let_go_of(chunk.leaf, gone);
            continue;
        }
        work_.in_transaction([&] { finish_chunk(task_, chunk, chunk.left); });
    }
    return SweepEnd::finished;
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
