// A change of a column's type that would rewrite the table, as pure facts. Texts are quoted and
// qualified.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plan/down.hpp"
#include "plan/rename.hpp"

namespace zdm::plan {

// A constraint of the old column that goes in the switch, and comes back with the old type.
struct OldConstraint {
    std::size_t copy = 0;    // in constraints of the copies
    std::string definition;  // over the old type, under the column's name
};

// A primary key that the column is in, of the table or of one child, as it is before the switch.
struct OldPrimary {
    std::size_t index = 0;             // in indexes of the copies
    std::string tail;                  // of an index like that of the key, from USING on
    Statements tails;                  // the same of its parts, of a partitioned table
    std::vector<std::string> columns;  // of the key, under the column's own name
    std::string definition;            // likewise: PRIMARY KEY (...)
};

// ALTER TABLE ... ALTER COLUMN ... TYPE
struct RetypeColumn {
    // The shadow column is the new one, under a private name until the switch. Its copies are over
    // the new type.
    RenameColumn copies;
    std::string parked;    // the private name of the old column from the switch on
    std::string old_type;  // as behind a cast
    std::string old_default;
    std::string up;                        // gives the shadow column, before the switch
    std::string down;                      // gives the old column, from the switch on
    std::string up_again;                  // what gave the new column, from the switch on
    std::string down_before;               // what would give the old column, before the switch
    std::vector<std::string> reads;        // old columns of `up`
    std::vector<std::string> reads_again;  // of `up_again`
    bool partial = false;                  // a new value may not fit the old column
    std::optional<Down> given;             // `-- zdm: down` instead of a cast back
    std::vector<OldConstraint> checks;     // they must not refuse rows of the new version
    std::vector<OldConstraint> keys;       // foreign keys that refer to the column
    std::vector<OldPrimary> primaries;
    // Children, by their place, that have the column, or its NOT NULL, by themselves as well: it
    // would stay there when that of the table goes.
    std::vector<std::size_t> own_columns;
    std::vector<std::size_t> own_not_null;
    std::string old_identity;   // GENERATED ... AS IDENTITY (...), as it is now
    std::string sequence_type;  // of sequences that it owns, where it changes along
    std::string below = {};     // what tables below have alone on it (plan/hanging_below)
    // Of foreign keys whose columns both change (retype_together.hpp): tables that refer to this
    // column, which change after it; and those that hang on it and that another column keeps.
    std::vector<std::size_t> tied;
    Statements given_away;
    bool led = false;  // one of those gives the new column values, when tables change one by one
    std::vector<Statements> triggers;  // whose functions name the column: made anew for its type

    // Whether a sequence (qualified) that the column owns gets this type with it.
    bool changes_sequence(const std::string& sequence, const std::string& type_of_it) const {
        if (sequence.empty() || type_of_it != copies.type) return false;
        if (sequence == copies.identity.sequence) return true;
        return !sequence_type.empty() && std::find(copies.sequences.begin(), copies.sequences.end(),
                                                   sequence) != copies.sequences.end();
    }
};

}  // namespace zdm::plan
