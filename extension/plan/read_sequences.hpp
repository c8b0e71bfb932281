// Reading the sequences that a column owns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace zdm::plan {

struct OwnedSequence {
    std::string name;  // qualified
    std::string type;
    std::string generated;  // GENERATED ALWAYS or BY DEFAULT; empty: it is no identity's
    std::string options;    // behind the type, as they are
    std::string retyped;    // the same for a column of another type
    bool plain = true;      // it has nothing that would be lost if it were made anew

    bool is_identity() const { return !generated.empty(); }
    // GENERATED ... AS IDENTITY (...), of an identity.
    std::string clause(const std::string& with) const { return clause(name, with); }
    std::string clause(const std::string& called, const std::string& with) const {
        return generated + " AS IDENTITY (SEQUENCE NAME " + called + with + ")";
    }
};

// By the column's name (not quoted), of an original or a clone.
std::vector<OwnedSequence> owned_sequences(std::uint32_t relation, const std::string& column);
// All that can be told of a sequence (qualified) but its value, to compare; empty: it is not there.
std::string look_of_sequence(const std::string& sequence);

}  // namespace zdm::plan
