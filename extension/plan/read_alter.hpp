// The reader of ALTER TABLE.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/read_partitions.hpp"
#include "plan/read_sequences.hpp"
#include "plan/rehearsal.hpp"

struct ColumnDef;

namespace zdm::plan {

// What a column definition says beside its type.
struct ColumnParts {
    bool not_null = false;
    Node* value = nullptr;  // its default, where that was asked for
    bool identity = false;
    std::vector<Constraint*> constraints;  // as table constraints
};
// Takes the constraints out of a column definition, and with `default_too` its default; what is
// serial gets the integer type that it means.
ColumnParts split_column(ColumnDef* column, bool default_too);
// Whether the server may rewrite the table for what a column definition gives its rows.
bool may_rewrite(const ColumnDef* column);
// GENERATED ALWAYS AS of a column definition, null where it has none.
Constraint* generation_of(const ColumnDef* column);

struct ColumnFacts;

class AlterReader {
public:
    AlterReader(Rehearsal& rehearsal, const Statement& statement, AlterTableStmt* alter);
    void read();

private:
    struct Piece {
        AlterTableCmd* command = nullptr;
        int start = 0;
        int end = 0;
    };

    const Table& table() const;
    const Relation& relation() const;
    void read_pieces(const std::vector<Piece>& pieces);
    // The directive of a column, null when it has none. Each can be taken once.
    const Given* take(Way way, const char* column);
    void fill_given();
    // Refuses what can't be done to all partitions, and notes which these are.
    void take_partitions();
    [[noreturn]] void refuse_for_partitions() const;
    Action start() const;
    Seen replay(AlterTableCmd* command, bool locks = true);
    Seen validate(const std::string& constraint);
    void direct(AlterTableCmd* command);
    void refuse_cascade(const AlterTableCmd* command) const;
    void refuse_dependents(const std::string& column, const std::string& what) const;

    void read_piece(AlterTableCmd* command);
    // Of a table with children: notes which these are, and refuses a statement that can't
    // be taken back exactly in one that has something else.
    void take_children();
    void check_children(const AlterTableCmd* command) const;
    void refuse_column_of_child(const char* column) const;
    void require_like_children(const char* column, bool defaults) const;
    void refuse_drop_in_children(const AlterTableCmd* command) const;
    void refuse_taken_in_children(const std::string& constraint) const;
    // What a table has of those above it can't be changed in it alone: the server says so of the
    // original, and not of the clone, which has nothing above it.
    void refuse_inherited(const AlterTableCmd* command) const;
    void refuse_inherited(const Constraint* constraint) const;
    [[noreturn]] void refuse_as_server(int sqlstate, const std::string& what,
                                       const std::string& hint) const;
    void add_column(AlterTableCmd* command);
    // What the statement as written makes of a new column, on a clone that stays as it was.
    struct Written {
        bool rewrites = false;
        std::optional<OwnedSequence> sequence;
    };
    Written try_column(AlterTableCmd* command);
    std::string take_sequence_name(ColumnDef* column) const;
    NewSequence make_sequence(const OwnedSequence& written, const std::string& name,
                              const std::string& column) const;
    // As later statements will find the column.
    void finish_column(const std::string& column, const ColumnParts& parts,
                       const std::string& identity);
    void add_generated(AlterTableCmd* command, const Constraint* generation);
    [[noreturn]] void refuse_stored(AlterTableCmd* command);
    std::string undo_column(const AlterTableCmd* command) const;
    void set_default(AlterTableCmd* command);
    void set_not_null(AlterTableCmd* command);
    void drop_not_null(AlterTableCmd* command);
    void drop_column(AlterTableCmd* command);
    void refuse_dependents_in_partitions(const char* column) const;
    void refuse_other_default(const char* column, const ColumnFacts& whole) const;
    // Of a partitioned table: what stops it in a partition.
    void refuse_drop_in_partitions(const char* column, bool not_null) const;
    bool is_expensive(AlterTableCmd* command);
    // False: the server changes the type in the catalog alone.
    bool change_type(AlterTableCmd* command, Action& action);
    void other(AlterTableCmd* command);
    // The statements that take a change of the catalog back, empty when there are none.
    std::string undo_of(const AlterTableCmd* command) const;

    void add_constraint(Constraint* constraint);
    void add_check(Constraint* constraint);
    void add_foreign_key(Constraint* constraint);
    void add_unique(Constraint* constraint);
    // Names what each partition gets, or has, of a key of a partitioned table.
    void spread_key(std::uint32_t index, AddUnique& add) const;
    // A partition that has a primary key of its own can get no other.
    void refuse_other_key(const AddUnique& add) const;
    void validate_constraint(AlterTableCmd* command);
    void drop_constraint(AlterTableCmd* command);
    void describe_before(std::uint32_t constraint, DropConstraint& drop) const;
    Seen replay_constraint(Constraint* constraint);
    // The name that the server would choose on the original, where other names may be taken.
    std::string free_constraint_name(const std::string& chosen) const;

    Rehearsal& r_;
    const Statement& statement_;
    AlterTableStmt* alter_;
    std::size_t table_ = kNoTable;
    std::vector<Member> members_;  // of a partitioned table, as its partitions
    Piece piece_;
    std::vector<const Given*> given_;  // not taken yet
    std::vector<const Given*> ups_;    // of columns that were added
};

}  // namespace zdm::plan
