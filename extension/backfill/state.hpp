// Progress in zdm.chunk, results in zdm.step, messages in zdm.event: all through the door, all in
// the transaction around it. Nobody else writes the chunks and the step of a running migration, so
// none of this ever waits for a caller, except events: never add one while rows are locked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backfill/task.hpp"
#include "backfill/tid.hpp"

namespace zdm::backfill {

// A fixed range of pages, the unit of progress.
struct Chunk {
    int number = 0;
    Leaf leaf;  // without a name when it was dropped
    std::uint32_t filenode = 0;
    Pages pages;
    std::uint32_t next = 0;       // all pages before it are done
    std::int64_t rows = 0;        // changed in it by us
    std::int64_t left = 0;        // found locked, left for the last pass
    std::int64_t pages_done = 0;  // as people are told
    bool done = false;
};

std::vector<Chunk> load_chunks(const Task& task);
// Of chunks [from, …), the first few that are not done, in order.
std::vector<Chunk> open_chunks(const Task& task, int from);
// One of them as it is now; nullopt when it is done or of another file.
std::optional<Chunk> open_chunk(const Task& task, const Chunk& chunk);
// A leaf's file and its length when its range is fixed.
struct Extent {
    Leaf leaf;
    std::uint32_t filenode = 0;
    std::uint32_t blocks = 0;
};
// Replaces all chunks of a step by those of [0, blocks) of each leaf, `pages` each; an empty leaf
// gets one that is done. The first takes over rows and WAL of those before.
void make_chunks(const Task& task, const std::vector<Extent>& extents, std::uint32_t pages);
// The same for one leaf: chunks of others stay.
void make_chunks_anew(const Task& task, const Extent& extent, std::uint32_t pages);
// What is left of a relation that is no leaf any more is done. Gives how many chunks that were.
std::int64_t let_go_chunks(const Task& task, std::uint32_t relation);

// None of these does anything to a chunk of another file than `chunk`: the table was rewritten and
// its chunks were made anew meanwhile.
struct Advance {
    std::uint32_t next = 0;      // all pages before it are done
    std::int64_t pages = 0;      // done in the chunk, all in all, as people are told
    std::int64_t rows = 0;       // changed, more than before
    std::int64_t wal_bytes = 0;  // written for it, more than before
};
void advance_chunk(const Task& task, const Chunk& chunk, const Advance& advance);
// Notes that rows of a chunk wait to be visited again.
void mark_left(const Task& task, const Chunk& chunk, std::int64_t left);
void finish_chunk(const Task& task, const Chunk& chunk, std::int64_t left);

// The range that another step of the migration was given, by relation; empty when it made none, or
// made it in another database, of which this is a copy.
std::map<std::uint32_t, Extent> fixed_ranges(const Task& task, int step);

// Transactions of others that have written to one of the relations and are still open, as texts of
// virtual transaction ids.
std::vector<std::string> open_writers(const std::vector<Leaf>& leaves);
// "pid 123 (psql)": one of these transactions that is still open; empty when none is.
std::string still_open(const std::vector<Leaf>& leaves, const std::vector<std::string>& writers);

// What all chunks of a step come to.
struct Totals {
    std::int64_t rows = 0;
    std::int64_t left = 0;
    std::int64_t pages_done = 0;
    std::int64_t wal_bytes = 0;
};
Totals chunk_totals(const Task& task);
// For how long the step was held back so far, as it has written down.
double throttled_seconds(const Task& task);
// Merges a JSON object into the step's result.
void merge_result(const Task& task, const std::string& json);

// Seconds since the step began, 0 when that is not known.
double step_seconds(const Task& task);
// A row that can't be changed, as zdm.bad_rows shows it.
struct NotedRow {
    std::string relation;  // the leaf, quoted and schema-qualified
    std::string place;
    std::string key;  // "id = 7", empty without a primary key
    std::string sqlstate;
    std::string message;
};
void note_bad_row(const Task& task, const NotedRow& row);
// How many the step has, and the first of them.
std::int64_t count_bad_rows(const Task& task);
std::vector<NotedRow> some_bad_rows(const Task& task, int most);
// Forgets those of a step; gives how many there were.
std::int64_t forget_bad_rows(const Task& task, int step);
void forget_bad_rows(const Task& task, int step, const Leaf& leaf);

std::string migration_name(const Task& task);
// Adds a message for people, of kind backfill.
void add_event(const Task& task, const std::string& message);
// The same about what holds it back, and that nothing does any more.
void tell_throttled(const Task& task, const std::string& reason);
void tell_released(const Task& task, std::int64_t after_ms);

}  // namespace zdm::backfill
