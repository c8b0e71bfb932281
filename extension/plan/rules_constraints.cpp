// Constraints: CHECK, FOREIGN KEY, UNIQUE, PRIMARY KEY; VALIDATE, DROP.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string alter(const Table& table) { return "ALTER TABLE " + table.qualified + " "; }

// In contract, where a column that was dropped before may have taken the constraint along.
std::string drop_if_there(const Table& table, const std::string& name) {
    return alter(table) + "DROP CONSTRAINT IF EXISTS " + name + ";";
}

// `alone`: of a table with children the rows of it alone.
void add_count(Composer& composer, const Action& action, const std::string& name,
               const std::string& violates, const std::string& sqlstate, bool alone) {
    const Table& table = composer.table(action);
    const bool without_children = alone && table.has_children;
    Step count = composer.start(action, StepKind::count);
    count.command = "SELECT count(*) FROM " +
                    (without_children ? "ONLY " + table.qualified : rows_of(table)) + " WHERE " +
                    violates;
    count.lock = LockMode::access_share;
    count.scans = true;
    count.note = "rows that " + name + " would refuse stop contract before anything is enforced";
    count.parameters = {{"violates", violates}, {"constraint", name}, {"sqlstate", sqlstate}};
    if (!without_children) go_through_tree(count, table);
    composer.add(Slot::count, count);
}

void add_validate(Composer& composer, const Action& action, const std::string& name,
                  const Seen& seen, bool drop_when_refused) {
    const Table& table = composer.table(action);
    Step validate = composer.start(action, StepKind::validate);
    validate.command = alter(table) + "VALIDATE CONSTRAINT " + name;
    composer.lock(validate, action, seen);
    if (validate.lock == LockMode::none) validate.lock = LockMode::share_update_exclusive;
    validate.scans = true;
    validate.note = "scans beside reads and writes";
    validate.parameters = {{"constraint", name}};
    validate.parameters["drop"] =
        drop_when_refused ? alter(table) + "DROP CONSTRAINT " + name + ";" : "";
    composer.add(Slot::enforce, validate);
}

// The drop of a constraint whose name is taken again, or null.
const DropConstraint* taken_over(const Composer& composer, const Action& action,
                                 const std::string& name) {
    const auto& remade = composer.seen().remade;
    const auto found = remade.find({action.table, name});
    if (found == remade.end()) return nullptr;
    const Action& drop = composer.facts().actions.at(found->second);
    if (&drop >= &action) return nullptr;
    return &std::get<DropConstraint>(drop.detail);
}

[[noreturn]] void refuse_taken_over(const Table& table, const Action& action,
                                    const std::string& name) {
    refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
           "constraint " + name + (table.partitioned ? " of the partitioned table " : " of ") +
               table.qualified + " can't take the name of one that is dropped",
           {}, "Give it another name, or drop the old one in a migration before.");
}

// Not without a build under a lock: EXCLUDE, and keys WITHOUT OVERLAPS.
bool can_come_back(const DropConstraint& drop) {
    return drop.kind != ConstraintKind::exclusion && !drop.exclusive;
}

Step ddl(const Composer& composer, const Action& action, std::string command,
         const std::string& undo, int statements) {
    Step step = composer.start(action, StepKind::ddl);
    Seen seen = action.seen;
    if (seen.locks.empty()) seen = lock_all(action.table, LockMode::access_exclusive);
    seen.scans = seen.rewrites = false;
    composer.lock(step, action, seen);
    step.command = std::move(command);
    step.undo = undo_ddl(step, undo);
    step.parameters = {{"path", "pinned"}, {"statements", std::to_string(statements)}};
    return step;
}

// A check or foreign key: counted, added NOT VALID, validated.
struct Enforced {
    const std::string& name;
    const std::string& definition;
    const std::string& violates;
    std::string sqlstate;
    bool not_valid;
    bool alone;  // not handed down to children
    const Seen& seen_validate;
};

