#include "run/launch.hpp"

#include <csignal>

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "settings.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "storage/procarray.h"
}

namespace zdm::run {

namespace {

// Fixed size: the callback below runs where nothing may fail.
constexpr int kMost = 64;
struct Pending {
    std::int64_t migration;
    Oid login;
    bool running;  // somebody ran it when the caller asked
};
Pending pending[kMost];
int pending_count = 0;
int interrupt_pids[kMost];
int interrupt_count = 0;
bool callback_registered = false;

constexpr int kRestartSeconds = 1;

void register_worker(const Pending& wanted) {
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = kRestartSeconds;
    strlcpy(worker.bgw_library_name, "zdm", sizeof(worker.bgw_library_name));
    strlcpy(worker.bgw_function_name, "zdm_worker_main", sizeof(worker.bgw_function_name));
    strlcpy(worker.bgw_type, "zdm", sizeof(worker.bgw_type));
    pg_snprintf(worker.bgw_name, sizeof(worker.bgw_name), "zdm migration %lld",
                static_cast<long long>(wanted.migration));
    worker.bgw_main_arg = Int64GetDatum(wanted.migration);
    const Oid connection[2] = {MyDatabaseId, wanted.login};
    memcpy(worker.bgw_extra, connection, sizeof(connection));
    if (RegisterDynamicBackgroundWorker(&worker, nullptr) || wanted.running) return;
    ereport(
        WARNING,
        (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
         errmsg("ZD501: no background worker slot is free, migration %lld is stopped",
                static_cast<long long>(wanted.migration)),
         errhint("Wait for other workers to end or raise max_worker_processes; then any call of "
                 "zdm, for example zdm_resume, starts it.")));
}

void at_transaction_end(XactEvent event, void*) {
    if (event == XACT_EVENT_COMMIT) {
        for (int i = 0; i < pending_count; ++i) register_worker(pending[i]);
        for (int i = 0; i < interrupt_count; ++i) kill(interrupt_pids[i], SIGINT);
    }
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) {
        pending_count = 0;
        interrupt_count = 0;
    }
}

void register_callback() {
    if (callback_registered) return;
    pg::call([] { RegisterXactCallback(at_transaction_end, nullptr); });
    callback_registered = true;
}

LOCKTAG tag_of(std::int64_t migration) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(migration >> 32),
                         static_cast<uint32>(migration & 0xffffffff), 0x5A44);
    return tag;
}

bool try_lock(std::int64_t migration, LOCKMODE mode) {
    return pg::call([&] {
        const LOCKTAG tag = tag_of(migration);
        return LockAcquire(&tag, mode, true, true) != LOCKACQUIRE_NOT_AVAIL;
    });
}

// Whether nobody runs the migration at this moment.
bool is_stopped(std::int64_t migration) {
    if (!try_lock(migration, ShareLock)) return false;
    pg::call([&] {
        const LOCKTAG tag = tag_of(migration);
        LockRelease(&tag, ShareLock, true);
    });
    return true;
}

}  // namespace

// Even when somebody runs it now: he may have looked before the caller's transaction commits, and
// end. Of two workers the second waits for a moment, then ends.
void launch_at_commit(const catalog::Migration& migration) {
    if (!settings::enabled()) return;
    register_callback();
    for (int i = 0; i < pending_count; ++i)
        if (pending[i].migration == migration.id) return;
    if (pending_count < kMost)
        pending[pending_count++] = {migration.id, migration.login, !is_stopped(migration.id)};
}

void interrupt_at_commit(std::int64_t migration) {
    const pg::Door door;
    const auto busy = pg::query(
        "SELECT l.pid FROM pg_locks l JOIN zdm.step s ON s.migration_id = $1 AND s.state = "
        "'running'"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'"
        "   AND l.objsubid = 23108 AND l.classid::bigint = ($1 >> 32)"
        "   AND l.objid::bigint = ($1 & 4294967295)"
        "   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        "   AND s.kind IN ('index', 'drop_index', 'validate', 'analyze', 'insert')",
        {migration});
    if (busy.empty() || interrupt_count == kMost) return;
    register_callback();
    interrupt_pids[interrupt_count++] = static_cast<int>(busy.front().number(0));
}

int launch_stopped() {
    int launched = 0;
    for (const auto id : catalog::runnable_migrations()) {
        const auto migration = catalog::find_migration(id);
        if (!migration || !migration->same_database || !is_stopped(id)) continue;
        launch_at_commit(*migration);
        ++launched;
    }
    return launched;
}

int worker_pid(std::int64_t migration) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT l.pid FROM pg_locks l"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'"
        "   AND l.objsubid = 23108 AND l.classid::bigint = ($1 >> 32)"
        "   AND l.objid::bigint = ($1 & 4294967295)"
        "   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = "
        "current_database())",
        {migration});
    return found.empty() ? 0 : static_cast<int>(found.front().number(0));
}

bool claim(std::int64_t migration) { return try_lock(migration, ExclusiveLock); }

}  // namespace zdm::run
