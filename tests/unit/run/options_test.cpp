#include "run/options.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

std::string wrong(const std::string& option, const std::optional<std::string>& value) {
    std::string hint;
    const std::string text = check_option(option, value, hint);
    EXPECT_FALSE(hint.empty());
    return text;
}

TEST(Options, GoodValuesPass) {
    EXPECT_EQ(wrong("batch_target", "50"), "");
    EXPECT_EQ(wrong("duty", "0.25"), "");
    EXPECT_EQ(wrong("max_rate", "0"), "");
    EXPECT_EQ(wrong("max_bad_rows", "10"), "");
    EXPECT_NE(wrong("max_bad_rows", "100001"), "");
    EXPECT_EQ(wrong("max_replica_lag", "1.5"), "");
    EXPECT_EQ(wrong("fire_triggers", "true"), "");
    EXPECT_EQ(wrong("fire_triggers", "false"), "");
    for (const char* value : {"", "no", "0", "TRUE", "falsehood"})
        EXPECT_NE(wrong("fire_triggers", value), "") << value;
    EXPECT_TRUE(apply_options({}, {}).fire_triggers);
    EXPECT_TRUE(apply_options({{"fire_triggers", "true"}}, {}).fire_triggers);
    EXPECT_FALSE(apply_options({{"fire_triggers", "false"}}, {}).fire_triggers);
    EXPECT_EQ(wrong("standby_grace", "0.5"), "");
    EXPECT_NE(wrong("standby_grace", "86401"), "");
    EXPECT_EQ(apply_options({{"standby_grace", "0.5"}}, {}).standby_grace.count(), 500);
}

TEST(Options, SizesHaveUnits) {
    for (const char* value : {"0", "5000", "64MB", "1.5 GB", "512B", "2TB"})
        EXPECT_EQ(wrong("max_slot_wal", value), "") << value;
    for (const char* value : {"", "MB", "64mb", "64 MiB", "-1MB", "1MB2", "1 MB "})
        EXPECT_NE(wrong("min_free_disk", value), "") << value;
    const auto limits =
        apply_options({{"max_slot_wal", "1.5GB"}, {"max_replica_lag_bytes", "64kB"}}, {}).limits;
    EXPECT_DOUBLE_EQ(limits.slot_wal, 1.5 * 1024 * 1024 * 1024);
    EXPECT_DOUBLE_EQ(limits.replica_lag_bytes, 65536);
}

TEST(Options, TextsAndTheDefault) {
    EXPECT_EQ(wrong("allowed_hours", "22:00-06:00 UTC"), "");
    EXPECT_EQ(wrong("allowed_hours", ""), "");
    EXPECT_NE(wrong("allowed_hours", "at night"), "");
    EXPECT_EQ(wrong("pressure_query", "SELECT true"), "");
    EXPECT_EQ(wrong("allowed_hours", std::nullopt), "");
    EXPECT_EQ(wrong("max_rate", std::nullopt), "");
    EXPECT_NE(wrong("speed", std::nullopt), "");
    const auto limits =
        apply_options({{"allowed_hours", "x"}, {"pressure_query", "SELECT 1"}, {"gone", "1"}}, {})
            .limits;
    EXPECT_EQ(limits.allowed_hours, "x");
    EXPECT_EQ(limits.query, "SELECT 1");
}

TEST(Options, EveryLimitIsApplied) {
    const auto limits = apply_options({{"max_archive_backlog", "1"},
                                       {"max_lock_waiters", "2"},
                                       {"max_requested_checkpoints", "3"},
                                       {"max_active_sessions", "4"},
                                       {"max_dead_tuples", "5"},
                                       {"min_free_disk", "6"}},
                                      {})
                            .limits;
    EXPECT_EQ(limits.archive_backlog, 1);
    EXPECT_EQ(limits.lock_waiters, 2);
    EXPECT_EQ(limits.requested_checkpoints, 3);
    EXPECT_EQ(limits.active_sessions, 4);
    EXPECT_EQ(limits.dead_tuples, 5);
    EXPECT_EQ(limits.min_free_disk, 6);
}

