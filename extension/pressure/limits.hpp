// How far each signal may go before it trips. Pure.
#pragma once

#include <string>

namespace zdm::pressure {

// 0, or an empty text, switches a signal off: it is shown and never trips.
struct Limits {
    double replica_lag = 2;            // seconds
    double replica_lag_bytes = 0;      // bytes
    double slot_wal = 0;               // bytes
    double archive_backlog = 0;        // files
    double lock_waiters = 0;           // processes
    double requested_checkpoints = 0;  // in a minute
    double active_sessions = 0;
    double dead_tuples = 0;
    double min_free_disk = 0;   // bytes
    std::string allowed_hours;  // "22:00-06:00 Europe/Berlin"
    std::string query;          // gives true or a text when it trips

    bool operator==(const Limits&) const = default;
};

}  // namespace zdm::pressure
