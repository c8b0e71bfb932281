// Indexes, built and dropped CONCURRENTLY. The server commits in between, so the truth about them
// is in pg_index: a build that was interrupted leaves an invalid index, which is dropped before the
// next try.
#include <optional>

#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"

namespace zdm::run::steps {

using catalog::StepState;
using catalog::StoredStep;

namespace {

enum class Found { nothing, invalid, valid, of_other_table, attached };

// In a transaction of the caller.
Found look_up(const StoredStep& stored) {
    const auto found = pg::query(
        "SELECT $2::oid = 0 OR i.indrelid = $2::oid, i.indisvalid AND i.indisready,"
        "       c.relispartition"
        "  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
        " WHERE c.oid = pg_catalog.to_regclass($1)",
        {stored.step.parameters.at("index"), static_cast<std::int64_t>(stored.step.relation_oid)});
    if (found.empty()) return Found::nothing;
    if (!found.front().flag(0)) return Found::of_other_table;
    if (found.front().flag(2)) return Found::attached;
    return found.front().flag(1) ? Found::valid : Found::invalid;
}

Found find_index(const StoredStep& stored) {
    pg::Transaction transaction;
    const Found found = look_up(stored);
    transaction.commit();
    return found;
}

void drop_concurrently(const StoredStep& stored) {
    run_alone("DROP INDEX CONCURRENTLY IF EXISTS " + stored.step.parameters.at("index"));
}

[[noreturn]] void name_taken(const StoredStep& stored) {
    throw pg::Error{pg::sqlstate("42P07"),
                    "ZD203: relation " + stored.step.parameters.at("index") + " already exists",
                    "Something else has the name that the index should get.",
                    "Rename or drop it, then call zdm_resume; or call zdm_rollback."};
}

void build(Context& context, const StoredStep& stored) {
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    // An undo makes what was there before whatever the user's settings (default_tablespace) say.
    std::optional<UserSettings> settings;
    if (stored.part == 0) settings.emplace(context.migration().settings);
    run_alone(stored.step.command);
}

}  // namespace

void refuse_taken_name(const StoredStep& stored) {
    if (look_up(stored) == Found::nothing) return;
    // A partition that went and came back has the very index from the server.
    if (standing_of(stored) == Standing::open) name_taken(stored);
}

void clear_index(const StoredStep& stored) {
    if (find_index(stored) == Found::invalid) drop_concurrently(stored);
}

void run_index(Context& context, const StoredStep& stored, bool resumed) {
    const Found before = find_index(stored);
    if (before == Found::of_other_table || (before != Found::nothing && !resumed))
        name_taken(stored);
    if (before == Found::invalid) drop_concurrently(stored);
    if (before != Found::valid) {
        try {
            build(context, stored);
        } catch (const pg::Error& error) {
            // A unique violation or a cancel: the half-built index would only cost, so it goes now.
            // Should that fail too, the next attempt finds it.
            clear_index(stored);
            if (error.sqlstate != pg::state::kUniqueViolation) throw;
            throw pg::Error{
                error.sqlstate,
                "ZD202: rows of " + stored.step.relation + " are not unique: " + error.what(),
                error.detail, "The index was taken away again. " + hint_for_rows(context)};
        }
    }
    if (find_index(stored) != Found::valid)
        throw pg::Error{pg::state::kNotInPrerequisiteState,
                        "ZD203: index " + stored.step.parameters.at("index") + " is not valid",
                        "It was built and then changed or dropped by somebody else.",
                        "Call zdm_resume to build it again."};
    mark(context, stored, StepState::done);
}

void run_drop_index(Context& context, const StoredStep& stored) {
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    const Found found = find_index(stored);
    // An index of another table that has got the name is not ours to drop; one that is attached
    // goes with that of the partitioned table.
    if (found != Found::of_other_table && found != Found::attached) drop_concurrently(stored);
    mark(context, stored, StepState::done);
}

}  // namespace zdm::run::steps
