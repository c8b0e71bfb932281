// The reader of ALTER TABLE ... RENAME COLUMN.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pg/spi.hpp"
#include "plan/describe.hpp"
#include "plan/read_sequences.hpp"
#include "plan/rehearsal.hpp"

namespace zdm::plan {

// COMMENT ON, of what is already named in SQL.
std::string comment_on(const std::string& target, const std::string& text);

class RenameReader {
public:
    RenameReader(Rehearsal& rehearsal, const Statement& statement, RenameStmt* tree);
    void read();

protected:
    // An index or check on the leaf of the clone, in place of one that a partition has otherwise
    // than its table; of a child, on a clone of that.
    struct OwnPiece {
        std::size_t partition = 0;
        std::string piece;  // its kind, and its name there, quoted
        std::string name;   // on the clone
    };

    // Of a change that the caller reads: `old` becomes `renamed` on the clone.
    RenameReader(Rehearsal& rehearsal, const Statement& statement, Place at, std::size_t table,
                 std::string old, std::string renamed)
        : r_(rehearsal),
          statement_(statement),
          at_(at),
          table_(table),
          old_(std::move(old)),
          new_(std::move(renamed)),
          verb_("changed") {}

    const Table& table() const { return r_.clones_.table(table_); }
    const Relation& relation() const { return r_.clones_.relation(table_); }
    Action start() const;
    Seen replay();
    void direct();
    [[noreturn]] void refuse_piece(const std::string& what, const std::string& why,
                                   const std::string& instead) const;

    // Before the statement runs on the clone.
    void refuse_inherited() const;
    void take_partitions();
    void take_children();
    void check_column(RenameColumn& rename);
    // What its relation says of a column otherwise than its type does; of a partitioned one this is
    // not carried to partitions.
    Statements dress_of(const pg::Row& column, const std::string& relation) const;
    void refuse_in_row(const pg::Row& column, const std::string& relation) const;
    void check_dependents() const;
    void check_readers() const;
    void note_subscribers() const;
    void note_followers() const;
    // Publications that send all of its columns, also those to come.
    std::vector<std::string> open_publications() const;
    // The table, or one below it, whose rows subscribers without a key find by all columns; else
    // empty.
    std::string found_by_all() const;
    void read_privileges(RenameColumn& rename) const;
    Statements privileges_of(std::uint32_t oid, std::int64_t number,
                             const std::string& relation) const;
    std::vector<OwnedSequence> sequences() const;
    void prepare_indexes();
    void prepare_statistics();
    void read_triggers(RenameColumn& rename) const;
    void read_trigger(RenameColumn& rename, const pg::Row& row) const;
    void check_trigger_parts(const pg::Row& row) const;
    std::vector<std::string> partition_oids() const;
    std::vector<std::string> tree_oids() const;
    // A trigger anew, with all that belongs to it.
    Statements trigger_again(const pg::Row& row, const std::string& definition) const;
    // Triggers that name the column in their functions or arguments.
    std::vector<Statements> naming_triggers() const;
    pg::Result naming_publications() const;
    void prepare_publications() const;
    // In partitions: what is refused, and what the leaf of the clone gets.
    void prepare_partitions(RenameColumn& rename);
    void prepare_partition(RenameColumn& rename, std::size_t partition, const ColumnFacts& whole);
    const std::string& tail_of_whole(std::uint32_t index);
    void check_in_partition(std::size_t partition, std::int64_t number) const;
    void prepare_parts(std::size_t partition, std::int64_t number);
    void prepare_checks(std::size_t partition, std::int64_t number);
    std::string on_leaf(std::size_t partition, const std::string& piece);
    const std::string* leaf_piece(std::size_t partition, const std::string& piece) const;
    void copy_to_leaf(std::size_t place, const std::string& index, bool unique,
                      const std::string& tail);
    void check_key_of_leaf(const pg::Row& row, const Partition& own) const;
    void check_trigger_of(const Partition& own, const pg::Row& row) const;
    // What stands for it among the clones: the one leaf, or a child of its own.
    std::uint32_t leaf_oid(std::size_t partition);
    std::string leaf_clone(std::size_t partition);
    void drop_children();
    bool has_below(std::size_t partition) const;
    std::string called() const;  // what it has below it
    // What the catalogs say of a column and its relation, a partition or the table itself.
    pg::Result column_of(std::uint32_t oid) const;
    static pg::Result indexes_on(std::uint32_t oid, std::int64_t number);
    static pg::Result constraints_on(std::uint32_t oid, std::int64_t number);
    pg::Result triggers_on(std::uint32_t oid, std::int64_t number) const;

    // After it: what the server made of them.
    void name_constraints(RenameColumn& rename) const;
    void read_constraints(RenameColumn& rename, Seen& seen);
    void read_constraint(RenameColumn& rename, Seen& seen, const pg::Row& row);
    std::size_t table_of(std::uint32_t oid, const std::string& constraint) const;
    void read_not_null(RenameColumn& rename, const pg::Row& row) const;
    void read_indexes(RenameColumn& rename);
    void read_key(CopiedIndex& copy, const pg::Row& row) const;
    void check_index(const pg::Row& row) const;
    // Comments and settings of an index, for when its copy has the name.
    Statements belongings(const pg::Row& row, const std::string& relation) const;
    // In partitions.
    void read_parts(RenameColumn& rename);
    void read_checks(RenameColumn& rename);
    CopiedIndex index_of_leaf(const CopiedPart& part, const pg::Row& row) const;
    void read_foreign_key_parts(CopiedConstraint& copy, const pg::Row& row) const;
    std::uint32_t clone_index(const std::string& name) const;
    void read_statistics(RenameColumn& rename) const;
    void read_publications(RenameColumn& rename) const;

    Rehearsal& r_;
    const Statement& statement_;
    RenameStmt* tree_ = nullptr;
    Place at_;
    std::size_t table_ = kNoTable;
    std::string old_;  // names as in the catalog
    std::string new_;
    std::int64_t number_ = 0;  // of the column in the original
    std::string verb_ = "renamed";
    bool retype_ = false;                // it gets another type, and storage and name with that
    std::vector<std::int64_t> numbers_;  // of the column in the partitions
    std::vector<OwnPiece> own_;
    std::map<std::size_t, std::uint32_t> children_;  // clones of children, by their place
    std::map<std::uint32_t, std::string> tails_;     // of indexes of the table, from USING on
};

}  // namespace zdm::plan
