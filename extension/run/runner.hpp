// One migration from where it is to where it was told to go.
#pragma once

#include <cstdint>

namespace zdm::run {

// Runs until there is nothing to do; errors of the migration end up in its row. Outside any
// transaction.
void run_migration(std::int64_t id);

}  // namespace zdm::run
