// Statements in one transaction with their step's row: they happened together or not at all.
#include "pg/error.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/hanging.hpp"
#include "plan/hanging_below.hpp"
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
    auto changed = plan::changed_since(stored.step.relation_oid, parameters);
    if (const auto below = parameters.find("below"); below != parameters.end()) {
        const auto own = parameters.find("own");
        for (const auto& thing :
             plan::changed_below(stored.step.relation_oid, below->second,
                                 own == parameters.end() ? std::string{} : own->second))
            changed.push_back(thing);
    }
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

// Of a column that only this migration knows a table that inherits no more keeps nothing: where it
// is NOT NULL, nobody could write to the table when the trigger is gone.
constexpr auto kDropPrivate =
    "SELECT pg_catalog.format('ALTER TABLE %s DROP COLUMN %I;', attrelid::pg_catalog.regclass,"
    " attname) FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid"
    " AND pg_catalog.quote_ident(attname) = ANY (pg_catalog.string_to_array($2, E'\\n'))"
    " AND attinhcount = 0";

void drop_private(const StoredStep& stored, std::uint32_t child) {
    const auto columns = stored.step.parameters.find("private");
    if (columns == stored.step.parameters.end()) return;
    for (const auto& drop : pg::query(kDropPrivate, {std::int64_t{child}, columns->second}).rows)
        run_statements(drop.text(0));
}

// What goes with the trigger of the table and those of its children, in one transaction.
void run_without_triggers(const StoredStep& stored, const std::vector<std::uint32_t>& children,
                          const std::string& sql) {
    sync::remove(stored.step.relation_oid, stored.step.parameters.at("drop"));
    for (const auto child : children) sync::remove(child);
    run_script(stored, sql);
    // From those above down, which have handed it down.
    for (const auto child : children) drop_private(stored, child);
}

// The triggers that are there go, columns change their names, others come.
void change_hands(const StoredStep& stored, const std::vector<std::uint32_t>& children) {
    const auto& parameters = stored.step.parameters;
    run_without_triggers(stored, children, parameters.at("turn"));
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
            require_triggers(context, stored);
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
            drop_private(stored, stored.step.relation_oid);
        } else {
            run_without_triggers(stored, children_with_trigger(context, stored), then->second);
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
