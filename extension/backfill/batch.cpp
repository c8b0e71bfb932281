#include "backfill/batch.hpp"

#include <algorithm>

#include "backfill/strokes.hpp"
#include "pg/bridge.hpp"
#include "pg/fault.hpp"
#include "pg/transaction.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/htup_details.h"
#include "executor/instrument.h"
}

namespace zdm::backfill {

namespace {

// Tids that a survey gives: those of a page in any case.
constexpr std::int64_t kMostTids = 20000;
static_assert(kMostTids > MaxHeapTuplesPerPage);

// The user's expressions run inside.
class UserWork {
public:
    UserWork(Host& host, const Table& table) : host_(host) {
        host_.batch_begins(table.leaf().relation);
    }
    ~UserWork() { host_.batch_ends(); }
    UserWork(const UserWork&) = delete;
    UserWork& operator=(const UserWork&) = delete;

private:
    Host& host_;
};

void set_until_commit(const char* name, const std::string& value) {
    pg::call([&] {
        set_config_option(name, value.c_str(), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
                          0, false);
    });
}

// The batch's own settings, after those of the user.
void prepare_transaction(Host& host) {
    // Progress commits with the rows: what a crash takes back is done again.
    set_until_commit("synchronous_commit", "off");
    // Rows that others have locked are skipped, but a trigger or a foreign key of the user may meet
    // one. It must not keep our rows locked for long.
    set_until_commit("lock_timeout", std::to_string(host.options().batch_target.count()));
    set_until_commit("plan_cache_mode", "auto");
}

// Whoever wants a row that we have locked waits for our transaction.
std::int64_t waiters_behind_us() {
    return pg::call([]() -> std::int64_t {
        const TransactionId xid = GetTopTransactionIdIfAny();
        if (!TransactionIdIsValid(xid)) return 0;
        LOCKTAG tag;
        SET_LOCKTAG_TRANSACTION(tag, xid);
        // It counts all who asked, and so us.
        return std::max(0, LockWaiterCount(&tag) - 1);
    });
}

// Finds the rows of the batch and says where the next one begins.
std::vector<Tid> find_rows(Table& table, Tid from, std::uint32_t stop, const BatchLimits& limits,
                           Batch& batch) {
    const std::int64_t most = limits.rounds != nullptr ? kMostTids : limits.rows;
    batch.surveyed = stop - from.block;
    const bool known = limits.rounds != nullptr && limits.waiting != nullptr;
    batch.rows = known ? between(*limits.waiting, from, Tid{stop, 0})
                       : table.survey(from, Tid{stop, 0}, most);
    const bool complete = known || static_cast<std::int64_t>(batch.rows.size()) < most;
    if (limits.rounds == nullptr) {
        const Tid last = complete ? Tid{} : batch.rows.back();
        batch.next =
            complete ? Tid{stop, 0} : Tid{last.block, static_cast<std::uint16_t>(last.offset + 1)};
        return {};
    }
    // The survey does not see them, but an earlier one may have; and the table may have become
    // shorter since then.
    if (known)
        std::erase_if(batch.rows, [&](Tid row) {
            return row.block >= table.blocks() ||
                   (limits.passed_over != nullptr && limits.passed_over->contains(row));
        });
    Picked picked = pick(*limits.rounds, batch.rows, table.look(batch.rows),
                         static_cast<std::size_t>(limits.rows), stop, complete);
    batch.rows = std::move(picked.rows);
    batch.next = Tid{picked.end, 0};
    batch.waiting = std::move(picked.waiting);
    return std::move(picked.fitting);
}

}  // namespace

void run_batch(Table& table, Host& host, std::uint32_t filenode, Tid from, std::uint32_t end,
               const BatchLimits& limits, const Recorder& record, Pacer& pacer, Batch& batch) {
    batch = Batch{};
    batch.from = batch.next = from;
    const std::uint64_t wal_before = pgWalUsage.wal_bytes;
    pg::Transaction transaction;
    if (!table.open(!limits.look_only)) {
        batch.end = Batch::End::busy;
        return;
    }
    if (table.filenode() != filenode) {
        batch.end = Batch::End::rewritten;
        return;
    }
    const std::uint32_t stop = end - from.block > limits.pages ? from.block + limits.pages : end;
    double locked_at = 0;
    {
        const UserWork user{host, table};
        prepare_transaction(host);
        Strokes strokes{host, pacer, limits.duty};
        const PassedOver passed_over{limits.passed_over};
        const double began = host.fine_ms();
        batch.reading = true;
        const auto fitting = find_rows(table, from, stop, limits, batch);
        batch.reading = false;
        locked_at = host.fine_ms();
        batch.survey_ms = locked_at - began;
        if (!limits.look_only) batch.changed = table.change(batch.rows);
        if (!fitting.empty()) batch.sample = table.sample(fitting);
        batch.may_be_hot = table.may_be_hot();
        batch.xid = transaction_id();
        batch.paid_ms = strokes.paid_ms();
    }
    if (record) record(batch);
    ZDM_FAULT(limits.stage + ":before_commit");
    if (batch.changed > 0) batch.waiters = waiters_behind_us();
    transaction.commit();
    batch.wal_bytes = static_cast<std::int64_t>(pgWalUsage.wal_bytes - wal_before);
    batch.locked_ms = batch.changed > 0 ? host.fine_ms() - locked_at : 0;
    ZDM_FAULT(limits.stage + ":after_commit");
}

void try_batch(Table& table, Host& host, const std::vector<Tid>& rows, Tid from, Tid end,
               const std::set<Tid>& passed_over) {
    pg::Transaction transaction;
    if (!table.open(!rows.empty())) return;
    const UserWork user{host, table};
    const PassedOver left_out{&passed_over};
    prepare_transaction(host);
    if (rows.empty()) {
        table.survey(from, end, 0);
    } else {
        table.change(rows);
        table.check_constraints();
    }
}

}  // namespace zdm::backfill
