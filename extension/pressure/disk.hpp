// Room on the disks that a backfill writes to. Pure.
//
// Waiting gives no room back, but going on takes it away, and a server whose WAL finds none ends.
#pragma once

#include <string>
#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

struct Place {
    std::string what;  // "pg_wal"
    double free = 0;   // bytes that the server's user may still write
};

Reading judge_disk(const std::vector<Place>& places, double least);

}  // namespace zdm::pressure
