// Whether a column can be renamed in one migration with something else. Pure.
#pragma once

#include "plan/actions.hpp"

namespace zdm::plan {

// Whether `other`, an action of the same file, is neither about the column that `action` renames
// nor about anything that hangs on it.
bool are_apart(const Action& action, const RenameColumn& rename, const Action& other);

}  // namespace zdm::plan
