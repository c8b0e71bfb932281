// Copies in partitions and children: what the server does not carry there, or only under locks
// while it scans them. Indexes and keys are copied leaf by leaf, as those that are new; after a
// change of type parts of partitions get the names that they had.
#include <algorithm>

#include "plan/renaming.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string rename_index(const std::string& schema, const std::string& from,
                         const std::string& to) {
    return "ALTER INDEX " + schema + "." + from + " RENAME TO " + to + ";";
}

}  // namespace

// Where a partition's column is not like its table's.
void Renaming::dress_partitions() {
    for (const auto& own : rename_.partitions) {
        Step step = composer_.start_at(action_, partition(own.partition), StepKind::ddl);
        step.rows.reset();
        step.bytes.reset();
        step.command = join(own.dress, " ");
        step.locks = {{step.relation, LockMode::access_exclusive}};
        step.lock = LockMode::access_exclusive;
        step.note = "what the partition says of " + rename_.column + " otherwise than its table";
        step.parameters["path"] = "pinned";
        step.parameters["statements"] = std::to_string(own.dress.size());
        composer_.add(Slot::structure, step);
    }
}

// One index or key, with its parts.
void Renaming::copy_in_partitions(std::size_t i) {
    const CopiedIndex& index = rename_.indexes[i];
    const std::string& name = indexes_[i];
    const std::string note = "the copy of " + index.name + ", " + kCopyNote;
    index_parts_.emplace_back();
    if (index.partition)
        return build_in_leaf({*index.partition, name, index.schema}, index.unique, index.tail, note,
                             table_.has_children);
    std::vector<PartitionIndex> parts;
    for (const auto& part : index.parts) {
        index_parts_[i].push_back(composer_.private_name(part.name, "copy"));
        parts.push_back({part.partition, index_parts_[i].back(), part.schema, {}, part.tail});
    }
    if (!index.constraint.empty()) return copy_key_in_partitions(i, parts);
    CreateIndex create;
    create.name = name;
    create.schema = index.schema;
    create.unique = index.unique;
    create.tail = index.tail;
    create.partitions = parts;
    add_partitioned_index(composer_, action_, create, {Slot::filled_index, note});
}

// A table has one primary key: that of the new column comes when the other one is gone, made of the
// indexes of the leaves.
void Renaming::copy_key_in_partitions(std::size_t i, const std::vector<PartitionIndex>& parts) {
    const CopiedIndex& index = rename_.indexes[i];
    const std::string note = "the copy of " + index.name + ", ";
    if (index.constraint == "PRIMARY KEY") {
        for (const auto& part : parts)
            if (partition(part.partition).leaf)
                build_in_leaf(part, true, part.build.empty() ? index.tail : part.build,
                              note + kCopyNote);
        return;
    }
    AddUnique add;
    add.name = indexes_[i];
    add.schema = index.schema;
    add.tail = index.tail;
    add.suffix = index.deferrable;
    add.columns = index.columns;
    add.definition = index.definition;
    add.partitions = parts;
    Action action = action_;
    action.seen = exclusive();
    if (index.is_early())
        add_partitioned_unique(
            composer_, action, add,
            {Slot::structure, Slot::structure,
             note + "built beside reads and writes while " + rename_.renamed + " is empty", true});
    else
        add_partitioned_unique(composer_, action, add,
                               {Slot::filled_index, Slot::copy, note + kCopyNote, true});
}

void Renaming::build_in_leaf(const PartitionIndex& part, bool unique, const std::string& tail,
                             const std::string& note, bool stays) {
    Step step = composer_.start_at(action_, partition(part.partition), StepKind::index);
    step.command = std::string{"CREATE "} + (unique ? "UNIQUE " : "") + "INDEX CONCURRENTLY " +
                   part.name + " ON " + step.relation + " " + tail;
    const Undo drop = undo_by_drop_index(part.qualified());
    step.undo = {stays ? at_partition(drop, table_, partition(part.partition)) : drop};
    step.lock = LockMode::share_update_exclusive;
    step.scans = true;
    step.note = note;
    step.parameters["index"] = part.qualified();
    composer_.add(Slot::filled_index, step);
}

// Before 18 the server knows no NOT VALID foreign key of such a table: first each leaf gets it.
void Renaming::copy_foreign_key(const CopiedConstraint& constraint, const std::string& name) {
    AddForeignKey add;
    add.name = name;
    add.definition = constraint.definition;
    add.referenced = constraint.referenced;
    Action action = action_;
    action.seen = lock_all(action_.table, LockMode::share_row_exclusive);
    if (constraint.referenced != action_.table)
        action.seen.locks.push_back({constraint.referenced, LockMode::share_row_exclusive});
    add_partitioned_foreign_key(composer_, action, add, Slot::copy);
}

