#include "pg/transaction.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "pgstat.h"
}

namespace zdm::pg {

Subtransaction::Subtransaction() : memory_(CurrentMemoryContext), owner_(CurrentResourceOwner) {
    call([] { BeginInternalSubTransaction(nullptr); });
    MemoryContextSwitchTo(memory_);
}

Subtransaction::~Subtransaction() { rollback(); }

void Subtransaction::commit() {
    call([] { ReleaseCurrentSubTransaction(); });
    open_ = false;
    MemoryContextSwitchTo(memory_);
    CurrentResourceOwner = owner_;
}

void Subtransaction::rollback() {
    if (!open_) return;
    open_ = false;
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(memory_);
    CurrentResourceOwner = owner_;
}

Transaction::Transaction() : memory_(CurrentMemoryContext) {
    call([] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PushActiveSnapshot(GetTransactionSnapshot());
    });
}

Transaction::~Transaction() {
    if (!open_) return;
    AbortOutOfAnyTransaction();
    MemoryContextSwitchTo(memory_);
}

void Transaction::commit() {
    call([] {
        if (ActiveSnapshotSet()) PopActiveSnapshot();
        CommitTransactionCommand();
        // Nothing does this for a worker; without it n_mod_since_analyze never moves.
        pgstat_report_stat(false);
    });
    open_ = false;
    MemoryContextSwitchTo(memory_);
}

void Transaction::refresh_snapshot() {
    call([] {
        if (ActiveSnapshotSet()) PopActiveSnapshot();
        PushActiveSnapshot(GetTransactionSnapshot());
    });
}

}  // namespace zdm::pg
