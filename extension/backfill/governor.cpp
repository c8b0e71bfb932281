#include "backfill/governor.hpp"

#include <algorithm>

namespace zdm::backfill {

namespace {

// Sessions per processor from which on applications count as busy. Who comes is noticed at once,
// who went away is remembered for some two seconds.
constexpr double kBusy = 0.1;
constexpr double kBusyRise = 0.5;
constexpr double kBusyFall = 0.05;
// The share of time spent waiting for a processor from which on somebody outside the server needs
// it. It is full of noise: each wake-up after a short rest costs some.
constexpr double kLate = 0.4;
constexpr double kLateFollow = 0.1;
// It gives way at once and comes back slowly.
constexpr double kGrow = 1.1;

// All up to a quarter of the limit, nothing from the limit on.
double room(double value, double limit) {
    return std::clamp((limit - value) / (0.75 * limit), 0.0, 1.0);
}

}  // namespace

void Governor::observe(const std::optional<Load>& load) {
    // Blind: as if the machine were busy.
    const double busy = load ? load->busy : 1;
    busy_ += (busy - busy_) * (busy > busy_ ? kBusyRise : kBusyFall);
    if (load && load->late) late_ += (*load->late - late_) * kLateFollow;
    const double goal = kLeast + (1 - kLeast) * std::min(room(busy_, kBusy), room(late_, kLate));
    duty_ = std::clamp(std::min(goal, duty_ * kGrow), kLeast, 1.0);
}

}  // namespace zdm::backfill
