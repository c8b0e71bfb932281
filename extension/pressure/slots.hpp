// Replication slots that keep WAL for their consumers. Pure.
//
// Who reads a slot is none of ours, and the WAL that it keeps is not either; but each byte that we
// write is one more, and a slot that keeps more than it may is lost, or fills the disk.
#pragma once

#include <string>
#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

struct Slot {
    std::string name;
    bool active = false;
    std::string status;   // wal_status: reserved, extended, unreserved or lost; empty: keeps none
    double retained = 0;  // bytes
};

// `most`: max_slot_wal_keep_size in bytes, 0 or less where there is none. A slot trips at nine
// tenths of it at the latest. One that is lost does not: waiting would not bring it back.
Reading judge_slots(const std::vector<Slot>& slots, double most, double limit);

}  // namespace zdm::pressure
