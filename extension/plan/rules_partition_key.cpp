// UNIQUE and PRIMARY KEY of a partitioned table, which takes no index over (USING INDEX). Each
// leaf's index is built beside reads and writes and becomes a constraint of the leaf; ADD
// CONSTRAINT on the table then finds an equal one in each partition, attaches these and builds
// nothing.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

class PartitionedKey {
public:
    PartitionedKey(Composer& composer, const Action& action, const AddUnique& add,
                   const PartitionedKeyPlace& place)
        : composer_(composer),
          action_(action),
          add_(add),
          place_(place),
          table_(composer.table(action)) {}

    void add();

private:
    const Partition& partition(const PartitionIndex& own) const {
        return table_.partitions.at(own.partition);
    }
    void build(const PartitionIndex& own);
    void take(const PartitionIndex& own);
    void add_middle(const PartitionIndex& own);
    void add_whole();
    Undos undo_whole(const Step& step);

    Composer& composer_;
    const Action& action_;
    const AddUnique& add_;
    const PartitionedKeyPlace& place_;
    const Table& table_;
};

void PartitionedKey::build(const PartitionIndex& own) {
    Step step = composer_.start_at(action_, partition(own), StepKind::index);
    step.command = "CREATE UNIQUE INDEX CONCURRENTLY " + own.name + " ON " +
                   partition(own).qualified + " " + (own.build.empty() ? add_.tail : own.build);
    step.undo = {undo_by_drop_index(own.qualified())};
    step.lock = LockMode::share_update_exclusive;
    step.scans = true;
    step.note = place_.note;
    step.parameters["index"] = own.qualified();
    composer_.add(place_.build, step);
}

void PartitionedKey::take(const PartitionIndex& own) {
    Step step = composer_.start_at(action_, partition(own), StepKind::ddl);
    step.rows.reset();
    step.bytes.reset();
    step.locks = {{step.relation, LockMode::access_exclusive}};
    step.lock = LockMode::access_exclusive;
    step.command = take_index(partition(own), own, own.name, add_.primary, add_.suffix);
    step.undo = undo_ddl(
        step, "ALTER TABLE " + step.relation + " DROP CONSTRAINT IF EXISTS " + own.name + ";");
    step.note = "takes over the index: nothing is scanned";
    step.parameters["path"] = "pinned";
    step.parameters["statements"] = "1";
    composer_.add(place_.take, step);
}

// Of a partition that is partitioned: under the name that the server would not choose.
void PartitionedKey::add_middle(const PartitionIndex& own) {
    Step step = composer_.start_at(action_, partition(own), StepKind::ddl);
    step.rows.reset();
    step.bytes.reset();
    step.locks = {{step.relation, LockMode::access_exclusive}};
    for (const auto& below : partitions_below(table_, own.partition))
        step.locks.push_back({below, LockMode::access_exclusive});
    step.lock = LockMode::access_exclusive;
    const std::string alter = "ALTER TABLE " + step.relation + " ";
    step.command = alter + "ADD CONSTRAINT " + own.name + " " + add_.definition + ";";
    step.undo = undo_ddl(step, alter + "DROP CONSTRAINT IF EXISTS " + own.name + ";");
    step.parameters["path"] = "pinned";
    step.parameters["statements"] = "1";
    require_key(step.parameters, add_.columns, add_.primary);
    step.note = "takes over those of its partitions: nothing is scanned";
    composer_.add(place_.take, step);
}

// A key that a leaf had before is its own again.
Undos PartitionedKey::undo_whole(const Step& step) {
    Undos parts;
    std::string command =
        "ALTER TABLE " + table_.qualified + " DROP CONSTRAINT IF EXISTS " + add_.name + ";";
    int statements = 1;
    for (const auto& own : add_.partitions) {
        if (!own.is_there()) continue;
        const std::string again = composer_.private_name(own.name, "again");
        parts.push_back(build_in_partition(table_, own, again, true));
        command += " " + take_index(partition(own), own, again, add_.primary, add_.suffix);
        ++statements;
    }
    const Undos last = undo_ddl(step, command, LockMode::access_exclusive, statements);
    parts.insert(parts.end(), last.begin(), last.end());
    return parts;
}

void PartitionedKey::add_whole() {
    Step step = composer_.start(action_, StepKind::ddl);
    Seen seen = action_.seen;
    seen.scans = seen.rewrites = false;
    composer_.lock(step, action_, seen);
    step.command = "ALTER TABLE " + table_.qualified + " ADD CONSTRAINT " + add_.name + " " +
                   add_.definition + ";";
    step.undo = undo_whole(step);
    step.parameters = {{"path", "pinned"}, {"statements", "1"}};
    require_key(step.parameters, add_.columns, add_.primary);
    step.note = "takes over those of the partitions: nothing is scanned";
    composer_.add(place_.take, step);
}

void PartitionedKey::add() {
    for (const auto& own : add_.partitions)
        if (partition(own).leaf && !own.is_there()) build(own);
    for (const auto& column : add_.nullable) enforce_not_null(composer_, action_, column, false);
    for (const auto& own : add_.partitions)
        if (partition(own).leaf && !own.is_there()) take(own);
    // The lowest first.
    if (place_.names_all)
        std::for_each(add_.partitions.rbegin(), add_.partitions.rend(),
                      [&](const PartitionIndex& own) {
                          if (!partition(own).leaf) add_middle(own);
                      });
    add_whole();
}

}  // namespace

void add_partitioned_unique(Composer& composer, const Action& action, const AddUnique& add,
                            const PartitionedKeyPlace& place) {
    PartitionedKey{composer, action, add, place}.add();
}

}  // namespace zdm::plan
