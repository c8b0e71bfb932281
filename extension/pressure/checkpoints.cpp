#include "pressure/checkpoints.hpp"

#include "pressure/words.hpp"

namespace zdm::pressure {

Reading CheckpointTracker::look(const WalWork& now, std::int64_t now_ms, double limit) {
    if (!samples_.empty() && now.requested < samples_.back().work.requested) samples_.clear();
    samples_.push_back({now, now_ms});
    // The oldest one is from just before the window.
    while (samples_.size() > 1 && now_ms - samples_[1].at_ms >= kWindowMs) samples_.pop_front();
    const WalWork& before = samples_.front().work;
    Reading reading;
    reading.value = static_cast<double>(now.requested - before.requested);
    if (limit <= 0) return reading;
    reading.limit = limit;
    if (*reading.value <= limit) return reading;
    const auto all = static_cast<double>(now.all - before.all);
    const double share = all > 0 ? static_cast<double>(now.ours - before.ours) / all : 0;
    reading.tripped = share >= kShare;
    reading.reason = count_text(*reading.value) +
                     " checkpoints were asked for within a minute (limit " + count_text(limit) +
                     "), " + count_text(share * 100) + " % of the WAL is of this backfill";
    return reading;
}

}  // namespace zdm::pressure
