// The range of a step: how long each leaf was when it began, cut into chunks (zdm.chunk). Fixed
// once, and anew for a leaf whose file is another one now: pages mean something else there.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "backfill/work.hpp"

namespace zdm::backfill {

// Makes the chunks that are missing and gives the relations that got some; ends those of partitions
// that are gone. `begins`: the first look of this run, which tries rows again that an earlier one
// has passed over. nullopt: told to stop.
std::optional<std::set<std::uint32_t>> fix_range(const Task& task, Work& work, const char* stage,
                                                 bool begins);

}  // namespace zdm::backfill
