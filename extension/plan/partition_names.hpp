// Names that the server would choose for the indexes of partitions.
#pragma once

#include <string>
#include <vector>

#include "plan/actions.hpp"
#include "plan/read_partitions.hpp"

namespace zdm::plan {

enum class IndexRole { index, unique_key, primary_key };

// What an index of a table, on a clone, becomes in its partitions.
struct IndexOfAll {
    std::uint32_t index = 0;  // of the clone
    std::string schema;       // of the original, and its name; both quoted
    std::string name;
    IndexRole role = IndexRole::index;
};

// Whether a relation of the schema has the name (not quoted), other than an index that the file
// drops.
bool is_taken(const Facts& facts, std::uint32_t schema, const std::string& name);

// One for each partition that can have an index, parents first.
std::vector<PartitionIndex> name_in_partitions(const Facts& facts,
                                               const std::vector<Member>& members,
                                               const IndexOfAll& wanted);

}  // namespace zdm::plan
