// Statements in one transaction with their step's row: they happened together or not at all.
#include "pg/error.hpp"
#include "pg/fault.hpp"
#include "pg/transaction.hpp"
#include "plan/hanging.hpp"
#include "plan/text.hpp"
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

// What the step makes anew, or removes with a column, must be what it was when it was planned
// (zdm_start); under the step's locks, so that it stays so.
void require_as_planned(const StoredStep& stored) {
    const auto& parameters = stored.step.parameters;
    const auto changed = plan::changed_since(stored.step.relation_oid, parameters);
    if (changed.empty()) return;
    const std::string keep = parameters.count("places") == 0
                                 ? ""
                                 : " (what you want to keep, put on the column that stays)";
    throw pg::Error{
        pg::state::kNotInPrerequisiteState,
        "ZD211: what hangs on a column of " + stored.step.relation +
            " is not what it was when the migration was started",
        "Since then: " + plan::join(changed) + ". The step would set that back or lose it.",
        "Make it as it was" + keep + " and call zdm_resume; or zdm_rollback, and plan again."};
}

// Tables that inherit, or did when they got the trigger, which names the same columns there.
std::vector<std::uint32_t> children_with_trigger(const Context& context, const StoredStep& stored) {
    std::vector<std::uint32_t> children;
    if (stored.step.parameters.count("children") == 0) return children;
    for (const auto& other : catalog::load_steps(context.migration().id)) {
        const auto table = other.step.parameters.find("table");
        if (other.step.kind == plan::StepKind::sync && table != other.step.parameters.end() &&
            table->second == stored.step.relation)
            children.push_back(other.step.relation_oid);
    }
    return children;
}

// The triggers that are there go, columns change their names, others come.
void change_hands(const StoredStep& stored, const std::vector<std::uint32_t>& children) {
    const auto& parameters = stored.step.parameters;
    sync::remove(stored.step.relation_oid, parameters.at("drop"));
    for (const auto child : children) sync::remove(child);
    run_script(stored, parameters.at("turn"));
    sync::install(stored.step.relation_oid, parameters.at("create"));
    for (const auto child : children)
        if (is_below(child, stored.step.relation))
            sync::install_behind(child, parameters.at("create_behind"));
}

}  // namespace

void run_ddl(Context& context, const StoredStep& stored) {
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        require_proven(stored);
        run_text(context, stored, stored.step.command);
        set_mark(context, stored, StepState::done);
    });
}

void run_sync(Context& context, const StoredStep& stored) {
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        const auto& parameters = stored.step.parameters;
        require_as_planned(stored);
        if (parameters.count("turn") == 0) {
            sync::install(stored.step.relation_oid, stored.step.command);
        } else {
            require_triggers(stored);
            change_hands(stored, children_with_trigger(context, stored));
        }
        set_mark(context, stored, StepState::done);
    });
}

namespace {

void remove_sync(Context& context, const StoredStep& stored) {
    under_locks(context, stored.step, fault_name(context, stored), [&] {
        const auto& parameters = stored.step.parameters;
        require_as_planned(stored);
        require_verified(context, stored);
        const auto then = parameters.find("then");
        if (then == parameters.end()) {
            sync::remove(stored.step.relation_oid, stored.step.command);
        } else {
            sync::remove(stored.step.relation_oid, parameters.at("drop"));
            for (const auto child : children_with_trigger(context, stored)) sync::remove(child);
            run_script(stored, then->second);
        }
        set_mark(context, stored, StepState::done);
    });
}

}  // namespace

void run_unsync(Context& context, const StoredStep& stored) {
    for (;;) {
        try {
            return remove_sync(context, stored);
        } catch (const Outdated&) {
        }
        verify_again(context, stored);
    }
}

// Waits for no application: rows that others hold make it fail after a moment and start again.
void run_insert(Context& context, const StoredStep& stored) { run_ddl(context, stored); }

}  // namespace zdm::run::steps
