// The index of a partitioned table, which the server can't build CONCURRENTLY. First the indexes
// of the table itself and of partitions that are partitioned, which are catalog only and not valid
// yet: what becomes a partition from then on gets its index from the server. Then that of each
// leaf, beside reads and writes; then they are attached, and with the last one all are valid. An
// equal index that a leaf has already is attached with those of the parents; on the way back its
// like is built first, as it goes with that of the table.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

std::string create(const CreateIndex& index) {
    return std::string{"CREATE "} + (index.unique ? "UNIQUE " : "") + "INDEX ";
}

class PartitionedIndex {
public:
    PartitionedIndex(Composer& composer, const Action& action, const CreateIndex& index,
                     const PartitionedPlace& place)
        : composer_(composer),
          action_(action),
          index_(index),
          place_(place),
          table_(composer.table(action)),
          root_(index.schema + "." + index.name) {
        for (const auto& own : index.partitions) names_[own.partition] = own.qualified();
    }

    void add();

private:
    const Partition& partition(const PartitionIndex& own) const {
        return table_.partitions.at(own.partition);
    }
    // The index that one of a partition is attached to.
    std::string parent_of(const PartitionIndex& own) const {
        const std::size_t parent = partition(own).parent;
        return parent == kNoTable ? root_ : names_.at(parent);
    }
    std::string attach(const PartitionIndex& own) const {
        return "ALTER INDEX " + parent_of(own) + " ATTACH PARTITION " + own.qualified();
    }
    Step start_at(const PartitionIndex& own, StepKind kind) const;
    void add_parents();
    void add_leaf(const PartitionIndex& own);
    void add_attach(const PartitionIndex& own, bool first);
    void add_proof();
    // Takes the attached indexes along.
    Undo drop_all() const;
    // The same, and what leaves had before is there again.
    Undos give_back();
    bool any_there() const {
        return std::any_of(index_.partitions.begin(), index_.partitions.end(),
                           [](const PartitionIndex& own) { return own.is_there(); });
    }

    Composer& composer_;
    const Action& action_;
    const CreateIndex& index_;
    const PartitionedPlace& place_;
    const Table& table_;
    std::string root_;
    std::map<std::size_t, std::string> names_;  // of the indexes, by partition
};

Step PartitionedIndex::start_at(const PartitionIndex& own, StepKind kind) const {
    Step step = composer_.start_at(action_, partition(own), kind);
    step.parameters["index"] = own.qualified();
    step.parameters["root"] = root_;
    return step;
}

Undo PartitionedIndex::drop_all() const {
    Undo undo;
    undo.kind = StepKind::ddl;
    undo.command = "DROP INDEX IF EXISTS " + root_ + ";";
    undo.parameters = {{"path", "pinned"}, {"statements", "1"}, {"gone", root_}};
    undo.locks = {{table_.qualified, LockMode::access_exclusive}};
    for (const auto& each : table_.partitions)
        undo.locks.push_back({each.qualified, LockMode::access_exclusive});
    return undo;
}

Undos PartitionedIndex::give_back() {
    Undos parts;
    Undo last = drop_all();
    int statements = 1;
    for (const auto& own : index_.partitions) {
        if (!own.is_there()) continue;
        const std::string again = composer_.private_name(own.name, "again");
        Undo build = build_in_partition(table_, own, again, index_.unique);
        build.parameters["gone"] = root_;
        parts.push_back(std::move(build));
        // Not there where the partition was detached, and its index with it.
        last.command +=
            " ALTER INDEX IF EXISTS " + own.schema + "." + again + " RENAME TO " + own.name + ";";
        ++statements;
    }
    last.parameters["statements"] = std::to_string(statements);
    parts.push_back(std::move(last));
    return parts;
}

void PartitionedIndex::add_parents() {
    Step step = composer_.start(action_, StepKind::ddl);
    step.command =
        create(index_) + index_.name + " ON ONLY " + table_.qualified + " " + index_.tail + ";";
    step.locks = {{table_.qualified, LockMode::share}};
    int statements = 1;
    for (const auto& own : index_.partitions) {
        if (partition(own).leaf) continue;
        step.command += " " + create(index_) + own.name + " ON ONLY " + partition(own).qualified +
                        " " + index_.tail + "; " + attach(own) + ";";
        step.locks.push_back({partition(own).qualified, LockMode::share});
        statements += 2;
    }
    step.lock = LockMode::share;
    for (const auto& own : index_.partitions) {
        if (!own.is_there()) continue;
        step.command += " " + attach(own) + ";";
        step.locks.push_back({own.qualified(), LockMode::access_exclusive});
        step.lock = LockMode::access_exclusive;
        ++statements;
    }
    step.rows.reset();
    step.bytes.reset();
    step.undo = give_back();
    step.note =
        "changes the catalog only; not valid until each partition has its own; partitions that are "
        "made or attached from here on get theirs from the server";
    if (any_there()) step.note += "; equal indexes of partitions are attached as they are";
    if (!index_.foreign.empty())
        step.note += "; a foreign table has no index: " + join(index_.foreign);
    step.parameters = {{"path", "pinned"}, {"statements", std::to_string(statements)}};
    composer_.add(place_.slot, step);
}

void PartitionedIndex::add_leaf(const PartitionIndex& own) {
    Step step = start_at(own, StepKind::index);
    step.command = create(index_) + "CONCURRENTLY " + own.name + " ON " + partition(own).qualified +
                   " " + (own.build.empty() ? index_.tail : own.build);
    step.undo = {undo_by_drop_index(own.qualified())};
    step.lock = LockMode::share_update_exclusive;
    step.scans = true;
    step.note = place_.note;
    composer_.add(place_.slot, step);
}

void PartitionedIndex::add_attach(const PartitionIndex& own, bool first) {
    Step step = start_at(own, StepKind::attach);
    step.rows.reset();
    step.bytes.reset();
    step.command = attach(own);
    step.locks = {{own.qualified(), LockMode::access_exclusive}};
    step.lock = LockMode::access_exclusive;
    step.note = "changes the catalog only, with a lock on the index alone";
    // On the way back this one is the last of them.
    if (first) step.undo = {drop_all()};
    composer_.add(place_.slot, step);
}

void PartitionedIndex::add_proof() {
    Step step = composer_.start(action_, StepKind::whole_index);
    step.command =
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = " + literal(root_) +
        "::pg_catalog.regclass";
    step.rows.reset();
    step.bytes.reset();
    step.lock = LockMode::access_share;
    step.note = "proves that all partitions have the index; queries may use it everywhere";
    step.parameters = {{"root", root_}};
    composer_.add(place_.slot, step);
}

void PartitionedIndex::add() {
    add_parents();
    for (const auto& own : index_.partitions)
        if (partition(own).leaf && !own.is_there()) add_leaf(own);
    bool first = !any_there();
    for (const auto& own : index_.partitions) {
        if (!partition(own).leaf || own.is_there()) continue;
        add_attach(own, first);
        first = false;
    }
    add_proof();
}

}  // namespace

void add_partitioned_index(Composer& composer, const Action& action, const CreateIndex& index,
                           const PartitionedPlace& place) {
    PartitionedIndex{composer, action, index, place}.add();
}

}  // namespace zdm::plan
