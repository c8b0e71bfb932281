// `-- zdm: down` as a pure fact: what gives an old column its value as long as the old version
// runs.
#pragma once

#include <string>
#include <vector>

#include "plan/refusal.hpp"

namespace zdm::plan {

// Over the columns that stay; of a column whose type changes, under the name and with the type that
// it has from the switch on.
struct Down {
    Place at;
    std::string type;  // of the column that it gives, as behind a cast
    std::string expression;
    std::vector<std::string> reads;     // columns
    bool never_null = false;            // provably, where the new version obeys its own NOT NULLs
    std::vector<std::string> required;  // of these, those that each row of the new version gives
    bool immutable = false;
    bool subquery = false;
    std::string unreadable;  // what in it the trigger that computes it can't read, in words
    std::string not_public;  // a function that not every role may use
    std::string may_fail;    // what in it raises an error for some values, in words
};

}  // namespace zdm::plan
