// Rows looked at when somebody asks: in which old and new columns differ, and what going back would
// lose or fail at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/migration.hpp"

namespace zdm::run {

struct VerifyRange {
    std::int64_t examples = 20;             // of each table
    std::optional<std::uint32_t> relation;  // only this one
    std::int64_t first_page = 0;
    std::optional<std::int64_t> pages;  // all from there on
};

// A row that matches, or (without place) a table in which none does.
struct Differing {
    std::string relation;
    std::int64_t differences = 0;  // in the range, all in all
    std::int64_t table_pages = 0;
    std::string place;  // "(12,3)"
    std::string key;    // "id = 7"; empty without a primary key
    std::string olds;   // JSON
    std::string news;
};

// Rows that differ; or, `going_back`, those that asking_back() is about. Reads as the migration's
// owner, in the transaction of the caller. Throws ZD303 before both sides are there and once
// something was removed.
std::vector<Differing> verify(const std::string& name, const VerifyRange& range, bool going_back);

// Whether a removal has begun, after which one side is gone.
bool has_removed(const std::vector<catalog::StoredStep>& steps);

// Which rows of a table to look for.
struct Question {
    plan::Step step;  // whose relation it is
    std::string predicate;
    std::string olds;  // columns, in words
    std::string news;
    std::string show_old;  // SQL that gives them as a JSON object
    std::string show_new;
    std::string violates;  // what going back brings back and these rows refuse; empty: they only
                           // lose their new values
    std::string known_as;  // the name of the table in expressions, where its rows are in another
};
// What a rollback would lose, or fail at, table by table. Empty while something of expand is still
// to come.
std::vector<Question> asking_back(const std::vector<catalog::StoredStep>& steps);

// The same questions, those about a partitioned table as one for each of its leaves, and those that
// go through a table with children as one for each table.
std::vector<Question> in_leaves(const std::vector<Question>& questions);

// Asks as the migration's owner.
std::vector<Differing> ask(const catalog::Migration& migration, const Question& question,
                           const VerifyRange& range);

}  // namespace zdm::run
