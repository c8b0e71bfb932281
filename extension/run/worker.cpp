// The background worker: connects as the migration's owner, claims the migration, runs it, ends.
#include "catalog/migration.hpp"
#include "pg/door.hpp"
#include "pg/transaction.hpp"
#include "run/launch.hpp"
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
    if (GetUserId() != migration->owner) become(migration->owner_name);
    run_migration(id);
}

}  // namespace

}  // namespace zdm::run

void zdm_worker_main(Datum argument) {
    pqsignal(SIGTERM, die);
    pqsignal(SIGINT, StatementCancelHandler);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    Oid connection[2];
    memcpy(connection, MyBgworkerEntry->bgw_extra, sizeof(connection));
    BackgroundWorkerInitializeConnectionByOid(connection[0], connection[1],
                                              zdm::pg::compat::kBypassRoleLogin);
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
