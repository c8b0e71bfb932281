// Who waits for locks of the migration's workers.
#include <algorithm>

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/counts.hpp"
#include "pressure/signals.hpp"

namespace zdm::pressure {

namespace {

// A worker that looks holds no such lock itself: this finds those behind its siblings, and all for
// whoever looks from outside: who runs a migration (run/session), or a chunk of it
// (backfill/queue). Migration 0 is all of them. Only where somebody waits at all is it
// asked for whom.
pg::Kept find_waiters{
    "WITH worker AS ("
    " SELECT pid FROM pg_locks"
    "  WHERE locktype = 'advisory' AND granted"
    "    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    "    AND (objsubid = 23108 AND ($1 = 0 OR classid::bigint = ($1 >> 32)"
    "                               AND objid::bigint = ($1 & 4294967295))"
    "      OR objsubid = 23109 AND ($1 = 0 OR classid::bigint = ($1 & 4294967295)))),"
    " waiter AS ("
    " SELECT DISTINCT l.pid FROM pg_locks l"
    "  WHERE NOT l.granted AND EXISTS (SELECT FROM worker)"
    "    AND pg_blocking_pids(l.pid) && ARRAY(SELECT pid FROM worker))"
    "SELECT count(*), min('pid ' || w.pid || coalesce(' (' || nullif(a.application_name, '')"
    "       || ')', ''))"
    "  FROM waiter w LEFT JOIN pg_stat_activity a ON a.pid = w.pid"};

class LockWaiters : public Signal {
public:
    const char* name() const override { return "lock_waiters"; }
    const char* unit() const override { return "processes"; }
    bool is_on(const Limits& limits) const override { return limits.lock_waiters > 0; }
    const char* remedy() const override { return "set max_lock_waiters to 0 to do without it"; }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        const pg::Door door;
        const auto row = pg::query(find_waiters, {look.subject.migration}).front();
        const auto ours = static_cast<double>(look.subject.take_waiters());
        return judge_lock_waiters(std::max(row.real(0), ours), row.text(1),
                                  look.limits.lock_waiters);
    }
};

}  // namespace

SignalPtr make_lock_waiters() { return std::make_unique<LockWaiters>(); }

}  // namespace zdm::pressure
