#include "backfill/delete_pass.hpp"

#include <map>

#include "backfill/bad_rows.hpp"
#include "backfill/leaves.hpp"
#include "backfill/state.hpp"

namespace zdm::backfill {

namespace {

// Between two visits of rows that it waits for. So many visits without anybody in the way mean that
// something else keeps them.
constexpr std::chrono::milliseconds kWaitForRows{200};
constexpr int kVainVisits = 10;
// How many of a visit's rows are asked for who has them locked.
constexpr std::size_t kAsked = 50;

class DeletePass {
public:
    DeletePass(const Task& task, Work& work) : task_(task), work_(work) {}

    SweepEnd run(std::int64_t& left);

private:
    // What one visit of the whole table could not delete.
    struct Visit {
        std::int64_t left = 0;
        std::vector<Row> some;  // rows of batches that left some
        std::string gave_way;   // to whom a batch had to
    };

    SweepEnd visit_all(Visit& visit);
    SweepEnd visit_leaf(Chunk all, Visit& visit);
    SweepEnd count_late(std::int64_t& rows);

    const Task& task_;
    Work& work_;
    std::vector<Listed> late_;  // partitions that came since the range was fixed
};

SweepEnd DeletePass::run(std::int64_t& left) {
    for (int vain = 0; vain < kVainVisits;) {
        work_.in_transaction([&] { forget_bad_rows(task_, task_.step); });
        work_.forget_passed_over();
        Visit visit;
        const SweepEnd end = visit_all(visit);
        if (end != SweepEnd::finished) return end;
        left = visit.left;
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
    std::int64_t late = 0;
    const SweepEnd end = count_late(late);
    if (end == SweepEnd::finished && late > 0)
        work_.in_transaction([&] {
            add_event(task_, std::to_string(late) + " rows that match are left in " +
                                 (task_.tree ? "child tables" : "partitions") + " of " +
                                 task_.name + " that were attached since it began");
        });
    return end;
}

SweepEnd DeletePass::visit_all(Visit& visit) {
    std::vector<Listed> leaves;
    std::map<std::uint32_t, Chunk> first;
    work_.in_transaction([&] {
        leaves = list_leaves(task_);
        for (const auto& chunk : load_chunks(task_)) first.emplace(chunk.leaf.relation, chunk);
    });
    late_.clear();
    for (const auto& listed : leaves) {
        const auto chunk = first.find(listed.leaf.relation);
        if (chunk == first.end()) {
            late_.push_back(listed);
            continue;
        }
        try {
            const SweepEnd end = visit_leaf(chunk->second, visit);
            if (end != SweepEnd::finished) return end;
        } catch (const Gone&) {
            // Its rows are none of the table's.
        }
    }
    return SweepEnd::finished;
}

SweepEnd DeletePass::visit_leaf(Chunk all, Visit& visit) {
    work_.aim(all.leaf);
    if (!work_.with_table([&](Table& table) { all.pages = {0, table.blocks()}; }))
        return SweepEnd::stopped;
    Work::Sweep sweep;
    sweep.stage = "delete";
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
            if (visit.some.size() < kAsked) visit.some.push_back({all.leaf, row});
    };
    return work_.sweep(all.pages, sweep);
}

// Nobody has said that their rows may go: they were not of the table when it began.
SweepEnd DeletePass::count_late(std::int64_t& rows) {
    for (const auto& listed : late_) {
        if (!listed.fillable) {
            work_.in_transaction([&] {
                add_event(task_, task_.called() + listed.leaf.name +
                                     " was attached since it began and can't be read: its rows "
                                     "are not counted");
            });
            continue;
        }
        work_.aim(listed.leaf);
        Work::Sweep sweep;
        sweep.stage = "delete";
        sweep.look_only = true;
        sweep.record = [&](const Batch&) { work_.write_progress_when_due(); };
        sweep.finished = [&](const Batch& batch) {
            rows += static_cast<std::int64_t>(batch.rows.size());
        };
        std::uint32_t blocks = 0;
        try {
            const bool ready = work_.with_table([&](Table& table) {
                blocks = table.blocks();
                sweep.filenode = table.filenode();
            });
            if (!ready) return SweepEnd::stopped;
            // Rewritten at this moment: the rest of it is not counted.
            if (work_.sweep({0, blocks}, sweep) == SweepEnd::stopped) return SweepEnd::stopped;
        } catch (const Gone&) {
        }
    }
    return SweepEnd::finished;
}

}  // namespace

SweepEnd finish_delete(const Task& task, Work& work, std::int64_t& left) {
    return DeletePass{task, work}.run(left);
}

}  // namespace zdm::backfill
