#include "backfill/hold.hpp"

#include <string>

#include "backfill/ripeness.hpp"
#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "replication/slot.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
}

namespace zdm::backfill {

namespace {

// Of this process, which ends with it. Plain pointers and numbers: nothing to destroy.
ReplicationSlot* slot = nullptr;
std::int64_t moved_ms = 0;
constexpr std::int64_t kMoveMs = 1000;

Past& past() {
    static Past samples;
    return samples;
}

std::string slot_name() { return "zdm_" + std::to_string(MyProcPid); }

// Inside pg::call.
void set_xmin(TransactionId xid) {
    SpinLockAcquire(&slot->mutex);
    slot->data.xmin = xid;
    slot->effective_xmin = xid;
    SpinLockRelease(&slot->mutex);
    ReplicationSlotsComputeRequiredXmin(false);
}

// The last free slot may be what a standby needs to come back.
bool has_spare_slot() {
    const pg::Door door;
    return pg::query(
               "SELECT current_setting('max_replication_slots')::int - count(*) > 1"
               "  FROM pg_replication_slots")
        .front()
        .flag(0);
}

// A transaction that began since then, as old as is known. What zdm itself has replaced is young
// where it has just begun, or begins again after a crash.
TransactionId since(std::int64_t ms) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT xid FROM (SELECT e.xmin::text::bigint AS xid, e.at FROM zdm.event e"
        "                  ORDER BY e.id DESC LIMIT 100) recent"
        " WHERE at > clock_timestamp() - $1::bigint * interval '1 ms' ORDER BY at LIMIT 1",
        {ms});
    return found.empty() ? InvalidTransactionId
                         : static_cast<TransactionId>(found.front().number(0));
}

bool take_slot(std::int64_t grace_ms) {
    if (!has_spare_slot()) return false;
    const TransactionId before = since(grace_ms);
    const std::string name = slot_name();
    try {
        pg::Subtransaction attempt;
        pg::call([&] {
            pg::compat::create_temporary_slot(name.c_str());
            slot = MyReplicationSlot;
            TransactionId oldest = GetOldestNonRemovableTransactionId(nullptr);
            // It is allowed to move back, which keeps what is still there.
            if (TransactionIdIsNormal(before) && TransactionIdPrecedes(before, oldest))
                oldest = before;
            set_xmin(oldest);
            // It stays ours: functions of the user may want to use others.
            ReplicationSlotRelease();
        });
        attempt.commit();
    } catch (const pg::Error& error) {
        if (error.sqlstate == pg::state::kQueryCanceled) throw;
        slot = nullptr;
    }
    past() = Past{};
    return slot != nullptr;
}

}  // namespace

bool keep_versions(std::int64_t grace_ms, std::int64_t now_ms) {
    if (slot == nullptr && !take_slot(grace_ms)) return false;
    moved_ms = now_ms;
    // Older ones have all ended.
    past().note(now_ms, pg::call([] { return GetTransactionSnapshot()->xmin; }));
    const auto xid = past().as_of(now_ms - grace_ms);
    if (xid != 0) pg::call([&] { set_xmin(xid); });
    return true;
}

void move_horizon_on(std::int64_t grace_ms, std::int64_t now_ms) {
    if (slot == nullptr || now_ms - moved_ms < kMoveMs) return;
    pg::Transaction transaction;
    keep_versions(grace_ms, now_ms);
    transaction.commit();
}

void release_versions() noexcept {
    if (slot == nullptr) return;
    slot = nullptr;
    try {
        const std::string name = slot_name();
        pg::call([&] { ReplicationSlotDrop(name.c_str(), true); });
    } catch (...) {
        // Then it goes with the process.
    }
}

}  // namespace zdm::backfill
