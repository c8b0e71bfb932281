#include "backfill/bisect.hpp"

#include <gtest/gtest.h>

namespace zdm::backfill {
namespace {

TEST(FirstFailing, FindsEachPlace) {
    for (std::int64_t most = 1; most < 40; ++most)
        for (std::int64_t bad = 1; bad <= most; ++bad)
            EXPECT_EQ(first_failing(most, [&](std::int64_t n) { return n >= bad; }), bad);
}

TEST(FirstFailing, IsZeroWhenNothingFails) {
    EXPECT_EQ(first_failing(10, [](std::int64_t) { return false; }), 0);
    EXPECT_EQ(first_failing(0, [](std::int64_t) { return true; }), 0);
}

TEST(FirstFailing, AsksFewTimes) {
    int asked = 0;
    first_failing(1 << 20, [&](std::int64_t n) {
        ++asked;
        return n > 777777;
    });
    EXPECT_LE(asked, 22);
}

TEST(FirstFailing, EndsWhenTheErrorGoesAwayMeanwhile) {
    int asked = 0;
    const auto found = first_failing(100, [&](std::int64_t) { return ++asked == 1; });
    EXPECT_EQ(found, 100);
}

}  // namespace
}  // namespace zdm::backfill
