// Data: UPDATE, DELETE, INSERT. An UPDATE runs in batches, so a row that it changed must no longer
// match: either WHERE is then provably not true, or a column that was NULL is not NULL any more.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

struct Batched {
    std::vector<std::pair<std::string, std::string>> assignments;
    std::string predicate;

    void assign(const std::string& column, const std::string& expression) {
        assignments.emplace_back(column, expression);
    }
    std::string set() const {
        std::vector<std::string> parts;
        for (const auto& [column, expression] : assignments)
            parts.push_back(column + " = " + expression);
        return join(parts);
    }
};

bool made(const Composer& composer, const Action& action, const Assignment& assignment) {
    return composer.seen().made.count({action.table, assignment.column}) != 0;
}

bool is_fill(const Composer& composer, const Assignment& assignment) {
    return composer.seen().fills.count(&assignment) != 0;
}

std::string in_batches(const Table& table) {
    if (table.partitioned) return "in batches, partition by partition";
    return table.has_children ? "in batches, table by table" : "in batches";
}

std::string with(const std::string& left, const std::string& right) {
    if (left.empty()) return right;
    if (right.empty()) return left;
    return left + " AND " + parenthesised(right);
}

[[noreturn]] void refuse_divergent(const Composer& composer, const Action& action,
                                   const Update& update) {
    const Table& table = composer.table(action);
    const auto& first = update.assignments.front();
    const auto& reads = update.rest_reads;
    const bool later_fill = made(composer, action, first) &&
                            std::find(reads.begin(), reads.end(), first.column) == reads.end();
    refuse(action.at, "ZD103", pg::state::kFeatureNotSupported,
           "this UPDATE does not converge: a row that it changed may still match, and batches "
           "would change it again",
           "zdm can't prove that WHERE is false for a row after SET.",
           later_fill ? "An earlier statement gives " + first.column +
                            " values already; say which rows are left: ... AND " + first.column +
                            " IS NULL."
                      : "Mark what is done in a column of its own: ALTER TABLE " + table.qualified +
                            " ADD COLUMN done boolean; UPDATE ... SET ..., done = true WHERE done "
                            "IS NULL AND ...; and drop the column in a later migration.");
}

// The condition under which filling a column makes its row stop matching.
std::string gives_value(const Action& action, const Assignment& fill) {
    if (fill.never_null) return {};
    if (fill.of_default)
        refuse(action.at, "ZD103", pg::state::kFeatureNotSupported,
               "the default of " + fill.column + " is volatile and may be NULL",
               "Rows of before get it in batches, and one whose value came out NULL would get "
               "another.",
               "Write DEFAULT coalesce(<expression>, <constant>).");
    if (fill.is_volatile)
        refuse(action.at, "ZD103", pg::state::kFeatureNotSupported,
               "this UPDATE does not converge: the value of " + fill.column +
                   " is volatile and may be NULL",
               "A row whose value came out NULL would match again.",
               "Write SET " + fill.column + " = coalesce(<expression>, <constant>).");
    return "(" + parenthesised(fill.expression) + " IS NOT NULL)";
}

// Only columns of the migration are filled: each row until all of them have a value, and a value
// that an application wrote stays.
Batched fill_made(const Composer& composer, const Action& action, const Update& update) {
    Batched batched;
    std::vector<std::string> markers;
    for (const auto& assignment : update.assignments) {
        if (!is_fill(composer, assignment)) continue;
        markers.push_back(with(assignment.column + " IS NULL", gives_value(action, assignment)));
    }
    for (const auto& assignment : update.assignments) {
        const bool guard = markers.size() > 1 && is_fill(composer, assignment);
        batched.assign(assignment.column,
                       guard ? "COALESCE(" + assignment.column + ", " + assignment.expression + ")"
                             : assignment.expression);
    }
    const std::string any =
        markers.size() == 1 ? markers.front() : "((" + join(markers, ") OR (") + "))";
    batched.predicate = with(any, update.rest);
    return batched;
}

// WHERE says itself which rows lack a value.
Batched fill_marked(const Composer& composer, const Action& action, const Update& update) {
    Batched batched;
    const Assignment* marker = nullptr;
    for (const auto& assignment : update.assignments) {
        const bool fill = is_fill(composer, assignment);
        if (fill && assignment.marked &&
            (marker == nullptr || (!marker->never_null && assignment.never_null)))
            marker = &assignment;
        const bool guard = fill && !assignment.marked;
        batched.assign(assignment.column,
                       guard ? "COALESCE(" + assignment.column + ", " + assignment.expression + ")"
                             : assignment.expression);
    }
    batched.predicate = update.where;
    if (marker != nullptr) batched.predicate = with(update.where, gives_value(action, *marker));
    return batched;
}

Batched batched_form(const Composer& composer, const Action& action, const Update& update) {
    bool any = false;
    bool existing = false;
    for (const auto& assignment : update.assignments) {
        if (!is_fill(composer, assignment)) continue;
        any = true;
        existing = existing || !made(composer, action, assignment);
    }
    if (any)
        return existing ? fill_marked(composer, action, update)
                        : fill_made(composer, action, update);
    if (!update.converges) refuse_divergent(composer, action, update);
    Batched batched;
    for (const auto& assignment : update.assignments)
        batched.assign(assignment.column, assignment.expression);
    batched.predicate = update.where;
    return batched;
}

void refuse_sync(const Action& action, const std::string& code, const std::string& column,
                 const std::string& why, const std::string& hint) {
    refuse(action.at, code, pg::state::kFeatureNotSupported,
           "rows that applications write before contract can't be given " + column + ": " + why,
           "A later statement of this migration relies on the column, so a trigger must fill it "
           "in new rows too.",
           hint);
}

