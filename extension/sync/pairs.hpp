// Which rules of a trigger keep old and new columns equal both ways. Pure: no server.
//
// A rule `step` that gives a new column from old ones, and a rule `back` that gives one of these
// old columns from the new one, are a pair. Rules that share columns so are a group, which has an
// old and a new side: a renamed column is a group of two rules; of a column that is split in two,
// or of two that are merged, it is three.
#pragma once

#include <vector>

#include "sync/rule.hpp"

namespace zdm::sync {

// What a rule gives and reads, as numbers of columns.
struct Reads {
    Mode mode;
    int column;
    std::vector<int> inputs;
};

// Indexes into the rules, ascending.
struct Group {
    std::vector<int> forward;  // rules `step`; none where only a `back` gives a column that goes
    std::vector<int> reverse;  // rules `back`
    std::vector<int> news;     // columns: the new side

    bool operator==(const Group&) const = default;
};

// All groups; each rule `back` is in one. Throws pg::Error ZD702 where a `step` stands behind a
// `back` that it is paired with, or a column is given by both kinds.
std::vector<Group> find_groups(const std::vector<Reads>& rules);

}  // namespace zdm::sync
