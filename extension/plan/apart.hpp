// Whether a table or column can change its name in one migration with something else. Pure.
#pragma once

#include "plan/actions.hpp"

namespace zdm::plan {

// Whether the action is about the table, locks it or names it.
bool touches(const Action& action, std::size_t table);

// Whether the first is above the other, which is a partition of it. What is changed in a table of
// the migration is known by its partitions.
bool is_above(const Table& table, const Table& other);

// Refuses what is said about a partition alone beside a statement about a table above it: neither
// would know what the other does.
void refuse_in_one_tree(const Facts& facts);

// Whether `other`, an action of the same file, is neither about the column that `action` renames
// nor about anything that hangs on it.
bool are_apart(const Action& action, const RenameColumn& rename, const Action& other);

}  // namespace zdm::plan
