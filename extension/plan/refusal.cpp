#include "plan/refusal.hpp"

#include <utility>

namespace zdm::plan {

std::string place_text(Place at) {
    if (at.line == 0) return {};
    return "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": ";
}

void refuse(Place at, std::string_view code, int sqlstate, const std::string& what,
            std::string detail, std::string hint) {
    if (hint.empty()) hint = "Correct this and try again; nothing was changed.";
    throw pg::Error{sqlstate, std::string{code} + ": " + place_text(at) + what, std::move(detail),
                    std::move(hint)};
}

}  // namespace zdm::plan
