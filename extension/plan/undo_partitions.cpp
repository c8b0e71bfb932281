// Taking back what concerns a table and each of its partitions. Parts about one partition name it,
// so that they are run on it, and left out when it is none any more.
#include <algorithm>

#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string alter(const std::string& relation) { return "ALTER TABLE " + relation + " "; }

const char* keyword(bool primary) { return primary ? "PRIMARY KEY" : "UNIQUE"; }

Undo statement(const std::string& text, std::vector<LockNeed> locks, int count = 1) {
    return {StepKind::ddl,
            text,
            {{"path", "pinned"}, {"statements", std::to_string(count)}},
            std::move(locks)};
}

// The locks of the step on other tables, and one on the leaf.
std::vector<LockNeed> locks_of_leaf(const Step& step, const Table& table, const Partition& leaf,
                                    LockMode mode) {
    std::vector<LockNeed> locks;
    for (const auto& need : step.locks) {
        const bool own = need.relation == table.qualified ||
                         std::any_of(table.partitions.begin(), table.partitions.end(),
                                     [&](const Partition& partition) {
                                         return partition.qualified == need.relation;
                                     });
        if (!own) locks.push_back({need.relation, mode});
    }
    locks.push_back({leaf.qualified, mode});
    return locks;
}

// The constraint of the table itself, which takes over what its partitions have.
Undo add_to_table(const Step& step, const Table& table, const DropConstraint& drop) {
    const std::string with = drop.with.empty() ? "" : " " + join(drop.with, " ");
    return statement(
        alter(table.qualified) + "ADD CONSTRAINT " + drop.name + " " + drop.definition + ";" + with,
        locks_at(step, LockMode::access_exclusive), 1 + static_cast<int>(drop.with.size()));
}

// Before 18 the server knows no NOT VALID foreign key here: the table takes over those of its
// leaves.
Undos undo_by_foreign_key(const Step& step, const Table& table, const DropConstraint& drop) {
    Undos parts;
    if (!drop.violates.empty())
        parts.push_back(count_violators(step, drop.name, drop.violates, "23503"));
    for (const auto& leaf : table.partitions) {
        if (!leaf.leaf) continue;
        const std::string on_leaf = alter(leaf.qualified);
        parts.push_back(at_partition(
            {StepKind::constraint,
             on_leaf + "ADD CONSTRAINT " + drop.name + " " + drop.definition + " NOT VALID",
             {{"constraint", drop.name}},
             locks_of_leaf(step, table, leaf, LockMode::share_row_exclusive)},
            table, leaf));
        parts.push_back(at_partition(
            {StepKind::validate,
             on_leaf + "VALIDATE CONSTRAINT " + drop.name,
             {{"constraint", drop.name}, {"drop", on_leaf + "DROP CONSTRAINT " + drop.name + ";"}},
             locks_of_leaf(step, table, leaf, LockMode::access_exclusive)},
            table, leaf));
    }
    Undo whole = add_to_table(step, table, drop);
    whole.parameters["proven"] = drop.name;
    parts.push_back(std::move(whole));
    return parts;
}

Undos undo_by_key(const Step& step, const Table& table, const DropConstraint& drop) {
    const bool primary = drop.kind == ConstraintKind::primary_key;
    Undos parts;
    Undos keys;
    for (const auto& own : drop.partitions) {
        const Partition& leaf = table.partitions.at(own.partition);
        if (!leaf.leaf) continue;
        parts.push_back(build_in_partition(table, own, own.name, true));
        keys.push_back(at_partition(statement(take_index(leaf, own, own.name, primary, drop.suffix),
                                              {{leaf.qualified, LockMode::access_exclusive}}),
                                    table, leaf));
    }
    parts.insert(parts.end(), keys.begin(), keys.end());
    Undo whole = add_to_table(step, table, drop);
    require_key(whole.parameters, drop.columns, primary);
    parts.push_back(std::move(whole));
    return parts;
}

}  // namespace

Undo at_partition(Undo undo, const Table& table, const Partition& partition) {
    undo.parameters["relation"] = partition.qualified;
    undo.parameters["oid"] = std::to_string(partition.oid);
    undo.parameters["table"] = table.qualified;
    if (table.has_children) undo.parameters["child"] = "yes";
    return undo;
}

Undo build_in_partition(const Table& table, const PartitionIndex& index, const std::string& name,
                        bool unique) {
    const Partition& partition = table.partitions.at(index.partition);
    return at_partition(
        {StepKind::index,
         std::string{"CREATE "} + (unique ? "UNIQUE " : "") + "INDEX CONCURRENTLY " + name +
             " ON " + partition.qualified + " " + index.tail,
         {{"index", index.schema + "." + name}},
         {}},
        table, partition);
}

std::string take_index(const Partition& leaf, const PartitionIndex& index, const std::string& from,
                       bool primary, const std::string& suffix) {
    return alter(leaf.qualified) + "ADD CONSTRAINT " + index.name + " " + keyword(primary) +
           " USING INDEX " + from + suffix + ";";
}

void require_key(std::map<std::string, std::string>& parameters,
                 const std::vector<std::string>& columns, bool primary) {
    parameters["proven_key"] = join(columns);
    parameters["key_type"] = primary ? "p" : "u";
}

Undos undo_in_partitions(const Step& step, const Table& table, const DropConstraint& drop) {
    switch (drop.kind) {
    case ConstraintKind::foreign_key:
        if (drop.valid) return undo_by_foreign_key(step, table, drop);
        break;
    case ConstraintKind::unique:
    case ConstraintKind::primary_key: return undo_by_key(step, table, drop);
    case ConstraintKind::check:
    case ConstraintKind::exclusion:
    case ConstraintKind::not_null: break;
    }
    return undo_by_constraint(step, drop);
}

}  // namespace zdm::plan
