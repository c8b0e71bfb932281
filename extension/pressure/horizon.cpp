// Who holds the oldest snapshot.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/counts.hpp"
#include "pressure/signals.hpp"

namespace zdm::pressure {

namespace {

pg::Kept find_holders{
    "SELECT who, age::float8 FROM"
    " (SELECT CASE WHEN backend_type = 'walsender' THEN 'standby '"
    "              ELSE 'pid ' || pid END"
    "         || CASE WHEN backend_type = 'walsender' THEN application_name"
    "                 ELSE coalesce(' (' || nullif(application_name, '') || ')', '') END,"
    "         age(coalesce(backend_xmin, backend_xid)) FROM pg_stat_activity"
    "   WHERE pid <> pg_backend_pid() AND (datname IS NULL OR datname = current_database())"
    "  UNION ALL SELECT 'prepared transaction ' || gid, age(transaction)"
    "   FROM pg_prepared_xacts WHERE database = current_database()"
    "  UNION ALL SELECT 'replication slot ' || slot_name, age(xmin)"
    "   FROM pg_replication_slots) holder(who, age)"
    " WHERE age IS NOT NULL ORDER BY age DESC LIMIT 1"};

class Horizon : public Signal {
public:
    const char* name() const override { return "xmin_horizon"; }
    const char* unit() const override { return "transactions"; }
    bool is_on(const Limits&) const override { return false; }
    const char* remedy() const override { return "nothing waits for it"; }
    std::int64_t fresh_ms() const override { return 5000; }
    Reading read(const Look&) override {
        const pg::Door door;
        const auto found = pg::query(find_holders);
        if (found.empty()) return judge_horizon(0, {});
        return judge_horizon(found.front().real(1), found.front().text(0));
    }
};

}  // namespace

SignalPtr make_horizon() { return std::make_unique<Horizon>(); }

}  // namespace zdm::pressure
