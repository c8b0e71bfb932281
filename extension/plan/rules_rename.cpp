// RENAME COLUMN: a new column beside the old one, kept equal both ways until contract, with copies
// of its indexes, so that queries of the new version are fast. Contract drops it with the trigger,
// and in the same transaction the old column takes the name: all that hangs on it follows, as after
// a plain RENAME COLUMN, and nothing is read or written. A change of type copies the rest as well.
#include <algorithm>

#include "plan/apart.hpp"
#include "plan/compare.hpp"
#include "plan/renaming.hpp"
#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

void Renaming::check_alone() const {
    for (const auto& other : composer_.facts().actions) {
        if (&other == &action_ || are_apart(action_, rename_, other)) continue;
        refuse(action_.at, "ZD105", pg::state::kFeatureNotSupported,
               "column " + rename_.column + " of " + table_.qualified +
                   " can't be renamed together with another statement about it, or about what "
                   "hangs on it",
               "That is: " + other.written, "Rename the column in a migration of its own.");
    }
}

void Renaming::add_column() {
    Statements statements = {alter(table_) + "ADD COLUMN " + rename_.renamed + " " +
                             rename_.definition + ";"};
    append(statements, rename_.dress);
    Step step = ddl(action_, statements, exclusive());
    step.undo = undo_ddl(step, alter(table_) + "DROP COLUMN " + rename_.renamed + ";");
    step.note = "the old version goes on with " + rename_.column +
                "; prepared statements that return all columns (SELECT *) fail once with 0A000, "
                "\"cached plan must not change result type\", and must be prepared again";
    composer_.add(Slot::structure, step);
    dress_partitions();
}

void Renaming::change_triggers() {
    for (const auto& trigger : rename_.triggers) {
        Step step = ddl(action_, trigger.between, exclusive());
        step.undo = undo_ddl(step, join(trigger.before, " "), LockMode::access_exclusive,
                             static_cast<int>(trigger.before.size()));
        step.note = "trigger " + trigger.name +
                    " fires for the old version as before, and when "
                    "the new one sets " +
                    rename_.renamed;
        composer_.add(Slot::structure, step);
    }
}

void Renaming::fill(const std::vector<Filled>& all) {
    std::vector<std::string> columns;
    std::vector<std::string> sets;
    std::vector<std::string> missing;
    Step step = composer_.start(action_, StepKind::backfill);
    for (const auto& [column, up] : all) {
        columns.push_back(column);
        sets.push_back(column + " = " + up);
        missing.push_back(column + " IS NULL AND (" + parenthesised(up) + " IS NOT NULL)");
        step.assignments.push_back({column, up});
        composer_.analyze(action_, column);
    }
    const std::string set = join(sets);
    const std::string predicate =
        all.size() == 1 ? missing.front() : "(" + join(missing, ") OR (") + ")";
    step.command = "UPDATE " + table_.qualified + " SET " + set + " WHERE " + predicate;
    step.lock = LockMode::row_exclusive;
    step.scans = true;
    step.note =
        "in batches; rows that others hold locked are left for later; triggers of the table stay "
        "silent, as the plain statement fires none; until ready the new version would miss values";
    step.parameters = {{"set", set},
                       {"predicate", predicate},
                       {"columns", join(columns)},
                       {"sync", "yes"},
                       {"fire_triggers", "no"}};
    go_through_tree(step, table_);
    composer_.add(Slot::data, step);

    Step pass = composer_.start(action_, StepKind::last_pass);
    pass.command = "SELECT count(*) FROM " + rows_of(table_) + " WHERE " + predicate;
    pass.lock = LockMode::row_exclusive;
    pass.scans = true;
    pass.note = "proves that no row is left";
    pass.parameters = {
        {"set", set}, {"predicate", predicate}, {"sync", "yes"}, {"fire_triggers", "no"}};
    go_through_tree(pass, table_);
    composer_.add(Slot::data, pass);
}

// Who lets contract go on although values differ chose those of the new column.
void Renaming::settle() {
    Step step = composer_.start(action_, StepKind::backfill);
    const std::string set = rename_.column + " = " + rename_.renamed;
    const std::string differs = differs_from(rename_.column, rename_.renamed, rename_.type);
    step.command = "UPDATE " + table_.qualified + " SET " + set + " WHERE " + differs;
    step.lock = LockMode::row_exclusive;
    step.scans = true;
    step.note = "only when contract was told to accept differences: the values of " +
                rename_.renamed + " stay";
    step.parameters = {{"set", set},    {"predicate", differs},  {"columns", rename_.column},
                       {"sync", "yes"}, {"fire_triggers", "no"}, {"accepted", "yes"}};
    step.assignments = {{rename_.column, rename_.renamed}};
    go_through_tree(step, table_);
    composer_.add(Slot::count, step);
}

void Renaming::contract() {
    settle();
    Script then;
    for (const auto& trigger : rename_.triggers) append(then, trigger.before);
    then.push_back(alter(table_) + "DROP COLUMN " + rename_.renamed + ";");
    then.push_back(alter(table_) + "RENAME COLUMN " + rename_.column + " TO " + rename_.renamed +
                   ";");
    composer_.with_unsync(action_, then, exclusive());
    composer_.takes_place(action_, rename_);
}

void Renaming::note_mirrors() {
    if (std::none_of(rename_.indexes.begin(), rename_.indexes.end(),
                     // One that can be deferred is no arbiter.
                     [](const CopiedIndex& index) { return index.unique && !index.is_early(); }))
        return;
    composer_.note(
        "two unique indexes mirror each other until contract: of sessions, of either version, that "
        "INSERT the same new " +
        rename_.column + " with ON CONFLICT at the same moment, one may get 23505");
}

void Renaming::add_notes() {
    const std::string& old = rename_.column;
    const std::string& renamed = rename_.renamed;
    composer_.note("until contract " + table_.qualified + " has " + old + " and " + renamed +
                   ": INSERT without a list of columns and SELECT * see one column more, at the "
                   "end; from then on " +
                   renamed + " stands where " + old + " does");
    note_mirrors();
    note_newcomers(old + " and " + renamed, {}, {});
    const bool owned = !rename_.sequences.empty();
    if (!rename_.default_text.empty() || owned)
        composer_.note(
            "the default of " + old + " gives " + renamed +
            " its value through the trigger until contract: an INSERT of the new version "
            "that says NULL gets it too, UPDATE ... SET " +
            renamed + " = DEFAULT means NULL" +
            (owned ? ", and pg_get_serial_sequence knows only " + old : ""));
}

void plan_action(Composer& composer, const Action& action, const RenameColumn& rename) {
    Renaming{composer, action, rename}.plan();
}

}  // namespace zdm::plan
