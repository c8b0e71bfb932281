// How steps are taken back without making anybody wait: what would scan or build under a lock that
// blocks becomes several parts, as it does on the way forward. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/actions.hpp"

namespace zdm::plan {

using Undos = std::vector<Undo>;

// The step's locks, all of them in one mode, and its own relation last where it is not among them.
std::vector<LockNeed> locks_at(const Step& step, LockMode mode);

// Rows that would refuse what comes next are counted and shown before anything is added. `alone`:
// of a table with children those of it alone.
Undo count_violators(const Step& step, const std::string& name, const std::string& violates,
                     const std::string& sqlstate, bool alone = false);
// Statements of zdm's own in one transaction. Empty for no statement.
Undos undo_ddl(const Step& step, const std::string& statements,
               LockMode mode = LockMode::access_exclusive, int count = 1);
// DROP INDEX CONCURRENTLY; `index` is qualified.
Undo undo_by_drop_index(const std::string& index);
// That no row has NULL in a column, which messages call `called`: counted, a helper check,
// validated.
Undos prove_not_null(const Step& step, const std::string& column, const std::string& helper,
                     const std::string& called);
// NOT NULL again: proved, then SET NOT NULL, which needs no scan.
Undos undo_by_not_null(const Step& step, const std::string& column, const std::string& helper);
// A constraint again that the migration dropped. Keys get their index first.
Undos undo_by_constraint(const Step& step, const DropConstraint& drop);
// The same of a partitioned table: leaf by leaf, then that of the table takes these over.
Undos undo_in_partitions(const Step& step, const Table& table, const DropConstraint& drop);
// A part of an undo about one partition alone, which has nothing to do when that is none any more.
Undo at_partition(Undo undo, const Table& table, const Partition& partition);
// An index of a partition again, under another name.
Undo build_in_partition(const Table& table, const PartitionIndex& index, const std::string& name,
                        bool unique);
// The key of a leaf, made of the index `from`, which gets its name.
std::string take_index(const Partition& leaf, const PartitionIndex& index, const std::string& from,
                       bool primary, const std::string& suffix);
// What the step that gives a partitioned table its key must find in all leaves.
void require_key(std::map<std::string, std::string>& parameters,
                 const std::vector<std::string>& columns, bool primary);
// A UNIQUE or PRIMARY KEY that took over an index goes, and the index, which goes with it, stays.
Undos undo_by_index_alone(const Step& step, const AddUnique& add, const std::string& helper);

}  // namespace zdm::plan
