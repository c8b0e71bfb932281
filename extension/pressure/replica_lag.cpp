#include "pressure/replica_lag.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::pressure {

namespace {

// Physical standbys only: base backups and pg_receivewal replay nothing, logical subscribers may be
// slow for reasons of their own. Positions as bytes from the start of the WAL. The first row is the
// server's own position.
constexpr auto kStandbys =
    "SELECT NULL::text, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint, 0::bigint, true"
    " UNION ALL "
    "SELECT coalesce(nullif(s.application_name, ''), s.client_addr::text, 'pid ' || s.pid),"
    "       (s.replay_lsn - '0/0'::pg_lsn)::bigint,"
    "       (extract(epoch FROM coalesce(s.replay_lag, '0')) * 1000)::bigint,"
    "       s.state IS NOT NULL"
    "  FROM pg_stat_replication s"
    " WHERE (s.state IS NULL OR (s.state IN ('catchup', 'streaming') AND s.replay_lsn IS NOT NULL))"
    "   AND s.pid NOT IN (SELECT active_pid FROM pg_replication_slots"
    "                      WHERE slot_type = 'logical' AND active_pid IS NOT NULL)";

}  // namespace

Reading ReplicaLag::read(std::int64_t now_ms, double limit) {
    Reading reading;
    reading.limit = limit;
    std::vector<Standby> standbys;
    std::uint64_t written = 0;
    bool blind = false;
    {
        const pg::Door door;
        for (const auto& row : pg::query(kStandbys).rows) {
            if (row.is_null(0)) {
                written = static_cast<std::uint64_t>(row.number(1));
                continue;
            }
            blind |= !row.flag(3);
            Standby standby{row.text(0), {}, row.number(2)};
            if (!row.is_null(1)) standby.replayed = static_cast<std::uint64_t>(row.number(1));
            standbys.push_back(std::move(standby));
        }
    }
    if (blind && limit > 0) {
        reading.tripped = true;
        reading.reason =
            "the lag of standbys cannot be read: grant pg_read_all_stats to the owner of the "
            "extension, or set max_replica_lag to 0";
        return reading;
    }
    const auto verdict = tracker_.look(standbys, written, now_ms, static_cast<std::int64_t>(limit));
    reading.value = static_cast<double>(verdict.lag_ms);
    reading.tripped = verdict.tripped;
    reading.reason = verdict.reason;
    return reading;
}

}  // namespace zdm::pressure
