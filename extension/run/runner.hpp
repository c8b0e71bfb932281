// One migration from where it is to where it was told to go.
#pragma once

#include <cstdint>

#include "catalog/migration.hpp"
#include "pg/error.hpp"

namespace zdm::run {

// Runs until there is nothing to do; errors of the migration end up in its row. Outside any
// transaction.
void run_migration(std::int64_t id);

// A worker that logged in as a member of the owner sets the role. That it may not any more is for
// people to mend, so it is a failure of the migration and nothing to try again every second.
void become_owner(const catalog::Migration& migration);
// What ended a helper's work at a step, for its migration: a cancel is a pause, and what no retry
// cures fails it, unless it is about something else by now. All else its leader meets as well.
void take_helpers_failure(const catalog::Migration& migration, const catalog::StoredStep& stored,
                          const pg::Error& error);

}  // namespace zdm::run
