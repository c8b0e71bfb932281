// Old and new columns compared, before anything is removed.
#include <chrono>

#include "backfill/engine.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/differences.hpp"
#include "run/locks.hpp"
#include "run/steps.hpp"
#include "sync/install.hpp"

namespace zdm::run::steps {

using catalog::StoredStep;

namespace {

// $1 the table; it and all below it.
#define ZDM_TREE                                                           \
    "WITH RECURSIVE tree (oid) AS (SELECT $1::oid UNION SELECT i.inhrelid" \
    "  FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.oid)"

// All of them, and of those that inherit whether they have its trigger.
constexpr auto kTree = ZDM_TREE
    " SELECT t.oid, t.oid::pg_catalog.regclass, EXISTS (SELECT FROM pg_catalog.pg_trigger g"
    "  WHERE g.tgrelid = t.oid AND g.tgname = $2) FROM tree t ORDER BY t.oid";

// $2 as the parameter `places`: columns of these tables that would not go with that of $1, or not
// change their name, as they are a table's own or it has them from a table that is not among these.
constexpr auto kStaying = ZDM_TREE
    ", place AS MATERIALIZED (SELECT key, value ->> 'column' AS other"
    "  FROM pg_catalog.jsonb_each($2::jsonb))"
    ", elsewhere AS (SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i"
    "  JOIN tree t ON t.oid = i.inhrelid WHERE i.inhparent NOT IN (SELECT oid FROM tree))"
    " SELECT t.oid::pg_catalog.regclass, pg_catalog.quote_ident(a.attname),"
    "  pg_catalog.quote_ident(j.other), e.inhparent::pg_catalog.regclass"
    " FROM tree t CROSS JOIN place j"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname IN (j.key, j.other)"
    " LEFT JOIN (elsewhere e JOIN pg_catalog.pg_attribute b ON b.attrelid = e.inhparent)"
    "  ON e.inhrelid = t.oid AND b.attname = a.attname"
    " WHERE e.inhparent IS NOT NULL OR a.attislocal AND a.attname = j.key AND t.oid <> $1::oid"
    " ORDER BY t.oid, a.attnum, 4";

#undef ZDM_TREE

pg::Result tree_of(const StoredStep& stored) {
    return pg::query(kTree,
                     {std::int64_t{stored.step.relation_oid}, std::string{sync::kTriggerName}});
}

// What changes when a later write could have made columns differ: which tables there are, and how
// often an application gave both columns of a row and not the same.
struct Witness {
    std::string text;
    std::vector<std::string> tables;
    bool counted = false;  // it ever did
};

Witness look(const StoredStep& stored) {
    Witness witness;
    for (const auto& row : tree_of(stored).rows) {
        const auto relation = static_cast<std::uint32_t>(row.number(0));
        const auto times = sync::differences(relation).value_or(0);
        witness.text += row.text(0) + ":" + std::to_string(times) + " ";
        witness.tables.push_back(row.text(1));
        witness.counted = witness.counted || times > 0;
    }
    return witness;
}

// A transaction counts its rows when it is about to commit, and until it has (a standby may take
// its time) no comparison sees them.
void wait_for_writers(Context& context, const std::vector<std::string>& tables) {
    const auto began = std::chrono::steady_clock::now();
    for (;;) {
        const std::chrono::duration<double, std::milli> spent =
            std::chrono::steady_clock::now() - began;
        const auto writer = older_writer(tables, context.migration().owner, spent.count());
        if (!writer) break;
        stop_if_asked(context);
        context.sleep(std::chrono::milliseconds{100},
                      "before rows are compared, waiting for who may be writing some: " + *writer);
    }
    context.show_waiting(std::nullopt);
}

// Of one table, in one phase, there is one comparison, and one transaction that rests on it.
const StoredStep* sibling(const std::vector<StoredStep>& steps, const StoredStep& stored,
                          plan::StepKind kind) {
    for (const auto& other : steps)
        if (other.step.kind == kind && other.step.phase == stored.step.phase &&
            other.step.relation_oid == stored.step.relation_oid)
            return &other;
    return nullptr;
}

// Whether columns change hands in the step, by what the comparison said.
bool takes_places(const StoredStep* stored) {
    return stored != nullptr && stored->step.parameters.count("places") != 0;
}

// Tables below must let the columns go and take their names with the table.
void require_handed_down(const StoredStep& removal) {
    const auto found = pg::query(
        kStaying, {std::int64_t{removal.step.relation_oid}, removal.step.parameters.at("places")});
    if (found.empty()) return;
    const pg::Row& row = found.front();
    const std::string& table = row.text(0);
    const std::string& column = row.text(1);
    if (!row.is_null(3))
        throw pg::Error{
            pg::state::kNotInPrerequisiteState,
            "ZD203: " + table + " has column " + column + " from " + row.text(3) + " as well",
            "So it can neither go nor change its name.",
            "Take the table out of that one (ALTER TABLE ... NO INHERIT ..., or DETACH "
            "PARTITION) and call zdm_resume or zdm_rollback."};
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD203: child table " + table + " has column " + column + " by itself",
                    "It left the tree meanwhile and came back, so the column would not go with "
                    "that of " +
                        removal.step.relation + ", and no other could take its name.",
                    "Take it out of the tree (ALTER TABLE ... NO INHERIT ...) and call zdm_resume; "
                    "then drop " +
                        column + " there, rename " + row.text(2) + " to " + column +
                        ", and put it in again. Or zdm_rollback, which leaves " + column +
                        " to it."};
}

// Before anybody's values are compared or settled.
Witness prepare(Context& context, const StoredStep& stored) {
    Witness witness;
    pg::Transaction transaction;
    const auto steps = catalog::load_steps(context.migration().id);
    const StoredStep* next = sibling(steps, stored, plan::StepKind::unsync);
    if (next == nullptr) next = sibling(steps, stored, plan::StepKind::sync);
    if (next != nullptr) require_triggers(context, *next);
    if (takes_places(next)) {
        require_handed_down(*next);
        witness = look(stored);
    }
    transaction.commit();
    return witness;
}

struct Compared {
    Differences differences;
    std::string witness;  // of the time before
};

Compared compare(Context& context, const StoredStep& stored) {
    const Witness before = prepare(context, stored);
    if (before.counted) wait_for_writers(context, before.tables);
    const auto found =
        backfill::count_matches(task_of(context, stored, "differs"), context, "verify");
    if (found.outcome == backfill::Outcome::stopped) throw Stopped{};
    return {{stored.step.relation, stored.step.parameters.at("old"),
             stored.step.parameters.at("new"), found.rows, found.examples},
            before.text};
}

}  // namespace

