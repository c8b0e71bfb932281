#include <gtest/gtest.h>

#include "pressure/answer.hpp"
#include "pressure/archive.hpp"
#include "pressure/checkpoints.hpp"
#include "pressure/counts.hpp"
#include "pressure/disk.hpp"
#include "pressure/lag.hpp"
#include "pressure/slots.hpp"
#include "pressure/words.hpp"

namespace zdm::pressure {
namespace {

constexpr double kMega = 1024.0 * 1024;

TEST(Words, SayNumbersForPeople) {
    EXPECT_EQ(seconds_text(3250), "3.2 s");
    EXPECT_EQ(bytes_text(512), "512 bytes");
    EXPECT_EQ(bytes_text(1536), "1.5 kB");
    EXPECT_EQ(bytes_text(64 * kMega), "64.0 MB");
    EXPECT_EQ(bytes_text(kMega * kMega * 3000), "3000.0 TB");
    EXPECT_EQ(count_text(12), "12");
    EXPECT_EQ(limit_ms(0.3), 300);
    EXPECT_GT(limit_ms(1e300), 0);
}

TEST(LagBytes, NamesTheStandbyThatIsFurthestBehind) {
    const std::vector<Standby> standbys{{"a", 900, 0}, {"b", 100, 0}, {"c", {}, 0}};
    const auto reading = judge_lag_bytes(standbys, 1000, "", 500);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(*reading.value, 900);
    EXPECT_EQ(reading.reason, "standby b is 900 bytes behind (limit 500 bytes)");
    EXPECT_FALSE(judge_lag_bytes(standbys, 1000, "", 900).tripped);
    EXPECT_FALSE(judge_lag_bytes(standbys, 1000, "", 0).tripped);
    EXPECT_FALSE(judge_lag_bytes(standbys, 1000, "", 0).limit);
    EXPECT_EQ(*judge_lag_bytes({{"a", 2000, 0}}, 1000, "", 5).value, 0);
}

TEST(LagBytes, SaysHowMuchMayBeWrittenUntilItIsReadAgain) {
    EXPECT_EQ(*judge_lag_bytes({{"a", 700, 0}, {"b", 900, 0}}, 1000, "", 500).room, 200);
    EXPECT_FALSE(judge_lag_bytes({{"a", 100, 0}}, 1000, "", 500).room);
    EXPECT_FALSE(judge_lag_bytes({{"a", 100, 0}}, 1000, "", 0).room);
    EXPECT_FALSE(judge_lag_bytes({}, 1000, "", 500).room);
}

TEST(LagBytes, WaitsForAStandbyThatWentAway) {
    const auto reading = judge_lag_bytes({}, 1000, "standby a went away", 500);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason, "standby a went away");
    EXPECT_FALSE(judge_lag_bytes({}, 1000, "standby a went away", 0).tripped);
}

TEST(Slots, TheOneThatKeepsMostTrips) {
    const std::vector<Slot> slots{{"a", true, "reserved", 10 * kMega},
                                  {"b", false, "extended", 300 * kMega}};
    const auto reading = judge_slots(slots, -1, 100 * kMega);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason, "slot b keeps 300.0 MB of WAL (limit 100.0 MB), nobody reads it");
    EXPECT_FALSE(judge_slots(slots, -1, 400 * kMega).tripped);
    EXPECT_FALSE(judge_slots(slots, -1, 0).tripped);
    EXPECT_EQ(*judge_slots({}, -1, kMega).value, 0);
}

TEST(Slots, TripBeforeTheServerWouldDropThem) {
    const std::vector<Slot> slots{{"a", true, "extended", 95 * kMega}};
    const auto reading = judge_slots(slots, 100 * kMega, 1000 * kMega);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason, "slot a keeps 95.0 MB of WAL (limit 90.0 MB), its reader is behind");
    EXPECT_TRUE(judge_slots({{"a", true, "unreserved", 1}}, -1, kMega).tripped);
    EXPECT_FALSE(judge_slots({{"a", true, "unreserved", 1}}, -1, 0).tripped);
}

TEST(Slots, WhatIsLostIsShownAndNotWaitedFor) {
    const auto reading = judge_slots({{"a", false, "lost", 900 * kMega}}, -1, kMega);
    EXPECT_FALSE(reading.tripped);
    EXPECT_EQ(*reading.value, 0);
    EXPECT_EQ(reading.reason, "slot a is lost already, and does not come back");
}

TEST(ArchiveBacklog, TripsByFilesAndSaysWhyTheyWait) {
    EXPECT_FALSE(judge_archive({false, true, 900, "x", true}, 1).tripped);
    EXPECT_FALSE(judge_archive({true, false, 5, "", false}, 5).tripped);
    EXPECT_FALSE(judge_archive({true, false, 500, "", false}, 0).tripped);
    EXPECT_EQ(judge_archive({true, false, 6, "", false}, 5).reason,
              "6 WAL files wait to be archived (limit 5)");
    EXPECT_EQ(judge_archive({true, true, 6, "0001", false}, 5).reason,
              "6 WAL files wait to be archived (limit 5), archiving 0001 failed");
    EXPECT_EQ(judge_archive({true, true, 6, "0001", true}, 5).reason,
              "6 WAL files wait to be archived (limit 5), archive_command is empty");
    // A failure alone holds nobody back.
    const auto failing = judge_archive({true, true, 2, "0001", false}, 5);
    EXPECT_FALSE(failing.tripped);
    EXPECT_EQ(failing.reason, "archiving 0001 failed");
}

