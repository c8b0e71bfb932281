// Which rules are tried on some rows of a table before anything is installed: an expression that
// fails on rows that are there would fail in applications' writes, too. Pure.
#pragma once

#include <string>
#include <vector>

#include "plan/directive.hpp"
#include "plan/rules.hpp"

namespace zdm::plan {

// A rule that keeps a new column in step, or gives an old one back.
struct TriedRule {
    Place at;
    Way way = Way::up;
    std::string column;
    std::string expression;
    std::string condition;   // for which rows, empty: all
    std::string shown = {};  // what it gives, in messages; empty: the column
};

struct Trial {
    std::size_t table = kNoTable;
    std::vector<TriedRule> rules;    // those that go up come first
    std::vector<std::string> reads;  // columns of the table that they need
    std::vector<AddColumn> columns;  // that they give and the table has not yet
};

// Whether a rule of the trial gives a new column its value.
bool has_rule(const Trial& trial, const std::string& column);

// The trials of a file, one for each table with such rules. What the planner refuses is not tried.
std::vector<Trial> trials(const Facts& facts);

// The statement that computes a rule for the rows of a table; it goes into column `target`.
std::string trial_sql(const TriedRule& rule, const std::string& table, const std::string& target);

}  // namespace zdm::plan
