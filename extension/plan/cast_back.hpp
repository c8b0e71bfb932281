// How a value of a column's new type becomes one of the old type, in an application's INSERT, where
// nothing may raise. Pure. Types as the server formats them.
#pragma once

#include <optional>
#include <string>

namespace zdm::plan {

struct CastBack {
    std::string expression;  // NULL where the value does not fit
    bool exact = false;      // different values stay different
    bool partial = false;    // some don't fit
};

// From `value`, an expression of type `from`. nullopt: a cast could raise.
std::optional<CastBack> cast_back(const std::string& from, const std::string& to,
                                  const std::string& value);

}  // namespace zdm::plan
