#include "cli/quantity.hpp"

#include <gtest/gtest.h>

namespace zdm::cli {

TEST(Quantity, ReadsDurationsWithUnits) {
    EXPECT_EQ(parse_duration("500ms"), Milliseconds{500});
    EXPECT_EQ(parse_duration("30s"), Milliseconds{30000});
    EXPECT_EQ(parse_duration("10m"), Milliseconds{600000});
    EXPECT_EQ(parse_duration("10min"), Milliseconds{600000});
    EXPECT_EQ(parse_duration("1.5h"), Milliseconds{5400000});
    EXPECT_EQ(parse_duration("1d"), Milliseconds{86400000});
    EXPECT_EQ(parse_duration("0s"), Milliseconds{0});
}

TEST(Quantity, RefusesWhatIsNoDuration) {
    for (const char* const text :
         {"", "s", "ms", "30", "-1s", "+1s", "nans", "NaN", "infs", "1e3s", "1 s", "1s2", "1..2s",
          "10 minutes", "99999999999999999999h", "s30"})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Quantity, ReadsNumbers) {
    EXPECT_EQ(parse_number("0"), 0.0);
    EXPECT_EQ(parse_number("12.5"), 12.5);
    for (const char* const text :
         {"", ".", "-1", "+1", "nan", "NaN", "inf", "1e3", "0x10", "1,5", " 1"})
        EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

TEST(Quantity, WritesDurations) {
    EXPECT_EQ(show_duration(0), "0 ms");
    EXPECT_EQ(show_duration(0.34), "340 ms");
    EXPECT_EQ(show_duration(4.21), "4.2 s");
    EXPECT_EQ(show_duration(59.4), "59 s");
    EXPECT_EQ(show_duration(60), "1 min");
    EXPECT_EQ(show_duration(200), "3 min 20 s");
    EXPECT_EQ(show_duration(7500), "2 h 5 min");
    EXPECT_EQ(show_duration(90000), "1 d 1 h");
    EXPECT_EQ(show_duration(-3), "0 ms");
}

TEST(Quantity, WritesCountsAndSizes) {
    EXPECT_EQ(show_count(0), "0");
    EXPECT_EQ(show_count(999), "999");
    EXPECT_EQ(show_count(1000), "1,000");
    EXPECT_EQ(show_count(1234567), "1,234,567");
    EXPECT_EQ(show_count(-1000), "-1,000");
    EXPECT_EQ(show_bytes(8192), "8.0 kB");
    EXPECT_EQ(show_bytes(100), "100 bytes");
    EXPECT_EQ(show_bytes(152043520), "145 MB");
}

}  // namespace zdm::cli