void Renaming::add_check_to(std::size_t place, const CopiedConstraint& constraint,
                            const std::string& name) {
    const Partition& leaf = partition(place);
    const std::string own = "ALTER TABLE " + leaf.qualified + " ";
    Step add = composer_.start_at(action_, leaf, StepKind::constraint);
    add.locks = {{leaf.qualified, LockMode::access_exclusive}};
    for (const auto& below : partitions_below(table_, place))
        add.locks.push_back({below, LockMode::access_exclusive});
    add.lock = LockMode::access_exclusive;
    add.command = own + "ADD CONSTRAINT " + name + " " + constraint.definition + " NOT VALID";
    add.undo = undo_ddl(add, own + "DROP CONSTRAINT IF EXISTS " + name + ";");
    // Of a child that has left, it goes with the column, or stays where the column has the name.
    if (table_.has_children)
        for (auto& undo : add.undo) undo = at_partition(undo, table_, leaf);
    add.note = "the copy of " + constraint.name + ", which this table " +
               (constraint.partition ? "alone has" : "has by itself as well");
    add.parameters["constraint"] = name;
    composer_.add(Slot::copy, add);
}

void Renaming::copy_check_of_leaf(const CopiedConstraint& constraint, const std::string& name) {
    add_check_to(*constraint.partition, constraint, name);
    if (!constraint.valid) return;

    const Partition& leaf = partition(*constraint.partition);
    const std::string own = "ALTER TABLE " + leaf.qualified + " ";
    Step validate = composer_.start_at(action_, leaf, StepKind::validate);
    validate.command = own + "VALIDATE CONSTRAINT " + name;
    validate.locks = {{leaf.qualified, LockMode::share_update_exclusive}};
    validate.lock = LockMode::share_update_exclusive;
    validate.scans = true;
    validate.note = "scans beside reads and writes";
    validate.parameters["constraint"] = name;
    validate.parameters["drop"] = own + "DROP CONSTRAINT " + name + ";";
    composer_.add(Slot::copy, validate);
}

void Renaming::name_parts(Script& then, const std::vector<CopiedPart>& parts,
                          const std::vector<std::string>& names, bool constraint) const {
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string& owner = partition(parts[i].partition).qualified;
        if (constraint && names[i] != parts[i].name)
            then.about(owner, "ALTER TABLE " + owner + " RENAME CONSTRAINT " + names[i] + " TO " +
                                  parts[i].name + ";");
        if (!constraint) then.about(owner, rename_index(parts[i].schema, names[i], parts[i].name));
        then.about(owner, parts[i].after);
    }
}

// When the old key is gone: of the leaves first, then of what is above them.
void Renaming::add_primary_keys(Script& then, const CopiedIndex& index, const KeyOfAll& key) const {
    for (std::size_t k = 0; k < index.parts.size(); ++k) {
        const CopiedPart& part = index.parts[k];
        const Partition& leaf = partition(part.partition);
        if (!leaf.leaf) continue;
        then.about(leaf.qualified, take_index(leaf, {part.partition, part.name, part.schema},
                                              key.indexes[k], true, {}));
    }
    then.expect_keys(join(key.columns), key.outside);
    for (auto part = index.parts.rbegin(); part != index.parts.rend(); ++part) {
        const Partition& middle = partition(part->partition);
        if (middle.leaf) continue;
        then.about(middle.qualified, "ALTER TABLE " + middle.qualified + " ADD CONSTRAINT " +
                                         part->name + " " + key.definition + ";");
    }
    then.push_back(alter(table_) + "ADD CONSTRAINT " + index.name + " " + key.definition + ";");
    for (const auto& part : index.parts)
        then.about(partition(part.partition).qualified, part.after);
}

void Renaming::note_newcomers(const std::string& columns, const std::string& key,
                              const std::string& before) {
    if (table_.has_children)
        composer_.note("a table that inherits from " + table_.qualified +
                       " and is made between the start and contract has no trigger, which stops "
                       "what comes next: make it before or after");
    if (!table_.partitioned) return;
    std::string note = "until contract a table that becomes a partition of " + table_.qualified +
                       " needs " + columns;
    if (!key.empty())
        note += "; one that is made or attached before " + before +
                " needs by then, if it has rows, a unique index over (" + key +
                ") for its part of the primary key";
    composer_.note(note);
}

void Renaming::name_in_partitions(Script& then, std::size_t i) const {
    const CopiedIndex& index = rename_.indexes[i];
    if (index.partition) {
        const std::string& leaf = partition(*index.partition).qualified;
        then.about(leaf, index.constraint.empty()
                             ? rename_index(index.schema, indexes_[i], index.name)
                             : "ALTER TABLE " + leaf + " ADD CONSTRAINT " + index.name + " " +
                                   index.constraint + " USING INDEX " + indexes_[i] + ";");
        return then.about(leaf, index.after);
    }
    if (index.constraint == "PRIMARY KEY") {
        add_primary_keys(then, index,
                         {index_parts_[i], index.columns, index.definition, join(index.columns)});
    } else if (!index.constraint.empty()) {
        then.push_back(alter(table_) + "RENAME CONSTRAINT " + indexes_[i] + " TO " + index.name +
                       ";");
        name_parts(then, index.parts, index_parts_[i], true);
    } else {
        then.push_back(rename_index(index.schema, indexes_[i], index.name));
        name_parts(then, index.parts, index_parts_[i], false);
    }
    append(then, index.after);
}

}  // namespace zdm::plan
