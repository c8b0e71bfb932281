#include "run/steps.hpp"

#include "pg/fault.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"

namespace zdm::run {

using catalog::StepState;
using catalog::StoredStep;
using plan::StepKind;

namespace {

std::string parameter(const StoredStep& stored, const char* name) {
    const auto found = stored.step.parameters.find(name);
    return found == stored.step.parameters.end() ? std::string{} : found->second;
}

// Intent first: from here on the step may have had effects.
void begin(Context& context, const StoredStep& stored) {
    ZDM_FAULT(fault_name(context, stored) + ":begin");
    pg::Transaction transaction;
    catalog::set_step(context.migration().id, stored.number, StepState::running);
    if (stored.state == StepState::pending || stored.state == StepState::undone)
        catalog::add_event(context.migration().id, "step", stored.number,
                           stored.step.command.substr(0, 1000));
    transaction.commit();
    ZDM_FAULT(fault_name(context, stored) + ":intent");
}

void execute(Context& context, const StoredStep& stored, bool resumed) {
    switch (stored.step.kind) {
    case StepKind::ddl:
    case StepKind::constraint: return steps::run_ddl(context, stored);
    case StepKind::sync: return steps::run_sync(context, stored);
    case StepKind::unsync: return steps::run_unsync(context, stored);
    case StepKind::backfill:
    case StepKind::delete_rows: return steps::run_backfill(context, stored);
    case StepKind::insert: return steps::run_insert(context, stored);
    case StepKind::last_pass: return steps::run_last_pass(context, stored);
    case StepKind::analyze: return steps::run_analyze(context, stored);
    case StepKind::index: return steps::run_index(context, stored, resumed);
    case StepKind::drop_index: return steps::run_drop_index(context, stored);
    case StepKind::gate: return steps::run_gate(context, stored);
    case StepKind::count: return steps::run_count(context, stored);
    case StepKind::validate: return steps::run_validate(context, stored, resumed);
    }
}

// Whether a step that was interrupted may have had effects that outlive its transaction.
bool may_linger(StepKind kind) { return kind == StepKind::index; }

}  // namespace

std::string fault_name(const Context& context, const StoredStep& stored) {
    return (context.undoing() ? "undo_" : "") + std::string{plan::to_text(stored.step.kind)};
}

backfill::Task task_of(const Context& context, const StoredStep& stored, const char* predicate) {
    backfill::Task task;
    task.migration = context.migration().id;
    task.step = stored.number;
    task.relation = stored.step.relation_oid;
    task.name = stored.step.relation;
    task.set_clause = parameter(stored, "set");
    task.predicate = parameter(stored, predicate);
    task.sync = parameter(stored, "sync") == "yes";
    const std::string of = parameter(stored, "of");
    task.of = of.empty() ? 0 : std::stoi(of);
    return task;
}

void mark(Context& context, const StoredStep& stored, StepState state) {
    pg::Transaction transaction;
    catalog::set_step(context.migration().id, stored.number, state);
    ZDM_FAULT(fault_name(context, stored) + ":before_mark");
    transaction.commit();
}

void run_step(Context& context, const StoredStep& stored, bool resumed) {
    begin(context, stored);
    {
        pg::Transaction transaction;
        check_relation(stored.step);
        transaction.commit();
    }
    execute(context, stored, resumed);
    ZDM_FAULT(fault_name(context, stored) + ":after_commit");
}

void undo_step(Context& context, const StoredStep& stored) {
    ZDM_FAULT(fault_name(context, stored) + ":begin");
    const bool effects = stored.state == StepState::done || may_linger(stored.step.kind);
    try {
        if (effects) switch (stored.step.kind) {
            case StepKind::ddl:
            case StepKind::constraint: steps::undo_ddl(context, stored); break;
            case StepKind::sync:
                steps::drop_sync(context, stored, stored.step.undo, StepState::undone);
                break;
            case StepKind::unsync:
                steps::make_sync(context, stored, stored.step.undo, StepState::undone);
                break;
            case StepKind::index: steps::undo_index(context, stored); break;
            case StepKind::drop_index:
            case StepKind::backfill:
            case StepKind::delete_rows:
            case StepKind::insert:
            case StepKind::last_pass:
            case StepKind::analyze:
            case StepKind::gate:
            case StepKind::count:
            case StepKind::validate: break;  // leaves nothing that would have to go
            }
    } catch (const pg::Error& error) {
        // What is gone need not be taken back. A table with another name is not gone.
        pg::Transaction transaction;
        const bool gone = stored.step.relation_oid != 0 && !relation_exists(stored.step);
        transaction.commit();
        if (!gone) throw;
    }
    mark(context, stored, StepState::undone);
    ZDM_FAULT(fault_name(context, stored) + ":after_commit");
}

}  // namespace zdm::run
