#include "pressure/hours.hpp"

#include <gtest/gtest.h>

namespace zdm::pressure {
namespace {

constexpr int at(int hour, int minute = 0) { return hour * 60 + minute; }

TEST(Hours, AreWindowsAndAZone) {
    const auto hours = hours_from(" 22:00-06:00, 12:00-13:30  Europe/Berlin ");
    ASSERT_TRUE(hours);
    EXPECT_EQ(hours->zone, "Europe/Berlin");
    ASSERT_EQ(hours->windows.size(), 2u);
    EXPECT_EQ(hours->windows[1].to, at(13, 30));
    EXPECT_TRUE(hours_from("00:00-24:00 UTC"));
    EXPECT_TRUE(hours_from("22:00-06:00,12:00-13:00 UTC"));
}

TEST(Hours, AllElseIsRefused) {
    for (const char* text :
         {"", " ", "22:00", "22:00-06:00", "22:00-06:00 ", "22:00-06:00UTC", "22-6 UTC",
          "25:00-06:00 UTC", "22:60-06:00 UTC", "22:00-22:00 UTC", "24:00-06:00 UTC",
          "24:01-06:00 UTC", "2x:00-06:00 UTC", "22.00-06:00 UTC", "22:00 06:00 UTC",
          "22:00-06:00, UTC", "22:00-06:00 UTC x", "22:00-06:00,"})
        EXPECT_FALSE(hours_from(text)) << text;
}

TEST(Hours, GoOverMidnight) {
    const auto hours = *hours_from("22:00-06:00 UTC");
    EXPECT_TRUE(is_allowed(hours, at(22)));
    EXPECT_TRUE(is_allowed(hours, at(0)));
    EXPECT_TRUE(is_allowed(hours, at(5, 59)));
    EXPECT_FALSE(is_allowed(hours, at(6)));
    EXPECT_FALSE(is_allowed(hours, at(21, 59)));
}

TEST(Hours, WithinADay) {
    const auto hours = *hours_from("12:00-13:00,20:00-24:00 UTC");
    EXPECT_FALSE(is_allowed(hours, at(11, 59)));
    EXPECT_TRUE(is_allowed(hours, at(12)));
    EXPECT_FALSE(is_allowed(hours, at(13)));
    EXPECT_TRUE(is_allowed(hours, at(23, 59)));
    EXPECT_EQ(next_begin(hours, at(13)), at(20));
    EXPECT_EQ(next_begin(hours, at(0, 1)), at(12));
}

TEST(Hours, SayWhenItGoesOn) {
    const std::string text = "22:00-06:00 UTC";
    const auto reading = judge_hours(text, *hours_from(text), at(9, 5));
    EXPECT_TRUE(reading.tripped);
    EXPECT_EQ(reading.reason, "it is 09:05, allowed_hours are 22:00-06:00 UTC: goes on at 22:00");
    EXPECT_FALSE(judge_hours(text, *hours_from(text), at(23)).tripped);
}

}  // namespace
}  // namespace zdm::pressure
