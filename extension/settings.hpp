// The settings (GUCs) of zdm. Owners of migrations may set them per role or database.
#pragma once

#include <chrono>
#include <cstdint>

namespace zdm {

void define_settings();

// Whose values count for a session where a trigger keeps old and new columns equal (zdm.writes).
enum class Writes : unsigned char {
    by_row,    // each row tells who wrote it
    old_side,  // the old columns' values, where there are both
    new_side   // the new columns' values
};

namespace settings {
std::chrono::milliseconds lock_timeout();     // zdm.lock_timeout
std::chrono::milliseconds batch_target();     // zdm.batch_target
std::chrono::milliseconds max_replica_lag();  // zdm.max_replica_lag
std::chrono::milliseconds standby_grace();    // zdm.standby_grace, 0: off
int workers();                                // zdm.workers
std::int64_t max_replica_lag_bytes();         // zdm.max_replica_lag_bytes
std::int64_t max_slot_wal_bytes();            // zdm.max_slot_wal
int max_archive_backlog();                    // zdm.max_archive_backlog, files
int max_lock_waiters();                       // zdm.max_lock_waiters
int max_requested_checkpoints();              // zdm.max_requested_checkpoints, in a minute
int max_active_sessions();                    // zdm.max_active_sessions
int max_dead_tuples();                        // zdm.max_dead_tuples
std::int64_t min_free_disk_bytes();           // zdm.min_free_disk
const char* allowed_hours();                  // zdm.allowed_hours, empty: all
std::int64_t small_table_bytes();             // zdm.small_table
std::chrono::milliseconds quiet_period();     // zdm.quiet_period
Writes writes();                              // zdm.writes
bool enabled();                               // zdm.enabled, the kill switch
}  // namespace settings

}  // namespace zdm
