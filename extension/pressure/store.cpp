#include "pressure/store.hpp"

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::pressure {

namespace {

// Workers of one step write the same rows, always in the order of the list, so that they never
// wait for each other in a circle.
pg::Kept write_signals{
    "INSERT INTO zdm.signal AS s"
    " (migration_id, step, signal, value, \"limit\", unit, tripped, since, reason, read_at)"
    " SELECT $1, $2::int, n.name, nullif(n.value, '')::float8, nullif(n.lim, '')::float8,"
    "        nullif(n.unit, ''), n.tripped::boolean,"
    "        CASE WHEN n.tripped::boolean THEN clock_timestamp() END, nullif(n.reason, ''),"
    "        clock_timestamp()"
    "   FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])"
    "        AS n(name, value, lim, unit, tripped, reason)"
    " ON CONFLICT (migration_id, signal) DO UPDATE"
    " SET step = excluded.step, value = excluded.value, \"limit\" = excluded.\"limit\","
    "     unit = excluded.unit, tripped = excluded.tripped, reason = excluded.reason,"
    "     read_at = excluded.read_at,"
    "     since = CASE WHEN s.tripped AND excluded.tripped AND s.step = excluded.step"
    "                  THEN s.since ELSE excluded.since END"};

std::string text_of(const std::optional<double>& number) {
    return number ? std::to_string(*number) : std::string{};
}

// What is shown need not survive a crash, nor wait for a standby.
void commit_without_waiting() {
    pg::call([] {
        set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                          true, 0, false);
    });
}

}  // namespace

void store_signals(const Subject& subject, const std::vector<Monitor::Shown>& signals) {
    std::vector<std::string> names, values, limits, units, tripped, reasons;
    for (const auto& [name, unit, reading] : signals) {
        names.emplace_back(name);
        values.push_back(text_of(reading.value));
        limits.push_back(text_of(reading.limit));
        units.emplace_back(unit);
        tripped.emplace_back(reading.tripped ? "t" : "f");
        reasons.push_back(reading.reason);
    }
    commit_without_waiting();
    const pg::Door door;
    pg::query(write_signals, {subject.migration, std::int64_t{subject.step}, names, values, limits,
                              units, tripped, reasons});
}

}  // namespace zdm::pressure
