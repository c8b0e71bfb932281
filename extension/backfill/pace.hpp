// How much one batch does and how long to rest after it. Pure: time is handed in.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace zdm::backfill {

using std::chrono::milliseconds;

// Finds the amount (rows, pages) that takes a target time, from a window of recent batches. Grows
// at most 1.5 times from one batch to the next and shrinks at once.
class Sizer {
public:
    Sizer(std::int64_t initial, std::int64_t least, std::int64_t most)
        : size_(initial), least_(least), most_(most) {}

    // The amount for the next batch.
    std::int64_t size() const { return size_; }
    // What a batch did and how long it took.
    void observe(std::int64_t amount, double took_ms, milliseconds target);

private:
    static constexpr std::size_t kWindow = 7;

    std::int64_t size_;
    std::int64_t least_;
    std::int64_t most_;
    std::deque<double> costs_;  // milliseconds for each unit, newest last
};

// Says how long to rest so that work stays within its share of time (duty) and within max_rate.
class Pacer {
public:
    // The rest after a batch of `rows` that took `worked` and ended at `now`. duty is in (0, 1];
    // max_rate in rows per second, 0 for none.
    milliseconds rest(double worked_ms, std::int64_t rows, std::int64_t now_ms, double duty,
                      double max_rate);
    // Rows that a batch may have under max_rate, so that the rate holds within fractions of a
    // second too.
    static std::int64_t most_rows(double max_rate);

private:
    double rate_ = 0;     // the max_rate for which due_ms_ counts
    double due_ms_ = 0;   // when all rows so far are paid for
    double owed_ms_ = 0;  // rest below a millisecond, kept for later
};

// Rates from the recent past: rows per second, and the time left.
class RateMeter {
public:
    // Totals so far, at a time.
    void observe(std::int64_t now_ms, std::int64_t rows, std::int64_t pages);
    // Rows per second over about the last ten seconds; negative while unknown.
    double rows_per_second() const;
    // Seconds for `pages` more; negative while unknown.
    double seconds_for(std::int64_t pages) const;

private:
    struct Sample {
        std::int64_t at_ms, rows, pages;
    };
    static constexpr std::int64_t kWindowMs = 10000;
    static constexpr std::int64_t kLeastMs = 1000;

    double per_second(std::int64_t amount) const;

    std::deque<Sample> samples_;
};

}  // namespace zdm::backfill
