// Running and undoing one step. Each may be called again after any crash.
#pragma once

#include "backfill/engine.hpp"
#include "catalog/migration.hpp"
#include "pg/error.hpp"
#include "run/context.hpp"

namespace zdm::run {

// Runs the step and marks it done, committing as it goes. `resumed`: it had begun before.
void run_step(Context& context, const catalog::StoredStep& stored, bool resumed);
// Runs the next part of the step's undo, and with the last one marks the step undone.
void undo_step(Context& context, const catalog::StoredStep& stored);

// The families, for run_step and undo_step alone. Each takes a step or, as a step of its kind, a
// part of an undo.
namespace steps {
void run_ddl(Context& context, const catalog::StoredStep& stored);
void run_sync(Context& context, const catalog::StoredStep& stored);
void run_unsync(Context& context, const catalog::StoredStep& stored);
void run_backfill(Context& context, const catalog::StoredStep& stored);
void run_insert(Context& context, const catalog::StoredStep& stored);
void run_last_pass(Context& context, const catalog::StoredStep& stored);
void run_analyze(Context& context, const catalog::StoredStep& stored);
void run_index(Context& context, const catalog::StoredStep& stored, bool resumed);
// Throws ZD203 when something else has the name of the index; in the caller's transaction.
void refuse_taken_name(const catalog::StoredStep& stored);
void run_drop_index(Context& context, const catalog::StoredStep& stored);
void run_attach(Context& context, const catalog::StoredStep& stored);
void run_whole_index(Context& context, const catalog::StoredStep& stored);
// How the partition of a step stands to the partitioned table whose index it helps to make; open
// for all other steps.
enum class Standing {
    open,      // its index is to be built and attached
    attached,  // it has one already, from the server
    left,      // it is no partition, or child, any more
    gone,      // there is no such table any more, and that is no harm
};
Standing standing_of(const catalog::StoredStep& stored);
// Throws ZD203 when a partition lacks the constraint that the step takes over from all of them; in
// the caller's transaction.
void require_proven(const catalog::StoredStep& stored);
// Runs the statements of a step in the caller's transaction, but for those about partitions that
// have left its table.
void run_script(const catalog::StoredStep& stored, const std::string& sql);
// Whether it is a partition of the table, or inherits from it, over however many levels.
bool is_below(std::uint32_t relation, const std::string& table);
// Throws ZD203 where columns of a table and its children change hands and nobody keeps those of a
// child in step.
void require_triggers(const Context& context, const catalog::StoredStep& stored);
// Takes away what an interrupted build left.
void clear_index(const catalog::StoredStep& stored);
void run_gate(Context& context, const catalog::StoredStep& stored);
void run_count(Context& context, const catalog::StoredStep& stored);
void run_verify(Context& context, const catalog::StoredStep& stored);
// Thrown where what the comparison of a table's columns said may not be true any more.
struct Outdated {};
// Throws Outdated if so, and ZD203 where nobody keeps the columns of a child equal; in the caller's
// transaction, under its locks.
void require_verified(const Context& context, const catalog::StoredStep& stored);
// Compares again.
void verify_again(Context& context, const catalog::StoredStep& stored);
void run_validate(Context& context, const catalog::StoredStep& stored, bool resumed);
}  // namespace steps

// The step as the backfill engine takes it; `predicate` names the parameter that selects its rows.
backfill::Task task_of(const Context& context, const catalog::StoredStep& stored,
                       const char* predicate = "predicate");

// Marks a step, or the part of an undo, in the caller's transaction.
void set_mark(const Context& context, const catalog::StoredStep& stored, catalog::StepState state);
// The same in a transaction of its own.
void mark(Context& context, const catalog::StoredStep& stored, catalog::StepState state);
// Keeps old row versions where a standby needs that (backfill/hold.hpp): what zdm itself writes
// down until the first batch leaves some as well, and what a process has once found to be of no use
// stays so for it. In its first transaction.
void keep_versions_early();
// And takes that back, outside transactions, where no batches are to come.
void release_versions_unless_needed(std::int64_t migration);
// What to do about rows that a constraint or a unique index refuses.
std::string hint_for_rows(const Context& context);
// Name of a fault point: the kind, with "undo_" before it while undoing.
std::string fault_name(const Context& context, const catalog::StoredStep& stored);

}  // namespace zdm::run
