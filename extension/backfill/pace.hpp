// How much to do at once and how long to rest after it. Pure: time is handed in.
#pragma once

#include <cstdint>
#include <deque>

namespace zdm::backfill {

// Finds the amount (rows, pages) that takes the time it should, from a window of recent pieces of
// work. Grows at most 1.5 times from one to the next and shrinks at once.
class Sizer {
public:
    Sizer(std::int64_t initial, std::int64_t least, std::int64_t most)
        : size_(initial), least_(least), most_(most) {}

    // The amount for the next one.
    std::int64_t size() const { return size_; }
    // What a piece of work did, how long it took and how long it should take.
    void observe(std::int64_t amount, double took_ms, double goal_ms);

private:
    static constexpr std::size_t kWindow = 7;

    std::int64_t size_;
    std::int64_t least_;
    std::int64_t most_;
    std::deque<double> costs_;  // milliseconds for each unit, newest last
};

// How long a stroke should take: the piece of work between two short rests. Whoever wants to run
// meanwhile waits for a processor no longer than that, and commits flush no more of our WAL than
// one stroke's.
constexpr double kStrokeMs = 0.25;

// How long a batch may hold row locks, in milliseconds: as the option says, but a short time where
// it rests in the middle. Who wants one of its rows waits, and all that his connection was to do
// behind it: so many wait, for so long, that it tells in a p99.
double lock_goal_ms(double batch_target_ms, double duty);

// Keeps an amount per second (rows, bytes of WAL) under a limit. Times in milliseconds.
class RateLimit {
public:
    // How long to rest after a piece of work that took so long, ended at `now_ms` and did so much;
    // `most`: the limit per second, 0 for none.
    double rest_ms(double took_ms, double amount, double now_ms, double most);
    // What a piece of work may come to at most, so that the rate holds within fractions of a
    // second too.
    static double at_once(double most);

private:
    double most_ = 0;    // the limit for which due_ms_ counts
    double due_ms_ = 0;  // when all so far is paid for
};

// Says how long to rest so that work stays within its share of time (duty). Times in milliseconds.
class Pacer {
public:
    // Work was done; duty, in (0, 1], says how much rest is owed for it.
    void worked(double took_ms, double duty);
    // The rest that is owed, 0 as long as it is too short for a sleep.
    double owed_ms() const { return owed_ms_ < kLeastMs ? 0 : owed_ms_; }
    // A rest took so long. What it took too long is taken off the next ones.
    void rested(double took_ms);

private:
    static constexpr double kLeastMs = 0.2;
    static constexpr double kMostCreditMs = 5;

    double owed_ms_ = 0;  // rest that is still to be taken; negative: taken too much
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
