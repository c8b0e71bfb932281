// What people see of a step while it runs: rates, time left, what holds it back.
#pragma once

#include <cstdint>
#include <string>

#include "backfill/pace.hpp"
#include "backfill/state.hpp"
#include "backfill/task.hpp"

namespace zdm::backfill {

class Progress {
public:
    explicit Progress(const Task& task) : task_(task) {}

    // Takes up what earlier runs of the step wrote down, in the transaction around it, with the
    // rows that they changed.
    void load(std::int64_t rows);
    // How many pages there are to go over, and how many of them are done.
    void set_pages(std::int64_t all, std::int64_t done);
    void add(std::int64_t rows, std::int64_t pages);
    void add_throttled(double seconds) { totals_.throttled_seconds += seconds; }
    std::int64_t rows() const { return totals_.rows; }

    // Whether a second has passed since it was last written.
    bool due(std::int64_t now_ms) const { return now_ms - written_ms_ >= 1000; }
    // Writes it, in the transaction around it. `throttled` is empty when nothing holds it back.
    void write(std::int64_t now_ms, const std::string& throttled);

private:
    const Task& task_;
    Totals totals_;
    RateMeter rate_;
    std::int64_t pages_ = 0;
    std::int64_t pages_done_ = 0;
    std::int64_t written_ms_ = INT64_MIN / 2;
    std::uint64_t wal_seen_ = 0;
};

}  // namespace zdm::backfill
