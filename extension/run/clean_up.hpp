// SQL that takes steps back, for a person to run later.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "catalog/migration.hpp"

namespace zdm::run {

// What undoes the steps so far, last first, a statement or transaction a line, for psql or any
// other client that commits each by itself: locks that block are waited for no longer than
// `deadline`, CONCURRENTLY and VALIDATE as long as it takes. Empty when there is nothing to take
// back. Pure.
std::string clean_up_sql(const std::vector<catalog::StoredStep>& steps,
                         std::chrono::milliseconds deadline);

}  // namespace zdm::run
