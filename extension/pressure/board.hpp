// What is known of all signals from one look to the next: when each is to be read again, which
// trip, and what of it has not been written down yet. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

class Board {
public:
    // A tripped or limited signal is read again when its reading is old; one that is off is only
    // shown, and not read more often than this.
    static constexpr std::int64_t kOffMs = 10000;
    // Values that change are written down so often; a trip, and its end, at once.
    static constexpr std::int64_t kWriteMs = 1000;
    // And all so often, so that the time of a row says that somebody looks.
    static constexpr std::int64_t kRefreshMs = 10000;

    explicit Board(std::size_t signals) : entries_(signals) {}

    bool due(std::size_t signal, std::int64_t now_ms) const;
    bool any_due(std::int64_t now_ms) const;
    // Takes a reading that took `took_ms` and is good for `fresh_ms`. What takes long to read each
    // time is read more rarely: it is to cost a twentieth of the time at most.
    void put(std::size_t signal, Reading reading, bool on, std::int64_t now_ms,
             std::int64_t took_ms, std::int64_t fresh_ms);
    // We wrote WAL: what has no room for so much is due.
    void wrote(double bytes);
    // Whether anything is due for that reason.
    bool pressing() const;
    // The next any_due() says yes: limits may have changed.
    void forget_due();

    const Reading& reading(std::size_t signal) const { return entries_[signal].reading; }
    bool tripped() const;
    // Of all that trip, each once.
    std::string reasons() const;
    // The signals to write down now, which then count as written. Empty most of the time.
    std::vector<std::size_t> take_news(std::int64_t now_ms);

private:
    struct Entry {
        Reading reading;
        std::int64_t due_ms = INT64_MIN;
        std::int64_t took_ms = INT64_MAX;
        double wrote = 0;  // bytes of WAL since it was read
        bool pressing() const { return reading.room && wrote > *reading.room; }
        bool read = false;
        bool changed = false;  // since it was written down
        std::int64_t written_ms = INT64_MIN / 2;
    };
    std::vector<Entry> entries_;
    std::int64_t written_ms_ = INT64_MIN / 2;
    bool urgent_ = false;
};

}  // namespace zdm::pressure
