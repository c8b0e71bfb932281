// Sequences of columns: how one comes with a new column, and how an identity takes over the value
// of another. Pure.
#pragma once

#include <string>
#include <vector>

#include "plan/rules.hpp"

namespace zdm::plan {

// The value of a sequence over a change of it, within one transaction: kept before, given after.
std::string keep_value(const std::string& sequence);
std::string give_value(const std::string& sequence);

// The statements that put a new column's sequence under it, when both are there.
Statements own_sequence(const Table& table, const AddColumn& add);
// The identity takes the place of the column's default, in one transaction. It is NOT NULL by then.
void add_identity(Composer& composer, const Action& action, const AddColumn& add);
// What applications see of it meanwhile.
void note_sequence(Composer& composer, const Action& action, const AddColumn& add);

}  // namespace zdm::plan
