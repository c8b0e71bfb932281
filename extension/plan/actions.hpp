// What a migration's SQL says, as pure facts: one struct for each action, read from the server by
// the rehearsal and turned into steps by the rules. All names and texts are quoted and qualified,
// ready to be put into SQL that must run under any search_path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plan/down.hpp"
#include "plan/plan.hpp"
#include "plan/refusal.hpp"
#include "plan/rename.hpp"
#include "plan/retype.hpp"

namespace zdm::plan {

inline constexpr std::size_t kNoTable = static_cast<std::size_t>(-1);

// A partition of a table, or a table that inherits from it, at any depth.
struct Partition {
    std::uint32_t oid = 0;
    std::string qualified;
    std::size_t parent = kNoTable;  // its place in Table::partitions; kNoTable: the table itself
    bool leaf = true;               // has rows of its own
    std::optional<std::int64_t> rows;
    std::optional<std::int64_t> bytes;
};

// A relation that the SQL names, or a peer of one by foreign key.
struct Table {
    std::uint32_t oid = 0;  // 0: made by this SQL
    std::string qualified;  // schema.name
    std::string name;       // without schema, as its columns are qualified in an expression
    std::optional<std::int64_t> rows;
    std::optional<std::int64_t> bytes;
    bool empty = false;
    bool small = false;
    bool partitioned = false;
    bool has_children = false;          // that inherit from it, and have rows as it has
    std::vector<Partition> partitions;  // or children of one that is changed: all, parents first
    bool named = false;                 // by the SQL itself, not only a peer

    bool made_here() const { return oid == 0; }
    // Its rows are not in it alone.
    bool is_tree() const { return partitioned || has_children; }
};

// A lock on a table, by its index in Facts::tables.
struct TableLock {
    std::size_t table = kNoTable;
    LockMode mode = LockMode::none;
    LockMode partitions = LockMode::none;  // on all partitions of the table
};

// What a statement was seen to do to the empty clones.
struct Seen {
    std::vector<TableLock> locks;
    bool scans = false;
    bool rewrites = false;
};

// The sequence of a new serial or identity column. Until contract that of an identity is a plain
// one, from which the column's default draws.
struct NewSequence {
    std::string name;      // qualified; empty: the column has none
    std::string create;    // CREATE SEQUENCE ...;
    std::string owner;     // who gets it; empty: whoever makes it
    std::string identity;  // GENERATED ... AS IDENTITY (...); empty: a serial column

    bool is_identity() const { return !identity.empty(); }
};

// ALTER TABLE ADD COLUMN, without the constraints that are actions of their own.
struct AddColumn {
    std::string column;
    std::string definition;    // type, collation, storage
    std::string default_text;  // empty: none
    bool not_null = false;
    // The default is volatile, so that ADD COLUMN would rewrite the table for it: it comes apart,
    // and an Update gives it to the rows of before.
    bool late_default = false;
    NewSequence sequence = {};
};

struct SetNotNull {
    std::string column;
    bool proven = false;  // a valid check implies it: nothing is scanned
    Seen seen_check;      // of the helper check, when it is not proven
    Seen seen_validate;
};

struct DropNotNull {
    std::string column;
};

struct SetDefault {
    std::string column;
    std::string expression;  // empty: DROP DEFAULT
    std::string before;      // the default until now, empty: none
};

struct DropColumn {
    std::string column;
    bool relax = false;      // NOT NULL without default: who no longer writes it would fail
    bool made_here = false;  // by this SQL
    std::string given;       // whether a row has anything in it that an application gave
    bool not_null = false;
    bool fixed_not_null = false;  // a key or identity, which can't be made nullable
    bool has_default = false;
    bool generated = false;
    bool checked_domain = false;  // its type forbids values or NULL before a trigger runs
    std::optional<Down> down = std::nullopt;
};

struct AddCheck {
    std::string name;
    std::string expression;  // the bad row is the one for which it is false
    std::string definition;  // CHECK (...) [NO INHERIT]
    std::vector<std::string> columns;
    bool not_valid = false;
    Seen seen_validate;
    bool no_inherit = false;
};

struct AddForeignKey {
    std::string name;
    std::string definition;  // FOREIGN KEY (...) REFERENCES ...
    std::string violates;    // a bad row
    std::vector<std::string> columns;
    std::size_t referenced = kNoTable;
    std::vector<std::string> referenced_columns;
    std::string needs_key;  // unique constraint or index of this SQL that it rests on
    bool not_valid = false;
    Seen seen_validate;
};

// What a partition gets, or has, of an index or key of its partitioned table.
struct PartitionIndex {
    std::size_t partition = 0;  // its place in Table::partitions
    std::string name;
    std::string schema;
    std::string tail = {};   // of one that it has already: of its own CREATE INDEX, from USING on
    std::string build = {};  // the same of one to be built otherwise than its table's; else empty

