// Rows whose values an expression, a constraint or a trigger of the user refuses.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "backfill/batch.hpp"
#include "pg/error.hpp"

namespace zdm::backfill {

struct BadRow {
    std::string relation;  // the leaf
    Tid place;
    std::string key;  // "id = 7", empty without a primary key
    pg::Error error;
};

// Whether an error may come from the values of one row: data exceptions, constraint violations,
// and what triggers raise.
bool caused_by_row(const pg::Error& error);

// Finds some of the rows that made a batch fail, by halves that are taken back; none when none
// fails any more. `passed_over`: rows that it did not try.
std::vector<BadRow> find_bad_rows(Table& table, Host& host, const Batch& batch, Tid end,
                                  const std::set<Tid>& passed_over);

// ZD205, which names rows that a batch found. `reading`: when it looked for those to change, which
// takes the WHERE and, where that tells which rows are done, the new value.
pg::Error bad_rows_error(const Task& task, const std::vector<BadRow>& bad, bool reading);

// Notes rows for the view zdm.bad_rows. Throws ZD205 when there are more than `most` of the step
// with them.
void pass_over(const Task& task, const std::vector<BadRow>& bad, std::int64_t most);

// ZD205 for all that the step has passed over.
pg::Error passed_over_error(const Task& task);

}  // namespace zdm::backfill
