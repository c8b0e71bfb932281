// A migration in a copy of its database: what is known by number there is looked up by name here.
#include "catalog/migration.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::catalog {

std::vector<std::pair<std::uint32_t, std::uint32_t>> adopt_database(std::int64_t id) {
    const pg::Door door;
    pg::Spi spi;
    // Relations have other OIDs in a restored dump. Those that a done step dropped are gone, which
    // OID 1, never that of a relation, says; whose it was before may be somebody else's here.
    const auto moved = spi.run(
        // A table that a step renames has one of two names.
        "WITH now AS (SELECT s.step, s.kind, s.relation_oid AS before,"
        "                    coalesce(to_regclass(coalesce(r.name, s.relation))::oid, 1::oid) AS "
        "now"
        "               FROM zdm.step s LEFT JOIN LATERAL ("
        "                    SELECT n.parameters ->> CASE n.state WHEN 'done' THEN 'to' ELSE "
        "'from' END"
        "                           AS name FROM zdm.step n"
        "                     WHERE n.migration_id = s.migration_id AND n.parameters ? 'to'"
        "                       AND s.relation IN (n.parameters ->> 'from', n.parameters ->> 'to')"
        "                     LIMIT 1) r ON true"
        "              WHERE s.migration_id = $1 AND s.relation_oid <> 0),"
        " moved AS (UPDATE zdm.step s SET relation_oid = n.now,"
        "               finished_at = CASE WHEN n.kind = 'sync' AND s.state = 'done'"
        "                                  THEN clock_timestamp() ELSE s.finished_at END"
        "             FROM now n WHERE s.migration_id = $1 AND s.step = n.step"
        "           RETURNING n.kind, s.state, n.before, n.now)"
        " SELECT before, now FROM moved WHERE kind = 'sync' AND state = 'done'",
        {id});
    // Pages of this copy hold other rows: what was begun begins again.
    spi.run("UPDATE zdm.chunk SET relfilenode = 0 WHERE migration_id = $1", {id});
    spi.run(
        "UPDATE zdm.migration m SET system_identifier = c.system_identifier, database_oid = d.oid,"
        "    relations = ARRAY("
        "        SELECT DISTINCT to_regclass(named.relation)::oid"
        "          FROM (SELECT s.relation FROM zdm.step s WHERE s.migration_id = m.id"
        "                UNION SELECT split_part(held, E'\\t', 2)"
        "                  FROM zdm.step s,"
        "                       regexp_split_to_table(s.parameters ->> 'locks', E'\\n') held"
        "                 WHERE s.migration_id = m.id) named"
        "         WHERE named.relation <> '' AND to_regclass(named.relation) IS NOT NULL"
        "        UNION SELECT below.oid FROM ("
        "          WITH RECURSIVE tree(oid) AS ("
        "            SELECT to_regclass(s.relation)::oid FROM zdm.step s"
        "             WHERE s.migration_id = m.id AND s.kind IN ('backfill', 'delete')"
        "            UNION SELECT i.inhrelid FROM tree t JOIN pg_class p ON p.oid = t.oid"
        "                    AND p.relkind = 'p'"
        "                    JOIN pg_inherits i ON i.inhparent = p.oid)"
        "          SELECT t.oid FROM tree t WHERE t.oid IS NOT NULL) below)"
        "  FROM pg_control_system() c, pg_database d"
        " WHERE d.datname = current_database() AND m.id = $1",
        {id});
    spi.finish();
    std::vector<std::pair<std::uint32_t, std::uint32_t>> synced;
    for (const auto& row : moved.rows)
        synced.emplace_back(static_cast<std::uint32_t>(row.number(0)),
                            static_cast<std::uint32_t>(row.number(1)));
    return synced;
}

}  // namespace zdm::catalog
