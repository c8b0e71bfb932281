// All signals, in the order in which they are shown.
#pragma once

#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

SignalPtr make_replica_lag();
SignalPtr make_replica_lag_bytes();

inline std::vector<SignalPtr> make_signals() {
    std::vector<SignalPtr> all;
    all.push_back(make_replica_lag());
    all.push_back(make_replica_lag_bytes());
    return all;
}

}  // namespace zdm::pressure
