// How busy others keep the machine. No lock is taken and nothing is asked: cheap enough for ten
// times a second.
#pragma once

#include <cstdint>
#include <optional>

namespace zdm::pressure {

// Sessions of applications, in any database, that run at this moment or wait for the machine (disk,
// internal locks), for each processor. Idle ones don't count, nor those that wait for a lock or for
// their client, nor workers of zdm and of the server.
double busy_sessions_per_processor();

// The share of the time in which this process wanted a processor and had to wait, since the last
// call: Linux's /proc/self/schedstat (Documentation/scheduler/sched-stats.rst).
class LateMeter {
public:
    // None where the kernel does not say, or too little was wanted to tell.
    std::optional<double> share();

private:
    std::int64_t ran_ns_ = -1;
    std::int64_t waited_ns_ = 0;
};

}  // namespace zdm::pressure
