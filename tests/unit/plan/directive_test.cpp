#include "plan/directive.hpp"

#include <gtest/gtest.h>

namespace zdm::plan {
namespace {

TEST(PlanDirective, FirstWordAndTheRest) {
    const Directive phase = split_directive(" phase\t contract \r");
    EXPECT_EQ(phase.word, "phase");
    EXPECT_EQ(phase.rest, "contract");
    const Directive up = split_directive("up c = a || ' '  ");
    EXPECT_EQ(up.word, "up");
    EXPECT_EQ(up.rest, "c = a || ' '");
}

TEST(PlanDirective, AWordAloneHasNoRest) {
    EXPECT_EQ(split_directive("direct").word, "direct");
    EXPECT_TRUE(split_directive("direct").rest.empty());
    EXPECT_TRUE(split_directive("  ").word.empty());
    EXPECT_TRUE(split_directive("").rest.empty());
}

TEST(PlanDirective, WordsOfTheWays) {
    EXPECT_EQ(to_text(Way::up), "up");
    EXPECT_EQ(to_text(Way::down), "down");
}

}  // namespace
}  // namespace zdm::plan
