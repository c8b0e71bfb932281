// The parts of the plan of RENAME COLUMN, which a change of type needs as well: a new column beside
// an old one, and copies of what hangs on that, for a rename of its indexes and statistics. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plan/rules.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

inline std::string alter(const Table& table) { return "ALTER TABLE " + table.qualified + " "; }

inline Seen locks_of(std::vector<TableLock> locks) { return {std::move(locks), false, false}; }

inline void append(Statements& all, const Statements& more) {
    all.insert(all.end(), more.begin(), more.end());
}

inline void append(Script& all, const Statements& more) { all.append(more); }

inline constexpr auto kCopyNote =
    "built beside reads and writes; it makes queries of the new version fast";

// One whose plan comes in parts, each in its place.
class Renaming {
public:
    Renaming(Composer& composer, const Action& action, const RenameColumn& rename)
        : composer_(composer),
          action_(action),
          rename_(rename),
          table_(composer.table(action)),
          column_(alter(table_) + "ALTER COLUMN " + rename.renamed + " ") {}

    void plan() {
        check_alone();
        add_column();
        change_triggers();
        composer_.pair(action_, {rename_.renamed, rename_.type, rename_.column, rename_.column,
                                 rename_.renamed});
        fill({{rename_.renamed, rename_.column}});
        copy_indexes();
        copy_statistics();
        contract();
        composer_.blind("who still reads " + table_.qualified + "." + rename_.column);
        add_notes();
    }

protected:
    void check_alone() const;
    void add_column();
    void dress_partitions();
    void change_triggers();
    // New columns, each from what gives it its value, in one pass.
    struct Filled {
        std::string column;
        std::string up;
    };
    void fill(const std::vector<Filled>& all);
    void copy_all() {
        copy_indexes();
        if (rename_.not_null) copy_not_null();
        for (const auto& constraint : rename_.constraints) copy_constraint(constraint);
        copy_statistics();
    }
    void copy_indexes();
    void build_copy(const CopiedIndex& index, const std::string& name, Slot slot,
                    const std::string& note);
    void defer_copy(const CopiedIndex& index, const std::string& name);
    void note_deferred(const CopiedIndex& index, const std::string& name);
    void copy_not_null();
    void copy_constraint(const CopiedConstraint& constraint);
    void copy_statistics();

    // The same of partitioned tables.
    void copy_in_partitions(std::size_t i);
    void copy_key_in_partitions(std::size_t i, const std::vector<PartitionIndex>& parts);
    // `stays`: a rollback leaves it to one that has left the table.
    void build_in_leaf(const PartitionIndex& part, bool unique, const std::string& tail,
                       const std::string& note, bool stays = false);
    // NOT VALID, on a partition or child.
    void add_check_to(std::size_t place, const CopiedConstraint& constraint,
                      const std::string& name);
    void copy_check_of_leaf(const CopiedConstraint& constraint, const std::string& name);
    void copy_foreign_key(const CopiedConstraint& constraint, const std::string& name);
    void name_in_partitions(Script& then, std::size_t i) const;
    // A primary key over all partitions, made of indexes of the leaves: these, by parts.
    struct KeyOfAll {
        std::vector<std::string> indexes;
        std::vector<std::string> columns;
        std::string definition;
        std::string outside;  // how the columns are called before the transaction
    };
    void add_primary_keys(Script& then, const CopiedIndex& index, const KeyOfAll& key) const;
    void name_parts(Script& then, const std::vector<CopiedPart>& parts,
                    const std::vector<std::string>& names, bool constraint) const;
    const Partition& partition(std::size_t place) const { return table_.partitions.at(place); }

    void settle();
    void contract();
    // The copies take the names of what they are copies of.
    void name_not_null(Script& then) const;
    void name_index(Script& then, std::size_t i) const;
    void name_constraint(Script& then, std::size_t i) const;
    void name_statistics(Script& then) const;
    void add_notes();
    void note_mirrors();
    // What tables need that become partitions meanwhile: columns, and an index over the key, if it
    // is named, before the primary key changes hands.
    void note_newcomers(const std::string& columns, const std::string& key,
                        const std::string& before);
    std::vector<std::string> sequences() const {
        std::vector<std::string> all = rename_.sequences;
        if (!rename_.identity.sequence.empty()) all.push_back(rename_.identity.sequence);
        return all;
    }
    Action at(std::size_t table) const {
        Action other = action_;
        other.table = table;
        return other;
    }
    Seen exclusive() const { return lock_all(action_.table, LockMode::access_exclusive); }
    Step ddl(const Action& action, const Statements& statements, const Seen& seen) const {
        Step step = composer_.start(action, StepKind::ddl);
        composer_.lock(step, action, seen);
        step.command = join(statements, " ");
        step.parameters = {{"path", "pinned"}, {"statements", std::to_string(statements.size())}};
        return step;
    }

    Composer& composer_;
    const Action& action_;
    const RenameColumn& rename_;
    const Table& table_;
    std::string column_;  // ALTER TABLE t ALTER COLUMN b
    std::string not_null_;
    std::vector<std::string> indexes_;                   // private names, in the order of the facts
    std::vector<std::vector<std::string>> index_parts_;  // of each, in the order of its parts
    std::vector<std::string> constraints_;
    std::vector<std::string> statistics_;
};

}  // namespace zdm::plan
