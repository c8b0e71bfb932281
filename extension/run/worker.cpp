// The background worker: connects as the migration's owner, claims the migration, runs it, ends.
#include "catalog/migration.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "run/crew.hpp"
#include "run/launch.hpp"
#include "run/polite.hpp"
#include "run/runner.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"

PGDLLEXPORT void zdm_worker_main(Datum argument);
PGDLLEXPORT void zdm_helper_main(Datum argument);
}

namespace zdm::run {

namespace {

// A viewer may hold the lock for an instant to see whether anybody runs the migration.
bool claim_patiently(std::int64_t migration) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        if (claim(migration)) return true;
        pg::call([] {
            WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 25,
                      pg::compat::wait_event());
            ResetLatch(MyLatch);
            CHECK_FOR_INTERRUPTS();
        });
    }
    return false;
}

void serve(std::int64_t id) {
    std::optional<catalog::Migration> migration;
    {
        pg::Transaction transaction;
        if (pg::extension_oid() != InvalidOid) {
            keep_versions_early();
            migration = catalog::find_migration(id);
        }
        transaction.commit();
    }
    if (!migration || !migration->same_database || !claim_patiently(id)) return;
    run_migration(id);
}

// What ended the connection attempt, 0 for nothing.
int refusal = 0;
emit_log_hook_type previous_hook = nullptr;

void note_refusal(ErrorData* error) {
    if (error->elevel == FATAL) refusal = error->sqlerrcode;
    if (previous_hook != nullptr) previous_hook(error);
}

// A database or role that is gone or closed stays so until a person acts: exit code 0 takes the
// worker off the postmaster's list, any other would bring it back every second, for ever.
void give_up_if_refused(int, Datum) {
    switch (refusal) {
    case ERRCODE_UNDEFINED_DATABASE:
    case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
    case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE: proc_exit(0);
    default: break;
    }
}

void connect(Oid database, Oid login) {
    previous_hook = emit_log_hook;
    emit_log_hook = note_refusal;
    on_proc_exit(give_up_if_refused, 0);
    BackgroundWorkerInitializeConnectionByOid(database, login, pg::compat::kBypassRoleLogin);
    emit_log_hook = previous_hook;
}

// From the start of the process to its end: connected, then `work`.
template <typename F>
void live(Oid database, Oid login, F work) {
    pqsignal(SIGTERM, die);
    pqsignal(SIGINT, StatementCancelHandler);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    yield_to_whoever_wakes();
    connect(database, login);
    MemoryContext memory =
        AllocSetContextCreate(TopMemoryContext, "zdm worker", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(memory);
    const pg::ErrorFields* failure = nullptr;
    try {
        reset_session();
        work();
    } catch (...) {
        failure = pg::copy_error(pg::current_error(), TopMemoryContext);
    }
    // An error here is none of the migration's: the log has it, and the worker is started again.
    if (failure != nullptr) pg::raise(failure);
    proc_exit(0);
}

}  // namespace

}  // namespace zdm::run

void zdm_worker_main(Datum argument) {
    Oid connection[2];
    memcpy(connection, MyBgworkerEntry->bgw_extra, sizeof(connection));
    zdm::run::live(connection[0], connection[1], [&] { zdm::run::serve(DatumGetInt64(argument)); });
}

// Is not started again by the server: whom it helps does that.
void zdm_helper_main(Datum argument) {
    zdm::run::HelperOrder order;
    memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
    zdm::run::live(order.database, order.login,
                   [&] { zdm::run::help(DatumGetInt64(argument), order); });
}