// Whether the rule can run inside the applications' own statements.
void check_rule(const Action& action, const Update& update, const Assignment& fill) {
    if (fill.subquery || update.rest_subquery)
        refuse_sync(action, "ZD104", fill.column, "the UPDATE has a subquery",
                    "Fill the column in this migration and enforce or drop in a later one, when "
                    "the new version writes it.");
    if (!fill.reads.empty() && (!fill.immutable || !update.rest_immutable))
        refuse_sync(action, "ZD108", fill.column,
                    "it is kept in step with " + join(fill.reads) +
                        ", but the expression is not IMMUTABLE and could differ by session",
                    "Use an immutable form, e.g. (c AT TIME ZONE 'UTC') where the time zone of "
                    "the session counts, or to_char and casts with their settings spelt out.");
    const std::string& hidden = fill.not_public.empty() ? update.rest_not_public : fill.not_public;
    if (!hidden.empty())
        refuse(action.at, "ZD109", pg::state::kInsufficientPrivilege,
               "not every role may use " + hidden + ", which gives " + fill.column + " its value",
               "The trigger that fills new rows runs as the role that writes them.",
               "GRANT EXECUTE on the function and USAGE on its schema TO PUBLIC, or use another "
               "expression.");
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const Update& update) {
    const Table& table = composer.table(action);
    const Batched batched = batched_form(composer, action, update);
    const std::string set = batched.set();
    bool removal = false;
    bool keeps_values = false;
    bool synced = false;
    bool silent = false;
    std::vector<std::string> columns;
    for (const auto& assignment : update.assignments) {
        const bool fill = is_fill(composer, assignment);
        columns.push_back(assignment.column);
        silent = silent || assignment.of_default;
        removal = removal || (!fill && !made(composer, action, assignment));
        keeps_values = keeps_values || !made(composer, action, assignment);
        composer.analyze(action, assignment.column);
        if (!fill || !needs_sync(composer.seen(), action.table, assignment)) continue;
        check_rule(action, update, assignment);
        composer.sync(action, assignment, update.rest);
        synced = true;
    }

    Step step = composer.start(action, StepKind::backfill);
    step.command = "UPDATE " + table.qualified + " SET " + set +
                   (batched.predicate.empty() ? "" : " WHERE " + batched.predicate);
    step.lock = LockMode::row_exclusive;
    step.scans = true;
    step.removal = removal;
    const std::string how = in_batches(table);
    step.note = how + (removal ? "; overwrites values, which can't be taken back"
                               : "; rows that others hold locked are left for later");
    if (!removal && keeps_values) step.note += "; rollback leaves the values";
    if (!synced) step.note += "; rows written after it began may be left, and are counted";
    if (silent) step.note += "; triggers of the table stay silent, as ADD COLUMN changes no row";
    step.parameters = {{"set", set},
                       {"predicate", batched.predicate},
                       {"columns", join(columns)},
                       {"sync", synced ? "yes" : "no"}};
    if (silent) step.parameters["fire_triggers"] = "no";
    step.assignments = batched.assignments;
    go_through_tree(step, table);
    composer.add(Slot::data, step);

    Step pass = composer.start(action, StepKind::last_pass);
    pass.command = "SELECT count(*) FROM " + rows_of(table) + " WHERE " + batched.predicate;
    pass.lock = LockMode::row_exclusive;
    pass.scans = true;
    pass.note = "proves that no row is left";
    pass.parameters = {
        {"set", set}, {"predicate", batched.predicate}, {"sync", synced ? "yes" : "no"}};
    if (silent) pass.parameters["fire_triggers"] = "no";
    go_through_tree(pass, table);
    composer.add(Slot::data, pass);
}

void plan_action(Composer& composer, const Action& action, const Delete& statement) {
    const Table& table = composer.table(action);
    const std::string predicate = statement.where.empty() ? "true" : statement.where;
    Step step = composer.start(action, StepKind::delete_rows);
    step.command = "DELETE FROM " + table.qualified + " WHERE " + predicate;
    step.lock = LockMode::row_exclusive;
    step.scans = true;
    step.removal = true;
    step.note = in_batches(table) + "; deleted rows can't be taken back";
    step.parameters = {{"predicate", predicate}};
    go_through_tree(step, table);
    composer.add(Slot::data, step);
}

void plan_action(Composer& composer, const Action& action, const Insert& insert) {
    const Table& table = composer.table(action);
    if (insert.large)
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "this INSERT copies more than zdm.small_table in one transaction",
               "A long transaction keeps dead rows of all tables from being cleaned up.",
               "Not supported yet. Copy the rows outside of zdm, in ranges, or raise "
               "zdm.small_table for this session.");
    const bool depends = std::any_of(
        insert.reads.begin(), insert.reads.end(),
        [&](std::size_t read) { return !composer.facts().tables.at(read).made_here(); });
    Step step = composer.start(action, StepKind::insert);
    step.command = action.written;
    step.lock = LockMode::row_exclusive;
    step.note = table.made_here() ? "" : "in one transaction; rollback leaves the rows";
    if (depends)
        step.note += std::string{step.note.empty() ? "" : "; "} +
                     "copies the rows of that moment; what is written later is not copied";
    step.parameters = {{"path", "user"}};
    // A table of this migration is complete at the end of expand, unless it takes over rows.
    const bool late = depends || composer.comes_late(action.table);
    if (table.made_here() && late) composer.come_late(action.table);
    composer.add(table.made_here() && !late ? Slot::structure : Slot::data, step);
}

}  // namespace zdm::plan
