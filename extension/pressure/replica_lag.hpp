// How far the streaming standbys are behind.
#pragma once

#include "pressure/lag.hpp"
#include "pressure/signal.hpp"

namespace zdm::pressure {

class ReplicaLag : public Signal {
public:
    const char* name() const override { return "replica_lag"; }
    // In milliseconds.
    Reading read(std::int64_t now_ms, double limit) override;
    std::int64_t fresh_ms() const override { return tracker_.has_standbys() ? 100 : 1000; }

private:
    LagTracker tracker_;
};

}  // namespace zdm::pressure
