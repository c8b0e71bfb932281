// Requested checkpoints, from the server's statistics.
#include "pg/compat.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pressure/checkpoints.hpp"
#include "pressure/signals.hpp"

extern "C" {
#include "executor/instrument.h"
}

namespace zdm::pressure {

namespace {

pg::Kept requested{pg::compat::kRequestedCheckpoints};

class RequestedCheckpoints : public Signal {
public:
    const char* name() const override { return "requested_checkpoints"; }
    const char* unit() const override { return "per minute"; }
    bool is_on(const Limits& limits) const override { return limits.requested_checkpoints > 0; }
    const char* remedy() const override {
        return "set max_requested_checkpoints to 0 to do without it";
    }
    std::int64_t fresh_ms() const override { return 1000; }
    Reading read(const Look& look) override {
        const pg::Door door;
        const auto row = pg::query(requested).front();
        const WalWork now{row.number(0), static_cast<std::uint64_t>(row.number(1)),
                          pgWalUsage.wal_bytes};
        return tracker_.look(now, look.now_ms, look.limits.requested_checkpoints);
    }

private:
    CheckpointTracker tracker_;
};

}  // namespace

SignalPtr make_requested_checkpoints() { return std::make_unique<RequestedCheckpoints>(); }

}  // namespace zdm::pressure
