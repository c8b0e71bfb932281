// What zdm_verify found, put together from its parts. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/json.hpp"
#include "cli/rows.hpp"

namespace zdm::cli {

// A row in which old and new columns differ.
struct Difference {
    std::string place;  // "(12,3)"
    std::string key;    // "id = 7"; empty without a primary key
    std::string olds;   // JSON objects
    std::string news;
};

// A table that was read, as far as it was.
struct Compared {
    std::string relation;
    std::int64_t pages = 0;
    std::int64_t differences = 0;
    std::vector<Difference> rows;  // some of them

    // What a part of it gave; keeps at most so many rows.
    void add(const Rows& part, std::size_t most);
};

std::int64_t differences_in(const std::vector<Compared>& tables);

// How many pages to read next, from how long the last ones took: about half a second.
std::int64_t next_pages(std::int64_t pages, double seconds);

// A line for each table, and its rows as a list.
std::string render_differences(const std::vector<Compared>& tables, bool going_back = false);
Json to_json(const Compared& table);

}  // namespace zdm::cli