void add_enforced(Composer& composer, const Action& action, const Enforced& wanted) {
    const Table& table = composer.table(action);
    const DropConstraint* old = taken_over(composer, action, wanted.name);
    // A child may keep what it has of that name.
    if (old != nullptr && table.has_children && !(wanted.alone && old->alone))
        refuse_taken_over(table, action, wanted.name);
    const std::string name =
        old == nullptr ? wanted.name : composer.private_name(wanted.name, "new");
    if (!wanted.not_valid)
        add_count(composer, action, wanted.name, wanted.violates, wanted.sqlstate, wanted.alone);

    Step step = composer.start(action, StepKind::constraint);
    Seen seen = action.seen;
    seen.scans = seen.rewrites = false;
    composer.lock(step, action, seen);
    step.command = alter(table) + "ADD CONSTRAINT " + name + " " + wanted.definition + " NOT VALID";
    step.undo = undo_ddl(step, alter(table) + "DROP CONSTRAINT IF EXISTS " + name + ";");
    step.note = wanted.not_valid ? "as written: rows of before are not checked"
                                 : "new rows are checked from here on";
    step.parameters = {{"constraint", name}};
    composer.add(Slot::enforce, step);
    if (!wanted.not_valid) add_validate(composer, action, name, wanted.seen_validate, true);
    if (old == nullptr) return;

    Step swap = ddl(composer, action,
                    drop_if_there(table, wanted.name) + " " + alter(table) + "RENAME CONSTRAINT " +
                        name + " TO " + wanted.name + ";",
                    alter(table) + "RENAME CONSTRAINT " + wanted.name + " TO " + name + ";", 2);
    if (can_come_back(*old)) {
        const Undos back = undo_by_constraint(swap, *old);
        swap.undo.insert(swap.undo.end(), back.begin(), back.end());
    } else {
        swap.undo.clear();
        swap.removal = true;
    }
    swap.note = "the new " + wanted.name +
                " takes the name of the old one, which holds until here; when the new version "
                "needs the old one gone earlier, drop it in a migration before this one";
    composer.add(Slot::remove, swap);
}

// The locks of adding it to one partition: all of the table's only where it refers to itself.
void lock_key(Composer& composer, Step& step, const Action& action, bool to_itself) {
    Seen seen = action.seen;
    seen.scans = seen.rewrites = false;
    if (!to_itself)
        std::erase_if(seen.locks,
                      [&](const TableLock& held) { return held.table == action.table; });
    composer.lock(step, action, seen);
    if (!to_itself) step.locks.push_back({step.relation, LockMode::share_row_exclusive});
    step.lock = std::max(step.lock, LockMode::share_row_exclusive);
}

void add_key_of_leaf(Composer& composer, const Action& action, const AddForeignKey& add,
                     const Partition& leaf, Slot slot) {
    const std::string on_leaf = "ALTER TABLE " + leaf.qualified + " ";
    const bool to_itself = add.referenced == action.table;
    Step step = composer.start_at(action, leaf, StepKind::constraint);
    lock_key(composer, step, action, to_itself);
    step.command = on_leaf + "ADD CONSTRAINT " + add.name + " " + add.definition + " NOT VALID";
    step.undo = undo_ddl(step, on_leaf + "DROP CONSTRAINT IF EXISTS " + add.name + ";");
    step.rows.reset();
    step.bytes.reset();
    step.note = "new rows of the partition are checked from here on";
    step.parameters["constraint"] = add.name;
    composer.add(slot, step);

    Step validate = composer.start_at(action, leaf, StepKind::validate);
    lock_key(composer, validate, action, to_itself);
    for (auto& need : validate.locks) need.mode = LockMode::share_update_exclusive;
    validate.lock = LockMode::share_update_exclusive;
    validate.command = on_leaf + "VALIDATE CONSTRAINT " + add.name;
    validate.scans = true;
    validate.note = "scans beside reads and writes";
    validate.parameters["constraint"] = add.name;
    validate.parameters["drop"] = on_leaf + "DROP CONSTRAINT " + add.name + ";";
    composer.add(slot, validate);
}

void add_partitioned_key(Composer& composer, const Action& action, const AddForeignKey& add) {
    if (taken_over(composer, action, add.name) != nullptr)
        refuse_taken_over(composer.table(action), action, add.name);
    add_count(composer, action, add.name, add.violates, "23503", false);
    add_partitioned_foreign_key(composer, action, add, Slot::enforce);
}

}  // namespace

// Before 18 the server knows no NOT VALID here. A key that each leaf has already, and that is
// valid, is taken over without a scan.
void add_partitioned_foreign_key(Composer& composer, const Action& action, const AddForeignKey& add,
                                 Slot slot) {
    const Table& table = composer.table(action);
    for (const auto& partition : table.partitions)
        if (partition.leaf) add_key_of_leaf(composer, action, add, partition, slot);
    Step step = ddl(composer, action,
                    alter(table) + "ADD CONSTRAINT " + add.name + " " + add.definition + ";",
                    alter(table) + "DROP CONSTRAINT IF EXISTS " + add.name + ";", 1);
    // Taking over drops the triggers that each leaf's key has on the table that it refers to.
    for (auto& need : step.locks)
        if (need.relation == composer.facts().tables.at(add.referenced).qualified)
            need.mode = step.lock = LockMode::access_exclusive;
    step.note = "takes over those of the partitions: nothing is scanned";
    step.parameters["proven"] = add.name;
    composer.add(slot, step);
}

