// How many sessions of applications are at work.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/counts.hpp"
#include "pressure/signals.hpp"
#include "pressure/standbys.hpp"

namespace zdm::pressure {

namespace {

// Of the whole server: they share its processors. Where the state may not be seen it is null.
pg::Kept count_active{
    "SELECT count(*) FILTER (WHERE state = 'active'),"
    "       bool_or(state IS NULL AND NOT pg_has_role('pg_read_all_stats', 'USAGE')"
    "               AND NOT coalesce(pg_has_role(usesysid, 'USAGE'), true))"
    "  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"};

class ActiveSessions : public Signal {
public:
    const char* name() const override { return "active_sessions"; }
    const char* unit() const override { return "sessions"; }
    bool is_on(const Limits& limits) const override { return limits.active_sessions > 0; }
    const char* remedy() const override { return ZDM_GRANT ", or set max_active_sessions to 0"; }
    std::int64_t fresh_ms() const override { return 500; }
    Reading read(const Look& look) override {
        const pg::Door door;
        const auto row = pg::query(count_active).front();
        if (row.flag(1)) throw Blind{"the sessions of others may not be seen"};
        return judge_active_sessions(row.real(0), look.limits.active_sessions);
    }
};

}  // namespace

SignalPtr make_active_sessions() { return std::make_unique<ActiveSessions>(); }

}  // namespace zdm::pressure
