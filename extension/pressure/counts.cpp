#include "pressure/counts.hpp"

#include "pressure/words.hpp"

namespace zdm::pressure {

namespace {

Reading counted(double value, double limit) {
    Reading reading;
    reading.value = value;
    if (limit <= 0) return reading;
    reading.limit = limit;
    reading.tripped = value > limit;
    return reading;
}

}  // namespace

Reading judge_lock_waiters(double waiters, const std::string& first, double limit) {
    Reading reading = counted(waiters, limit);
    if (waiters > 0)
        reading.reason =
            count_text(waiters) + (waiters == 1 ? " process waits" : " processes wait") +
            " for locks of this migration" + (first.empty() ? "" : ", " + first + " first") +
            (reading.limit ? " (limit " + count_text(limit) + ")" : "");
    return reading;
}

Reading judge_active_sessions(double active, double limit) {
    Reading reading = counted(active, limit);
    if (reading.tripped)
        reading.reason =
            count_text(active) + " sessions are active (limit " + count_text(limit) + ")";
    return reading;
}

Reading judge_dead_tuples(double dead, std::optional<double> autovacuum_at, double limit) {
    Reading reading = counted(dead, limit);
    if (!reading.tripped) return reading;
    reading.reason =
        "the table has " + count_text(dead) + " dead rows (limit " + count_text(limit) + "), ";
    reading.tripped = autovacuum_at && dead > *autovacuum_at;
    if (reading.tripped)
        reading.reason += "waiting for autovacuum";
    else if (autovacuum_at)
        reading.reason += "and autovacuum comes at " + count_text(*autovacuum_at);
    else
        reading.reason += "and autovacuum is off for it: VACUUM it";
    return reading;
}

Reading judge_horizon(double age, const std::string& holder) {
    Reading reading;
    reading.value = age;
    if (!holder.empty()) reading.reason = holder + " holds the oldest snapshot";
    return reading;
}

}  // namespace zdm::pressure
