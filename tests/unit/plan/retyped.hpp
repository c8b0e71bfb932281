// A column that becomes a bigint, for tests of plans that change types.
#pragma once

#include <string>

#include "facts.hpp"

namespace zdm::plan {

inline RetypeColumn retyped(const std::string& column = "n") {
    RetypeColumn retype;
    retype.copies.column = column;
    retype.copies.renamed = "zdm_" + column + "_new";
    retype.copies.type = retype.copies.definition = "bigint";
    retype.parked = "zdm_" + column + "_old";
    retype.old_type = "integer";
    retype.up = column;
    retype.up_again = retype.parked;
    retype.down = "small(" + column + ")";
    retype.down_before = "small(" + retype.copies.renamed + ")";
    retype.reads = {column};
    retype.reads_again = {retype.parked};
    return retype;
}

}  // namespace zdm::plan
