#include "run/backoff.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

TEST(Backoff, DoublesUpToItsMost) {
    EXPECT_EQ(backoff(0, 0.999999).count(), 99);
    EXPECT_EQ(backoff(1, 0).count(), 100);
    EXPECT_EQ(backoff(3, 0).count(), 400);
    EXPECT_EQ(backoff(30, 0).count(), 2500);
    EXPECT_LE(backoff(30, 0.999999).count(), 5000);
}

TEST(Backoff, JitterGivesHalfToAll) {
    EXPECT_EQ(backoff(2, 0).count(), 200);
    EXPECT_EQ(backoff(2, 0.5).count(), 300);
    EXPECT_LT(backoff(2, 0.99).count(), 400);
}

TEST(Backoff, NegativeAttemptsAreTheFirst) { EXPECT_EQ(backoff(-1, 0).count(), 50); }

TEST(Transient, OnlyWhatGoesAwayByItself) {
    for (const char* code : {"40001", "40P01", "55P03", "53300", "53200"})
        EXPECT_TRUE(is_transient(code)) << code;
    for (const char* code : {"23505", "42P01", "57014", "XX000", ""})
        EXPECT_FALSE(is_transient(code)) << code;
}

}  // namespace
}  // namespace zdm::run
