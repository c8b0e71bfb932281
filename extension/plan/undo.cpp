#include "plan/undo.hpp"

#include <algorithm>

#include "plan/text.hpp"

namespace zdm::plan {

namespace {

std::string alter(const Step& step) { return "ALTER TABLE " + step.relation + " "; }

Undo add_not_valid(const Step& step, const std::string& name, const std::string& definition,
                   LockMode mode) {
    return {StepKind::constraint,
            alter(step) + "ADD CONSTRAINT " + name + " " + definition + " NOT VALID",
            {{"constraint", name}},
            locks_at(step, mode)};
}

// Its locks are those of dropping the constraint again, should rows refuse it.
Undo validate(const Step& step, const std::string& name) {
    return {StepKind::validate,
            alter(step) + "VALIDATE CONSTRAINT " + name,
            {{"constraint", name}, {"drop", alter(step) + "DROP CONSTRAINT " + name + ";"}},
            locks_at(step, LockMode::access_exclusive)};
}

Undo build(const Step& step, const std::string& schema, const std::string& name,
           const std::string& tail) {
    return {StepKind::index,
            "CREATE UNIQUE INDEX CONCURRENTLY " + name + " ON " + step.relation + " " + tail,
            {{"index", schema + "." + name}},
            {}};
}

int statements_in(const std::vector<std::string>& more) { return static_cast<int>(more.size()); }

}  // namespace

Undo count_violators(const Step& step, const std::string& name, const std::string& violates,
                     const std::string& sqlstate, bool alone) {
    const bool children = step.has_children && !alone;
    Undo count{StepKind::count,
               std::string{"SELECT count(*) FROM "} +
                   (step.partitioned || children ? "" : "ONLY ") + step.relation + " WHERE " +
                   violates,
               {{"violates", violates}, {"constraint", name}, {"sqlstate", sqlstate}},
               {}};
    if (children) count.parameters["tree"] = "yes";
    return count;
}

std::vector<LockNeed> locks_at(const Step& step, LockMode mode) {
    std::vector<LockNeed> locks = step.locks;
    bool own = step.relation.empty();
    for (auto& need : locks) {
        need.mode = mode;
        own = own || need.relation == step.relation;
    }
    if (!own) locks.push_back({step.relation, mode});
    return locks;
}

Undos undo_ddl(const Step& step, const std::string& statements, LockMode mode, int count) {
    if (statements.empty()) return {};
    return {{StepKind::ddl,
             statements,
             {{"path", "pinned"}, {"statements", std::to_string(count)}},
             locks_at(step, mode)}};
}

Undo undo_by_drop_index(const std::string& index) {
    return {
        StepKind::drop_index, "DROP INDEX CONCURRENTLY IF EXISTS " + index, {{"index", index}}, {}};
}

Undos prove_not_null(const Step& step, const std::string& column, const std::string& helper,
                     const std::string& called) {
    return {count_violators(step, "NOT NULL of " + called, column + " IS NULL", "23502"),
            add_not_valid(step, helper, "CHECK (" + column + " IS NOT NULL)",
                          LockMode::access_exclusive),
            validate(step, helper)};
}

Undos undo_by_not_null(const Step& step, const std::string& column, const std::string& helper) {
    Undos parts = prove_not_null(step, column, helper, column);
    // Two statements: within one ALTER TABLE the drop comes first, and SET NOT NULL would scan.
    const Undos last = undo_ddl(step,
                                alter(step) + "ALTER COLUMN " + column + " SET NOT NULL; " +
                                    alter(step) + "DROP CONSTRAINT " + helper + ";",
                                LockMode::access_exclusive, 2);
    parts.insert(parts.end(), last.begin(), last.end());
    return parts;
}

Undos undo_by_constraint(const Step& step, const DropConstraint& drop) {
    Undos parts;
    const std::string with = join(drop.with, " ");
    if (drop.kind == ConstraintKind::check || drop.kind == ConstraintKind::foreign_key) {
        const bool check = drop.kind == ConstraintKind::check;
        if (drop.valid && !drop.violates.empty())
            parts.push_back(count_violators(step, drop.name, drop.violates,
                                            check ? "23514" : "23503", drop.alone));
        parts.push_back(
            add_not_valid(step, drop.name, drop.definition,
                          check ? LockMode::access_exclusive : LockMode::share_row_exclusive));
        if (drop.valid) parts.push_back(validate(step, drop.name));
        const Undos last =
            undo_ddl(step, with, LockMode::share_update_exclusive, statements_in(drop.with));
        parts.insert(parts.end(), last.begin(), last.end());
        return parts;
    }
    parts.push_back(build(step, drop.schema, drop.name, drop.tail));
    const std::string kind = drop.kind == ConstraintKind::primary_key ? " PRIMARY KEY" : " UNIQUE";
    const Undos last =
        undo_ddl(step,
                 alter(step) + "ADD CONSTRAINT " + drop.name + kind + " USING INDEX " + drop.name +
                     drop.suffix + ";" + (with.empty() ? "" : " " + with),
                 LockMode::access_exclusive, 1 + statements_in(drop.with));
    parts.insert(parts.end(), last.begin(), last.end());
    return parts;
}

Undos undo_by_index_alone(const Step& step, const AddUnique& add, const std::string& helper) {
    Undos parts = {build(step, add.schema, helper, add.tail)};
    const Undos last = undo_ddl(step,
                                alter(step) + "DROP CONSTRAINT " + add.name + "; ALTER INDEX " +
                                    add.schema + "." + helper + " RENAME TO " + add.index + ";",
                                LockMode::access_exclusive, 2);
    parts.insert(parts.end(), last.begin(), last.end());
    return parts;
}

}  // namespace zdm::plan
