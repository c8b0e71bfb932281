// A rename or a new type copies what hangs on a column, or makes it anew, as the plan found it:
// constraints, indexes, statistics, views, policies, publications. Whether it still is so.
// (Triggers and defaults the migration changes itself.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zdm::plan {

// What hangs on a column, as a member of a JSON object: the column's name, and what it is, each
// with a hash of its definition.
std::string read_hanging(std::uint32_t relation, const std::string& column);

// What has come, gone or changed since then, in words; `object` has the members. Not `all`: of
// views, policies and publications only, since the migration itself makes or drops others.
std::vector<std::string> changed_since(std::uint32_t relation, const std::string& object, bool all);

}  // namespace zdm::plan
