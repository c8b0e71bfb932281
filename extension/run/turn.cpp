#include "run/turn.hpp"

#include <chrono>

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace zdm::run {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};

// Like the lock of a running migration (23108), and so out of reach of pg_advisory_lock(), which
// has 1 and 2 there.
constexpr uint16 kField = 0x5A45;

LOCKTAG tag_of_turn() {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, kField);
    return tag;
}

// Who has the turn, in words; nullopt when nobody has. Another owner's migration is named only to
// those who may see it in zdm.migrations.
std::optional<std::string> holder(std::uint32_t owner) {
    std::optional<std::string> text;
    {
        const pg::Door door;
        const auto found = pg::query(
            "SELECT t.pid, m.name"
            "  FROM pg_locks t"
            "  LEFT JOIN pg_locks r ON r.pid = t.pid AND r.locktype = 'advisory' AND r.granted"
            "   AND r.mode = 'ExclusiveLock' AND r.objsubid = 23108 AND r.database = t.database"
            "  LEFT JOIN zdm.migration m ON (m.id >> 32) = r.classid::bigint"
            "   AND (m.id & 4294967295) = r.objid::bigint"
            "   AND (pg_has_role($1::oid, m.owner::oid, 'USAGE')"
            "        OR pg_has_role($1::oid, 'pg_monitor', 'USAGE'))"
            " WHERE t.locktype = 'advisory' AND t.granted AND t.objsubid = 23109"
            "   AND t.classid = 0 AND t.objid = 0"
            "   AND t.database = (SELECT d.oid FROM pg_database d"
            "                      WHERE d.datname = current_database())",
            {static_cast<std::int64_t>(owner)});
        if (!found.empty()) {
            const auto& row = found.front();
            text = "waiting for its turn: " +
                   (row.is_null(1) ? std::string{"another migration"}
                                   : "migration \"" + row.text(1) + "\"") +
                   " (pid " + row.text(0) + ") builds or drops an index of this database now";
        }
    }
    return text;
}

}  // namespace

Turn::~Turn() {
    if (!taken_) return;
    const LOCKTAG tag = tag_of_turn();
    LockRelease(&tag, ExclusiveLock, true);
}

bool Turn::take() {
    taken_ = pg::call([] {
        const LOCKTAG tag = tag_of_turn();
        return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
    });
    return taken_;
}

void wait_for_turn(Context& context) {
    for (;;) {
        stop_if_asked(context);
        const catalog::Migration& migration = context.migration();
        pg::Transaction transaction;
        const auto who = holder(migration.owner);
        // Each time: a pause that was over before the next look has cleared it.
        if (who) catalog::set_waiting(migration.id, who);
        transaction.commit();
        if (!who) return;
        context.sleep(kBetweenLooks, {});
    }
}

}  // namespace zdm::run
