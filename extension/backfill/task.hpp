// What the engine is told to do.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::backfill {

// A relation with pages of its own: the table of a task, or a leaf partition of it.
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
    int of = 0;                  // last pass only: the step whose rows it proves

    // The table itself, where it is not partitioned.
    Leaf whole() const { return {relation, name}; }
};

}  // namespace zdm::backfill
