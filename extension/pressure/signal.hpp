// What the throttle looks at: each signal is one small file behind this. It decides in pure code
// and reads in a thin effect.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "pressure/limits.hpp"

namespace zdm::pressure {

// Whose work the signals are read for. Zeros: nobody's in particular.
struct Subject {
    std::int64_t migration = 0;
    int step = 0;
    std::uint32_t relation = 0;
    std::uint32_t owner = 0;
    // Around SQL of the owner's: gives the transaction the settings under which it means what he
    // meant, and ends that.
    std::function<void()> enter = [] {};
    std::function<void()> leave = [] {};
    // How many processes waited behind our own batches since it was asked last: whoever looks
    // between two batches sees none of them.
    std::function<std::int64_t()> take_waiters = [] { return 0; };
};

// A signal as it is now.
struct Reading {
    std::optional<double> value;  // in the signal's own unit; none where it is no number
    std::optional<double> limit;  // none: it never trips by number
    bool tripped = false;
    // When tripped: who or what, in words for people. Else what is worth knowing all the same.
    std::string reason;
    // Bytes of WAL after which it is to be read again, however fresh it is; none: as many as like.
    std::optional<double> room;
};

struct Look {
    std::int64_t now_ms = 0;  // of a steady clock
    const Limits& limits;
    const Subject& subject;
};

// A signal that can't be read, and so counts as tripped. The text says why.
struct Blind : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Signal {
public:
    virtual ~Signal() = default;
    // How it is called in views.
    virtual const char* name() const = 0;
    // Of its value and limit; empty where it has none.
    virtual const char* unit() const = 0;
    // Whether the limits let it trip at all.
    virtual bool is_on(const Limits& limits) const = 0;
    // What makes a blind signal see again or do without it, as a clause: "grant …, or set …".
    virtual const char* remedy() const = 0;
    // Reads it, in the transaction around it. Throws Blind or the server's error when it can't.
    virtual Reading read(const Look& look) = 0;
    // How long a reading is good for.
    virtual std::int64_t fresh_ms() const = 0;
};

using SignalPtr = std::unique_ptr<Signal>;

}  // namespace zdm::pressure
