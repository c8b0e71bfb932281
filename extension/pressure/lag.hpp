// How far a standby is behind, in time and in bytes. Pure.
//
// The server's replay_lag stays frozen while replay stands still. So remember when each position in
// the WAL was written, and look up when what a standby has replayed last was overtaken.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

// Positions in the WAL with the time at which each was seen to be written.
class WalClock {
public:
    // Positions must not fall.
    void observe(std::uint64_t position, std::int64_t now_ms);
    // Milliseconds since WAL after `position` was written; 0 when there is none. Never more than
    // the memory reaches back.
    std::int64_t behind(std::uint64_t position, std::int64_t now_ms) const;
    // Whether the memory reaches back to `position`.
    bool knows(std::uint64_t position) const;

private:
    struct Sample {
        std::uint64_t position;
        std::int64_t at_ms;
    };
    static constexpr std::size_t kMost = 1024;

    std::deque<Sample> samples_;
};

// What pg_stat_replication says about one standby.
struct Standby {
    std::string name;
    std::optional<std::uint64_t> replayed;
    std::int64_t replay_lag_ms = 0;  // as the server reports it, 0 when it does not
};

// Notices standbys that were there and are not any more.
class Presence {
public:
    // They count as tripped for this long; then it goes on without them.
    static constexpr std::int64_t kMissedMs = 60000;

    // In words, the first one that is gone; empty when none is.
    std::string missing(const std::vector<Standby>& standbys, std::int64_t now_ms);
    bool any() const { return !seen_.empty(); }

private:
    std::map<std::string, std::int64_t> seen_;  // name → when last seen
};

// Follows the standbys of a primary from one look to the next.
class LagTracker {
public:
    struct Verdict {
        bool tripped = false;
        std::int64_t lag_ms = 0;  // the worst
        std::string reason;
    };

    Verdict look(const std::vector<Standby>& standbys, std::uint64_t written, std::int64_t now_ms,
                 std::int64_t limit_ms);
    bool has_standbys() const { return presence_.any(); }

private:
    WalClock clock_;
    Presence presence_;
};

// `missing`: what Presence says.
Reading judge_lag_bytes(const std::vector<Standby>& standbys, std::uint64_t written,
                        const std::string& missing, double limit);

}  // namespace zdm::pressure