TEST(Options, NotANumberIsRefused) {
    for (const char* value : {"", "abc", "nan", "NaN", "inf", "-inf", "5x", "1e999", " 5"})
        EXPECT_NE(wrong("max_rate", value), "") << value;
}

TEST(Options, OutOfRangeIsRefused) {
    EXPECT_NE(wrong("batch_target", "0"), "");
    EXPECT_NE(wrong("batch_target", "-1"), "");
    EXPECT_NE(wrong("duty", "0"), "");
    EXPECT_NE(wrong("duty", "64.5"), "");
    EXPECT_NE(wrong("workers", "0"), "");
    EXPECT_NE(wrong("max_wal_rate", "-1"), "");
    EXPECT_NE(wrong("max_rate", "-5"), "");
    EXPECT_NE(wrong("max_replica_lag", "-0.1"), "");
}

TEST(Options, UnknownNamesAreRefusedWithTheKnownOnes) {
    std::string hint;
    EXPECT_NE(check_option("speed", "1", hint), "");
    EXPECT_NE(hint.find("max_rate"), std::string::npos);
}

TEST(Options, OverrideTheDefaults) {
    const auto options =
        apply_options({{"batch_target", "20"}, {"max_replica_lag", "0.5"}, {"duty", "1"}}, {});
    EXPECT_EQ(options.batch_target.count(), 20);
    EXPECT_EQ(options.limits.replica_lag, 0.5);
    EXPECT_DOUBLE_EQ(options.duty, 1);
    EXPECT_DOUBLE_EQ(options.max_rate, 0);
    EXPECT_EQ(options.max_bad_rows, 0);
    EXPECT_EQ(apply_options({{"max_bad_rows", "7"}}, {}).max_bad_rows, 7);
}

TEST(Options, DutyDecidesHowManyWork) {
    const auto each = [](const char* duty, const char* workers) {
        backfill::Options server;
        server.workers = 8;
        return apply_options(
            {{"duty", duty}, {"workers", workers}, {"max_rate", "1200"}, {"max_wal_rate", "6000"}},
            server);
    };
    EXPECT_EQ(each("64", "64").workers, 8) << "zdm.workers";
    EXPECT_EQ(each("0.2", "4").workers, 1);
    EXPECT_DOUBLE_EQ(each("0.2", "4").duty, 0.2);
    EXPECT_EQ(each("1", "4").workers, 1);
    EXPECT_EQ(each("1.5", "4").workers, 2);
    EXPECT_DOUBLE_EQ(each("1.5", "4").duty, 0.75);
    EXPECT_EQ(each("2", "4").workers, 2);
    EXPECT_DOUBLE_EQ(each("2", "4").duty, 1);
    EXPECT_DOUBLE_EQ(each("2", "4").max_rate, 600);
    EXPECT_DOUBLE_EQ(each("2", "4").max_wal_rate, 3000);
    EXPECT_EQ(each("64", "3").workers, 3);
    EXPECT_DOUBLE_EQ(each("64", "3").duty, 1);
}

TEST(Options, WithoutDutyOneWorkerFindsItsPace) {
    backfill::Options server;
    server.workers = 8;
    const auto options = apply_options({}, server);
    EXPECT_EQ(options.workers, 1);
    EXPECT_EQ(options.duty, 0);
}

TEST(Options, QuietPeriodFallsBackToTheSettingAndRoundsUp) {
    EXPECT_EQ(quiet_period({}, std::chrono::milliseconds{1500}).count(), 2);
    EXPECT_EQ(quiet_period({{"quiet_period", "0"}}, std::chrono::milliseconds{1500}).count(), 0);
    EXPECT_EQ(quiet_period({{"quiet_period", "2.5"}}, std::chrono::milliseconds{0}).count(), 3);
    EXPECT_GT(quiet_period({{"quiet_period", "1e300"}}, {}).count(), 0);
}

TEST(Options, HugeLagIsNoOverflow) {
    EXPECT_GT(apply_options({{"max_replica_lag", "1e300"}}, {}).limits.replica_lag, 0);
}

}  // namespace
}  // namespace zdm::run
