// The background worker: connects as the migration's owner, claims the migration, runs it, ends.
#include "catalog/migration.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "run/launch.hpp"
#include "run/polite.hpp"
#include "run/runner.hpp"
#include "run/session.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"

PGDLLEXPORT void zdm_worker_main(Datum argument);
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
    reset_session();
    std::optional<catalog::Migration> migration;
    {
        pg::Transaction transaction;
        if (pg::extension_oid() != InvalidOid) migration = catalog::find_migration(id);
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

void connect(const BackgroundWorker* entry) {
    Oid connection[2];
    memcpy(connection, entry->bgw_extra, sizeof(connection));
    previous_hook = emit_log_hook;
    emit_log_hook = note_refusal;
    on_proc_exit(give_up_if_refused, 0);
    BackgroundWorkerInitializeConnectionByOid(connection[0], connection[1],
                                              pg::compat::kBypassRoleLogin);
    emit_log_hook = previous_hook;
}

}  // namespace

}  // namespace zdm::run

void zdm_worker_main(Datum argument) {
    pqsignal(SIGTERM, die);
    pqsignal(SIGINT, StatementCancelHandler);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    zdm::run::yield_to_whoever_wakes();
    zdm::run::connect(MyBgworkerEntry);
    MemoryContext memory =
        AllocSetContextCreate(TopMemoryContext, "zdm worker", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(memory);
    const zdm::pg::ErrorFields* failure = nullptr;
    try {
        zdm::run::serve(DatumGetInt64(argument));
    } catch (...) {
        failure = zdm::pg::copy_error(zdm::pg::current_error(), TopMemoryContext);
    }
    // An error here is none of the migration's: the log has it, and the worker is started again.
    if (failure != nullptr) zdm::pg::raise(failure);
    proc_exit(0);
}
