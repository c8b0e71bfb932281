#include "cli/differences.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/quantity.hpp"
#include "cli/render.hpp"

namespace zdm::cli {

namespace {

// "a = x, b = NULL"
std::string values_of(const std::string& object) {
    const auto values = Json::parse(object, nullptr, false);
    if (!values.is_object()) return object;
    std::string text;
    for (const auto& [name, value] : values.items())
        text += (text.empty() ? "" : ", ") + name + " = " +
                (value.is_string() ? value.get<std::string>() : std::string{"NULL"});
    return text;
}

Json parsed(const std::string& object) {
    auto values = Json::parse(object, nullptr, false);
    return values.is_discarded() ? Json(nullptr) : values;
}

// A value may have any characters; a cell is a line.
std::string cell(std::string text) {
    constexpr std::size_t kMost = 60;
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
    if (text.size() <= kMost) return text;
    std::size_t end = kMost;
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
    return text.substr(0, end) + "...";
}

}  // namespace

void Compared::add(const Rows& part, std::size_t most) {
    if (part.empty()) return;
    pages = std::max(pages, part.front().integer("table_pages").value_or(0));
    differences += part.front().integer("differences").value_or(0);
    for (const auto& row : part) {
        if (!row["place"] || rows.size() >= most) continue;
        rows.push_back(
            {row.text("place"), row.text("key"), row.text("old_values"), row.text("new_values")});
    }
}

std::int64_t differences_in(const std::vector<Compared>& tables) {
    std::int64_t sum = 0;
    for (const auto& table : tables) sum += table.differences;
    return sum;
}

std::int64_t next_pages(std::int64_t pages, double seconds) {
    constexpr std::int64_t kLeast = 16;
    constexpr std::int64_t kMost = 65536;
    if (seconds > 1)
        pages /= 4;
    else if (seconds > 0.5)
        pages /= 2;
    else if (seconds < 0.25)
        pages *= 2;
    return std::clamp(pages, kLeast, kMost);
}

std::string render_differences(const std::vector<Compared>& tables, bool going_back) {
    const std::string_view fine =
        going_back ? "going back loses no new value" : "old and new agree in all rows";
    std::string out;
    for (const auto& compared : tables) {
        if (!out.empty()) out += "\n";
        if (compared.differences == 0) {
            out += fmt::format("{}: {}", compared.relation, fine);
            continue;
        }
        const bool one = compared.differences == 1;
        out += fmt::format("{}: {} {}{}", compared.relation, show_count(compared.differences),
                           one ? "row" : "rows",
                           going_back ? (one ? " loses values or stops a rollback"
                                             : " lose values or stop a rollback")
                                      : (one ? " differs" : " differ"));
        std::vector<std::vector<std::string>> list = {{"  row", "key", "old", "new"}};
        for (const auto& row : compared.rows)
            list.push_back({"  " + row.place, row.key.empty() ? "-" : cell(row.key),
                            cell(values_of(row.olds)), cell(values_of(row.news))});
        out += "\n" + table(list);
        while (out.ends_with('\n')) out.pop_back();
        const auto more = compared.differences - static_cast<std::int64_t>(compared.rows.size());
        if (more > 0) out += fmt::format("\n  ... and {} more", show_count(more));
    }
    return out;
}

Json to_json(const Compared& table) {
    auto rows = Json::array();
    for (const auto& row : table.rows)
        rows.push_back({{"place", row.place},
                        {"key", row.key.empty() ? Json(nullptr) : Json(row.key)},
                        {"old", parsed(row.olds)},
                        {"new", parsed(row.news)}});
    return {{"relation", table.relation},
            {"pages", table.pages},
            {"differences", table.differences},
            {"rows", rows}};
}

}  // namespace zdm::cli
