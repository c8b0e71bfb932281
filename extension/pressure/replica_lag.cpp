// How far the streaming standbys are behind, in time and in bytes. What we write, they replay after
// all that came before it: waiting lets them catch up.
#include "pressure/signals.hpp"
#include "pressure/standbys.hpp"
#include "pressure/words.hpp"

namespace zdm::pressure {

namespace {

// Where there are none, none is likely to come in the next moment.
constexpr std::int64_t kWatchedMs = 100;
constexpr std::int64_t kAloneMs = 1000;

class ReplicaLag : public Signal {
public:
    const char* name() const override { return "replica_lag"; }
    const char* unit() const override { return "s"; }
    bool is_on(const Limits& limits) const override { return limits.replica_lag > 0; }
    const char* remedy() const override { return ZDM_GRANT ", or set max_replica_lag to 0"; }
    std::int64_t fresh_ms() const override {
        return tracker_.has_standbys() ? kWatchedMs : kAloneMs;
    }
    Reading read(const Look& look) override {
        const auto standbys = read_standbys();
        const auto verdict = tracker_.look(standbys.all, standbys.flushed, look.now_ms,
                                           limit_ms(look.limits.replica_lag));
        Reading reading;
        reading.value = static_cast<double>(verdict.lag_ms) / 1000;
        if (is_on(look.limits)) reading.limit = look.limits.replica_lag;
        reading.tripped = verdict.tripped;
        reading.reason = verdict.reason;
        return reading;
    }

private:
    LagTracker tracker_;
};

class ReplicaLagBytes : public Signal {
public:
    const char* name() const override { return "replica_lag_bytes"; }
    const char* unit() const override { return "bytes"; }
    bool is_on(const Limits& limits) const override { return limits.replica_lag_bytes > 0; }
    const char* remedy() const override { return ZDM_GRANT ", or set max_replica_lag_bytes to 0"; }
    std::int64_t fresh_ms() const override { return presence_.any() ? kWatchedMs : kAloneMs; }
    Reading read(const Look& look) override {
        const auto standbys = read_standbys();
        // Our batches leave flushing to others, and are to be counted at once.
        return judge_lag_bytes(standbys.all, standbys.inserted,
                               presence_.missing(standbys.all, look.now_ms),
                               look.limits.replica_lag_bytes);
    }

private:
    Presence presence_;
};

}  // namespace

SignalPtr make_replica_lag() { return std::make_unique<ReplicaLag>(); }
SignalPtr make_replica_lag_bytes() { return std::make_unique<ReplicaLagBytes>(); }

}  // namespace zdm::pressure
