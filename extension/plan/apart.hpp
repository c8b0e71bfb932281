// Whether a table or column can change its name in one migration with something else. Pure.
#pragma once

#include "plan/actions.hpp"

namespace zdm::plan {

// Whether the action is about the table, locks it or names it.
bool touches(const Action& action, std::size_t table);

// Whether `other`, an action of the same file, is neither about the column that `action` renames
// nor about anything that hangs on it.
bool are_apart(const Facts& facts, const Action& action, const RenameColumn& rename,
               const Action& other);

}  // namespace zdm::plan
