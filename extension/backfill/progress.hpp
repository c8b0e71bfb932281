// What people see of a step while it runs: rates, time left, what holds it back.
#pragma once

#include <cstdint>
#include <string>

#include "backfill/pace.hpp"
#include "backfill/task.hpp"

namespace zdm::backfill {

class Progress {
public:
    // `shown`: of the workers of a step, the one that writes for all.
    Progress(const Task& task, bool shown) : task_(task), shown_(shown) {}

    // Takes up what earlier runs of the step wrote down, in the transaction around it. `pages`: how
    // many there are to go over.
    void begin(std::int64_t pages);
    void add_throttled(double seconds) { throttled_seconds_ += seconds; }

    // Bytes of WAL that this process wrote since those that were noted last, to be noted in a
    // chunk; and: that has committed.
    std::int64_t wal_to_note();
    void wal_noted() { wal_noted_ = wal_asked_; }

    // Whether a second has passed since it was last written.
    bool due(std::int64_t now_ms) const { return shown_ && now_ms - written_ms_ >= 1000; }
    // Writes it, in the transaction around it: what stands in the chunks, whoever wrote it there,
    // and rates from that. `throttled` is empty when nothing holds it back.
    void write(std::int64_t now_ms, const std::string& throttled);

private:
    const Task& task_;
    bool shown_;
    double throttled_seconds_ = 0;
    RateMeter rate_;
    std::int64_t pages_ = 0;
    std::int64_t written_ms_ = INT64_MIN / 2;
    std::uint64_t wal_asked_ = 0;
    std::uint64_t wal_noted_ = 0;
};

}  // namespace zdm::backfill
