#include "pressure/board.hpp"

#include <gtest/gtest.h>

#include "pressure/announcer.hpp"

namespace zdm::pressure {
namespace {

Reading value(double number) {
    Reading reading;
    reading.value = number;
    return reading;
}

Reading trip(const std::string& reason) {
    Reading reading;
    reading.tripped = true;
    reading.reason = reason;
    return reading;
}

TEST(Board, ReadsAgainWhenAReadingIsOldAndRarelyWhatIsOff) {
    Board board{2};
    EXPECT_TRUE(board.any_due(0));
    board.put(0, value(1), true, 0, 0, 100);
    board.put(1, value(1), false, 0, 0, 100);
    EXPECT_FALSE(board.any_due(99));
    EXPECT_TRUE(board.due(0, 100));
    EXPECT_FALSE(board.due(1, 100));
    EXPECT_TRUE(board.due(1, Board::kOffMs));
}

TEST(Board, ReadsMoreRarelyWhatTakesLong) {
    Board board{1};
    board.put(0, value(1), true, 0, 500, 1000);
    EXPECT_FALSE(board.due(0, 9999));
    EXPECT_TRUE(board.due(0, 10000));
    board.forget_due();
    EXPECT_TRUE(board.due(0, 1));
}

TEST(Board, IsNotBlindForOneReadingThatTookLong) {
    Board board{1};
    board.put(0, value(1), true, 0, 1, 100);
    board.put(0, value(1), true, 100, 500, 100);
    EXPECT_TRUE(board.due(0, 200));
    board.put(0, value(1), true, 200, 400, 100);
    EXPECT_FALSE(board.due(0, 8199));
    EXPECT_TRUE(board.due(0, 8200));
    board.put(0, value(1), true, 8200, 1, 100);
    EXPECT_TRUE(board.due(0, 8300));
}

TEST(Board, ReadsAtOnceWhatWasWrittenMayMakeTrip) {
    Board board{2};
    Reading near = value(1);
    near.room = 1000;
    board.put(0, near, true, 0, 0, 100);
    board.put(1, value(1), true, 0, 0, 100);
    board.wrote(600);
    EXPECT_FALSE(board.pressing());
    EXPECT_FALSE(board.any_due(50));
    board.wrote(600);
    EXPECT_TRUE(board.pressing());
    EXPECT_TRUE(board.due(0, 50));
    EXPECT_FALSE(board.due(1, 50));
    board.put(0, near, true, 50, 0, 100);
    EXPECT_FALSE(board.pressing());
    EXPECT_FALSE(board.due(0, 149));
}

TEST(Board, GivesTheReasonsOfAllThatTripEachOnce) {
    Board board{3};
    board.put(0, trip("standby a went away"), true, 0, 0, 100);
    board.put(1, trip("standby a went away"), true, 0, 0, 100);
    board.put(2, trip("the disk is full"), true, 0, 0, 100);
    EXPECT_TRUE(board.tripped());
    EXPECT_EQ(board.reasons(), "standby a went away; the disk is full");
    board.put(0, value(0), true, 100, 0, 100);
    board.put(1, value(0), true, 100, 0, 100);
    EXPECT_EQ(board.reasons(), "the disk is full");
    board.put(2, value(0), true, 100, 0, 100);
    EXPECT_FALSE(board.tripped());
    EXPECT_EQ(board.reasons(), "");
}

TEST(Board, WritesTripsAtOnceAndValuesOnceASecond) {
    Board board{2};
    board.put(0, value(1), true, 0, 0, 100);
    EXPECT_EQ(board.take_news(0), std::vector<std::size_t>{0});
    EXPECT_TRUE(board.take_news(1).empty());
    board.put(0, value(2), true, 100, 0, 100);
    EXPECT_TRUE(board.take_news(100).empty());
    EXPECT_EQ(board.take_news(1000), std::vector<std::size_t>{0});
    board.put(0, trip("x"), true, 1100, 0, 100);
    EXPECT_EQ(board.take_news(1100), std::vector<std::size_t>{0});
    board.put(0, value(2), true, 1200, 0, 100);
    EXPECT_EQ(board.take_news(1200), std::vector<std::size_t>{0});
}

TEST(Board, WritesNothingThatStaysAsItIsButNowAndThen) {
    Board board{1};
    board.put(0, value(1), true, 0, 0, 100);
    EXPECT_EQ(board.take_news(0).size(), 1u);
    board.put(0, value(1), true, 2000, 0, 100);
    EXPECT_TRUE(board.take_news(2000).empty());
    EXPECT_EQ(board.take_news(Board::kRefreshMs).size(), 1u);
}

TEST(Announcer, TellsOnceAMinuteAndAnEndOnlyAfterABeginning) {
    Announcer announcer;
    EXPECT_FALSE(announcer.ends());
    EXPECT_TRUE(announcer.begins(0));
    EXPECT_FALSE(announcer.begins(100));
    EXPECT_TRUE(announcer.ends());
    EXPECT_FALSE(announcer.ends());
    EXPECT_FALSE(announcer.begins(59999));
    EXPECT_FALSE(announcer.ends());
    EXPECT_TRUE(announcer.begins(60000));
}

}  // namespace
}  // namespace zdm::pressure
