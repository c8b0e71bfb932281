// What the backfill engine needs from whoever runs it. run/ implements it; tests can too.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "pressure/limits.hpp"

namespace zdm::backfill {

// Options that may change while a backfill runs (zdm_set); read again ten times a second.
struct Options {
    std::chrono::milliseconds batch_target{50};  // time for which a batch may hold row locks
    int workers = 1;  // that work at a table together; what follows is for each of them
    // Share of time at work, rests make up the other; 0: as the machine allows (governor.hpp).
    double duty = 0;
    double max_rate = 0;      // rows per second, 0 = no limit
    double max_wal_rate = 0;  // bytes of WAL per second, 0 = no limit
    // How long old versions are kept beside a standby without feedback (ripeness.hpp); 0: not.
    std::chrono::milliseconds standby_grace{30000};
    bool fire_triggers = true;      // of the user; fixed once the first batch has begun
    std::int64_t max_bad_rows = 0;  // that may be passed over because they can't be changed
    pressure::Limits limits;        // beyond which it waits
};

class Host {
public:
    virtual ~Host() = default;
    // Whether to end now, between batches: paused, rolled back or told to shut down. Opens a short
    // transaction of its own; never called inside one.
    virtual bool should_stop() = 0;
    // The options as they are now. Fresh after each should_stop().
    virtual Options options() const = 0;
    // Sleeps outside any transaction, serving interrupts; `reason` is shown while it does (empty:
    // pacing).
    virtual void sleep(std::chrono::milliseconds time, const std::string& reason) = 0;
    // A short rest, at any point of a batch, serving interrupts.
    virtual void rest(std::chrono::microseconds time) = 0;
    // A steady clock.
    virtual std::chrono::microseconds now() const = 0;
    // The same in whole milliseconds, and in milliseconds with their parts.
    std::int64_t now_ms() const { return now().count() / 1000; }
    double fine_ms() const { return static_cast<double>(now().count()) / 1000; }
    // Shows or clears what the step is held back by (a lagging standby, rows locked by a pid).
    virtual void show_throttle(const std::optional<std::string>& reason) = 0;
    // So many chunks are there that nobody works at: helpers may take them (help_backfill). Told
    // whenever it changes.
    virtual void share_work(int /*chunks*/) {}
    // Whether no helper is left.
    virtual bool gathered() { return true; }
    // Around the user's expressions, inside each batch's transaction. The first gives the
    // transaction the settings under which they mean what their author meant (search_path,
    // TimeZone, …), until its end, and marks what follows as writes of zdm, which the sync trigger
    // skips; the second ends the mark. `leaf` is the relation whose rows are written.
    virtual void batch_begins(std::uint32_t leaf) = 0;
    virtual void batch_ends() noexcept = 0;
};

}  // namespace zdm::backfill
