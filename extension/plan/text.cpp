#include "plan/text.hpp"

#include <algorithm>
#include <cstdio>

namespace zdm::plan {

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (const auto& part : parts) {
        if (&part != &parts.front()) text += separator;
        text += part;
    }
    return text;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_several(std::string_view names) {
    bool quoted = false;
    for (const char c : names) {
        if (c == '"') quoted = !quoted;
        if (c == ',' && !quoted) return true;
    }
    return false;
}

std::string quote_private(std::string_view name) {
    bool plain = true;
    for (const char c : name)
        plain = plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (plain) return std::string{name};
    std::string text = "\"";
    for (const char c : name) {
        if (c == '"') text += '"';
        text += c;
    }
    return text + "\"";
}

std::string private_name(std::string_view about, std::string_view purpose) {
    std::string name = "zdm_" + std::string{about} + "_" + std::string{purpose};
    if (name.size() <= 60) return name;
    // A hash keeps long ones apart without cutting a character.
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : about) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
    return std::string{"zdm_"} + digits + "_" + std::string{purpose};
}

std::string unquoted(std::string_view identifier) {
    if (identifier.size() < 2 || identifier.front() != '"') return std::string{identifier};
    std::string name;
    for (std::size_t i = 1; i + 1 < identifier.size(); ++i) {
        name += identifier[i];
        if (identifier[i] == '"') ++i;
    }
    return name;
}

std::string literal(std::string_view text) {
    // A backslash means different things under the two settings of standard_conforming_strings;
    // the E form means the same under both.
    std::string quoted = text.find('\\') == std::string_view::npos ? "'" : "E'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') quoted += c;
        quoted += c;
    }
    return quoted + "'";
}

std::string parenthesised(const std::string& expression) {
    const bool word = std::all_of(expression.begin(), expression.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (word && !expression.empty()) return expression;
    int depth = 0;
    char quote = '\0';
    bool whole = !expression.empty() && expression.front() == '(';
    for (std::size_t i = 0; whole && i < expression.size(); ++i) {
        const char c = expression[i];
        if (quote != '\0') {
            if (c == quote) quote = '\0';
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '(') {
            ++depth;
        } else if (c == ')') {
            --depth;
            whole = depth > 0 || i + 1 == expression.size();
        }
    }
    // A backslash may hide a quote; one pair too many does no harm.
    if (whole && expression.find('\\') == std::string::npos) return expression;
    return "(" + expression + ")";
}

}  // namespace zdm::plan