    bool is_there() const { return !tail.empty(); }
    std::string qualified() const { return schema + "." + name; }
};

// UNIQUE or PRIMARY KEY.
struct AddUnique {
    std::string name;
    bool primary = false;
    std::string tail;    // of CREATE UNIQUE INDEX, from USING on
    std::string suffix;  // DEFERRABLE ...
    std::vector<std::string> columns;
    std::vector<std::string> included;  // INCLUDE
    std::vector<std::string> nullable;  // key columns that a primary key must make NOT NULL
    std::string index;                  // USING INDEX: the existing index, without schema
    bool index_made_here = false;
    std::string schema;
    std::string definition = {};                  // UNIQUE (...) DEFERRABLE ...
    std::vector<PartitionIndex> partitions = {};  // of a partitioned table, parents first
};

struct Validate {
    std::string name;
    std::string violates;  // empty when it is not known
    std::string sqlstate;
    bool made_here = false;
    bool alone = false;  // children don't have it: a foreign key, NO INHERIT
};

enum class ConstraintKind { check, foreign_key, unique, primary_key, exclusion, not_null };

struct DropConstraint {
    std::string name;
    ConstraintKind kind = ConstraintKind::check;
    std::string definition;  // to add it again: of checks and foreign keys
    std::string violates;    // a bad row, likewise
    std::string schema;      // of the index of a key, tail of its CREATE UNIQUE INDEX, DEFERRABLE
    std::string tail;
    std::string suffix;
    std::vector<std::string> with;  // statements that give back what went with it, comments say
    bool exclusive = false;         // a key that no unique index can become
    bool made_here = false;         // by this SQL, so it can only go after it was made
    bool valid = true;
    bool alone = false;                           // children don't have it
    std::vector<std::string> columns = {};        // of a key
    std::vector<PartitionIndex> partitions = {};  // of a key of a partitioned table, all there
};

struct CreateIndex {
    std::string name;
    std::string schema;
    bool unique = false;
    std::string tail;                             // from USING on
    std::vector<std::string> columns;             // all that keys, predicate and INCLUDE name
    std::vector<PartitionIndex> partitions = {};  // parents first
    std::vector<std::string> foreign = {};        // partitions that can have no index
};

struct DropIndex {
    std::string name;
    std::string schema;
    bool made_here = false;
};

struct DropTable {
    std::vector<std::string> foreign_keys;  // outgoing, with their table: dropped first
};

// ALTER TABLE ... RENAME TO, at once or with a view under the old name until contract.
struct RenameTable {
    std::string name;       // the new one
    std::string qualified;  // likewise
    std::vector<std::string> columns;
    std::vector<std::string> grants;  // statements that give the view the table's owner and rights
    bool published = false;
};

// One `column = expression` of an UPDATE.
struct Assignment {
    std::string column;
    std::string type;  // of the column, as behind a cast
    std::string expression;
    bool null = false;        // the constant NULL
    bool never_null = false;  // provably
    bool marked = false;      // WHERE has `column IS NULL` at its top level
    bool immutable = false;
    bool is_volatile = false;
    bool subquery = false;
    bool of_default = false;         // what ADD COLUMN gives the rows of before; nobody wrote it
    std::vector<std::string> reads;  // other columns of the row
    std::string not_public;          // a function or schema that not every role may use
};

struct Update {
    std::vector<Assignment> assignments;
    std::string where;  // all of it, empty: none
    std::string rest;   // without the conjuncts `column IS NULL` of assigned columns
    std::vector<std::string> rest_reads;  // columns
    bool rest_subquery = false;
    bool rest_immutable = true;
    std::string rest_not_public;
    bool converges = false;  // WHERE is provably not true of an updated row
};

struct Delete {
    std::string where;  // empty: all rows
};

struct Insert {
    bool large = false;              // reads more than one transaction should copy
    std::vector<std::size_t> reads;  // tables
};

// A statement that runs as written (or as `command` says), in one transaction.
struct Direct {
    std::string command;
    std::string undo;
    std::string note;
    std::string what;                // of the object, for messages
    LockMode lock = LockMode::none;  // on something that is no table
    bool removal = false;
    bool later = false;       // names what a later phase makes: at the very end
    bool enforces = false;    // a constraint, as written: contract
    bool data = false;        // changes rows: migrate
    bool pinned = false;      // the text is ours: it runs under the pinned search_path
    bool same_locks = false;  // taking it back takes the locks that it takes
};

using Detail = std::variant<AddColumn, SetNotNull, DropNotNull, SetDefault, DropColumn, AddCheck,
                            AddForeignKey, AddUnique, Validate, DropConstraint, CreateIndex,
                            DropIndex, DropTable, RenameTable, Update, Delete, Insert, RenameColumn,
                            RetypeColumn, Direct>;

struct Action {
    Place at;
    std::size_t table = kNoTable;
    std::string written;  // the source text of the statement or subcommand
    Seen seen;
    std::vector<std::size_t> names;  // tables that the statement names, which were there before
    bool accept_locks = false;       // -- zdm: direct
    std::optional<Phase> phase;      // -- zdm: phase NAME
    Detail detail;
};

// All that the rules need to know.
struct Facts {
    std::vector<Table> tables;
    std::vector<Action> actions;
    std::vector<std::string> notes;
    std::string search_path = "pg_catalog, pg_temp";  // under which sync rules compile
};

}  // namespace zdm::plan
