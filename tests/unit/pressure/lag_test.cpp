#include "pressure/lag.hpp"

#include <gtest/gtest.h>

namespace zdm::pressure {
namespace {

TEST(WalClock, CountsFromWhenAPositionWasWritten) {
    WalClock clock;
    clock.observe(100, 1000);
    clock.observe(200, 2000);
    clock.observe(300, 3000);
    EXPECT_EQ(clock.behind(300, 9000), 0);
    EXPECT_EQ(clock.behind(299, 9000), 6000);
    EXPECT_EQ(clock.behind(200, 9000), 6000);
    EXPECT_EQ(clock.behind(150, 9000), 7000);
}

TEST(WalClock, IdleTimeIsNoLag) {
    WalClock clock;
    clock.observe(100, 0);
    clock.observe(100, 50000);
    clock.observe(200, 60000);
    EXPECT_EQ(clock.behind(100, 60100), 100);
}

TEST(WalClock, KnowsHowFarItReachesBack) {
    WalClock clock;
    EXPECT_FALSE(clock.knows(5));
    clock.observe(100, 0);
    EXPECT_FALSE(clock.knows(99));
    EXPECT_TRUE(clock.knows(100));
}

TEST(WalClock, StaysSmallAndStillReachesBack) {
    WalClock clock;
    for (std::int64_t i = 1; i <= 100000; ++i)
        clock.observe(static_cast<std::uint64_t>(i), i * 100);
    EXPECT_TRUE(clock.knows(1));
    EXPECT_NEAR(static_cast<double>(clock.behind(50000, 10000000)), 5000000, 200000);
    EXPECT_NEAR(static_cast<double>(clock.behind(99900, 10000000)), 9900, 300);
}

TEST(LagTracker, TripsAboveTheLimitAndNamesTheWorst) {
    LagTracker tracker;
    tracker.look({{"a", 100, 0}, {"b", 100, 0}}, 100, 0, 2000);
    EXPECT_FALSE(tracker.look({{"a", 100, 0}, {"b", 150, 0}}, 200, 1000, 2000).tripped);
    EXPECT_FALSE(tracker.look({{"a", 100, 0}, {"b", 200, 0}}, 300, 2900, 2000).tripped);
    const auto verdict = tracker.look({{"a", 100, 0}, {"b", 200, 0}}, 300, 3500, 2000);
    EXPECT_TRUE(verdict.tripped);
    EXPECT_EQ(verdict.lag_ms, 2500);
    EXPECT_EQ(verdict.reason, "standby a is 2.5 s behind (limit 2.0 s)");
    EXPECT_FALSE(tracker.look({{"a", 300, 0}, {"b", 300, 0}}, 300, 4000, 2000).tripped);
}

TEST(LagTracker, NoticesReplayThatStandsStillThoughTheServerReportsNothingNew) {
    LagTracker tracker;
    tracker.look({{"a", 100, 80}}, 100, 0, 2000);
    LagTracker::Verdict verdict;
    for (int i = 1; i <= 30; ++i)
        verdict =
            tracker.look({{"a", 100, 80}}, static_cast<std::uint64_t>(100 + i), i * 100, 2000);
    EXPECT_TRUE(verdict.tripped);
    EXPECT_EQ(verdict.lag_ms, 2900);
}

TEST(LagTracker, BelievesTheServerAboutTheTimeBeforeItLooked) {
    LagTracker tracker;
    const auto verdict = tracker.look({{"a", 100, 7000}}, 900, 0, 2000);
    EXPECT_TRUE(verdict.tripped);
    EXPECT_EQ(verdict.lag_ms, 7000);
}

TEST(LagTracker, WaitsForAStandbyThatWentAwayButNotForever) {
    LagTracker tracker;
    tracker.look({{"a", 100, 0}}, 100, 0, 2000);
    const auto gone = tracker.look({}, 100, 5000, 2000);
    EXPECT_TRUE(gone.tripped);
    EXPECT_EQ(gone.reason, "standby a went away 5.0 s ago (waiting for it until 60.0 s)");
    EXPECT_FALSE(tracker.look({}, 100, Presence::kMissedMs, 2000).tripped);
    EXPECT_FALSE(tracker.has_standbys());
}

TEST(LagTracker, NoLimitNeverTrips) {
    LagTracker tracker;
    tracker.look({{"a", 100, 0}}, 100, 0, 0);
    EXPECT_FALSE(tracker.look({{"a", 100, 0}}, 200, 1000, 0).tripped);
    EXPECT_FALSE(tracker.look({{"a", 100, 0}}, 200, 900000, 0).tripped);
    EXPECT_FALSE(tracker.look({}, 200, 900100, 0).tripped);
}

}  // namespace
}  // namespace zdm::pressure
