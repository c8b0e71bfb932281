// The last pass. It reads the whole table in small snapshots and proves that no row matches:
// 1. Without sync, it lets the transactions end that had written to the table when it began: their
//    rows may be older than the range, and nobody sees them yet.
// 2. It goes over the fixed range, fills what it finds, and remembers those pages.
// 3. It visits these pages until nothing matches there any more, and names who has a row locked.
// 4. Without sync, it counts what matches behind the fixed range.
// Each for all leaves of a partitioned table as they are now, so change none of them before: of a
// partition that was attached since the range was fixed, all is behind it. Rows that can't be
// changed and may be passed over (max_bad_rows) make it fail in the end.
#include <algorithm>
#include <functional>
#include <map>

#include "backfill/bad_rows.hpp"
#include "backfill/engine.hpp"
#include "backfill/leaves.hpp"
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
// Ranges of pages to visit again, of all leaves together.
constexpr std::size_t kRanges = 65536;

class LastPassRun {
public:
    LastPassRun(const Task& task, Host& host) : task_(task), work_(task, host) {}

    LastPass run();

private:
    struct Visit {
        std::int64_t found = 0;
        std::int64_t changed = 0;
        std::vector<Row> some;  // of the rows found
        std::string gave_way;   // to whom a batch had to
    };
    struct Part {
        Chunk chunk;                 // all of a leaf, as this step's progress
        std::uint32_t fill_end = 0;  // end of the range in which rows are filled
        PageSet found_on;
        std::int64_t behind = 0;  // rows that match behind that
        bool gone = false;        // detached or dropped meanwhile
    };

    bool wait_for_writers();
    bool take_up();
    bool make_chunk(const Listed& listed, bool late);
    void make_parts(const std::vector<Listed>& leaves);
    std::uint32_t fill_end(const Chunk& chunk) const;
    SweepEnd each(const std::function<SweepEnd(Part&)>& work);
    SweepEnd fill(Part& part, Pages pages, Visit& visit);
    SweepEnd resolve();
    SweepEnd count_behind(Part& part);
    void give_up(const Visit& visit);
    void finish();
    bool is_late(std::uint32_t relation) const {
        return !task_.sync && !fixed_.empty() && !fixed_.contains(relation);
    }

    const Task& task_;
    Work work_;
    std::map<std::uint32_t, Extent> fixed_;  // the range of the backfill
    std::vector<Part> parts_;
    LastPass result_;
};

LastPass LastPassRun::run() {
    SweepEnd end = SweepEnd::rewritten;
    while (end == SweepEnd::rewritten) {
        result_.rows_left = 0;
        if ((!task_.sync && !wait_for_writers()) || !take_up()) return result_;
        Visit ignored;
        end = each([&](Part& part) {
            return fill(part, {std::min(part.chunk.next, part.fill_end), part.fill_end}, ignored);
        });
        if (end == SweepEnd::finished) end = resolve();
        if (end == SweepEnd::finished) end = each([&](Part& part) { return count_behind(part); });
    }
    if (end == SweepEnd::stopped) return result_;
    if (work_.passed_over()) throw passed_over_error(task_);
    ZDM_FAULT("last_pass:before_finish");
    work_.in_transaction([&] { finish(); });
    ZDM_FAULT("last_pass:finished");
    result_.outcome = Outcome::finished;
    return result_;
}

void LastPassRun::finish() {
    for (const auto& part : parts_) {
        if (part.gone) continue;
        finish_chunk(task_, part.chunk, part.behind);
        result_.rows_left += part.behind;
    }
    work_.progress().write(work_.host().now_ms(), {});
    result_.rows_filled = chunk_totals(task_).rows;
    add_event(task_,
              "read all of " + task_.name + ": " + std::to_string(result_.rows_filled) +
                  " more filled, " +
                  (result_.rows_left == 0 ? "none is left"
                                          : std::to_string(result_.rows_left) +
                                                " written since the backfill began are left"));
}

