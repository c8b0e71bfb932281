#include "settings.hpp"

#include "pg/postgres.hpp"

namespace zdm {

namespace {

int lock_timeout_ms = 80;
int batch_target_ms = 50;
int max_replica_lag_ms = 2000;
int workers_most = 2;
int standby_grace_ms = 30000;
int max_replica_lag_mb = 0;
int max_slot_wal_mb = 10240;
int max_archive_backlog_files = 128;
int max_lock_waiters_number = 0;
int max_requested_checkpoints_number = 0;
int max_active_sessions_number = 0;
int max_dead_tuples_number = 0;
int min_free_disk_mb = 1024;
char* allowed_hours_text = nullptr;
int small_table_kb = 1024;
int quiet_period_ms = 600000;
bool enabled_flag = true;
int writes_value = static_cast<int>(Writes::by_row);

const config_enum_entry kWrites[] = {{"auto", static_cast<int>(Writes::by_row), false},
                                     {"old", static_cast<int>(Writes::old_side), false},
                                     {"new", static_cast<int>(Writes::new_side), false},
                                     {nullptr, 0, false}};

struct IntSetting {
    const char* name;
    const char* meaning;
    int* value;
    int fallback;
    int least;
    int most;
    int flags;
};

// Beyond these a backfill waits; 0 switches one off.
void define_limits() {
    const IntSetting limits[] = {
        {"zdm.max_replica_lag_bytes",
         "A backfill waits while a standby has more WAL than this to replay.", &max_replica_lag_mb,
         0, 0, INT_MAX, GUC_UNIT_MB},
        {"zdm.max_slot_wal", "A backfill waits while a replication slot keeps more WAL than this.",
         &max_slot_wal_mb, 10240, 0, INT_MAX, GUC_UNIT_MB},
        {"zdm.max_archive_backlog",
         "A backfill waits while more WAL files than this wait to be archived.",
         &max_archive_backlog_files, 128, 0, INT_MAX, 0},
        {"zdm.max_lock_waiters",
         "A backfill waits while more processes than this wait for locks of its migration.",
         &max_lock_waiters_number, 0, 0, INT_MAX, 0},
        {"zdm.max_requested_checkpoints",
         "A backfill that writes much of the WAL waits when more checkpoints than this were asked "
         "for within a minute.",
         &max_requested_checkpoints_number, 0, 0, INT_MAX, 0},
        {"zdm.max_active_sessions",
         "A backfill waits while more sessions than this are active, its own not counted.",
         &max_active_sessions_number, 0, 0, INT_MAX, 0},
        {"zdm.max_dead_tuples",
         "A backfill waits for autovacuum while its table has more dead rows than this.",
         &max_dead_tuples_number, 0, 0, INT_MAX, 0},
        {"zdm.min_free_disk",
         "A backfill waits while less than this is free on a disk that it writes to.",
         &min_free_disk_mb, 1024, 0, INT_MAX, GUC_UNIT_MB},
    };
    for (const auto& s : limits)
        DefineCustomIntVariable(s.name, s.meaning, "0 switches it off.", s.value, s.fallback,
                                s.least, s.most, PGC_SUSET, s.flags, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "zdm.workers", "How many background workers may fill a table together.",
        "The option duty says how many do. They come from max_worker_processes.", &workers_most, 2,
        1, 64, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable(
        "zdm.allowed_hours",
        "Backfills work only in these hours, such as 22:00-06:00 Europe/Berlin.",
        "Empty: at any time.", &allowed_hours_text, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
}

}  // namespace

void define_settings() {
    const IntSetting integers[] = {
        {"zdm.lock_timeout", "How long an attempt at locks may make applications queue behind it.",
         &lock_timeout_ms, 80, 1, 10000, GUC_UNIT_MS},
        {"zdm.batch_target", "How long a batch of a backfill may hold row locks.", &batch_target_ms,
         50, 1, 10000, GUC_UNIT_MS},
        {"zdm.max_replica_lag", "A backfill waits while a standby is further behind than this.",
         &max_replica_lag_ms, 2000, 0, INT_MAX, GUC_UNIT_MS},
        {"zdm.standby_grace",
         "How long a backfill keeps old row versions beside a standby without "
         "hot_standby_feedback.",
         &standby_grace_ms, 30000, 0, INT_MAX, GUC_UNIT_MS},
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
    define_limits();
    DefineCustomBoolVariable("zdm.enabled",
                             "Kill switch: off stops all migrations between batches.", nullptr,
                             &enabled_flag, true, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable(
        "zdm.writes",
        "Whose values count where a session writes columns that a migration keeps equal.",
        "old or new: those of the old or the new columns. auto: each row tells who wrote it.",
        &writes_value, static_cast<int>(Writes::by_row), kWrites, PGC_USERSET, 0, nullptr, nullptr,
        nullptr);
    MarkGUCPrefixReserved("zdm");
}

namespace settings {
std::chrono::milliseconds lock_timeout() { return std::chrono::milliseconds{lock_timeout_ms}; }
std::chrono::milliseconds batch_target() { return std::chrono::milliseconds{batch_target_ms}; }
std::chrono::milliseconds max_replica_lag() {
    return std::chrono::milliseconds{max_replica_lag_ms};
}
std::chrono::milliseconds standby_grace() { return std::chrono::milliseconds{standby_grace_ms}; }
int workers() { return workers_most; }
std::int64_t max_replica_lag_bytes() { return std::int64_t{max_replica_lag_mb} << 20; }
std::int64_t max_slot_wal_bytes() { return std::int64_t{max_slot_wal_mb} << 20; }
int max_archive_backlog() { return max_archive_backlog_files; }
int max_lock_waiters() { return max_lock_waiters_number; }
int max_requested_checkpoints() { return max_requested_checkpoints_number; }
int max_active_sessions() { return max_active_sessions_number; }
int max_dead_tuples() { return max_dead_tuples_number; }
std::int64_t min_free_disk_bytes() { return std::int64_t{min_free_disk_mb} << 20; }
const char* allowed_hours() { return allowed_hours_text == nullptr ? "" : allowed_hours_text; }
std::int64_t small_table_bytes() { return std::int64_t{small_table_kb} * 1024; }
std::chrono::milliseconds quiet_period() { return std::chrono::milliseconds{quiet_period_ms}; }
Writes writes() { return static_cast<Writes>(writes_value); }
bool enabled() { return enabled_flag; }
}  // namespace settings

}  // namespace zdm
