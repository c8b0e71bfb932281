// The backfill engine: fills or deletes the rows of a table that match a predicate, and proves that
// none is left, in small transactions that never wait for a row and make nobody wait for long.
//
// 1. The end of the range is fixed once, in pages, and cut into chunks (zdm.chunk), a queue from
//    which several workers take.
// 2. Batch by batch, each chunk's matching rows are found, locked unless others have them locked,
//    and changed; progress commits with them. What was locked is tried again after the chunk and at
//    the end.
// 3. The last pass, a step of its own, reads everything once more, fills what it finds and waits,
//    outside transactions, for the rows that are still locked.
//
// All can end between batches and be called again later: they go on where the data says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backfill/host.hpp"
#include "backfill/task.hpp"

namespace zdm::backfill {

enum class Outcome { finished, stopped };

// Backfill (or, with an empty set clause, delete) over the fixed range.
Outcome run_backfill(const Task& task, Host& host);
// Helps whoever runs it, from another session: works at chunks as long as there are any that nobody
// has, or until told to stop.
void help_backfill(const Task& task, Host& host);

struct LastPass {
    Outcome outcome = Outcome::stopped;
    std::int64_t rows_filled = 0;  // by this pass
    // Without sync only: rows that match all the same, written after the range was fixed.
    std::int64_t rows_left = 0;
};
LastPass run_last_pass(const Task& task, Host& host);

struct Matches {
    Outcome outcome = Outcome::stopped;
    std::int64_t rows = 0;
    std::vector<std::string> examples;  // "(12,3), id = 7"
};
// Counts the rows of the whole table that match the predicate and shows some. `stage` is what the
// step is called: count or verify.
Matches count_matches(const Task& task, Host& host, const std::string& stage,
                      std::size_t examples = 5);

}  // namespace zdm::backfill