bool LastPassRun::wait_for_writers() {
    std::vector<Leaf> leaves;
    std::vector<std::string> writers;
    work_.in_transaction([&] {
        for (const auto& listed : list_leaves(task_)) leaves.push_back(listed.leaf);
        writers = open_writers(leaves);
    });
    while (!writers.empty()) {
        std::string who;
        work_.in_transaction([&] { who = still_open(leaves, writers); });
        if (who.empty()) break;
        if (!work_.wait(milliseconds{200},
                        who + " wrote to " + task_.name + " and has its transaction still open"))
            return false;
    }
    work_.released();
    return true;
}

// Runs work for one leaf after the other. One that is detached or dropped concerns nobody.
SweepEnd LastPassRun::each(const std::function<SweepEnd(Part&)>& work) {
    for (auto& part : parts_) {
        if (part.gone) continue;
        const Leaf& leaf = part.chunk.leaf;
        work_.aim(leaf);
        try {
            const SweepEnd end = work(part);
            if (end != SweepEnd::finished) return end;
        } catch (const Gone& gone) {
            part.gone = true;
            part.found_on.take();
            work_.forget_passed_over(leaf);
            work_.in_transaction([&] { let_go(task_, leaf.relation, gone.what_happened); });
        }
    }
    return SweepEnd::finished;
}

bool LastPassRun::take_up() {
    std::vector<Listed> leaves;
    std::map<std::uint32_t, std::uint32_t> files;
    work_.in_transaction([&] {
        leaves = list_leaves(task_);
        fixed_ = fixed_ranges(task_, task_.of);
        for (const auto& chunk : load_chunks(task_)) files[chunk.leaf.relation] = chunk.filenode;
    });
    for (const auto& listed : leaves) {
        const auto file = files.find(listed.leaf.relation);
        if (file != files.end() && file->second == listed.filenode) continue;
        if (!make_chunk(listed, is_late(listed.leaf.relation))) return false;
    }
    work_.in_transaction([&] { make_parts(leaves); });
    ZDM_FAULT("last_pass:chunk_made");
    return true;
}

// False: told to stop.
bool LastPassRun::make_chunk(const Listed& listed, bool late) {
    if (late && !listed.fillable) {
        work_.in_transaction([&] {
            add_event(task_, task_.called() + listed.leaf.name +
                                 " was attached since the backfill began and can't be read: its "
                                 "rows are not counted");
        });
        return true;
    }
    work_.aim(listed.leaf);
    try {
        return work_.with_table([&](Table& table) {
            make_chunks_anew(task_, {table.leaf(), table.filenode(), table.blocks()},
                             std::max<std::uint32_t>(table.blocks(), 1));
        });
    } catch (const Gone&) {
        return true;
    }
}

void LastPassRun::make_parts(const std::vector<Listed>& leaves) {
    // Pages that it was to visit again are not written down one by one, nor those of rows that were
    // passed over. All of those are tried again.
    work_.forget_passed_over();
    const bool again = forget_bad_rows(task_, task_.step) > 0;
    forget_bad_rows(task_, task_.of);
    std::int64_t pages = 0;
    parts_.clear();
    for (auto& chunk : load_chunks(task_)) {
        const auto is_it = [&](const Listed& l) { return l.leaf.relation == chunk.leaf.relation; };
        if (std::none_of(leaves.begin(), leaves.end(), is_it)) {
            let_go_chunks(task_, chunk.leaf.relation);
            continue;
        }
        if (again) {
            chunk.left = 1;
            mark_left(task_, chunk, 1);
        }
        if (chunk.left > 0) chunk.next = chunk.pages.first;
        pages += chunk.pages.end;
        parts_.push_back({chunk, fill_end(chunk), PageSet{}, 0, false});
    }
    for (auto& part : parts_)
        part.found_on =
            PageSet{std::max<std::size_t>(kRanges / std::max<std::size_t>(parts_.size(), 16), 4)};
    work_.progress().begin(pages);
}

