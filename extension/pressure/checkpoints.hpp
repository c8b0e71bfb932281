// Checkpoints that the amount of WAL asks for. Pure.
//
// After each, every page is written to the WAL in full once more and all dirty ones go to the disk:
// who comes to them often should write more slowly. That is ours to relieve only where a part of
// the WAL is ours, and so it trips only then.
#pragma once

#include <cstdint>
#include <deque>

#include "pressure/signal.hpp"

namespace zdm::pressure {

// Counters that only grow, but for a reset of the statistics.
struct WalWork {
    std::int64_t requested = 0;  // checkpoints that were asked for
    std::uint64_t all = 0;       // bytes of WAL of the whole server
    std::uint64_t ours = 0;      // and of this process
};

class CheckpointTracker {
public:
    static constexpr std::int64_t kWindowMs = 60000;
    // So large a share of the WAL makes it ours.
    static constexpr double kShare = 0.1;

    Reading look(const WalWork& now, std::int64_t now_ms, double limit);

private:
    struct Sample {
        WalWork work;
        std::int64_t at_ms;
    };
    std::deque<Sample> samples_;
};

}  // namespace zdm::pressure
