// All signals.
#pragma once

#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

SignalPtr make_replica_lag();
SignalPtr make_replica_lag_bytes();
SignalPtr make_slot_wal();
SignalPtr make_archive_backlog();
SignalPtr make_lock_waiters();
SignalPtr make_horizon();
SignalPtr make_requested_checkpoints();
SignalPtr make_active_sessions();
SignalPtr make_dead_tuples();
SignalPtr make_free_disk();
SignalPtr make_allowed_hours();
SignalPtr make_pressure_query();

// In the order in which their reasons are said.
inline std::vector<SignalPtr> make_signals() {
    std::vector<SignalPtr> all;
    for (const auto make :
         {make_replica_lag, make_replica_lag_bytes, make_slot_wal, make_archive_backlog,
          make_lock_waiters, make_horizon, make_requested_checkpoints, make_active_sessions,
          make_dead_tuples, make_free_disk, make_allowed_hours, make_pressure_query})
        all.push_back(make());
    return all;
}

}  // namespace zdm::pressure
