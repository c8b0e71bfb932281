#include "cli/estimate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

std::int64_t whole(const Json& json, const std::string& field) {
    return json.at(field).get<std::int64_t>();
}

double real(const Json& json, const std::string& field) { return json.at(field).get<double>(); }

// "8.0 MB to 40 MB", or one of them where both read alike.
std::string between(const std::string& low, const std::string& high) {
    return low == high ? low : low + " to " + high;
}

std::string bytes_between(const Json& json, const std::string& what) {
    return between(show_bytes(whole(json, what + "_min")), show_bytes(whole(json, what + "_max")));
}

std::string percent(double share) { return fmt::format("{:.0f} %", std::round(share * 100)); }

std::string moves_words(const Json& json) {
    const auto indexes = whole(json, "indexes");
    const auto share = between(percent(real(json, "moved_min")), percent(real(json, "moved_max")));
    std::string where = "move to another page";
    if (indexes > 0)
        where = fmt::format("go into {} again",
                            indexes == 1 ? "the index" : fmt::format("all {} indexes", indexes));
    return fmt::format("{} of the rows {}", share, where);
}

}  // namespace

std::string render_estimate(const Dress& dress, const Json& json) {
    const auto pages = whole(json, "pages");
    std::vector<std::vector<std::string>> lines;
    lines.push_back({"  rows", between(show_count(whole(json, "rows_min")),
                                       show_count(whole(json, "rows_max"))) +
                                   " to change"});
    lines.push_back({"  pages", show_count(pages) + " to read"});
    if (whole(json, "rows_max") > 0) lines.push_back({"  moves", moves_words(json)});
    lines.push_back({"  WAL", bytes_between(json, "wal")});
    lines.push_back({"  table", "grows by " + bytes_between(json, "table_growth")});
    if (whole(json, "indexes") > 0)
        lines.push_back({"  indexes", "grow by " + bytes_between(json, "index_growth")});
    lines.push_back({"  time", between(show_duration(real(json, "seconds_min")),
                                       show_duration(real(json, "seconds_max")))});
    if (!json.at("triggers").empty())
        lines.push_back(
            {"  fires",
             fmt::format("{}",
                         fmt::join(json.at("triggers").get<std::vector<std::string>>(), ", "))});
    if (!json.at("horizon").is_null())
        lines.push_back({"  held by", json.at("horizon").get<std::string>()});
    auto out = fmt::format("{}: told from {} of {} {}\n",
                           dress.paint(Style::strong, json.at("relation").get<std::string>()),
                           show_count(whole(json, "pages_sampled")), show_count(pages),
                           pages == 1 ? "page" : "pages");
    out += table(lines);
    for (const auto& note : json.at("notes"))
        out += dress.paint(Style::faint, "  note: " + note.get<std::string>()) + "\n";
    out.pop_back();
    return out;
}

}  // namespace zdm::cli
