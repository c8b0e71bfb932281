// RENAME TABLE: the table changes its name in the switch, a view goes on under the old one until
// contract.
#include "plan/apart.hpp"
#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

constexpr auto kViewCannot =
    "what a view can't do fails there: COPY of it, TRUNCATE, xmin and ctid, MERGE before "
    "PostgreSQL 17, ON CONFLICT ON CONSTRAINT, GROUP BY of its primary key alone, TABLESAMPLE, "
    "WHERE CURRENT OF, foreign keys to it and DDL; pg_get_serial_sequence gives NULL, and a "
    "prepared statement that returns whole rows (SELECT t FROM t) fails once with 0A000";

// Whether it needs the table, or one that is above or below it in a tree.
bool meets(const Facts& facts, const Action& other, std::size_t table) {
    if (touches(other, table)) return true;
    if (other.table == kNoTable) return false;
    const Table& one = facts.tables.at(table);
    const Table& two = facts.tables.at(other.table);
    return is_above(one, two) || is_above(two, one);
}

// Steps name their tables in text, and this one's name changes in their midst.
void refuse_company(const Facts& facts, const Action& action, const RenameTable& rename) {
    const std::string& old = facts.tables.at(action.table).qualified;
    for (const auto& other : facts.actions)
        if (&other != &action && meets(facts, other, action.table))
            refuse(other.at, "ZD105", pg::state::kFeatureNotSupported,
                   "this statement needs " + old + ", which line " +
                       std::to_string(action.at.line) + " renames",
                   "Its name changes between the phases of the migration.",
                   "Rename it in a migration of its own, before or after this one.");
    for (const auto& table : facts.tables)
        if (table.made_here() && (table.qualified == rename.qualified || table.qualified == old))
            refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
                   table.qualified + " is made by the migration that gives its name to another",
                   "Until contract both names of the renamed table are in use.",
                   "Rename it in a migration of its own, before or after this one.");
}

Step renaming(const Composer& composer, const Action& action, const RenameTable& rename) {
    const Table& table = composer.table(action);
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, action.seen);
    step.command = "ALTER TABLE " + table.qualified + " RENAME TO " + rename.name + ";";
    step.parameters = {{"path", "pinned"},
                       {"statements", "1"},
                       {"from", table.qualified},
                       {"to", rename.qualified}};
    if (rename.published)
        step.note = "the table is published: subscribers look for " + rename.qualified +
                    " from here on, and stop until they have it; ";
    return step;
}

// Back under the old name. Whoever uses the view locks it before the table, and so does this, with
// one deadline for both.
Undo naming_back(const Step& step, const RenameTable& rename, const Table& table, bool view) {
    Undo undo;
    undo.parameters = {
        {"path", "pinned"}, {"statements", view ? "2" : "1"}, {"relation", rename.qualified}};
    if (view) {
        undo.command = "DROP VIEW IF EXISTS " + table.qualified + "; ";
        undo.parameters["wait"] = "all";
        undo.locks.push_back({table.qualified, LockMode::access_exclusive});
    }
    undo.command += "ALTER TABLE " + rename.qualified + " RENAME TO " + table.name + ";";
    for (const auto& need : step.locks) undo.locks.push_back({rename.qualified, need.mode});
    return undo;
}

void plan_at_once(Composer& composer, const Action& action, const RenameTable& rename) {
    Step step = renaming(composer, action, rename);
    step.note +=
        "as written, with the lock that it takes; applications that use the old name fail "
        "from here on";
    step.undo = {naming_back(step, rename, composer.table(action), false)};
    composer.add(Slot::structure, step);
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const RenameTable& rename) {
    refuse_company(composer.facts(), action, rename);
    if (action.accept_locks) return plan_at_once(composer, action, rename);
    const Table& table = composer.table(action);

    Step step = renaming(composer, action, rename);
    step.command += " CREATE VIEW " + table.qualified +
                    " WITH (security_invoker = true) AS SELECT " + join(rename.columns) + " FROM " +
                    rename.qualified + ";";
    for (const auto& grant : rename.grants) step.command += " " + grant;
    step.command += " COMMENT ON VIEW " + table.qualified + " IS " +
                    literal("made by zdm for applications that know " + rename.qualified +
                            " by its old name; contract drops it") +
                    ";";
    step.parameters["statements"] = std::to_string(rename.grants.size() + 3);
    step.note += "the new version uses " + rename.qualified + " from here on; " + table.qualified +
                 " is a view for the old one, with the same rows, defaults, triggers and "
                 "privileges; " +
                 kViewCannot;
    step.undo = {naming_back(step, rename, table, true)};
    composer.add(Slot::switch_, step);

    // About the table, which has its new name by then.
    Step drop = composer.start(action, StepKind::ddl);
    drop.relation = rename.qualified;
    drop.command = "DROP VIEW " + table.qualified + ";";
    drop.lock = LockMode::access_exclusive;
    drop.locks = {{table.qualified, LockMode::access_exclusive}};
    drop.removal = true;
    drop.note =
        "the old name goes; the rows stay. Applications and functions that use it fail "
        "from here on";
    drop.parameters = {{"path", "pinned"}, {"statements", "1"}};
    composer.add(Slot::remove, drop);
    composer.blind("who still uses the old name " + table.qualified);
}

}  // namespace zdm::plan
