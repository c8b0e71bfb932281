// Owns all signals, reads each when its reading is old, and says what trips.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pressure/board.hpp"
#include "pressure/signal.hpp"

namespace zdm::pressure {

class Monitor {
public:
    explicit Monitor(Subject subject);

    // Whether a signal is to be read again.
    bool due(std::int64_t now_ms) const { return board_.any_due(now_ms); }
    // Reads what is due, in the transaction around it, which must have written nothing. One that
    // can't be read counts as tripped.
    void read(std::int64_t now_ms, const Limits& limits);
    // A batch wrote so many bytes of WAL.
    void wrote(double bytes) { board_.wrote(bytes); }
    // Whether that was so much that the next batch must not begin before a reading.
    bool pressing() const { return board_.pressing(); }
    // Writes what changed to zdm.signal, in the transaction around it, when it is time.
    void store(std::int64_t now_ms);

    bool tripped() const { return board_.tripped(); }
    // Why, of all that trip; empty when none does.
    std::string reasons() const { return board_.reasons(); }

    // One signal as it was read last.
    struct Shown {
        const char* name;
        const char* unit;
        Reading reading;
    };
    std::vector<Shown> all() const;

private:
    Reading read_one(Signal& signal, const Look& look) const;

    Subject subject_;
    std::vector<SignalPtr> signals_;
    Board board_;
    Limits limits_;  // of the last reading
};

}  // namespace zdm::pressure
