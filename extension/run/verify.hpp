// Old and new columns compared when somebody asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zdm::run {

struct VerifyRange {
    std::int64_t examples = 20;             // of each table
    std::optional<std::uint32_t> relation;  // only this one
    std::int64_t first_page = 0;
    std::optional<std::int64_t> pages;  // all from there on
};

// A row that differs, or (without place) a table in which none does.
struct Differing {
    std::string relation;
    std::int64_t differences = 0;  // in the range, all in all
    std::int64_t table_pages = 0;
    std::string place;  // "(12,3)"
    std::string key;    // "id = 7"; empty without a primary key
    std::string olds;   // JSON
    std::string news;
};

// Reads as the migration's owner, in the transaction of the caller. Throws ZD303 before ready and
// once something was removed.
std::vector<Differing> verify(const std::string& name, const VerifyRange& range);

}  // namespace zdm::run
