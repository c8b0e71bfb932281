#include "run/launch.hpp"

#include <csignal>

#include "pg/arguments.hpp"
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
    bool silent;  // no warning: somebody ran it when the caller asked, or he was warned before
    char name[2 * 200 + 4];  // an SQL literal, of at most 200 bytes
};
Pending pending[kMost];
int pending_count = 0;
struct Interrupt {
    int pid;
    Oid login;
};
Interrupt interrupts[kMost];
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
    if (RegisterDynamicBackgroundWorker(&worker, nullptr) || wanted.silent) return;
    ereport(
        WARNING,
        (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
         errmsg("ZD501: no background worker slot is free, migration %s is stopped", wanted.name),
         errhint("Wait for other workers to end or raise max_worker_processes; then any call of "
                 "zdm, for example zdm_resume(%s), starts it.",
                 wanted.name)));
}

// The caller may have kept his transaction open for long: the number may be another process's.
void interrupt(const Interrupt& wanted) {
    const PGPROC* const process = BackendPidGetProc(wanted.pid);
    if (process != nullptr && process->databaseId == MyDatabaseId &&
        process->roleId == wanted.login)
        kill(wanted.pid, SIGINT);
}

void at_transaction_end(XactEvent event, void*) {
    if (event == XACT_EVENT_COMMIT) {
        for (int i = 0; i < pending_count; ++i) register_worker(pending[i]);
        for (int i = 0; i < interrupt_count; ++i) interrupt(interrupts[i]);
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

// Why no worker could connect for the migration, nullopt when one can.
std::optional<pg::Error> why_nobody_can(const catalog::Migration& migration) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT quote_ident(r.rolname), r.rolcanlogin,"
        "       has_database_privilege(r.oid, d.oid, 'CONNECT'), quote_ident(d.datname)"
        "  FROM pg_roles r, pg_database d"
        " WHERE r.oid = $1::oid AND d.datname = current_database()",
        {static_cast<std::int64_t>(migration.login)});
    const std::string stopped = ", so migration \"" + migration.name + "\" is stopped";
    const std::string detail = "Its worker connects as the role that made the migration.";
    if (found.empty())
        return pg::Error{
            pg::sqlstate("28000"),
            "ZD503: role " + std::to_string(migration.login) + " was dropped" + stopped, detail,
            "A superuser calls zdm_resume(" + pg::quote_literal(migration.name) +
                ") or zdm_rollback(" + pg::quote_literal(migration.name) +
                "): whoever owns its tables now takes it over."};
    const auto& row = found.front();
    if (!row.flag(1) && !pg::compat::kCanBypassRoleLogin)
        return pg::Error{pg::sqlstate("28000"),
                         "ZD502: role " + row.text(0) + " cannot log in" + stopped, detail,
                         "ALTER ROLE " + row.text(0) + " LOGIN, then call this again."};
    if (!row.flag(2))
        return pg::Error{
            pg::sqlstate("28000"),
            "ZD502: role " + row.text(0) + " may not connect to this database" + stopped, detail,
            "GRANT CONNECT ON DATABASE " + row.text(3) + " TO " + row.text(0) +
                ", then call this again."};
    return std::nullopt;
}

void add_pending(const catalog::Migration& migration, bool silent) {
    register_callback();
    for (int i = 0; i < pending_count; ++i)
        if (pending[i].migration == migration.id) return;
    if (pending_count == kMost) return;
    Pending wanted{migration.id, migration.login, silent || !is_stopped(migration.id), {}};
    strlcpy(wanted.name, pg::quote_literal(migration.name).c_str(), sizeof(wanted.name));
    pending[pending_count++] = wanted;
}

}  // namespace

// A standby would keep what is registered until it is promoted, each in a slot of its own.
bool can_launch() { return settings::enabled() && !RecoveryInProgress(); }

// Even when somebody runs it now: he may have looked before the caller's transaction commits, and
// end. Of two workers the second waits for a moment, then ends.
void launch_at_commit(const catalog::Migration& migration, bool silent) {
    if (const auto error = why_nobody_can(migration)) throw pg::Error{*error};
    if (can_launch()) add_pending(migration, silent);
}

void interrupt_at_commit(std::int64_t migration) {
    const pg::Door door;
    const auto busy = pg::query(
        "SELECT l.pid, m.login::oid FROM pg_locks l"
        "  JOIN zdm.step s ON s.migration_id = $1 AND s.state = 'running'"
        "  JOIN zdm.migration m ON m.id = s.migration_id"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock'"
        "   AND l.objsubid = 23108 AND l.classid::bigint = ($1 >> 32)"
        "   AND l.objid::bigint = ($1 & 4294967295)"
        "   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        "   AND s.kind IN ('index', 'drop_index', 'validate', 'analyze', 'insert')",
        {migration});
    if (busy.empty() || interrupt_count == kMost) return;
    register_callback();
    interrupts[interrupt_count++] = {static_cast<int>(busy.front().number(0)),
                                     static_cast<Oid>(busy.front().number(1))};
}

int launch_stopped() {
    if (!settings::enabled()) {
        pg::notice("zdm.enabled is off, so no migration runs",
                   "Set it to on and reload the configuration, then call this again.");
        return 0;
    }
    int launched = 0;
    for (const auto id : catalog::runnable_migrations()) {
        const auto migration = catalog::find_migration(id);
        if (!migration || !migration->same_database || !is_stopped(id)) continue;
        // Whoever calls for one migration is not told what is wrong with another.
        if (why_nobody_can(*migration)) continue;
        add_pending(*migration, false);
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

bool keep_claim(std::int64_t migration) {
    const bool held = pg::call([&] {
        const LOCKTAG tag = tag_of(migration);
        return pg::compat::holds_lock(&tag, ExclusiveLock);
    });
    return held || claim(migration);
}

}  // namespace zdm::run
