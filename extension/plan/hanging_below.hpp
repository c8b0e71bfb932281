// What partitions and children have alone on a column of their table that will change its name:
// what comes there after it was planned would be lost with the old column. Asks the catalogs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zdm::plan {

// Of all tables below it, as a member of a JSON object: the column, and for each such table what it
// has, with a hash of its definition.
std::string read_hanging_below(std::uint32_t table, const std::string& column);
// What has come, gone or changed since, each with its name; `planned` has the members, `own` the
// names of what zdm made itself, quoted, one a line. Tables that have left don't count.
std::vector<std::string> changed_below(std::uint32_t table, const std::string& planned,
                                       const std::string& own);

}  // namespace zdm::plan