std::uint32_t LastPassRun::fill_end(const Chunk& chunk) const {
    // New rows are filled by the trigger, and those that came with a partition are to be as well.
    if (task_.sync) return chunk.pages.end;
    if (is_late(chunk.leaf.relation)) return 0;
    const auto fixed = fixed_.find(chunk.leaf.relation);
    if (fixed == fixed_.end() || fixed->second.filenode != chunk.filenode) return chunk.pages.end;
    return std::min(chunk.pages.end, fixed->second.blocks);
}

SweepEnd LastPassRun::fill(Part& part, Pages pages, Visit& visit) {
    Chunk& chunk = part.chunk;
    Work::Sweep sweep;
    sweep.stage = "last_pass";
    sweep.filenode = chunk.filenode;
    sweep.record = [&](const Batch& batch) {
        const bool due = work_.progress().due(work_.host().now_ms());
        if (!due && batch.rows.empty()) return;
        if (!batch.rows.empty() && chunk.left == 0) mark_left(task_, chunk, 1);
        chunk.next = std::max(chunk.next, batch.next.block);
        work_.advance(chunk, chunk.next, batch.changed, chunk.next);
        work_.write_progress_when_due();
    };
    sweep.finished = [&](const Batch& batch) {
        if (batch.rows.empty()) return;
        chunk.left = 1;
        part.found_on.add(batch.found_on());
        visit.found += static_cast<std::int64_t>(batch.rows.size());
        visit.changed += batch.changed;
        if (!batch.gave_way.empty()) visit.gave_way = batch.gave_way;
        for (const Tid row : batch.rows)
            if (visit.some.size() < kAsked) visit.some.push_back({chunk.leaf, row});
    };
    return work_.sweep(pages, sweep);
}

SweepEnd LastPassRun::resolve() {
    std::int64_t before = INT64_MAX;
    int vain = 0;
    const auto open = [](const Part& part) { return !part.found_on.empty(); };
    while (std::any_of(parts_.begin(), parts_.end(), open)) {
        Visit visit;
        const SweepEnd visited = each([&](Part& part) {
            SweepEnd end = SweepEnd::finished;
            for (const Pages& pages : part.found_on.take())
                if (end == SweepEnd::finished) end = fill(part, pages, visit);
            return end;
        });
        if (visited != SweepEnd::finished) return visited;
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
    work_.in_transaction([&] {
        for (auto& part : parts_) {
            if (part.chunk.left > 0) mark_left(task_, part.chunk, 0);
            part.chunk.left = 0;
        }
    });
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
        row = table.describe(visit.some.front().place);
        name = migration_name(task_);
    };
    work_.aim(visit.some.front().leaf);
    work_.with_table(describe);
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD206: rows of " + task_.name + " still match after they were visited",
                    "Row " + row + " is one of " + std::to_string(visit.found) +
                        "; nobody has it locked. A trigger of the table may skip the change.",
                    "Look at the triggers of " + task_.name + ", then call zdm_resume(" +
                        pg::quote_literal(name) + ")."};
}

SweepEnd LastPassRun::count_behind(Part& part) {
    // The table may have grown since an earlier run of this step noted its size.
    std::uint32_t end = part.chunk.pages.end;
    if (!task_.sync &&
        !work_.with_table([&](Table& table) { end = std::max(end, table.blocks()); }))
        return SweepEnd::stopped;
    part.behind = 0;
    Work::Sweep sweep;
    sweep.stage = "last_pass";
    sweep.filenode = part.chunk.filenode;
    sweep.look_only = true;
    sweep.record = [&](const Batch&) { work_.write_progress_when_due(); };
    sweep.finished = [&](const Batch& batch) {
        part.behind += static_cast<std::int64_t>(batch.rows.size());
    };
    return work_.sweep({part.fill_end, end}, sweep);
}

}  // namespace

LastPass run_last_pass(const Task& task, Host& host) { return LastPassRun{task, host}.run(); }

}  // namespace zdm::backfill
