// The settings (GUCs) of zdm. Owners of migrations may set them per role or database.
#pragma once

#include <chrono>
#include <cstdint>

namespace zdm {

void define_settings();

namespace settings {
std::chrono::milliseconds lock_timeout();     // zdm.lock_timeout
std::chrono::milliseconds batch_target();     // zdm.batch_target
std::chrono::milliseconds max_replica_lag();  // zdm.max_replica_lag
int workers();                                // zdm.workers
std::int64_t small_table_bytes();             // zdm.small_table
std::chrono::milliseconds quiet_period();     // zdm.quiet_period
bool enabled();                               // zdm.enabled, the kill switch
}  // namespace settings

}  // namespace zdm
