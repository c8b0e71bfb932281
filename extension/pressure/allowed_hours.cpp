// Whether it is one of the allowed hours now.
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/hours.hpp"
#include "pressure/owner_sql.hpp"
#include "pressure/signals.hpp"

namespace zdm::pressure {

namespace {

pg::Kept local_minute{
    "SELECT extract(hour FROM t.now) * 60 + extract(minute FROM t.now)"
    "  FROM (SELECT clock_timestamp() AT TIME ZONE $1) t(now)"};

class AllowedHours : public Signal {
public:
    const char* name() const override { return "allowed_hours"; }
    const char* unit() const override { return ""; }
    bool is_on(const Limits& limits) const override { return !limits.allowed_hours.empty(); }
    const char* remedy() const override {
        return "set allowed_hours to hours and a time zone, such as 22:00-06:00 Europe/Berlin, or "
               "to nothing";
    }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        const std::string& text = look.limits.allowed_hours;
        if (text.empty()) return {};
        const auto hours = hours_from(text);
        if (!hours) throw Blind{"\"" + text + "\" are no hours"};
        return judge_hours(text, *hours, minute_in(hours->zone));
    }
};

}  // namespace

int minute_in(const std::string& zone) {
    const pg::PinnedPath pinned;
    return static_cast<int>(pg::query(local_minute, {zone}).front().real(0));
}

SignalPtr make_allowed_hours() { return std::make_unique<AllowedHours>(); }

}  // namespace zdm::pressure
