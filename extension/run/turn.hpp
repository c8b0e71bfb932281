// One migration at a time builds or drops indexes CONCURRENTLY in a database: each waits for the
// snapshots of all others there, and two that index expressions would wait for each other.
#pragma once

#include "run/context.hpp"

namespace zdm::run {

// The session lock that says whose turn it is. Given back by the destructor, and by the server when
// the process ends, however it ends.
class Turn {
public:
    Turn() = default;
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // Takes it; false when another process has it. Never waits, so a transaction may be open.
    bool take();

private:
    bool taken_ = false;
};

// Waits, outside any transaction, until nobody has the turn, and shows who has it. Throws Stopped
// when the migration is paused or rolled back meanwhile.
void wait_for_turn(Context& context);

}  // namespace zdm::run
