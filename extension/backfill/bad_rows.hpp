// Rows whose values an expression, a constraint or a trigger of the user refuses.
#pragma once

#include "backfill/batch.hpp"
#include "pg/error.hpp"

namespace zdm::backfill {

// Whether an error may come from the values of one row: data exceptions, constraint violations,
// and what triggers raise.
bool caused_by_row(const pg::Error& error);

// Finds the rows that made a batch fail with `error`, by halves that are taken back, and throws
// ZD205 that names some of them. Returns when none fails any more.
void report_bad_rows(const Task& task, Table& table, Host& host, const pg::Error& error,
                     const Batch& batch, Tid end);

}  // namespace zdm::backfill
