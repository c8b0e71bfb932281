// A new type copies what hangs on a column, or makes it anew, as the plan found it: constraints,
// indexes, statistics, publications. A rename drops the column that stood in for the new name, with
// all that hangs on it. Whether nobody has put, changed or removed anything there since.
// (Triggers and defaults the migration changes itself.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zdm::plan {

// What hangs on a column, as a member of a JSON object: the column's name, and what it is, each
// with a hash of its definition. Without constraints of the table that bear one of these names,
// quoted.
std::string read_hanging(std::uint32_t relation, const std::string& column,
                         const std::vector<std::string>& without = {});

// The same of a column on which nothing may hang but what bears a private name.
std::string hangs_nothing(const std::string& column);

// What has come, gone or changed since then, in words; `object` has the members.
std::vector<std::string> changed_since(std::uint32_t relation, const std::string& object);

// A member of a JSON object. Of `given_to`: a column that will be dropped, and the one that takes
// its name. Of `changed_triggers`: a trigger, quoted, and its definition, how it is enabled and its
// comment, a line each.
std::string json_member(const std::string& name, const std::string& value);

// What somebody gave to such columns, and not to those that take their names, in words.
std::vector<std::string> given_to(std::uint32_t relation, const std::string& object);

// The triggers that are not as the object says, in words; of a partitioned table their parts too.
std::vector<std::string> changed_triggers(std::uint32_t relation, const std::string& object);

}  // namespace zdm::plan
