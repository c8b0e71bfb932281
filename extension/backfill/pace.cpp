#include "backfill/pace.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace zdm::backfill {

void Sizer::observe(std::int64_t amount, double took_ms, double goal_ms) {
    if (amount <= 0) return;
    const double cost = std::max(took_ms, 0.001) / static_cast<double>(amount);
    const bool slow = took_ms > goal_ms;
    // What a batch costs however small it is would make a small one look dear: no example.
    if (!slow && amount * 4 < size_) return;
    costs_.push_back(cost);
    if (costs_.size() > kWindow) costs_.pop_front();

    double next;
    if (slow) {
        next = std::min(static_cast<double>(size_), goal_ms / cost);
    } else {
        // The median: one stall in the window must not keep batches small, one lucky batch must not
        // make the next one long.
        std::vector<double> sorted(costs_.begin(), costs_.end());
        std::sort(sorted.begin(), sorted.end());
        const double usual = sorted[sorted.size() / 2];
        next = std::min(goal_ms / std::max(usual, cost), static_cast<double>(size_) * 1.5 + 1);
    }
    next = std::clamp(next, static_cast<double>(least_), static_cast<double>(most_));
    size_ = static_cast<std::int64_t>(next);
}

void Pacer::worked(double took_ms, double duty) {
    const double share = std::clamp(duty, 0.01, 1.0);
    owed_ms_ += took_ms * (1 - share) / share;
}

void Pacer::rested(double took_ms) { owed_ms_ = std::max(owed_ms_ - took_ms, -kMostCreditMs); }

double lock_goal_ms(double batch_target_ms, double duty) {
    constexpr double kShortMs = 4;
    return duty < 1 ? std::min(batch_target_ms, kShortMs) : batch_target_ms;
}

double RateLimit::rest_ms(double took_ms, double amount, double now_ms, double most) {
    double rest = 0;
    if (most > 0) {
        // Time that passed unused (throttled, paused) is no credit for a burst; a fifth of a second
        // evens out sleeps that took longer than asked.
        if (most_ != most || due_ms_ < now_ms - 200) due_ms_ = now_ms - took_ms;
        due_ms_ += 1000 * amount / most;
        rest = std::max(0.0, due_ms_ - now_ms);
    }
    most_ = most;
    return rest;
}

double RateLimit::at_once(double most) {
    return most <= 0 ? std::numeric_limits<double>::infinity() : most / 4;
}

void RateMeter::observe(std::int64_t now_ms, std::int64_t rows, std::int64_t pages) {
    samples_.push_back({now_ms, rows, pages});
    while (samples_.size() > 2 && samples_[1].at_ms <= now_ms - kWindowMs) samples_.pop_front();
}

double RateMeter::per_second(std::int64_t amount) const {
    if (samples_.size() < 2) return -1;
    const std::int64_t span = samples_.back().at_ms - samples_.front().at_ms;
    if (span < kLeastMs) return -1;
    return static_cast<double>(amount) * 1000.0 / static_cast<double>(span);
}

double RateMeter::rows_per_second() const {
    return samples_.empty() ? -1 : per_second(samples_.back().rows - samples_.front().rows);
}

double RateMeter::seconds_for(std::int64_t pages) const {
    if (samples_.empty()) return -1;
    const double rate = per_second(samples_.back().pages - samples_.front().pages);
    if (rate <= 0) return -1;
    return static_cast<double>(pages) / rate;
}

}  // namespace zdm::backfill
