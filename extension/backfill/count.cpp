// Counting rows that a constraint would refuse, or in which old and new columns differ, page range
// by page range, so that no snapshot is held for long. Of a partitioned table leaf by leaf.
#include <algorithm>
#include <utility>

#include "backfill/engine.hpp"
#include "backfill/leaves.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"
#include "pg/fault.hpp"

namespace zdm::backfill {

namespace {

class Count {
public:
    Count(const Task& task, Host& host, std::string stage, std::size_t examples)
        : task_(task), work_(task, host), stage_(std::move(stage)), most_(examples) {}

    Matches run();

private:
    SweepEnd read_all();
    bool fix_ranges();
    bool add_extent(const Listed& listed, std::vector<Extent>& extents);
    SweepEnd read(Chunk& chunk);
    bool describe();
    void finish();

    const Task& task_;
    Work work_;
    std::string stage_;
    std::size_t most_;
    std::vector<Chunk> chunks_;
    std::vector<Row> some_;
    Matches result_;
};

// Counted from the start each time: only one pass has one answer.
SweepEnd Count::read_all() {
    result_.rows = 0;
    some_.clear();
    if (!fix_ranges()) return SweepEnd::stopped;
    for (auto& chunk : chunks_) {
        work_.aim(chunk.leaf);
        try {
            const SweepEnd end = read(chunk);
            if (end != SweepEnd::finished) return end;
        } catch (const Gone& gone) {
            // Its rows concern nobody any more; those that were counted don't either.
            work_.in_transaction([&] { let_go(task_, chunk.leaf.relation, gone.what_happened); });
            return SweepEnd::rewritten;
        }
    }
    return SweepEnd::finished;
}

// False: told to stop.
bool Count::fix_ranges() {
    std::vector<Listed> leaves;
    work_.in_transaction([&] { leaves = list_leaves(task_); });
    std::vector<Extent> extents;
    std::uint32_t longest = 1;
    std::int64_t pages = 0;
    for (const auto& listed : leaves)
        if (!add_extent(listed, extents)) return false;
    for (const auto& extent : extents) {
        longest = std::max(longest, extent.blocks);
        pages += extent.blocks;
    }
    work_.in_transaction([&] {
        make_chunks(task_, extents, longest);
        chunks_ = load_chunks(task_);
        work_.progress().begin(pages);
    });
    return true;
}

// False: told to stop.
bool Count::add_extent(const Listed& listed, std::vector<Extent>& extents) {
    if (!listed.fillable) throw not_fillable(task_, listed.leaf);
    work_.aim(listed.leaf);
    try {
        return work_.with_table([&](Table& table) {
            extents.push_back({table.leaf(), table.filenode(), table.blocks()});
        });
    } catch (const Gone&) {
        return true;
    }
}

SweepEnd Count::read(Chunk& chunk) {
    Work::Sweep sweep;
    sweep.stage = stage_;
    sweep.look_only = true;
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        if (!work_.progress().due(work_.host().now_ms())) return;
        work_.advance(chunk, batch.next.block, 0, batch.next.block);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        result_.rows += static_cast<std::int64_t>(batch.rows.size());
        for (const Tid row : batch.rows)
            if (some_.size() < most_) some_.push_back({chunk.leaf, row});
    };
    return work_.sweep(chunk.pages, sweep);
}

// False: told to stop.
bool Count::describe() {
    for (const auto& row : some_) {
        work_.aim(row.leaf);
        try {
            if (!work_.with_table(
                    [&](Table& table) { result_.examples.push_back(table.describe(row.place)); }))
                return false;
        } catch (const Gone&) {
            // It was one of them when it was read.
        }
    }
    return true;
}

void Count::finish() {
    work_.in_transaction([&] {
        // What is left stands in one place, whatever partition it is in.
        for (const auto& chunk : chunks_)
            finish_chunk(task_, chunk, &chunk == &chunks_.front() ? result_.rows : 0);
        work_.progress().write(work_.host().now_ms(), {});
    });
}

Matches Count::run() {
    SweepEnd end = SweepEnd::rewritten;
    while (end == SweepEnd::rewritten) end = read_all();
    if (end == SweepEnd::stopped || !describe()) return result_;
    finish();
    ZDM_FAULT(stage_ + ":finished");
    result_.outcome = Outcome::finished;
    return result_;
}

}  // namespace

Matches count_matches(const Task& task, Host& host, const std::string& stage,
                      std::size_t examples) {
    return Count{task, host, stage, examples}.run();
}

}  // namespace zdm::backfill
