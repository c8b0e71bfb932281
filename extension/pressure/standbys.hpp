// The streaming standbys, as pg_stat_replication knows them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pressure/lag.hpp"

namespace zdm::pressure {

struct Standbys {
    std::vector<Standby> all;
    // The server's own positions, in bytes from the start of the WAL: what standbys can have, and
    // what they will have to replay.
    std::uint64_t flushed = 0;
    std::uint64_t inserted = 0;
};
// Throws Blind where their positions may not be seen.
Standbys read_standbys();

// Whether a standby says what its queries still see (hot_standby_feedback).
struct Hearing {
    std::string name;
    bool heard = false;
};
// What may not be seen counts as a standby, unless it is known to be something else.
std::vector<Hearing> standbys_heard();

// A clause that says how to see them.
#define ZDM_GRANT "grant pg_monitor to the owner of the extension"

}  // namespace zdm::pressure