void plan_action(Composer& composer, const Action& action, const AddCheck& add) {
    const std::string violates = parenthesised(add.expression) + " IS FALSE";
    add_enforced(composer, action,
                 {add.name, add.definition, violates, "23514", add.not_valid, add.no_inherit,
                  add.seen_validate});
}

void plan_action(Composer& composer, const Action& action, const AddForeignKey& add) {
    if (composer.table(action).partitioned) return add_partitioned_key(composer, action, add);
    add_enforced(
        composer, action,
        {add.name, add.definition, add.violates, "23503", add.not_valid, true, add.seen_validate});
}

void plan_action(Composer& composer, const Action& action, const AddUnique& add) {
    const Table& table = composer.table(action);
    const DropConstraint* old = taken_over(composer, action, add.name);
    if (table.partitioned) {
        if (old != nullptr) refuse_taken_over(table, action, add.name);
        return add_partitioned_unique(composer, action, add);
    }
    const std::string kind = add.primary ? "PRIMARY KEY" : "UNIQUE";
    std::string index = add.index;
    if (index.empty()) {
        index = old == nullptr ? add.name : composer.private_name(add.name, "new");
        Step build = composer.start(action, StepKind::index);
        build.command =
            "CREATE UNIQUE INDEX CONCURRENTLY " + index + " ON " + table.qualified + " " + add.tail;
        build.undo = {undo_by_drop_index(add.schema + "." + index)};
        build.lock = LockMode::share_update_exclusive;
        build.scans = true;
        build.note =
            "built beside reads and writes; rows that are not unique stop contract here, "
            "before any constraint is added";
        build.parameters = {{"index", add.schema + "." + index}};
        composer.add(Slot::unique_index, build);
    }
    for (const auto& column : add.nullable) enforce_not_null(composer, action, column, false);

    std::string command = alter(table) + "ADD CONSTRAINT " + add.name + " " + kind +
                          " USING INDEX " + index + add.suffix + ";";
    if (old == nullptr) {
        Step step =
            ddl(composer, action, command, alter(table) + "DROP CONSTRAINT " + add.name + ";", 1);
        if (!add.index.empty() && !add.index_made_here)
            step.undo = undo_by_index_alone(step, add, composer.private_name(add.index, "again"));
        step.note = "takes over the index: nothing is scanned";
        composer.add(Slot::enforce, step);
        return;
    }
    Step swap = ddl(composer, action, drop_if_there(table, add.name) + " " + command, "", 2);
    swap.removal = true;
    swap.note = "the new " + add.name + " takes the name of the old one, whose index goes with it";
    composer.add(Slot::remove, swap);
}

void plan_action(Composer& composer, const Action& action, const Validate& validate) {
    if (!validate.violates.empty())
        add_count(composer, action, validate.name, validate.violates, validate.sqlstate,
                  validate.alone);
    add_validate(composer, action, validate.name, action.seen, validate.made_here);
}

void plan_action(Composer& composer, const Action& action, const DropConstraint& drop) {
    const Table& table = composer.table(action);
    const auto& remade = composer.seen().remade;
    const auto found = remade.find({action.table, drop.name});
    if (found != remade.end() && &composer.facts().actions.at(found->second) == &action) return;
    const std::string command = alter(table) + "DROP CONSTRAINT " + drop.name + ";";
    if (drop.made_here) {
        Step step = ddl(composer, action, command, "", 1);
        step.note = "made by this migration, no longer needed";
        composer.add(Slot::enforce, step);
        return;
    }
    if (!can_come_back(drop)) {
        Step step = ddl(composer, action, drop_if_there(table, drop.name), "", 1);
        step.removal = true;
        step.note = "such a constraint can't be added again beside writes";
        composer.add(Slot::remove, step);
        return;
    }
    Step step = ddl(composer, action, command, "", 1);
    step.undo =
        table.partitioned ? undo_in_partitions(step, table, drop) : undo_by_constraint(step, drop);
    step.note = "loosens: the new version may write what " + drop.name + " refused";
    if (drop.kind == ConstraintKind::unique || drop.kind == ConstraintKind::primary_key)
        step.note += "; a rollback builds its index again, beside reads and writes";
    composer.add(Slot::structure, step);
}

}  // namespace zdm::plan
