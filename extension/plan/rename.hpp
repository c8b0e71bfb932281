// What hangs on a column that gets another name or type, as pure facts. The copies are over the new
// column: they are read back from the clone, on which the statement itself was run. Texts are
// quoted and qualified; each statement is ended.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace zdm::plan {

using Statements = std::vector<std::string>;

// What a partition has of an index or foreign key of its table.
struct CopiedPart {
    std::size_t partition = 0;  // its place in Table::partitions
    std::string name;           // that its part of the copy takes over
    std::string schema = {};    // of an index
    std::string tail = {};      // of an index that is made otherwise than its table's; else empty
    Statements after = {};
    bool replica_identity = false;
};

// A CHECK or FOREIGN KEY.
struct CopiedConstraint {
    std::size_t table = 0;   // that has it
    std::string name;        // that the copy takes over
    std::string definition;  // without NOT VALID
    bool foreign_key = false;
    std::size_t referenced = 0;  // of a foreign key
    bool incoming = false;       // it refers to the column, and must go before it
    bool late = false;           // it has no copy, as the new column has no key before the switch
    bool writes = false;         // an action of it gives columns other values
    bool both = false;           // columns at both of its ends change their types
    bool valid = true;
    Statements after;                    // comments, once the copy has the name
    std::vector<CopiedPart> parts = {};  // of a partitioned table's foreign key, parents first
    std::optional<std::size_t> partition = std::nullopt;  // of one that a leaf alone has
    std::vector<std::size_t> own = {};  // children that have a check by themselves as well
};

struct CopiedIndex {
    std::string name;  // that the copy takes over
    std::string schema;
    bool unique = false;
    std::string tail;        // from USING on
    std::string constraint;  // PRIMARY KEY or UNIQUE; empty: a plain index
    Statements after;        // comments, CLUSTER ON, REPLICA IDENTITY, once it has the name
    bool replica_identity = false;
    std::string deferrable = {};  // of a UNIQUE: DEFERRABLE ...
    // Of a partitioned table.
    std::vector<CopiedPart> parts = {};                   // parents first
    std::optional<std::size_t> partition = std::nullopt;  // of one that a leaf alone has
    std::string definition = {};                          // UNIQUE (...), PRIMARY KEY (...)
    std::vector<std::string> columns = {};                // of the key

    // Whether its copy is a constraint from the start, while the new column is empty.
    bool is_early() const { return !deferrable.empty(); }
};

// CREATE STATISTICS
struct CopiedStatistics {
    std::string name;
    std::string schema;
    std::string tail;    // behind the name
    std::string target;  // SET STATISTICS; empty: the default
    Statements after;
};

// A trigger that names the column in UPDATE OF, each time made anew with all that belongs to it.
struct ChangedTrigger {
    std::string name;
    Statements before;
    Statements between;     // fires for either column
    std::string made = {};  // how it then is, as a member of a JSON object (hanging.hpp)
};

// A publication that names the column in its list of columns or its row filter: what it says of the
// table, taken out and put in again.
struct ChangedPublication {
    std::string name;
    std::string drop;
    std::string add;  // over the new column
};

struct IdentityFacts {
    std::string sequence;
    std::string clause;  // GENERATED ... AS IDENTITY (...)
};

// What a partition says of the column otherwise than its table.
struct PartitionColumn {
    std::size_t partition = 0;  // its place in Table::partitions
    Statements dress;
};

// ALTER TABLE ... RENAME COLUMN. The old column takes all that hangs on it along to its new name;
// the new one beside it, until then, has copies of indexes and statistics only. A change of type
// copies all the rest as well.
struct RenameColumn {
    std::string column;
    std::string renamed;  // its name from now on
    std::string type;
    std::string definition;  // type, collation
    Statements
        dress;  // storage, compression, statistics target, privileges, comment of the new column
    std::string default_text;
    bool not_null = false;
    std::string not_null_name;  // of its constraint, where the server has such; else empty
    Statements not_null_after;
    Statements sequences;    // that the column owns, qualified
    IdentityFacts identity;  // empty: it is none
    std::vector<CopiedConstraint> constraints;
    std::vector<CopiedIndex> indexes;
    std::vector<CopiedStatistics> statistics;
    std::vector<ChangedTrigger> triggers;
    std::vector<ChangedPublication> publications;
    std::string hanging = {};                      // what may hang on a column: hanging.hpp
    std::string place = {};                        // that the old column takes: hanging.hpp
    std::vector<PartitionColumn> partitions = {};  // parents first; those that differ
};

}  // namespace zdm::plan
