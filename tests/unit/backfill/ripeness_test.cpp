#include "backfill/ripeness.hpp"

#include <gtest/gtest.h>

namespace zdm::backfill {
namespace {

TEST(Ripeness, KnowsWhoChangedAPageLast) {
    Ripeness ripeness;
    EXPECT_EQ(ripeness.needed({3, 8}), 0U);
    ripeness.note(10, 700);
    ripeness.note(20, 0);
    ripeness.note(25, 702);
    EXPECT_EQ(ripeness.needed({0, 1}), 700U);
    EXPECT_EQ(ripeness.needed({9, 10}), 700U);
    EXPECT_EQ(ripeness.needed({10, 20}), 0U);
    EXPECT_EQ(ripeness.needed({24, 25}), 702U);
    EXPECT_EQ(ripeness.needed({25, 30}), 0U);
}

TEST(Ripeness, OfSeveralPagesTheLastOneTells) {
    Ripeness ripeness;
    ripeness.note(10, 700);
    ripeness.note(20, 0);
    ripeness.note(25, 702);
    EXPECT_EQ(ripeness.needed({0, 15}), 700U);
    EXPECT_EQ(ripeness.needed({0, 20}), 700U);
    EXPECT_EQ(ripeness.needed({9, 21}), 702U);
    EXPECT_EQ(ripeness.needed({15, 40}), 702U);
}

TEST(Patience, IsNotLostTwiceWithTheSameHolder) {
    Patience patience;
    EXPECT_EQ(patience.ms(), 2000);
    patience.in_vain();
    EXPECT_EQ(patience.ms(), 500);
    for (int i = 0; i < 10; ++i) patience.in_vain();
    EXPECT_EQ(patience.ms(), 60);
    patience.not_in_vain();
    EXPECT_EQ(patience.ms(), 120);
    for (int i = 0; i < 10; ++i) patience.not_in_vain();
    EXPECT_EQ(patience.ms(), 2000);
}

TEST(Past, TellsWhatHadEndedThen) {
    Past past;
    EXPECT_EQ(past.as_of(1000), 0U);
    past.note(1000, 700);
    past.note(2000, 710);
    past.note(3000, 720);
    EXPECT_EQ(past.as_of(999), 0U);
    EXPECT_EQ(past.as_of(1000), 700U);
    EXPECT_EQ(past.as_of(1999), 700U);
    EXPECT_EQ(past.as_of(2500), 710U);
    past.note(4000, 730);
    EXPECT_EQ(past.as_of(3999), 720U);
    EXPECT_EQ(past.as_of(9000), 730U);
}

TEST(Pruning, IsFreeWhereEveryStandbySaysWhatItSees) {
    EXPECT_EQ(pruning_beside(false, 30000), Pruning::at_once);
    EXPECT_EQ(pruning_beside(false, 0), Pruning::at_once);
}

TEST(Pruning, IsFreeWithoutGrace) { EXPECT_EQ(pruning_beside(true, 0), Pruning::at_once); }

TEST(Pruning, WaitsForAGraceThatPatienceAllows) {
    EXPECT_EQ(pruning_beside(true, 1), Pruning::after_grace);
    EXPECT_EQ(pruning_beside(true, kPatienceMs), Pruning::after_grace);
    EXPECT_EQ(pruning_beside(true, kPatienceMs + 1), Pruning::too_late);
}

TEST(Unheard, RemembersWhoWentAwayForAMinute) {
    Unheard unheard;
    unheard.look({}, 0);
    EXPECT_FALSE(unheard.any());
    EXPECT_EQ(unheard.name(), "");
    unheard.look({{"two", false}, {"one", false}, {"zero", true}}, 1000);
    EXPECT_TRUE(unheard.any());
    EXPECT_EQ(unheard.name(), "one");
    unheard.look({{"two", false}}, 61000);
    EXPECT_EQ(unheard.name(), "one");
    unheard.look({}, 61001);
    EXPECT_EQ(unheard.name(), "two");
    unheard.look({}, 121001);
    EXPECT_FALSE(unheard.any());
}

TEST(Unheard, ForgetsWhoSpeaksNow) {
    Unheard unheard;
    unheard.look({{"one", false}}, 0);
    unheard.look({{"one", true}}, 1000);
    EXPECT_FALSE(unheard.any());
    unheard.look({{"one", false}, {"one", true}}, 2000);
    EXPECT_TRUE(unheard.any());
}

}  // namespace
}  // namespace zdm::backfill
