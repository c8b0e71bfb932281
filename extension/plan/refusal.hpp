// How the planner says no: a stable code, the place in the file, what happened, what to do instead.
#pragma once

#include <string>
#include <string_view>

#include "pg/error.hpp"

namespace zdm::plan {

// A place in the source, both 1-based; column counts characters. line 0: nowhere in particular.
struct Place {
    int line = 0;
    int column = 0;
};

// "line 3, column 12: ", or nothing.
std::string place_text(Place at);

// Throws pg::Error "ZDnnn: line N, column M: what".
[[noreturn]] void refuse(Place at, std::string_view code, int sqlstate, const std::string& what,
                         std::string detail = {}, std::string hint = {});

}  // namespace zdm::plan
