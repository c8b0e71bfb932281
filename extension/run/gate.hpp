// The gate before contract: evidence that nothing needs the old structure any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/migration.hpp"
#include "pg/error.hpp"

namespace zdm::run {

// What the gate reads.
struct Evidence {
    struct Sync {
        std::string relation;
        std::optional<std::int64_t> last_acted;  // seconds since the epoch
        std::int64_t watched_since = 0;          // when its trigger was made
        bool readable = true;
    };
    std::vector<Sync> syncs;
    std::int64_t now = 0;
    std::int64_t quiet_seconds = 0;
    int other_sessions = 0;   // clients connected to this database; zdm's own and whoever asked for
                              // contract left out
    int other_processes = 0;  // what else works in it: replication, workers, prepared transactions
    std::string blind;        // what nothing can tell, in words; empty when all is seen
    std::optional<std::int64_t> removal_bytes;  // of the largest table that the removals touch;
                                                // nullopt: it was of no interest
    std::int64_t small_bytes = 0;               // zdm.small_table of whoever asked
};

enum class GateState { open, shut, blind };
struct Verdict {
    GateState state = GateState::open;
    std::string reason;                // why it is not open, and until when
    std::int64_t open_in_seconds = 0;  // at the earliest, when nothing more happens
    std::string excused;               // why what can't be seen does not count; empty when all is
                                       // seen, or it does
};

// Pure. Shut while sync acted for an old application within the quiet period, or while sync has
// been watching for less than that and somebody else is connected. Blind while something can't be
// seen, unless nobody else is there who could need it and what is lost is small: a new database.
Verdict judge(const Evidence& evidence);

// Reads the evidence of a migration, in a transaction of the caller.
Evidence read_evidence(const catalog::Migration& migration);
// Throws ZD401 (shut) or ZD402 (blind). Opens a transaction of its own.
void require_open_gate(const catalog::Migration& migration);
// The verdict as an error to throw or show, nullopt when the gate is open.
std::optional<pg::Error> gate_error(const catalog::Migration& migration, const Verdict& verdict);
// Keeps with the migration, as an event, why a gate opened that can't see everything.
void record_excuse(const catalog::Migration& migration, const Verdict& verdict);
// Remembers this session as the one that asked for contract: the worker that asks the gate again
// must not take it for somebody else, and has to know its zdm.small_table.
void remember_caller(std::int64_t migration);

}  // namespace zdm::run
