// The last pass. It reads the whole table in small snapshots and proves that no row matches:
// 1. Without sync, it lets the transactions end that had written to the table when it began: their
//    rows may be older than the range, and nobody sees them yet.
// 2. It goes over the fixed range, fills what it finds, and remembers those pages.
// 3. It visits these pages until nothing matches there any more, and names who has a row locked.
// 4. Without sync, it counts what matches behind the fixed range.
// Rows that can't be changed and may be passed over (max_bad_rows) make it fail in the end.
#include <algorithm>

#include "backfill/bad_rows.hpp"
#include "backfill/engine.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"
#include "pg/error.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"

namespace zdm::backfill {

namespace {

using std::chrono::milliseconds;

// So many visits without anybody in the way, and without fewer rows than before, mean that filling
// does not help.
constexpr int kVainVisits = 10;
// How many of a visit's rows are asked for who has them locked.
constexpr std::size_t kAsked = 50;

class LastPassRun {
public:
    LastPassRun(const Task& task, Host& host) : task_(task), work_(task, host) {}

    LastPass run();

private:
    struct Visit {
        std::int64_t found = 0;
        std::int64_t changed = 0;
        std::vector<Tid> some;  // of the rows found
        std::string gave_way;   // to whom a batch had to
    };

    bool wait_for_writers();
    bool take_up();
    SweepEnd fill(Pages pages, Visit& visit);
    SweepEnd resolve();
    SweepEnd count_behind();
    void give_up(const Visit& visit);

