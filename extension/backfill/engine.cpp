#include "backfill/engine.hpp"

#include "backfill/chunk_rounds.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

namespace {

// A table of so few pages is filled in one go: rounds would take longer than they save.
constexpr std::uint32_t kFewPages = 128;

// "1 row", "5 rows".
std::string counted(std::int64_t number, const char* one, const char* many) {
    return std::to_string(number) + " " + (number == 1 ? one : many);
}

class Backfill {
public:
    Backfill(const Task& task, Host& host) : task_(task), work_(task, host) {}

    Outcome run() {
        SweepEnd end = SweepEnd::rewritten;
        // Once more from the start whenever the table was rewritten under us.
        while (end == SweepEnd::rewritten) {
            if (!take_up()) return Outcome::stopped;
            end = all_chunks();
            if (end == SweepEnd::finished) end = left_rows();
        }
        if (end == SweepEnd::stopped) return Outcome::stopped;
        finish();
        return Outcome::finished;
    }

private:
    // Loads the chunks, or makes them when there are none or when they are those of another file.
    bool take_up();
    SweepEnd all_chunks();
    SweepEnd one_chunk(Chunk& chunk);
    // Tries the ranges of one chunk again in which rows were locked. `left` becomes their number.
    SweepEnd again(const Chunk& chunk, PageSet& locked, std::int64_t& left);
    SweepEnd left_rows();
    void finish();
    bool in_rounds() const {
        return !task_.set_clause.empty() && rounds_.pay() && chunks_.back().pages.end >= kFewPages;
    }
    const char* stage() const { return task_.set_clause.empty() ? "delete" : "backfill"; }

    const Task& task_;
    Work work_;
    std::vector<Chunk> chunks_;
    std::vector<PageSet> locked_;  // of each chunk, as far as this run has seen
    Rounds rounds_;
};

bool Backfill::take_up() {
    const bool ready = work_.with_table([&](Table& table) {
        chunks_ = load_chunks(task_);
        const bool first = chunks_.empty();
        if (!first && chunks_.front().filenode == table.filenode()) return;
        std::int64_t rows = 0;
        for (const auto& chunk : chunks_) rows += chunk.rows;
        make_chunks(task_, table.filenode(), table.blocks(), chunk_pages(table.blocks()), rows);
        chunks_ = load_chunks(task_);
        add_event(task_, (first ? "begins with " : "the table was rewritten, begins again with ") +
                             counted(table.blocks(), "page", "pages") + " of " + task_.name +
                             " in " +
                             counted(static_cast<std::int64_t>(chunks_.size()), "chunk", "chunks"));
        ZDM_FAULT(stage() + std::string{":chunks_before_commit"});
    });
    if (!ready) return false;
    ZDM_FAULT(stage() + std::string{":chunks_made"});
    locked_.assign(chunks_.size(), PageSet{});
    std::int64_t pages = 0;
    std::int64_t done = 0;
    std::int64_t rows = 0;
    for (const auto& chunk : chunks_) {
        pages += std::int64_t{chunk.pages.end} - chunk.pages.first;
        done += std::int64_t{chunk.next} - chunk.pages.first;
        rows += chunk.rows;
    }
    work_.in_transaction([&] { work_.progress().load(rows); });
    work_.progress().set_pages(pages, done);
    return true;
}

SweepEnd Backfill::all_chunks() {
    for (auto& chunk : chunks_) {
        if (chunk.done) continue;
        const SweepEnd end = one_chunk(chunk);
        if (end != SweepEnd::finished) return end;
    }
    return SweepEnd::finished;
}

SweepEnd Backfill::one_chunk(Chunk& chunk) {
    PageSet& locked = locked_[static_cast<std::size_t>(chunk.number)];
    Work::Sweep sweep;
    sweep.stage = stage();
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        advance_chunk(task_, chunk.number, batch.next.block, batch.changed);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.left() > 0) locked.add(batch.found_on());
    };
    SweepEnd end = SweepEnd::finished;
    if (in_rounds())
        end = ChunkRounds{task_, work_, rounds_, chunk, locked}.run();
    else
        end = work_.sweep({chunk.next, chunk.pages.end}, sweep);
    // Most row locks of an application are gone by now.
    if (end == SweepEnd::finished) end = again(chunk, locked, chunk.left);
    if (end != SweepEnd::finished) return end;
    work_.in_transaction([&] { finish_chunk(task_, chunk.number, chunk.left); });
    chunk.done = true;
    ZDM_FAULT(stage() + std::string{":chunk_done"});
    return SweepEnd::finished;
}

SweepEnd Backfill::again(const Chunk& chunk, PageSet& locked, std::int64_t& left) {
    left = 0;
    Work::Sweep sweep;
    sweep.stage = stage();
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        if (batch.changed > 0) advance_chunk(task_, chunk.number, chunk.pages.end, batch.changed);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        work_.progress().add(0, -batch.pages());
        if (batch.left() <= 0) return;
        left += batch.left();
        locked.add(batch.found_on());
    };
    for (const Pages& pages : locked.take()) {
        const SweepEnd end = work_.sweep(pages, sweep);
        if (end != SweepEnd::finished) return end;
    }
    return SweepEnd::finished;
}

// Once more at the very end. What is locked even then is the last pass's to wait for.
SweepEnd Backfill::left_rows() {
    for (auto& chunk : chunks_) {
        PageSet& locked = locked_[static_cast<std::size_t>(chunk.number)];
        if (locked.empty()) continue;
        const SweepEnd end = again(chunk, locked, chunk.left);
        if (end != SweepEnd::finished) return end;
        work_.in_transaction([&] { finish_chunk(task_, chunk.number, chunk.left); });
    }
    return SweepEnd::finished;
}

// The one transaction that commits synchronously, and with it all batches before it.
void Backfill::finish() {
    std::int64_t left = 0;
    for (const auto& chunk : chunks_) left += chunk.left;
    work_.in_transaction([&] {
        work_.progress().write(work_.host().now_ms(), {});
        const double seconds = step_seconds(task_);
        const char* done = task_.set_clause.empty() ? "deleted " : "filled ";
        add_event(task_,
                  done + counted(work_.progress().rows(), "row", "rows") + " of " + task_.name +
                      " in " +
                      counted(static_cast<std::int64_t>(seconds + 0.5), "second", "seconds") +
                      (left == 0 ? ""
                                 : "; " + std::to_string(left) +
                                       " were locked by others and are left for the "
                                       "last pass"));
    });
    ZDM_FAULT(stage() + std::string{":finished"});
}

}  // namespace

Outcome run_backfill(const Task& task, Host& host) { return Backfill{task, host}.run(); }

}  // namespace zdm::backfill
