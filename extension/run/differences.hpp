// Rows in which old and new columns differ, in words. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace zdm::run {

struct Differences {
    std::string relation;
    std::string olds;  // columns, comma-separated
    std::string news;
    std::int64_t rows = 0;
    std::vector<std::string> examples;  // "(12,3), id = 7"
};

// "2 rows of s.t differ: b is not what a gives, for example (0,1), id = 1; (0,2), id = 2"
std::string describe(const Differences& differences);
// ZD210. `name`: of the migration, as an SQL literal.
pg::Error refusal(const std::string& name, const Differences& differences);

}  // namespace zdm::run
