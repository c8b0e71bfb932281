// Statements in one transaction with their step's row: they happened together or not at all.
#include "pg/fault.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"
#include "sync/install.hpp"

namespace zdm::run::steps {

using catalog::StepState;
using catalog::StoredStep;

namespace {

// The user's text under the user's settings, zdm's own under the pinned path that is always set.
void run_text(const Context& context, const StoredStep& stored, const std::string& sql) {
    const auto path = stored.step.parameters.find("path");
    if (path != stored.step.parameters.end() && path->second == "user") {
        const LocalUserSettings settings{context.migration().settings};
        run_statements(sql);
        return;
    }
    run_statements(sql);
}

void run_and_mark(Context& context, const StoredStep& stored, const plan::Step& locks,
                  const std::string& sql, StepState after) {
    under_locks(context, locks, fault_name(context, stored), [&] {
        run_text(context, stored, sql);
        catalog::set_step(context.migration().id, stored.number, after);
    });
}

}  // namespace

void run_ddl(Context& context, const StoredStep& stored) {
    run_and_mark(context, stored, stored.step, stored.step.command, StepState::done);
}

void undo_ddl(Context& context, const StoredStep& stored) {
    if (!stored.step.undo.empty())
        run_and_mark(context, stored, with_exclusive_locks(stored.step), stored.step.undo,
                     StepState::undone);
}

void make_sync(Context& context, const StoredStep& stored, const std::string& command,
               StepState after) {
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        sync::install(stored.step.relation_oid, command);
        catalog::set_step(context.migration().id, stored.number, after);
    });
}

void drop_sync(Context& context, const StoredStep& stored, const std::string& command,
               StepState after) {
    under_locks(context, with_exclusive_locks(stored.step), fault_name(context, stored), [&] {
        sync::remove(stored.step.relation_oid, command);
        catalog::set_step(context.migration().id, stored.number, after);
    });
}

void run_sync(Context& context, const StoredStep& stored) {
    make_sync(context, stored, stored.step.command, StepState::done);
}

void run_unsync(Context& context, const StoredStep& stored) {
    drop_sync(context, stored, stored.step.command, StepState::done);
}

// Waits for no application: rows that others hold make it fail after a moment and start again.
void run_insert(Context& context, const StoredStep& stored) { run_ddl(context, stored); }

}  // namespace zdm::run::steps
