#include "settings.hpp"

#include "pg/postgres.hpp"

namespace zdm {

namespace {

int lock_timeout_ms = 80;
int batch_target_ms = 50;
int max_replica_lag_ms = 2000;
int workers_most = 2;
int small_table_kb = 1024;
int quiet_period_ms = 600000;
bool enabled_flag = true;

struct IntSetting {
    const char* name;
    const char* meaning;
    int* value;
    int fallback;
    int least;
    int most;
    int flags;
};

}  // namespace

void define_settings() {
    const IntSetting integers[] = {
        {"zdm.lock_timeout", "How long an attempt at locks may make applications queue behind it.",
         &lock_timeout_ms, 80, 1, 10000, GUC_UNIT_MS},
        {"zdm.batch_target", "How long a batch of a backfill may hold row locks.", &batch_target_ms,
         50, 1, 10000, GUC_UNIT_MS},
        {"zdm.max_replica_lag", "A backfill waits while a standby is further behind than this.",
         &max_replica_lag_ms, 2000, 0, INT_MAX, GUC_UNIT_MS},
        {"zdm.workers",
         "How many background workers may fill a table together; the option duty says how many do.",
         &workers_most, 2, 1, 64, 0},
        {"zdm.small_table",
         "Tables below this size are changed directly where larger ones need more steps, and who "
         "reads "
         "what a migration removes from them does not count while nobody else is connected.",
         &small_table_kb, 1024, 0, INT_MAX, GUC_UNIT_KB},
        {"zdm.quiet_period",
         "The gate before contract is shut while an old application was seen within this time.",
         &quiet_period_ms, 600000, 0, INT_MAX, GUC_UNIT_MS},
    };
    for (const auto& s : integers)
        DefineCustomIntVariable(s.name, s.meaning, nullptr, s.value, s.fallback, s.least, s.most,
                                PGC_USERSET, s.flags, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("zdm.enabled",
                             "Kill switch: off stops all migrations between batches.", nullptr,
                             &enabled_flag, true, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    MarkGUCPrefixReserved("zdm");
}

namespace settings {
std::chrono::milliseconds lock_timeout() { return std::chrono::milliseconds{lock_timeout_ms}; }
std::chrono::milliseconds batch_target() { return std::chrono::milliseconds{batch_target_ms}; }
std::chrono::milliseconds max_replica_lag() {
    return std::chrono::milliseconds{max_replica_lag_ms};
}
int workers() { return workers_most; }
std::int64_t small_table_bytes() { return std::int64_t{small_table_kb} * 1024; }
std::chrono::milliseconds quiet_period() { return std::chrono::milliseconds{quiet_period_ms}; }
bool enabled() { return enabled_flag; }
}  // namespace settings

}  // namespace zdm