TEST(Checkpoints, CountThoseOfTheLastMinute) {
    CheckpointTracker tracker;
    EXPECT_EQ(*tracker.look({10, 0, 0}, 0, 1).value, 0);
    EXPECT_EQ(*tracker.look({12, 100, 100}, 30000, 5).value, 2);
    EXPECT_EQ(*tracker.look({12, 200, 200}, 60000, 5).value, 2);
    EXPECT_EQ(*tracker.look({12, 200, 200}, 120000, 5).value, 0);
    EXPECT_EQ(*tracker.look({3, 200, 200}, 121000, 5).value, 0);  // the statistics were reset
}

TEST(Checkpoints, TripOnlyWhereTheWalIsOurs) {
    CheckpointTracker ours;
    ours.look({0, 0, 0}, 0, 1);
    const auto reading = ours.look({2, 1000, 500}, 1000, 1);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason,
              "2 checkpoints were asked for within a minute (limit 1), 50 % of the WAL is of this "
              "backfill");
    CheckpointTracker others;
    others.look({0, 0, 0}, 0, 1);
    EXPECT_FALSE(others.look({2, 1000, 99}, 1000, 1).tripped);
    CheckpointTracker nobody;
    nobody.look({0, 0, 0}, 0, 1);
    EXPECT_FALSE(nobody.look({2, 0, 0}, 1000, 1).tripped);
    EXPECT_FALSE(nobody.look({9, 0, 0}, 2000, 0).tripped);
}

TEST(Counts, TripAboveTheirLimit) {
    EXPECT_FALSE(judge_lock_waiters(3, "pid 1", 3).tripped);
    EXPECT_EQ(judge_lock_waiters(1, "", 0).reason, "1 process waits for locks of this migration");
    const auto waiters = judge_lock_waiters(4, "pid 1 (app)", 3);
    EXPECT_TRUE(waiters.tripped);
    EXPECT_EQ(waiters.reason,
              "4 processes wait for locks of this migration, pid 1 (app) first (limit 3)");
    EXPECT_EQ(judge_lock_waiters(0, "", 3).reason, "");
    EXPECT_EQ(judge_active_sessions(9, 8).reason, "9 sessions are active (limit 8)");
    EXPECT_FALSE(judge_active_sessions(8, 8).tripped);
    EXPECT_FALSE(judge_active_sessions(8, 0).tripped);
}

TEST(Counts, DeadRowsAreWaitedForWhereAutovacuumComes) {
    EXPECT_FALSE(judge_dead_tuples(5, 5.0, 5).tripped);
    const auto reading = judge_dead_tuples(6, 5.0, 5);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason, "the table has 6 dead rows (limit 5), waiting for autovacuum");
    const auto alone = judge_dead_tuples(6, std::nullopt, 5);
    EXPECT_FALSE(alone.tripped);
    EXPECT_EQ(alone.reason,
              "the table has 6 dead rows (limit 5), and autovacuum is off for it: VACUUM it");
    const auto early = judge_dead_tuples(6, 50.0, 5);
    EXPECT_FALSE(early.tripped);
    EXPECT_EQ(early.reason, "the table has 6 dead rows (limit 5), and autovacuum comes at 50");
}

TEST(Counts, TheHorizonIsShownAndNeverTrips) {
    const auto reading = judge_horizon(1e9, "pid 1");
    EXPECT_FALSE(reading.tripped);
    EXPECT_EQ(*reading.value, 1e9);
    EXPECT_EQ(reading.reason, "pid 1 holds the oldest snapshot");
    EXPECT_EQ(judge_horizon(0, "").reason, "");
}

TEST(Disk, TheFullestCounts) {
    const std::vector<Place> places{{"pg_wal", 10 * kMega}, {"tablespace fast", 2 * kMega}};
    const auto reading = judge_disk(places, 5 * kMega);
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(*reading.value, 2 * kMega);
    EXPECT_EQ(reading.reason,
              "2.0 MB are free on the disk of tablespace fast (min_free_disk is 5.0 MB)");
    EXPECT_FALSE(judge_disk(places, 2 * kMega).tripped);
    EXPECT_FALSE(judge_disk(places, 0).tripped);
    EXPECT_FALSE(judge_disk({}, 5).tripped);
}

TEST(Answer, TrueOrATextTrips) {
    using Kind = Answer::Kind;
    EXPECT_FALSE(judge_answer({Kind::nothing, ""}).tripped);
    EXPECT_FALSE(judge_answer({Kind::boolean, "f"}).tripped);
    EXPECT_TRUE(judge_answer({Kind::boolean, "t"}).tripped);
    EXPECT_EQ(judge_answer({Kind::boolean, "t"}).reason, "pressure_query says so");
    EXPECT_FALSE(judge_answer({Kind::text, ""}).tripped);
    EXPECT_TRUE(judge_answer({Kind::text, "queue is long"}).tripped);
    EXPECT_EQ(judge_answer({Kind::text, "queue is long"}).reason, "queue is long");
    EXPECT_THROW(judge_answer({Kind::other, "5"}), Blind);
}

}  // namespace
}  // namespace zdm::pressure
