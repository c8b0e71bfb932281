// What a plan is: the words that planner, catalog, runner and command line share. Pure: no server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zdm::plan {

enum class Phase { expand, migrate, switch_, contract };

// What the runner does for a step; the meaning of `command` and `parameters` for each.
enum class StepKind {
    ddl,          // statements in one transaction, under one lock deadline
    sync,         // make the sync trigger of a relation
    unsync,       // drop it
    backfill,     // batched UPDATE
    delete_rows,  // batched DELETE
    insert,       // one INSERT in one transaction
    last_pass,    // prove that no row is left to fill
    analyze,      // statistics of what was filled
    index,        // CREATE INDEX CONCURRENTLY
    drop_index,   // DROP INDEX CONCURRENTLY
    gate,         // evidence that nothing needs the old structure
    verify,       // compare old and new columns, and show rows that differ
    count,        // count and show rows that a constraint would refuse
    constraint,   // ADD CONSTRAINT ... NOT VALID, under one lock deadline
    validate,     // VALIDATE CONSTRAINT
    attach,       // ALTER INDEX ... ATTACH PARTITION, under one lock deadline
    whole_index,  // prove that the index of a partitioned table is valid
};

// All kinds, for code and tests that must cover each.
inline constexpr StepKind kStepKinds[] = {
    StepKind::ddl,         StepKind::sync,       StepKind::unsync,    StepKind::backfill,
    StepKind::delete_rows, StepKind::insert,     StepKind::last_pass, StepKind::analyze,
    StepKind::index,       StepKind::drop_index, StepKind::gate,      StepKind::verify,
    StepKind::count,       StepKind::constraint, StepKind::validate,  StepKind::attach,
    StepKind::whole_index};

std::string_view to_text(Phase phase);
std::string_view to_text(StepKind kind);
std::optional<Phase> phase_from(std::string_view text);
std::optional<StepKind> kind_from(std::string_view text);

// Table locks from weakest to strongest, as the server numbers them.
enum class LockMode {
    none = 0,
    access_share = 1,
    row_share = 2,
    row_exclusive = 3,
    share_update_exclusive = 4,
    share = 5,
    share_row_exclusive = 6,
    exclusive = 7,
    access_exclusive = 8,
};
std::string_view to_text(LockMode mode);  // "ACCESS EXCLUSIVE"; "" for none
std::optional<LockMode> lock_from(std::string_view text);
// Whether two lock modes exclude each other (the server's conflict table).
bool conflicts(LockMode a, LockMode b);

// A lock that a step needs on a relation that exists before it.
struct LockNeed {
    std::string relation;  // quoted, schema-qualified
    LockMode mode = LockMode::none;
};

// One part of taking a step back, in one transaction of its own or (CONCURRENTLY) in none. The
// kinds and their parameters are those of steps.
struct Undo {
    StepKind kind = StepKind::ddl;
    std::string command;
    std::map<std::string, std::string> parameters;
    std::vector<LockNeed> locks;

    bool operator==(const Undo& other) const;
};

struct Step {
    Phase phase = Phase::expand;
    StepKind kind = StepKind::ddl;
    std::string relation;            // quoted, schema-qualified; empty when there is none
    std::uint32_t relation_oid = 0;  // 0 when it does not exist yet
    std::string command;             // SQL, complete and readable
    std::vector<Undo> undo;          // in the order in which the parts run; empty: nothing to undo
    LockMode lock = LockMode::none;  // strongest lock on an existing relation
    bool scans = false;
    bool rewrites = false;
    std::optional<std::int64_t> rows;   // estimated rows read or written
    std::optional<std::int64_t> bytes;  // size of the relation
    std::string note;                   // plain words: why, and what applications see
    bool removal = false;
    // The relation; of a step that was just planned, not stored.
    bool partitioned = false;
    bool has_children = false;
    int line = 0;  // line of the source statement, 1-based
    // Details by kind; see docs/design.md, "Steps".
    std::map<std::string, std::string> parameters;
    std::vector<LockNeed> locks;  // taken first, in this order, by ddl, sync, unsync, constraint
    // Of a backfill that was just planned, not stored: columns (quoted) with their values.
    std::vector<std::pair<std::string, std::string>> assignments;

    bool operator==(const Step& other) const;
};

struct Plan {
    std::vector<Step> steps;         // in the order in which they run
    std::vector<std::string> notes;  // about the file as a whole, e.g. an ignored BEGIN
    // Relations that the migration owns while it is live, referenced tables too.
    std::vector<std::uint32_t> relations;
    // Whether old and new live side by side at `ready`, so that contract waits to be called.
    bool transition = false;

    bool operator==(const Plan& other) const { return steps == other.steps; }
};

// A part of an undo as SQL for people, each statement ended; empty for what only looks.
std::string sql_of(const Undo& part);
// All parts in one line, as the view zdm.steps shows them.
std::string undo_sql(const Step& step);

// The plan as text, one line a step, to compare and to show.
std::string summary(const Plan& plan);

}  // namespace zdm::plan
