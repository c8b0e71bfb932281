// What the engine is told to do.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::backfill {

// A relation with pages of its own: the table of a task, a leaf partition of it, or a table that
// inherits from it.
struct Leaf {
    std::uint32_t relation = 0;
    std::string name;  // quoted and schema-qualified
};

struct Task {
    std::int64_t migration = 0;
    int step = 0;
    std::uint32_t relation = 0;  // may be partitioned
    std::string name;            // of the relation, quoted and schema-qualified, as planned
    std::string set_clause;      // of the UPDATE; empty for a DELETE
    std::string predicate;       // which rows match: those to fill or delete, or violators to count
    bool sync = false;           // whether a sync trigger keeps new rows from matching
    bool fire_triggers = true;   // of the user, on the rows that are changed
    bool tree = false;           // the rows of tables that inherit from it as well
    bool every_row = false;      // none may be passed over
    int of = 0;                  // last pass only: the step whose rows it proves

    // The table itself, where it is not partitioned.
    Leaf whole() const { return {relation, name}; }
    // In messages, before the name of one of its leaves.
    std::string called() const { return tree ? "table " : "partition "; }
    // What happened to one that is none any more.
    std::string left() const { return tree ? "inherits no more" : "was detached"; }
};

}  // namespace zdm::backfill
