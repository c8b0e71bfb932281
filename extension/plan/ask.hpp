// Questions to the catalogs. The planner runs under the search_path of the user, where somebody may
// have put operators of his own before those of the server: these don't.
#pragma once

#include <vector>

#include "pg/spi.hpp"

namespace zdm::plan {

// pg::query under the pinned search_path, so that names in the answer are qualified as well.
pg::Result ask(const char* sql, const std::vector<pg::Value>& parameters = {});

}  // namespace zdm::plan
