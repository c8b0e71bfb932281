// Indexes that partitions have already and that are equal to one that their table gets: the server
// takes them over instead of building others, and so does zdm.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/actions.hpp"
#include "plan/partition_names.hpp"

namespace zdm::plan {

// Puts them in the place of what the leaves of the table would get. `made` is the table's index, on
// its clone.
void find_equal(const Table& table, std::uint32_t made, IndexRole role,
                std::vector<PartitionIndex>& partitions);
// The parts of a key of a partitioned table; `index` is that of the key.
std::vector<PartitionIndex> parts_of_key(const Table& table, std::uint32_t index);

}  // namespace zdm::plan
