// What the throttle looks at: each signal is one small file behind this.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::pressure {

// A signal as it is now. One that cannot be read counts as tripped.
struct Reading {
    bool tripped = false;
    double value = 0;    // in the signal's own unit
    double limit = 0;    // 0 = none
    std::string reason;  // when tripped: who or what, in words for people
};

class Signal {
public:
    virtual ~Signal() = default;
    // How it is called in options and views.
    virtual const char* name() const = 0;
    // Reads it, in the transaction around it. `now_ms` of a steady clock; limit 0 = never trips.
    virtual Reading read(std::int64_t now_ms, double limit) = 0;
    // How long a reading is good for.
    virtual std::int64_t fresh_ms() const = 0;
};

}  // namespace zdm::pressure
