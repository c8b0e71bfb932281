#include "backfill/pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace zdm::backfill {
namespace {

constexpr double kTarget = 50;

// Batches one after the other against something that takes a time; gives the times that they took.
std::vector<double> closed_loop(Sizer& sizer, int batches,
                                const std::function<double(int, std::int64_t)>& takes) {
    std::vector<double> times;
    for (int i = 0; i < batches; ++i) {
        const std::int64_t size = sizer.size();
        times.push_back(takes(i, size));
        sizer.observe(size, times.back(), kTarget);
    }
    return times;
}

TEST(Sizer, ReachesItsTargetFromBelow) {
    Sizer sizer{100, 1, 100000};
    const auto times = closed_loop(
        sizer, 30, [](int, std::int64_t rows) { return 2 + 0.01 * static_cast<double>(rows); });
    EXPECT_NEAR(times.back(), 50, 5);
    for (const double time : times) EXPECT_LE(time, 55);
}

TEST(Sizer, GrowsAtMostByHalf) {
    Sizer sizer{100, 1, 100000};
    std::int64_t before = sizer.size();
    for (int i = 0; i < 20; ++i) {
        sizer.observe(before, 0.5, kTarget);
        EXPECT_LE(sizer.size(), before * 3 / 2 + 1);
        EXPECT_GE(sizer.size(), before);
        before = sizer.size();
    }
}

TEST(Sizer, ShrinksAtOnce) {
    Sizer sizer{1000, 1, 100000};
    sizer.observe(1000, 500, kTarget);
    EXPECT_EQ(sizer.size(), 100);
}

TEST(Sizer, FollowsAStepAndComesBack) {
    Sizer sizer{1000, 1, 100000};
    const auto times = closed_loop(sizer, 120, [](int i, std::int64_t rows) {
        const double cost = i >= 40 && i < 80 ? 0.5 : 0.05;
        return cost * static_cast<double>(rows);
    });
    // One batch meets the step unwarned; the next is right again.
    EXPECT_GT(times[40], 300);
    EXPECT_LE(times[41], 51);
    EXPECT_NEAR(times[79], 50, 5);
    EXPECT_NEAR(times[119], 50, 5);
}

TEST(Sizer, ForgetsASpike) {
    Sizer sizer{1000, 1, 100000};
    closed_loop(sizer, 40, [](int i, std::int64_t rows) {
        return i == 20 ? 2000.0 : 0.05 * static_cast<double>(rows);
    });
    EXPECT_NEAR(static_cast<double>(sizer.size()), 1000, 100);
}

TEST(Sizer, StaysBelowTheTargetWhenCostsOscillate) {
    Sizer sizer{1000, 1, 100000};
    const auto times = closed_loop(sizer, 200, [](int i, std::int64_t rows) {
        return (i % 2 == 0 ? 0.02 : 0.06) * static_cast<double>(rows);
    });
    // Never more than the ratio of the two costs.
    EXPECT_LE(*std::max_element(times.begin() + 20, times.end()), 150);
}

TEST(Sizer, LearnsNothingFromBatchesMuchSmallerThanAsked) {
    Sizer sizer{1000, 1, 100000};
    sizer.observe(3, 2, kTarget);
    EXPECT_EQ(sizer.size(), 1000);
    sizer.observe(0, 10, kTarget);
    EXPECT_EQ(sizer.size(), 1000);
}

TEST(Sizer, KeepsItsLimits) {
    Sizer sizer{10, 1, 50};
    sizer.observe(10, 1e9, kTarget);
    EXPECT_EQ(sizer.size(), 1);
    for (int i = 0; i < 100; ++i) sizer.observe(sizer.size(), 0, kTarget);
    EXPECT_EQ(sizer.size(), 50);
}

// Rests whenever some is owed, each time `overrun_ms` too long; gives the share of time at work.
double share_at_work(double duty, double stroke, double overrun_ms) {
    Pacer pacer;
    double worked = 0;
    double rested = 0;
    while (worked < 1000) {
        worked += stroke;
        pacer.worked(stroke, duty);
        const double rest = pacer.owed_ms();
        if (rest <= 0) continue;
        rested += rest + overrun_ms;
        pacer.rested(rest + overrun_ms);
    }
    return worked / (worked + rested);
}

TEST(Pacer, KeepsTheShareOfTimeAtWork) {
    for (const double duty : {0.05, 0.2, 0.5, 0.9})
        for (const double stroke : {0.01, 0.25, 40.0})
            for (const double overrun : {0.0, 0.06})
                EXPECT_NEAR(share_at_work(duty, stroke, overrun), duty, duty / 20)
                    << duty << ", strokes of " << stroke << " ms, sleeps " << overrun
                    << " too long";
}

TEST(Pacer, NeverRestsAtFullDuty) {
    Pacer pacer;
    pacer.worked(1000, 1);
    EXPECT_EQ(pacer.owed_ms(), 0);
}

TEST(Pacer, SavesUpRestsTooShortForASleep) {
    Pacer pacer;
    pacer.worked(0.1, 0.5);
    EXPECT_EQ(pacer.owed_ms(), 0);
    pacer.worked(0.1, 0.5);
    EXPECT_NEAR(pacer.owed_ms(), 0.2, 1e-9);
}

TEST(Pacer, ALongRestIsLittleCredit) {
    Pacer pacer;
    pacer.rested(10000);
    pacer.worked(6, 0.5);
    EXPECT_NEAR(pacer.owed_ms(), 1, 1e-9);
}

// Rows per second in ten seconds of batches that take a millisecond for 20 rows, where work has its
// share of time and sleeps overrun.
double rate(double most, double duty, double overrun_ms) {
    Pacer pacer;
    RateLimit limit;
    double now = 0;
    double rows = 0;
    while (now < 10000) {
        const double batch = std::min(1000.0, RateLimit::at_once(most));
        const double took = batch / 20;
        now += took;
        rows += batch;
        pacer.worked(took, duty);
        const double pause = std::max(pacer.owed_ms(), limit.rest_ms(took, batch, now, most));
        if (pause <= 0) continue;
        now += pause + overrun_ms;
        pacer.rested(pause + overrun_ms);
    }
    return rows / (now / 1000);
}

TEST(RateLimit, HoldsWithinTenPercent) {
    for (const double wanted : {20.0, 100.0, 1000.0, 5000.0})
        for (const double overrun : {0.0, 1.0, 15.0})
            EXPECT_NEAR(rate(wanted, 0.9, overrun), wanted, wanted / 10)
                << wanted << " rows/s, sleeps " << overrun << " ms too long";
}

TEST(RateLimit, DutyHoldsBelowIt) { EXPECT_NEAR(rate(1e6, 0.5, 0), 10000, 1000); }

TEST(RateLimit, NoneIsNoRest) {
    RateLimit limit;
    EXPECT_EQ(limit.rest_ms(1, 1e12, 1000, 0), 0);
    EXPECT_GT(RateLimit::at_once(0), 1e300);
}

TEST(RateLimit, HoldsWhatAPieceOfWorkComesTo) { EXPECT_EQ(RateLimit::at_once(1000), 250); }

TEST(RateLimit, TimeUnusedIsNoCreditForABurst) {
    RateLimit limit;
    limit.rest_ms(1, 100, 1000, 1000);
    // Ten seconds throttled; the next hundred are to be paid for all the same.
    EXPECT_GE(limit.rest_ms(1, 100, 11000, 1000), 90);
}

TEST(RateLimit, TakesUpANewOneAtOnce) {
    RateLimit limit;
    limit.rest_ms(1, 1000, 1000, 10);
    EXPECT_LE(limit.rest_ms(1, 100, 1010, 1000), 100);
}

TEST(RateMeter, KnowsNothingAtFirst) {
    RateMeter meter;
    EXPECT_LT(meter.rows_per_second(), 0);
    EXPECT_LT(meter.seconds_for(10), 0);
    meter.observe(0, 0, 0);
    meter.observe(500, 1000, 10);
    EXPECT_LT(meter.rows_per_second(), 0);
}

TEST(RateMeter, TellsTheRecentRate) {
    RateMeter meter;
    for (int second = 0; second <= 60; ++second) {
        const std::int64_t rows = second < 30 ? second * 1000 : 30000 + (second - 30) * 100;
        meter.observe(second * 1000, rows, rows / 10);
    }
    EXPECT_NEAR(meter.rows_per_second(), 100, 5);
    EXPECT_NEAR(meter.seconds_for(100), 10, 1);
}

TEST(RateMeter, SaysUnknownWhileNothingMoves) {
    RateMeter meter;
    meter.observe(0, 5, 5);
    meter.observe(20000, 5, 5);
    EXPECT_EQ(meter.rows_per_second(), 0);
    EXPECT_LT(meter.seconds_for(10), 0);
}

TEST(LockGoal, IsShortWhereABatchRests) {
    EXPECT_EQ(lock_goal_ms(50, 1), 50);
    EXPECT_EQ(lock_goal_ms(50, 0.99), 4);
    EXPECT_EQ(lock_goal_ms(50, 0.2), 4);
    EXPECT_EQ(lock_goal_ms(2, 0.2), 2);
}

}  // namespace
}  // namespace zdm::backfill
