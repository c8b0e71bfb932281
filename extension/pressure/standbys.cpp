#include "pressure/standbys.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::pressure {

namespace {

// Physical standbys only: base backups and pg_receivewal replay nothing, logical subscribers may be
// slow for reasons of their own. Positions as bytes from the start of the WAL. The first row has
// the server's own positions.
pg::Kept find_standbys{
    "SELECT NULL::text, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint,"
    "       (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, true"
    " UNION ALL "
    "SELECT coalesce(nullif(s.application_name, ''), s.client_addr::text, 'pid ' || s.pid),"
    "       (s.replay_lsn - '0/0'::pg_lsn)::bigint,"
    "       (extract(epoch FROM coalesce(s.replay_lag, '0')) * 1000)::bigint,"
    "       s.state IS NOT NULL"
    "  FROM pg_stat_replication s"
    " WHERE (s.state IS NULL OR (s.state IN ('catchup', 'streaming') AND s.replay_lsn IS NOT NULL))"
    "   AND s.pid NOT IN (SELECT active_pid FROM pg_replication_slots"
    "                      WHERE slot_type = 'logical' AND active_pid IS NOT NULL)"};

// With a slot the feedback stands there, else in the process that sends. Only a physical standby
// replays; without the right to see its state nothing tells it from a base backup.
pg::Kept find_heard{
    "SELECT coalesce(nullif(s.application_name, ''), s.client_addr::text, 'pid ' || s.pid),"
    "       s.backend_xmin IS NOT NULL OR r.xmin IS NOT NULL"
    "  FROM pg_stat_replication s LEFT JOIN pg_replication_slots r ON r.active_pid = s.pid"
    " WHERE r.slot_type IS DISTINCT FROM 'logical'"
    "   AND (s.state IS NULL"
    "        OR (s.state IN ('catchup', 'streaming') AND s.replay_lsn IS NOT NULL))"
    " ORDER BY 1"};

}  // namespace

Standbys read_standbys() {
    Standbys standbys;
    const pg::Door door;
    for (const auto& row : pg::query(find_standbys).rows) {
        if (row.is_null(0)) {
            standbys.flushed = static_cast<std::uint64_t>(row.number(1));
            standbys.inserted = static_cast<std::uint64_t>(row.number(2));
            continue;
        }
        if (!row.flag(3)) throw Blind{"the positions of standbys may not be seen"};
        Standby standby{row.text(0), {}, row.number(2)};
        if (!row.is_null(1)) standby.replayed = static_cast<std::uint64_t>(row.number(1));
        standbys.all.push_back(std::move(standby));
    }
    return standbys;
}

std::vector<Hearing> standbys_heard() {
    std::vector<Hearing> all;
    const pg::Door door;
    for (const auto& row : pg::query(find_heard).rows) all.push_back({row.text(0), row.flag(1)});
    return all;
}

}  // namespace zdm::pressure
