// Columns: ADD, DROP, NOT NULL, DEFAULT.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/sequences.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string alter(const Table& table) { return "ALTER TABLE " + table.qualified + " "; }

std::string alter_column(const Table& table, const std::string& column) {
    return alter(table) + "ALTER COLUMN " + column + " ";
}

Seen exclusive(const Action& action) { return lock_all(action.table, LockMode::access_exclusive); }

// The locks that were seen, or at least the one that the server documents.
Seen seen_or_exclusive(const Action& action) {
    Seen seen = action.seen.locks.empty() ? exclusive(action) : action.seen;
    seen.scans = seen.rewrites = false;
    return seen;
}

Step ddl(const Composer& composer, const Action& action, std::string command,
         const std::string& undo, int statements = 1) {
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, seen_or_exclusive(action));
    step.command = std::move(command);
    step.undo = undo_ddl(step, undo);
    step.parameters = {{"path", "pinned"}, {"statements", std::to_string(statements)}};
    return step;
}

[[noreturn]] void refuse_without_value(const Table& table, const Action& action,
                                       const AddColumn& add) {
    refuse(action.at, "ZD102", pg::state::kNotNullViolation,
           "column " + add.column + " of " + table.qualified +
               " would be NOT NULL, but nothing gives it a value",
           table.qualified + " has rows, and each would violate NOT NULL at once.",
           "Add to the file: UPDATE " + table.qualified + " SET " + add.column +
               " = <value> WHERE " + add.column +
               " IS NULL; or give the column a DEFAULT that is constant.");
}

[[noreturn]] void refuse_rewrite(const Table& table, const Action& action, const AddColumn& add) {
    refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
           "column " + add.column + " would make the server rewrite " + table.qualified +
               " under a lock that blocks reads and writes",
           "Its type is a domain with a constraint.",
           "Give the column the type under the domain, and add a CHECK constraint.");
}

bool is_late(const Composer& composer, const Action& action, const AddColumn& add) {
    return composer.seen().late_default.count({action.table, add.column}) != 0;
}

// The column itself; with its sequence, in one transaction, where it has one of its own.
Step add_column(const Composer& composer, const Action& action, const AddColumn& add,
                bool enforce_later) {
    const Table& table = composer.table(action);
    const bool not_null = add.not_null && !enforce_later;
    std::string column = add.column + " " + add.definition;
    if (!add.default_text.empty() && !is_late(composer, action, add))
        column += " DEFAULT " + add.default_text;
    if (not_null) column += " NOT NULL";
    Statements statements = {alter(table) + "ADD COLUMN " + column + ";"};
    if (!add.sequence.name.empty()) {
        statements.insert(statements.begin(), add.sequence.create);
        const Statements owned = own_sequence(table, add);
        statements.insert(statements.end(), owned.begin(), owned.end());
    }
    Step step =
        ddl(composer, action, join(statements, " "),
            alter(table) + "DROP COLUMN " + add.column + ";", static_cast<int>(statements.size()));
    step.note =
        "prepared statements that return all columns (SELECT *) fail once with 0A000, \"cached "
        "plan must not change result type\", and must be prepared again";
    if (enforce_later) step.note = "NOT NULL comes in contract, when no row is NULL; " + step.note;
    if (not_null && add.default_text.empty())
        step.note =
            "the table is empty: applications must give the column from now on; " + step.note;
    return step;
}

// A default that rows of now must not get from ADD COLUMN.
void add_default(Composer& composer, const Action& action, const AddColumn& add) {
    if (!is_late(composer, action, add)) return;
    const Table& table = composer.table(action);
    const auto fill = composer.seen().filled.find({action.table, add.column});
    const bool with_rule = fill != composer.seen().filled.end() && !fill->second->reads.empty() &&
                           needs_sync(composer.seen(), action.table, *fill->second);
    Step step = ddl(composer, action,
                    alter_column(table, add.column) + "SET DEFAULT " + add.default_text + ";",
                    alter_column(table, add.column) + "DROP DEFAULT;");
    step.note = add.late_default
                    ? "apart from ADD COLUMN, which would rewrite the table for it"
                    : "apart from ADD COLUMN, so that the rows of now stay NULL and the UPDATE can "
                      "tell them";
    composer.add(with_rule ? Slot::enforce : Slot::structure, step);
}

// What applications see while rows of before have no value yet.
void note_late(Composer& composer, const Action& action, const AddColumn& add) {
    const Table& table = composer.table(action);
    composer.note(table.qualified + "." + add.column +
                  ": rows that applications write from expand on get the default, those of before "
                  "a value of their own in migrate, in no order; until ready the new version finds "
                  "NULL in these, and NULL that it writes counts as no value");
    if (!add.sequence.name.empty()) note_sequence(composer, action, add);
}

// Whether a column of the table goes together with the sync trigger.
bool drops_with_trigger(const Composer& composer, std::size_t table) {
    const auto& actions = composer.facts().actions;
    return std::any_of(actions.begin(), actions.end(), [&](const Action& action) {
        const auto* const drop = std::get_if<DropColumn>(&action.detail);
        return action.table == table && drop != nullptr && drop->down;
    });
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const AddColumn& add) {
    const Table& table = composer.table(action);
    const bool filled = composer.seen().filled.count({action.table, add.column}) != 0;
    if (action.seen.rewrites && !table.empty) refuse_rewrite(table, action, add);
    if (add.not_null && add.default_text.empty() && !filled && !table.empty)
        refuse_without_value(table, action, add);

    const bool enforce_later = add.not_null && filled;
    composer.add(Slot::structure, add_column(composer, action, add, enforce_later));
    add_default(composer, action, add);
    if (add.late_default) note_late(composer, action, add);
    if (enforce_later) enforce_not_null(composer, action, add.column, false);
    if (add.sequence.is_identity()) add_identity(composer, action, add);
}