    const Task& task_;
    Work work_;
    Chunk chunk_;                 // all of the table, as this step's progress
    std::uint32_t fill_end_ = 0;  // end of the range in which rows are filled
    PageSet found_on_;
    LastPass result_;
};

LastPass LastPassRun::run() {
    SweepEnd end = SweepEnd::rewritten;
    while (end == SweepEnd::rewritten) {
        result_.rows_left = 0;
        found_on_.take();
        if ((!task_.sync && !wait_for_writers()) || !take_up()) return result_;
        Visit ignored;
        end = fill({std::min(chunk_.next, fill_end_), fill_end_}, ignored);
        if (end == SweepEnd::finished) end = resolve();
        if (end == SweepEnd::finished) end = count_behind();
    }
    if (end == SweepEnd::stopped) return result_;
    if (work_.passed_over()) throw passed_over_error(task_);
    ZDM_FAULT("last_pass:before_finish");
    work_.in_transaction([&] {
        finish_chunk(task_, chunk_, result_.rows_left);
        work_.progress().write(work_.host().now_ms(), {});
        result_.rows_filled = chunk_totals(task_).rows;
        add_event(task_,
                  "read all of " + task_.name + ": " + std::to_string(result_.rows_filled) +
                      " more filled, " +
                      (result_.rows_left == 0 ? "none is left"
                                              : std::to_string(result_.rows_left) +
                                                    " written since the backfill began are left"));
    });
    ZDM_FAULT("last_pass:finished");
    result_.outcome = Outcome::finished;
    return result_;
}

bool LastPassRun::wait_for_writers() {
    std::vector<std::string> writers;
    work_.in_transaction([&] { writers = open_writers(task_); });
    while (!writers.empty()) {
        std::string who;
        work_.in_transaction([&] { who = still_open(task_, writers); });
        if (who.empty()) break;
        if (!work_.wait(milliseconds{200},
                        who + " wrote to " + task_.name + " and has its transaction still open"))
            return false;
    }
    work_.released();
    return true;
}

bool LastPassRun::take_up() {
    const bool ready = work_.with_table([&](Table& table) {
        auto chunks = load_chunks(task_);
        if (chunks.empty() || chunks.front().filenode != table.filenode()) {
            make_chunks(task_, table.filenode(), table.blocks(),
                        std::max<std::uint32_t>(table.blocks(), 1));
            chunks = load_chunks(task_);
        }
        chunk_ = chunks.front();
        // Pages that it was to visit again are not written down one by one, nor those of rows that
        // were passed over. All of those are tried again.
        work_.forget_passed_over();
        if (forget_bad_rows(task_, task_.step) > 0) {
            mark_left(task_, chunk_, 1);
            chunk_.left = 1;
        }
        forget_bad_rows(task_, task_.of);
        if (chunk_.left > 0) chunk_.next = chunk_.pages.first;
        fill_end_ = chunk_.pages.end;
        const auto fixed = fixed_range(task_, task_.of);
        if (!task_.sync && fixed && fixed->filenode == chunk_.filenode)
            fill_end_ = std::min(fill_end_, fixed->pages.end);
        work_.progress().begin(chunk_.pages.end);
    });
    ZDM_FAULT("last_pass:chunk_made");
    return ready;
}

SweepEnd LastPassRun::fill(Pages pages, Visit& visit) {
    Work::Sweep sweep;
    sweep.stage = "last_pass";
    sweep.filenode = chunk_.filenode;
    sweep.record = [&](const Batch& batch) {
        const bool due = work_.progress().due(work_.host().now_ms());
        if (!due && batch.rows.empty()) return;
        if (!batch.rows.empty() && chunk_.left == 0) mark_left(task_, chunk_, 1);
        chunk_.next = std::max(chunk_.next, batch.next.block);
        work_.advance(chunk_, chunk_.next, batch.changed, chunk_.next);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.rows.empty()) return;
        chunk_.left = 1;
        found_on_.add(batch.found_on());
        visit.found += static_cast<std::int64_t>(batch.rows.size());
        visit.changed += batch.changed;
        if (!batch.gave_way.empty()) visit.gave_way = batch.gave_way;
        for (const Tid row : batch.rows)
            if (visit.some.size() < kAsked) visit.some.push_back(row);
    };
    return work_.sweep(pages, sweep);
}

SweepEnd LastPassRun::resolve() {
    std::int64_t before = INT64_MAX;
    int vain = 0;
    while (!found_on_.empty()) {
        Visit visit;
        for (const Pages& pages : found_on_.take()) {
            const SweepEnd end = fill(pages, visit);
            if (end != SweepEnd::finished) return end;
        }
        if (visit.found == 0) break;
        std::string reason = visit.gave_way;
        if (reason.empty() && visit.changed < visit.found) {
            const std::string holder = work_.holder_of(visit.some);
            if (!holder.empty()) reason = "rows of " + task_.name + " are locked by " + holder;
        }
        if (!reason.empty()) {
            vain = 0;
            if (!work_.wait(milliseconds{200}, reason)) return SweepEnd::stopped;
        } else if (visit.found >= before && ++vain >= kVainVisits) {
            give_up(visit);
            break;
        } else if (vain > 1) {
            work_.host().sleep(milliseconds{20}, {});
        }
        before = visit.found;
    }
    work_.released();
    work_.in_transaction([&] { mark_left(task_, chunk_, 0); });
    chunk_.left = 0;
    return SweepEnd::finished;
}

// Rows match that nobody has locked.
void LastPassRun::give_up(const Visit& visit) {
    if (!task_.sync) {
        // An application may be writing them anew all the time.
        result_.rows_left += visit.found;
        return;
    }
    std::string row;
    std::string name;
    const auto describe = [&](Table& table) {
        row = table.describe(visit.some.front());
        name = migration_name(task_);
    };
    work_.with_table(describe);
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD206: rows of " + task_.name + " still match after they were visited",
                    "Row " + row + " is one of " + std::to_string(visit.found) +
                        "; nobody has it locked. A trigger of the table may skip the change.",
                    "Look at the triggers of " + task_.name + ", then call zdm_resume(" +
                        pg::quote_literal(name) + ")."};
}

SweepEnd LastPassRun::count_behind() {
    // The table may have grown since an earlier run of this step noted its size.
    std::uint32_t end = chunk_.pages.end;
    if (!task_.sync &&
        !work_.with_table([&](Table& table) { end = std::max(end, table.blocks()); }))
        return SweepEnd::stopped;
    Work::Sweep sweep;
    sweep.stage = "last_pass";
    sweep.filenode = chunk_.filenode;
    sweep.look_only = true;
    sweep.record = [&](const Batch&) { work_.write_progress_when_due(); };
    sweep.finished = [&](const Batch& batch) {
        result_.rows_left += static_cast<std::int64_t>(batch.rows.size());
    };
    return work_.sweep({fill_end_, end}, sweep);
}

}  // namespace

LastPass run_last_pass(const Task& task, Host& host) { return LastPassRun{task, host}.run(); }

}  // namespace zdm::backfill
