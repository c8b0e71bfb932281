// One batch: a short transaction over a range of pages that changes what matches there.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "backfill/host.hpp"
#include "backfill/pace.hpp"
#include "backfill/rounds.hpp"
#include "backfill/table.hpp"
#include "backfill/tid.hpp"

namespace zdm::backfill {

struct BatchLimits {
    std::int64_t rows = 0;           // at most this many are changed
    std::uint32_t pages = 0;         // at most this many are read
    double duty = 1;                 // share of time at work
    bool look_only = false;          // find rows, change none
    const Rounds* rounds = nullptr;  // take only as many of each page as this says
    // Where the rows are that an earlier round left, in order; null: look for rows.
    const std::vector<Tid>* waiting = nullptr;
    const std::set<Tid>* passed_over = nullptr;  // rows that are not tried again
    std::string stage = "backfill";              // what fault points are called
};

struct Batch {
    enum class End {
        done,
        busy,       // somebody's lock on the table is in the way
        rewritten,  // the table has another file now: page numbers mean something else
    };
    End end = End::done;
    Tid from;
    Tid next;               // where the next batch begins
    std::vector<Tid> rows;  // that matched and had their turn
    std::int64_t changed = 0;
    std::vector<Tid> waiting;    // that matched and wait for a later round, in order
    ChangeSample sample;         // of those that should have stayed on their page
    bool may_be_hot = true;      // no indexed column is set
    std::uint32_t xid = 0;       // the transaction's, 0 if it changed nothing
    std::uint32_t surveyed = 0;  // pages that were read
    bool reading = false;        // looking for rows, rather than changing them
    std::int64_t wal_bytes = 0;  // written by it
    std::int64_t waiters = 0;    // who waited for its transaction when it was about to commit
    std::string gave_way;        // tried so often that its rows were only looked at in the end: why
    double survey_ms = 0;        // reading, with no row locked
    double locked_ms = 0;        // from the first row lock to the commit
    double paid_ms = 0;          // of all that, what was rested for already, and these rests

    // Rows that matched and were not changed: others have them locked or changed them meanwhile.
    std::int64_t left() const { return static_cast<std::int64_t>(rows.size()) - changed; }
    std::int64_t pages() const { return std::int64_t{next.block} - from.block; }
    // The pages on which rows were found.
    Pages found_on() const { return {rows.front().block, rows.back().block + 1}; }
};

// Called inside a batch's transaction, before its commit, to write progress. Whether anything was
// changed and how far it got stands in the batch.
using Recorder = std::function<void(const Batch&)>;

// Runs a batch from `from` to the page before `end` at most. `batch` is filled as it goes, so that
// after an exception it says which rows were tried.
void run_batch(Table& table, Host& host, std::uint32_t filenode, Tid from, std::uint32_t end,
               const BatchLimits& limits, const Recorder& record, Pacer& pacer, Batch& batch);

// Tries a change (or, with no rows, reading [from, end) but for those passed over) and takes it
// back. Throws what it raises.
void try_batch(Table& table, Host& host, const std::vector<Tid>& rows, Tid from, Tid end,
               const std::set<Tid>& passed_over);

}  // namespace zdm::backfill