void set_not_null(Composer& composer, const Action& action, const ProvenNotNull& wanted) {
    const Table& table = composer.table(action);
    const std::string helper = composer.private_name(wanted.column, "not_null");
    const std::string drop = alter(table) + "DROP CONSTRAINT " + helper + ";";

    Step check = composer.start(action, StepKind::constraint);
    composer.lock(check, action, exclusive(action));
    check.command = alter(table) + "ADD CONSTRAINT " + helper + " CHECK (" + wanted.column +
                    " IS NOT NULL) NOT VALID";
    check.undo = undo_ddl(check, alter(table) + "DROP CONSTRAINT IF EXISTS " + helper + ";");
    check.note = wanted.note;
    check.parameters = {{"constraint", helper}};
    composer.add(wanted.slot, check);

    Step validate = composer.start(action, StepKind::validate);
    validate.command = alter(table) + "VALIDATE CONSTRAINT " + helper;
    validate.lock = LockMode::share_update_exclusive;
    validate.scans = true;
    validate.note = "scans beside reads and writes";
    validate.parameters = {{"constraint", helper}, {"drop", drop}};
    composer.add(wanted.slot, validate);

    // Two statements: within one ALTER TABLE the drop comes first, and SET NOT NULL would scan.
    Step step = ddl(composer, action, wanted.set + " " + drop, "", 2);
    composer.lock(step, action, exclusive(action));
    step.undo = undo_ddl(step, alter_column(table, wanted.column) + "DROP NOT NULL;");
    step.note = "the helper proves it: nothing is scanned";
    composer.add(wanted.slot, step);
}

void enforce_not_null(Composer& composer, const Action& action, const std::string& column,
                      bool proven) {
    const Table& table = composer.table(action);
    const std::string set = alter_column(table, column) + "SET NOT NULL;";
    if (proven) {
        Step step = ddl(composer, action, set, alter_column(table, column) + "DROP NOT NULL;");
        step.note = "a valid check proves it: nothing is scanned";
        composer.add(Slot::enforce, step);
        return;
    }
    Step count = composer.start(action, StepKind::count);
    const std::string violates = column + " IS NULL";
    count.command = "SELECT count(*) FROM " + rows_of(table) + " WHERE " + violates;
    count.lock = LockMode::access_share;
    count.scans = true;
    count.note = "rows in which " + column + " is NULL stop contract before anything is enforced";
    count.parameters = {
        {"violates", violates}, {"constraint", "NOT NULL of " + column}, {"sqlstate", "23502"}};
    go_through_tree(count, table);
    composer.add(Slot::count, count);
    set_not_null(composer, action,
                 {Slot::enforce, column, set,
                  "a helper, so that SET NOT NULL needs no scan; new rows are checked from here "
                  "on"});
}

void plan_action(Composer& composer, const Action& action, const SetNotNull& set) {
    enforce_not_null(composer, action, set.column, set.proven);
}

void plan_action(Composer& composer, const Action& action, const DropNotNull& drop) {
    const Table& table = composer.table(action);
    Step step = ddl(composer, action, alter_column(table, drop.column) + "DROP NOT NULL;", "");
    step.undo =
        undo_by_not_null(step, drop.column, composer.private_name(drop.column, "not_null_again"));
    step.note = "loosens: the new version may leave " + drop.column + " NULL";
    composer.add(Slot::structure, step);
}

void plan_action(Composer& composer, const Action& action, const SetDefault& set) {
    const Table& table = composer.table(action);
    const std::string target = alter_column(table, set.column);
    const std::string restore =
        set.before.empty() ? "DROP DEFAULT;" : "SET DEFAULT " + set.before + ";";
    if (set.expression.empty()) {
        if (set.before.empty()) return;
        Step step = ddl(composer, action, target + "DROP DEFAULT;", target + restore);
        step.note = "until here rows that leave " + set.column + " out still get the default";
        composer.add(Slot::remove, step);
        return;
    }
    Step step =
        ddl(composer, action, target + "SET DEFAULT " + set.expression + ";", target + restore);
    step.note = "for rows that are inserted from now on";
    composer.add(Slot::structure, step);
}

void relax_not_null(Composer& composer, const Action& action, const std::string& column,
                    const std::string& note) {
    const Table& table = composer.table(action);
    Step relax = ddl(composer, action, alter_column(table, column) + "DROP NOT NULL;", "");
    composer.lock(relax, action, exclusive(action));
    relax.undo = undo_by_not_null(relax, column, composer.private_name(column, "not_null_again"));
    relax.note = note;
    composer.add(Slot::structure, relax);
}

void plan_action(Composer& composer, const Action& action, const DropColumn& drop) {
    const Table& table = composer.table(action);
    if (drop.made_here)
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "column " + drop.column + " of " + table.qualified +
                   " is made and dropped in one migration",
               {}, "Take both statements out, or drop it in a later migration.");
    composer.blind("who still reads " + table.qualified + "." + drop.column);
    if (drop.down) return drop_with_down(composer, action, drop);
    if (drop.relax)
        relax_not_null(composer, action, drop.column,
                       "so that the new version need not write " + drop.column + " any more");
    const std::string command = alter(table) + "DROP COLUMN " + drop.column + ";";
    // The order of the file counts where one depends on the other, as a generated column does.
    if (drops_with_trigger(composer, action.table))
        return composer.with_unsync(action, {command}, seen_or_exclusive(action));
    Step step = ddl(composer, action, command, "");
    step.removal = true;
    step.note =
        "the values are lost; prepared statements that return all columns fail once with 0A000 and "
        "must be prepared again";
    composer.add(Slot::remove, step);
}

}  // namespace zdm::plan
