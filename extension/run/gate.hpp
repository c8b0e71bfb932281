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
    int other_sessions = 0;  // connected to this database, zdm's own left out
    std::string blind;       // what nothing can tell, in words; empty when all is seen
};

enum class GateState { open, shut, blind };
struct Verdict {
    GateState state = GateState::open;
    std::string reason;                // why it is not open, and until when
    std::int64_t open_in_seconds = 0;  // at the earliest, when nothing more happens
};

// Pure. Shut while sync acted for an old application within the quiet period, or while sync has
// been watching for less than that and somebody else is connected.
Verdict judge(const Evidence& evidence);

// Reads the evidence of a migration, in a transaction of the caller.
Evidence read_evidence(const catalog::Migration& migration);
// Throws ZD401 (shut) or ZD402 (blind). Opens a transaction of its own.
void require_open_gate(const catalog::Migration& migration);
// The same as an error to throw or show, nullopt when the gate is open. In a transaction of the
// caller.
std::optional<pg::Error> gate_error(const catalog::Migration& migration);

}  // namespace zdm::run