void require_triggers(const Context& context, const StoredStep& stored) {
    if (stored.step.parameters.count("children") == 0) return;
    for (const auto& row : tree_of(stored).rows)
        if (!row.flag(2))
            throw pg::Error{
                pg::state::kNotInPrerequisiteState,
                "ZD203: child table " + row.text(1) + " has no trigger of this migration",
                "It came when the migration was under way: nobody keeps its columns in step.",
                "Take it out of the tree (ALTER TABLE ... NO INHERIT ...) and call zdm_resume; "
                "when that has ended, give it the columns of the table above, and put it in "
                "again." +
                    std::string{context.undoing() ? "" : " Or zdm_rollback."}};
}

void run_verify(Context& context, const StoredStep& stored) {
    const auto& migration = context.migration();
    const Compared compared = compare(context, stored);
    const Differences& differences = compared.differences;
    // Who accepts them while they are compared has done so in time.
    if (differences.rows > 0) context.stop_if_asked();
    const std::string& accepted = migration.differences_accepted_by;
    if (differences.rows > 0 && accepted.empty())
        throw refusal(pg::quote_literal(migration.name), differences);
    context.show_waiting(std::nullopt);
    pg::Transaction transaction;
    catalog::add_result(
        migration.id, stored.number,
        {{"rows_different", std::to_string(differences.rows)}, {"witness", compared.witness}});
    if (differences.rows > 0)
        catalog::add_event(migration.id, "differences", stored.number,
                           accepted + " accepted that " + describe(differences));
    set_mark(context, stored, catalog::StepState::done);
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    transaction.commit();
}

void require_verified(const Context& context, const StoredStep& stored) {
    require_triggers(context, stored);
    if (!takes_places(&stored)) return;
    require_handed_down(stored);
    const auto steps = catalog::load_steps(context.migration().id);
    const StoredStep* const verified = sibling(steps, stored, plan::StepKind::verify);
    if (verified == nullptr) return;
    const auto before = catalog::read_result(context.migration().id, verified->number, "witness");
    if (!before || *before != look(stored).text) throw Outdated{};
}

// What an application wrote since, nobody has accepted.
void verify_again(Context& context, const StoredStep& stored) {
    const auto& migration = context.migration();
    std::vector<StoredStep> steps;
    {
        pg::Transaction transaction;
        steps = catalog::load_steps(migration.id);
        transaction.commit();
    }
    const StoredStep& verified = *sibling(steps, stored, plan::StepKind::verify);
    const Compared compared = compare(context, verified);
    if (compared.differences.rows > 0) {
        pg::Error error = refusal(pg::quote_literal(migration.name), compared.differences);
        if (!migration.differences_accepted_by.empty())
            error.hint =
                "They were written after the others had been settled. Correct the rows, then call "
                "zdm_resume(" +
                pg::quote_literal(migration.name) + ").";
        throw error;
    }
    pg::Transaction transaction;
    catalog::add_result(migration.id, verified.number, {{"witness", compared.witness}});
    transaction.commit();
}

}  // namespace zdm::run::steps
