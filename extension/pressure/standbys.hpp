// The streaming standbys, as pg_stat_replication knows them.
#pragma once

#include <cstdint>
#include <vector>

#include "pressure/lag.hpp"

namespace zdm::pressure {

struct Standbys {
    std::vector<Standby> all;
    std::uint64_t written = 0;  // the server's own position, in bytes from the start of the WAL
};
// Throws Blind where their positions may not be seen.
Standbys read_standbys();

// A clause that says how to see them.
#define ZDM_GRANT "grant pg_monitor to the owner of the extension"

}  // namespace zdm::pressure
