#include "pressure/lag.hpp"

#include <algorithm>

#include "pressure/words.hpp"

namespace zdm::pressure {

void WalClock::observe(std::uint64_t position, std::int64_t now_ms) {
    if (!samples_.empty() && position <= samples_.back().position) return;
    samples_.push_back({position, now_ms});
    if (samples_.size() <= kMost) return;
    // Thin out instead of forgetting: a standby may be a day behind, and a hundredth of that is as
    // good as exact.
    std::deque<Sample> kept{samples_.front()};
    for (const Sample& sample : samples_)
        if ((sample.at_ms - kept.back().at_ms) * 100 >= now_ms - sample.at_ms &&
            sample.position > kept.back().position)
            kept.push_back(sample);
    samples_.swap(kept);
}

std::int64_t WalClock::behind(std::uint64_t position, std::int64_t now_ms) const {
    const auto next =
        std::upper_bound(samples_.begin(), samples_.end(), position,
                         [](std::uint64_t p, const Sample& sample) { return p < sample.position; });
    return next == samples_.end() ? 0 : std::max<std::int64_t>(0, now_ms - next->at_ms);
}

bool WalClock::knows(std::uint64_t position) const {
    return !samples_.empty() && samples_.front().position <= position;
}

std::string Presence::missing(const std::vector<Standby>& standbys, std::int64_t now_ms) {
    for (const Standby& standby : standbys) seen_[standby.name] = now_ms;
    std::string first;
    for (auto it = seen_.begin(); it != seen_.end();) {
        const std::int64_t away = now_ms - it->second;
        if (away >= kMissedMs) {
            it = seen_.erase(it);
            continue;
        }
        if (away > 0 && first.empty())
            first = "standby " + it->first + " went away " + seconds_text(away) +
                    " ago (waiting for it until " + seconds_text(kMissedMs) + ")";
        ++it;
    }
    return first;
}

LagTracker::Verdict LagTracker::look(const std::vector<Standby>& standbys, std::uint64_t written,
                                     std::int64_t now_ms, std::int64_t limit_ms) {
    Verdict verdict;
    clock_.observe(written, now_ms);
    for (const Standby& standby : standbys) {
        if (!standby.replayed) continue;
        std::int64_t lag = clock_.behind(*standby.replayed, now_ms);
        // Written before we began to look: only the server may know for how long.
        if (!clock_.knows(*standby.replayed)) lag = std::max(lag, standby.replay_lag_ms);
        if (lag < verdict.lag_ms) continue;
        verdict.lag_ms = lag;
        if (limit_ms > 0 && lag > limit_ms) {
            verdict.tripped = true;
            verdict.reason = "standby " + standby.name + " is " + seconds_text(lag) +
                             " behind (limit " + seconds_text(limit_ms) + ")";
        }
    }
    const std::string missing = presence_.missing(standbys, now_ms);
    if (limit_ms > 0 && !verdict.tripped && !missing.empty()) {
        verdict.tripped = true;
        verdict.reason = missing;
    }
    return verdict;
}

Reading judge_lag_bytes(const std::vector<Standby>& standbys, std::uint64_t written,
                        const std::string& missing, double limit) {
    Reading reading;
    reading.value = 0;
    if (limit > 0) reading.limit = limit;
    const Standby* worst = nullptr;
    for (const Standby& standby : standbys) {
        if (!standby.replayed) continue;
        const double behind =
            *standby.replayed < written ? static_cast<double>(written - *standby.replayed) : 0;
        if (worst != nullptr && behind <= *reading.value) continue;
        worst = &standby;
        reading.value = behind;
    }
    if (limit <= 0) return reading;
    if (worst != nullptr && *reading.value > limit) {
        reading.tripped = true;
        reading.reason = "standby " + worst->name + " is " + bytes_text(*reading.value) +
                         " behind (limit " + bytes_text(limit) + ")";
    } else if (!missing.empty()) {
        reading.tripped = true;
        reading.reason = missing;
    } else if (worst != nullptr) {
        reading.room = limit - *reading.value;
    }
    return reading;
}

}  // namespace zdm::pressure
