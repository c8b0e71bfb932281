// Looks at a sample of a table for an estimate of its backfill. Writes nothing: whatever runs of
// the user's runs read-only, in a subtransaction that is rolled back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backfill/estimate_model.hpp"
#include "backfill/table.hpp"
#include "backfill/task.hpp"

namespace zdm::backfill {

// One assignment of the SET clause: the column, quoted, and its value.
struct Assigned {
    std::string column;
    std::string expression;
};

// What was seen of the table.
struct Look {
    std::uint32_t pages = 0;
    std::vector<PageSeen> sample;
    Range rows;
    RowChange change;
    bool indexed = false;  // a column is set, or generated, that is in an index
    bool rounds = true;    // the engine would make page rounds
    double page_ms = 0;    // to read a page and ask for its rows
    std::vector<IndexSeen> indexes;
    std::vector<std::string> notes;
};

// A leaf of the task's table, which may be the table itself. It must be locked already.
Look look_at(const Task& task, const Leaf& leaf, const std::vector<Assigned>& assigned);

// What the SET clause makes of these rows. `indexed` of the look gets its answer here too.
void look_at_rows(const Task& task, const Leaf& leaf, const std::vector<Assigned>& assigned,
                  const std::vector<Tid>& rows, Look& look);

// What is said of a clause ("WHERE") that could not be computed for some rows. Throws the error
// again when that was not because of the clause.
std::string why_not(const char* clause, const pg::Error& error);

// Whether a query calls a volatile function. Only prepared, never run.
bool is_volatile(const std::string& query);

// While it lives, statements of this session can't write. Rolled back at its end, whatever happens.
class ReadOnly {
public:
    ReadOnly();
    ~ReadOnly();
    ReadOnly(const ReadOnly&) = delete;
    ReadOnly& operator=(const ReadOnly&) = delete;

private:
    struct Scope;
    std::unique_ptr<Scope> scope_;
};

}  // namespace zdm::backfill
