#include "sync/rule.hpp"

#include <algorithm>

#include "pg/error.hpp"

namespace zdm::sync {

namespace {

constexpr std::size_t kPerRule = 4;

bool is_blank(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    });
}

Mode parse_mode(const std::string& text, const std::string& rule) {
    for (const Mode mode : {Mode::once, Mode::step, Mode::back, Mode::taken})
        if (text == to_text(mode)) return mode;
    refuse_arguments(rule + " has the mode \"" + text + "\".");
}

}  // namespace

std::string_view to_text(Mode mode) {
    switch (mode) {
    case Mode::once: return "once";
    case Mode::step: return "step";
    case Mode::back: return "back";
    case Mode::taken: return "taken";
    }
    return "";
}

void refuse_arguments(const std::string& detail) {
    throw pg::Error{
        pg::state::kInvalidParameter, "ZD702: zdm.sync does not understand its trigger arguments",
        detail,
        "The arguments are: search_path, then column, mode (once, step, back "
        "or taken), expression and condition ('' for none) for each rule. zdm_start makes such "
        "triggers itself."};
}

void refuse_search_path(const std::string& reason) {
    refuse_arguments("The first argument is no search_path: " + reason + ".");
}

Arguments parse_arguments(const std::vector<std::string>& arguments) {
    if (arguments.size() < 1 + kPerRule || (arguments.size() - 1) % kPerRule != 0)
        refuse_arguments("Number of arguments: " + std::to_string(arguments.size()) +
                         "; it must be one and four for each rule.");

    Arguments parsed{arguments[0], {}};
    if (is_blank(parsed.search_path)) refuse_arguments("The search_path is empty.");
    for (std::size_t at = 1; at < arguments.size(); at += kPerRule) {
        const std::string name = "Rule " + std::to_string(parsed.rules.size() + 1);
        Rule rule{arguments[at], parse_mode(arguments[at + 1], name), arguments[at + 2],
                  arguments[at + 3]};
        if (rule.column.empty()) refuse_arguments(name + " names no column.");
        if (is_blank(rule.expression)) refuse_arguments(name + " has no expression.");
        if (is_blank(rule.condition)) rule.condition.clear();
        parsed.rules.push_back(std::move(rule));
    }
    return parsed;
}

}  // namespace zdm::sync
