#include "plan/directive.hpp"

namespace zdm::plan {

namespace {

constexpr std::string_view kBlank = " \t\r\n\f\v";

}  // namespace

std::string_view to_text(Way way) {
    switch (way) {
    case Way::up: return "up";
    case Way::down: return "down";
    }
    return "?";
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Directive split_directive(std::string_view comment) {
    const std::string_view text = trim(comment);
    const auto space = text.find_first_of(kBlank);
    if (space == std::string_view::npos) return {text, {}};
    return {text.substr(0, space), trim(text.substr(space))};
}

}  // namespace zdm::plan
