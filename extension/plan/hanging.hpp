// A new type copies what hangs on a column, or makes it anew, as the plan found it: constraints,
// indexes, statistics, publications. A rename drops the column that stood in for the new name, with
// all that hangs on it and all that it says. Whether nobody has put, changed or removed anything
// there since. (Triggers and defaults the migration changes itself.)
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace zdm::plan {

// What hangs on a column, as a member of a JSON object: the column's name, and what it is, each
// with a hash of its definition. Without what bears one of these names, quoted.
std::string read_hanging(std::uint32_t relation, const std::string& column,
                         const std::vector<std::string>& without = {});

// As a member of a JSON object: the name of a new column that will be dropped; which one takes its
// place, and what that says of itself here and in the tables below, as the new one will from the
// start (storage, comment, privileges ...).
std::string read_place(std::uint32_t relation, const std::string& renamed,
                       const std::string& column);

// A member of a JSON object. Of the parameter `triggers`: a trigger, quoted, and its definition,
// how it is enabled and its comment, a line each.
std::string json_member(const std::string& name, const std::string& value);

// What has come, gone or changed against the parameters of a step, in words: `hanging` and `places`
// have the members, `own` the names of what zdm made itself, quoted, one a line, and `triggers` how
// these must be (of a partitioned table their parts too).
using Parameters = std::map<std::string, std::string>;
std::vector<std::string> changed_since(std::uint32_t relation, const Parameters& parameters);

}  // namespace zdm::plan
