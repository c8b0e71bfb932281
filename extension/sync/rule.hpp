// What the arguments of a sync trigger say. Pure: no server.
//
// A trigger's arguments are all that it knows, so that \d and pg_dump show it and a restored dump
// works: first the search_path under which the expressions are read, then four for each rule.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace zdm::sync {

// `once`: the column is given where it is missing. `step`: it also follows its inputs, the columns
// that expression and condition read. `back`: an old column follows the new ones that the
// expression reads; see pairs.hpp. `taken`: the column has the name, and no longer the place, of
// another one, and is given what an INSERT without a list of columns put there.
enum class Mode : unsigned char { once, step, back, taken };

std::string_view to_text(Mode mode);

struct Rule {
    std::string column;  // as in the catalog, not quoted
    Mode mode = Mode::once;
    std::string expression;  // over the relation's columns
    std::string condition;   // likewise, for which rows; empty: all

    bool operator==(const Rule&) const = default;
};

struct Arguments {
    std::string search_path;
    std::vector<Rule> rules;

    bool operator==(const Arguments&) const = default;
};

// The arguments of CREATE TRIGGER as rules. Throws pg::Error ZD702 when they are not such.
Arguments parse_arguments(const std::vector<std::string>& arguments);

// Refuses arguments of which only the table tells that they are wrong. Throws pg::Error ZD702.
[[noreturn]] void refuse_arguments(const std::string& detail);
// Likewise the first one, which the server can't take as a search_path.
[[noreturn]] void refuse_search_path(const std::string& reason);

}  // namespace zdm::sync
