// Constraints over existing rows: bad rows are counted and shown before anything is added.
#include "backfill/engine.hpp"
#include "catalog/undo.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/gate.hpp"
#include "run/locks.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"

namespace zdm::run::steps {

using catalog::StepState;
using catalog::StoredStep;

namespace {

int packed_sqlstate(const std::string& text) {
    int packed = 0;
    for (std::size_t i = 0; i < 5 && i < text.size(); ++i)
        packed |= ((text[i] - '0') & 0x3F) << (6 * i);
    return packed;
}

bool is_valid_constraint(const StoredStep& stored) {
    pg::Transaction transaction;
    const auto found = pg::query(
        "SELECT c.convalidated FROM pg_catalog.pg_constraint c"
        " WHERE c.conrelid = $1::oid AND pg_catalog.quote_ident(c.conname) = $2",
        {static_cast<std::int64_t>(stored.step.relation_oid),
         stored.step.parameters.at("constraint")});
    transaction.commit();
    return !found.empty() && found.front().flag(0);
}

bool rows_refused(const pg::Error& error) {
    return error.sqlstate == pg::state::kCheckViolation ||
           error.sqlstate == pg::state::kForeignKeyViolation ||
           error.sqlstate == pg::state::kNotNullViolation;
}

// The step that added the constraint has to run again before the next validation.
void reopen(const Context& context, const StoredStep& stored) {
    const std::int64_t id = context.migration().id;
    if (stored.part != 0) {
        // In an undo it is the part before.
        catalog::set_undo(id, stored.number, stored.part - 1, StepState::pending);
        catalog::set_undo(id, stored.number, stored.part, StepState::pending);
        return;
    }
    for (const auto& other : catalog::load_steps(id))
        if (other.step.kind == plan::StepKind::constraint &&
            other.step.relation_oid == stored.step.relation_oid &&
            other.step.parameters.at("constraint") == stored.step.parameters.at("constraint"))
            catalog::set_step(id, other.number, StepState::undone);
    catalog::set_step(id, stored.number, StepState::undone);
}

// Reading lock only (SHARE UPDATE EXCLUSIVE): nobody who reads or writes queues behind it, so it
// may wait for a vacuum longer than the deadline of other locks.
void validate(Context& context, const StoredStep& stored) {
    pg::Transaction transaction;
    set_local("lock_timeout", "5000");
    set_local("deadlock_timeout", "100");
    run_statements(stored.step.command);
    set_mark(context, stored, StepState::done);
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    transaction.commit();
}

}  // namespace

void run_count(Context& context, const StoredStep& stored) {
    const auto& parameters = stored.step.parameters;
    const auto violators =
        backfill::count_matches(task_of(context, stored, "violates"), context, "count");
    if (violators.outcome == backfill::Outcome::stopped) throw Stopped{};
    if (violators.rows > 0) {
        std::string detail;
        for (const auto& example : violators.examples)
            detail += (detail.empty() ? "For example: " : "; ") + example;
        throw pg::Error{
            packed_sqlstate(parameters.at("sqlstate")),
            "ZD202: " + std::to_string(violators.rows) +
                (violators.rows == 1 ? " row of " : " rows of ") + stored.step.relation +
                (violators.rows == 1 ? " violates " : " violate ") + parameters.at("constraint"),
            detail + (stored.part == 0 ? ". Nothing was added or removed."
                                       : ". The constraint was not added again."),
            hint_for_rows(context)};
    }
    mark(context, stored, StepState::done);
}

// A constraint that is not valid already refuses updates of the old rows that violate it: when the
// validation fails it goes again at once.
void run_validate(Context& context, const StoredStep& stored, bool resumed) {
    if (resumed && is_valid_constraint(stored)) return mark(context, stored, StepState::done);
    try {
        validate(context, stored);
    } catch (const pg::Error& error) {
        if (!rows_refused(error)) throw;
        under_locks(context, with_exclusive_locks(stored.step), "drop_constraint", [&] {
            run_statements(stored.step.parameters.at("drop"));
            reopen(context, stored);
        });
        const auto& parameters = stored.step.parameters;
        pg::Error refused{
            error.sqlstate,
            "ZD202: rows of " + stored.step.relation + " violate " + parameters.at("constraint") +
                ": " + error.what(),
            error.detail,
            std::string{parameters.at("drop").empty() ? ""
                                                      : "The constraint was taken away again. "} +
                hint_for_rows(context)};
        throw refused;
    }
}

void run_gate(Context& context, const StoredStep& stored) {
    if (!context.migration().forced) require_open_gate(context.migration());
    mark(context, stored, StepState::done);
}

}  // namespace zdm::run::steps
