// The reader of ALTER TABLE ... RENAME COLUMN.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/spi.hpp"
#include "plan/read_sequences.hpp"
#include "plan/rehearsal.hpp"

namespace zdm::plan {

class RenameReader {
public:
    RenameReader(Rehearsal& rehearsal, const Statement& statement, RenameStmt* tree);
    void read();

protected:
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
    void check_column(RenameColumn& rename);
    void check_dependents() const;
    void note_subscribers() const;
    // Publications that send all of its columns, also those to come.
    std::vector<std::string> open_publications() const;
    // Whether subscribers that have no key find its rows by all columns.
    bool is_found_by_all() const;
    void read_privileges(RenameColumn& rename) const;
    std::vector<OwnedSequence> sequences() const;
    void read_sequences(RenameColumn& rename) const;
    void prepare_indexes();
    void prepare_statistics();
    void prepare_triggers(RenameColumn& rename);
    void prepare_trigger(RenameColumn& rename, const pg::Row& row);
    // A trigger anew, with all that belongs to it.
    Statements trigger_again(const pg::Row& row, const std::string& definition) const;
    // Triggers that name the column in their functions or arguments.
    std::vector<Statements> naming_triggers() const;
    void prepare_views();
    void prepare_policies() const;
    pg::Result naming_publications() const;
    void prepare_publications() const;
    // A condition over the table waits on the clone as a policy until the column is renamed there.
    void carry(const std::string& name, const std::string& condition) const;
    std::string carried(const std::string& name) const;

    // After it: what the server made of them.
    void read_constraints(RenameColumn& rename, Seen& seen);
    void read_constraint(RenameColumn& rename, Seen& seen, const pg::Row& row);
    std::size_t table_of(std::uint32_t oid, const std::string& constraint) const;
    void read_not_null(RenameColumn& rename, const pg::Row& row) const;
    void read_indexes(RenameColumn& rename) const;
    void read_key(CopiedIndex& copy, const pg::Row& row) const;
    std::uint32_t clone_index(const std::string& name) const;
    void read_statistics(RenameColumn& rename) const;
    void read_triggers(RenameColumn& rename) const;
    void read_views(RenameColumn& rename) const;
    void read_policies(RenameColumn& rename) const;
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
    bool retype_ = false;  // it gets another type, and storage and name with that
};

}  // namespace zdm::plan
