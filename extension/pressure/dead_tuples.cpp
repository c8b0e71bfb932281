// Dead rows of the table that is filled, by the server's statistics.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/counts.hpp"
#include "pressure/signals.hpp"

namespace zdm::pressure {

namespace {

// When autovacuum comes: see relation_needs_vacanalyze() in the server's autovacuum.c. It comes to
// each partition for itself, so where it comes to some, what only it can take away is theirs.
pg::Kept count_dead{
    "WITH RECURSIVE tree(oid) AS (SELECT $1::oid UNION ALL"
    " SELECT i.inhrelid FROM tree t JOIN pg_class p ON p.oid = t.oid AND p.relkind = 'p'"
    "   JOIN pg_inherits i ON i.inhparent = t.oid),"
    " leaf AS MATERIALIZED (SELECT c.oid, c.reloptions, c.reltuples FROM tree t"
    "   JOIN pg_class c ON c.oid = t.oid AND c.relkind <> 'p'),"
    " option AS MATERIALIZED ("
    "  SELECT l.oid, o.option_name AS name, o.option_value AS value"
    "    FROM leaf l, pg_options_to_table(l.reloptions) o),"
    " seen AS ("
    "SELECT coalesce(pg_stat_get_dead_tuples(c.oid), 0)::float8 AS dead,"
    "       current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean"
    "       AND NOT EXISTS (SELECT FROM option o WHERE o.oid = c.oid"
    "                          AND o.name = 'autovacuum_enabled' AND NOT value::boolean) AS comes,"
    "       least((SELECT value FROM option o WHERE o.oid = c.oid"
    "                 AND name = 'autovacuum_vacuum_threshold'"
    "              UNION ALL SELECT current_setting('autovacuum_vacuum_threshold') LIMIT 1)::float8"
    "             + (SELECT value FROM option o WHERE o.oid = c.oid"
    "                   AND name = 'autovacuum_vacuum_scale_factor'"
    "                UNION ALL SELECT current_setting('autovacuum_vacuum_scale_factor')"
    "                 LIMIT 1)::float8 * greatest(c.reltuples, 0),"
    "             nullif((SELECT value FROM option o WHERE o.oid = c.oid"
    "                        AND name = 'autovacuum_vacuum_max_threshold'"
    "                     UNION ALL"
    "                     SELECT current_setting('autovacuum_vacuum_max_threshold', true)"
    "                      LIMIT 1)::float8, -1)) AS at"
    "  FROM leaf c)"
    "SELECT coalesce(sum(dead) FILTER (WHERE comes AND dead > at), sum(dead)), bool_or(comes),"
    "       coalesce(max(0) FILTER (WHERE comes AND dead > at), sum(at) FILTER (WHERE comes))"
    "  FROM seen HAVING count(*) > 0"};

class DeadTuples : public Signal {
public:
    const char* name() const override { return "dead_tuples"; }
    const char* unit() const override { return "rows"; }
    bool is_on(const Limits& limits) const override { return limits.dead_tuples > 0; }
    const char* remedy() const override { return "set max_dead_tuples to 0 to do without it"; }
    std::int64_t fresh_ms() const override { return 2000; }
    Reading read(const Look& look) override {
        if (look.subject.relation == 0) return {};
        const pg::Door door;
        const auto found = pg::query(count_dead, {std::int64_t{look.subject.relation}});
        if (found.empty()) return {};
        const auto& row = found.front();
        const auto autovacuum_at = row.flag(1) ? std::optional{row.real(2)} : std::nullopt;
        return judge_dead_tuples(row.real(0), autovacuum_at, look.limits.dead_tuples);
    }
};

}  // namespace

SignalPtr make_dead_tuples() { return std::make_unique<DeadTuples>(); }

}  // namespace zdm::pressure
