// What an UPDATE or DELETE of a partitioned table needs of its partitions: their rows are changed
// partition by partition, as if the statement named each leaf.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plan/clones.hpp"
#include "plan/refusal.hpp"

struct Query;
struct RangeVar;

namespace zdm::plan {

enum class RowEvent { update, remove };

struct RowChange {
    Place at;
    RowEvent event = RowEvent::update;
    std::vector<std::string> columns;  // that are set, not quoted
};

// Refuses what would come out differently, and notes the partitions of the table and their size.
void read_partitions(Clones& clones, std::size_t table, const RowChange& change);

// Refuses what means something else in a leaf: ONLY, and a row as a whole, whose columns may stand
// in another order there.
void refuse_for_leaves(const RangeVar* target, ::Query* query, Place at);

// The columns that an UPDATE sets, not quoted.
std::vector<std::string> columns_set(const ::Query* query);

}  // namespace zdm::plan
