// Who keeps a backfill from a row or from the relation.
#include "backfill/table.hpp"

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/multixact.h"
#include "access/subtrans.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
}

namespace zdm::backfill {

namespace {

// The process that runs the transaction, -1 when it has ended, 0 when it is a prepared one.
int process_of(TransactionId xid) {
    if (!TransactionIdIsNormal(xid) || TransactionIdIsCurrentTransactionId(xid) ||
        !TransactionIdIsInProgress(xid))
        return -1;
    return BackendXidGetPid(SubTransGetTopmostTransaction(xid));
}

// The process that has locked or is changing a row version, as process_of.
int process_on(HeapTuple tuple) {
    const HeapTupleHeader header = tuple->t_data;
    if ((header->t_infomask & HEAP_XMAX_INVALID) != 0) return -1;
    const TransactionId xmax = HeapTupleHeaderGetRawXmax(header);
    if ((header->t_infomask & HEAP_XMAX_IS_MULTI) == 0) return process_of(xmax);
    MultiXactMember* members = nullptr;
    const int count =
        GetMultiXactIdMembers(xmax, &members, false, HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask));
    int found = -1;
    // Key-share locks of foreign key checks are in the way of deletes and key changes only: named
    // when there is nobody else.
    for (const bool key_share : {false, true}) {
        for (int i = 0; i < count && found < 0; ++i)
            if ((members[i].status == MultiXactStatusForKeyShare) == key_share)
                found = process_of(members[i].xid);
    }
    if (members != nullptr) pfree(members);
    return found;
}

// "pid 123 (psql)"; only the extension's owner may be able to see whose it is.
std::string process_text(int pid) {
    if (pid == 0) return "a prepared transaction";
    const pg::Door door;
    const auto seen = pg::query("SELECT application_name FROM pg_stat_activity WHERE pid = $1::int",
                                {std::int64_t{pid}});
    const std::string name = seen.empty() ? "" : seen.front().text(0);
    return "pid " + std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
}

}  // namespace

std::string Table::holder(Tid row) {
    const Oid relation = leaf_.relation;
    const int pid = pg::call([&]() -> int {
        Relation rel = table_open(relation, NoLock);
        TupleTableSlot* slot = table_slot_create(rel, nullptr);
        ItemPointerData place;
        ItemPointerSet(&place, row.block, row.offset);
        int found = -1;
        if (row.block < RelationGetNumberOfBlocks(rel) &&
            table_tuple_fetch_row_version(rel, &place, GetActiveSnapshot(), slot)) {
            bool ours = false;
            HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &ours);
            found = process_on(tuple);
            if (ours) heap_freetuple(tuple);
        }
        ExecDropSingleTupleTableSlot(slot);
        table_close(rel, NoLock);
        return found;
    });
    return pid < 0 ? std::string{} : process_text(pid);
}

std::string Table::lock_holder() {
    pg::Transaction transaction;
    std::string text;
    {
        const pg::Door door;
        const auto found = pg::query(
            "SELECT l.pid FROM pg_locks l"
            " WHERE l.locktype = 'relation' AND l.relation = $1::oid"
            "   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            "   AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"
            "                  'AccessExclusiveLock')"
            " ORDER BY l.granted DESC, l.pid LIMIT 1",
            {std::int64_t{leaf_.relation}});
        if (!found.empty()) text = process_text(static_cast<int>(found.front().number(0)));
    }
    transaction.commit();
    return text;
}

}  // namespace zdm::backfill
