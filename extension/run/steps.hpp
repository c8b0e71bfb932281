// Running and undoing one step. Each may be called again after any crash.
#pragma once

#include "backfill/engine.hpp"
#include "catalog/migration.hpp"
#include "pg/error.hpp"
#include "run/context.hpp"

namespace zdm::run {

// Runs the step and marks it done, committing as it goes. `resumed`: it had begun before.
void run_step(Context& context, const catalog::StoredStep& stored, bool resumed);
// Takes the step back and marks it undone.
void undo_step(Context& context, const catalog::StoredStep& stored);

// The families, for run_step and undo_step alone.
namespace steps {
void run_ddl(Context& context, const catalog::StoredStep& stored);
void undo_ddl(Context& context, const catalog::StoredStep& stored);
void run_sync(Context& context, const catalog::StoredStep& stored);
void run_unsync(Context& context, const catalog::StoredStep& stored);
void make_sync(Context& context, const catalog::StoredStep& stored, const std::string& command,
               catalog::StepState after);
void drop_sync(Context& context, const catalog::StoredStep& stored, const std::string& command,
               catalog::StepState after);
void run_backfill(Context& context, const catalog::StoredStep& stored);
void run_insert(Context& context, const catalog::StoredStep& stored);
void run_last_pass(Context& context, const catalog::StoredStep& stored);
void run_analyze(Context& context, const catalog::StoredStep& stored);
void run_index(Context& context, const catalog::StoredStep& stored, bool resumed);
void undo_index(Context& context, const catalog::StoredStep& stored);
void run_drop_index(Context& context, const catalog::StoredStep& stored);
void run_gate(Context& context, const catalog::StoredStep& stored);
void run_count(Context& context, const catalog::StoredStep& stored);
void run_validate(Context& context, const catalog::StoredStep& stored, bool resumed);
}  // namespace steps

// The step as the backfill engine takes it; `predicate` names the parameter that selects its rows.
backfill::Task task_of(const Context& context, const catalog::StoredStep& stored,
                       const char* predicate = "predicate");

// Marks a step in a transaction of its own.
void mark(Context& context, const catalog::StoredStep& stored, catalog::StepState state);
// Name of a fault point: the kind, with "undo_" before it while undoing.
std::string fault_name(const Context& context, const catalog::StoredStep& stored);

}  // namespace zdm::run
