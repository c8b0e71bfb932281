// What hangs on two columns that both get another type: an index over both, a foreign key from one
// to the other. One of them has the copy, which is over both new columns. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "plan/retype.hpp"

namespace zdm::plan {

// A change of type and the table of its column.
struct Retyped {
    RetypeColumn& retype;
    std::size_t table;
};

// Of what both have one keeps it. The copies of `later` were read when the other column had its
// private name.
void share(Retyped earlier, Retyped later);

// Foreign keys of the table that others keep: they go before its columns change hands.
Statements given_away(const std::vector<Retyped>& all, std::size_t table);

}  // namespace zdm::plan
