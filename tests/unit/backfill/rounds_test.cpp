#include "backfill/rounds.hpp"

#include <gtest/gtest.h>

namespace zdm::backfill {
namespace {

constexpr PageFacts kFull{.rows = 60, .row_bytes = 130, .free = 20};

PageFacts with_room(int bytes) {
    PageFacts page = kFull;
    page.free = bytes;
    return page;
}

TEST(Rounds, AFullPageGivesAwayWhatTheOthersNeed) {
    // 60 rows get 8 + 4 bytes longer, of 138 each; one and a half are left over.
    EXPECT_EQ(Rounds{}.quota(kFull, 60), 6);
    EXPECT_FALSE(Rounds{}.fits(kFull));
}

TEST(Rounds, APageThatGaveEnoughTakesAsManyAsFit) {
    // Seven have left, and their room is there for the others.
    EXPECT_EQ(Rounds{}.quota(with_room(20 + 7 * 126), 53), 6);
    EXPECT_TRUE(Rounds{}.fits(with_room(20 + 7 * 126)));
    EXPECT_EQ(Rounds{}.quota(with_room(300), 3), 2);
    EXPECT_EQ(Rounds{}.quota(with_room(8000), 60), 57);
}

TEST(Rounds, APageWithSomeRoomGivesAwayTheRest) {
    // Two fit, and four must go for the others.
    EXPECT_EQ(Rounds{}.quota(with_room(300), 60), 6);
    EXPECT_EQ(Rounds{}.quota(with_room(150), 2), 2);
}

TEST(Rounds, RowsThatGetMuchLongerLeaveByHalves) {
    Rounds rounds;
    for (int i = 0; i < 80; ++i) rounds.observe({.rows = 8, .hot = 8, .growth = 8 * 2000});
    EXPECT_EQ(rounds.quota(kFull, 60), 30);
    EXPECT_EQ(rounds.quota(kFull, 1), 1);
}

TEST(Rounds, NeverMoreThanThereAreAndAlwaysOne) {
    EXPECT_EQ(Rounds{}.quota(with_room(1000), 3), 3);
    EXPECT_EQ(Rounds{}.quota(kFull, 2), 1);
    EXPECT_EQ(Rounds{}.quota({.rows = 1, .row_bytes = 8000, .free = 0}, 1), 1);
    // A page whose rows are gone by now.
    EXPECT_EQ(Rounds{}.quota({}, 5), 2);
    EXPECT_EQ(Rounds{}.quota({}, 1), 1);
}

TEST(Rounds, LearnHowMuchLongerRowsGet) {
    Rounds rounds;
    for (int i = 0; i < 50; ++i) rounds.observe({.rows = 8, .hot = 8, .growth = 8 * 120});
    EXPECT_EQ(rounds.quota(with_room(1000), 6), 4);
    for (int i = 0; i < 50; ++i) rounds.observe({.rows = 8, .hot = 8, .growth = 0});
    EXPECT_EQ(rounds.quota(with_room(1000), 60), 7);
    // Rows that get shorter leave no room before they are pruned.
    for (int i = 0; i < 50; ++i) rounds.observe({.rows = 8, .hot = 8, .growth = -8 * 60});
    EXPECT_EQ(rounds.quota(with_room(1000), 60), 7);
}

TEST(Rounds, DoNotPayWhereRowsLeaveTheirPageAllTheSame) {
    Rounds rounds;
    for (int i = 0; i < 20; ++i) rounds.observe({.rows = 8, .hot = 1, .growth = 8});
    EXPECT_TRUE(rounds.pay());
    for (int i = 0; i < 10; ++i) rounds.observe({.rows = 8, .hot = 1, .growth = 8});
    EXPECT_FALSE(rounds.pay());
    EXPECT_EQ(rounds.quota(kFull, 60), 60);
}

TEST(Rounds, AFewThatLeaveSayNothing) {
    Rounds rounds;
    for (int i = 0; i < 500; ++i)
        rounds.observe({.rows = 8, .hot = i % 4 == 0 ? 2 : 8, .growth = 8});
    EXPECT_TRUE(rounds.pay());
    rounds.observe({});
    EXPECT_TRUE(rounds.pay());
}

TEST(Rounds, GiveUpWhenTold) {
    Rounds rounds;
    rounds.give_up();
    EXPECT_FALSE(rounds.pay());
    EXPECT_EQ(rounds.quota(kFull, 60), 60);
}

std::vector<Tid> rows_on(std::uint32_t block, int count) {
    std::vector<Tid> rows;
    for (int i = 1; i <= count; ++i) rows.push_back({block, static_cast<std::uint16_t>(i)});
    return rows;
}

std::vector<Tid> pages_of(std::uint32_t first, int pages, int count) {
    std::vector<Tid> rows;
    for (int i = 0; i < pages; ++i)
        for (const Tid row : rows_on(first + static_cast<std::uint32_t>(i), count))
            rows.push_back(row);
    return rows;
}

TEST(Pick, TakesAShareOfEachPageAndLeavesTheRest) {
    const auto picked = pick(Rounds{}, pages_of(5, 3, 60), {kFull, kFull, kFull}, 1000, 20, true);
    EXPECT_EQ(picked.rows.size(), 18U);
    EXPECT_EQ(picked.rows[6], (Tid{6, 1}));
    ASSERT_EQ(picked.waiting.size(), 3U * 54);
    EXPECT_EQ(picked.waiting[0], (Tid{5, 7}));
    EXPECT_EQ(picked.waiting[54], (Tid{6, 7}));
    EXPECT_EQ(picked.end, 20U);
    EXPECT_TRUE(picked.fitting.empty());
}

TEST(Pick, EndsBehindThePageThatFillsTheBatch) {
    const auto picked = pick(Rounds{}, pages_of(5, 3, 60), {kFull, kFull, kFull}, 7, 20, true);
    // The second page's other rows wait too.
    EXPECT_EQ(picked.rows.size(), 7U);
    EXPECT_EQ(picked.waiting.size(), 54U + 59U);
    EXPECT_EQ(picked.end, 7U);
}

TEST(Pick, NeverTakesMoreThanTheBatchMayHave) {
    const auto picked = pick(Rounds{}, rows_on(5, 60), {with_room(8000)}, 2, 20, true);
    EXPECT_EQ(picked.rows.size(), 2U);
    EXPECT_EQ(picked.waiting.size(), 58U);
    EXPECT_EQ(picked.end, 20U);
}

TEST(Pick, LeavesAPageThatWasNotReadToItsEnd) {
    auto found = pages_of(5, 2, 60);
    found.resize(70);
    const auto picked = pick(Rounds{}, found, {kFull, kFull}, 1000, 20, false);
    EXPECT_EQ(picked.rows.size(), 6U);
    EXPECT_EQ(picked.end, 6U);
}

TEST(Pick, TakesAPageThatAloneIsMoreThanASurveyHolds) {
    const auto picked = pick(Rounds{}, rows_on(5, 60), {kFull}, 1000, 20, false);
    EXPECT_EQ(picked.rows.size(), 6U);
    EXPECT_EQ(picked.end, 6U);
}

TEST(Pick, NamesSomeThatShouldStay) {
    const auto picked = pick(Rounds{}, pages_of(5, 20, 3),
                             std::vector<PageFacts>(20, with_room(1000)), 1000, 40, true);
    EXPECT_EQ(picked.rows.size(), 60U);
    EXPECT_TRUE(picked.waiting.empty());
    EXPECT_EQ(picked.fitting.size(), 8U);
    EXPECT_EQ(picked.fitting[1], (Tid{6, 1}));
}

TEST(Pick, NothingFoundIsDone) {
    const auto picked = pick(Rounds{}, {}, {}, 1000, 20, true);
    EXPECT_TRUE(picked.rows.empty());
    EXPECT_EQ(picked.end, 20U);
    EXPECT_TRUE(picked.waiting.empty());
}

TEST(Between, GivesTheRowsOfPages) {
    const auto rows = pages_of(5, 3, 2);
    EXPECT_EQ(between(rows, {6, 0}, {7, 0}), rows_on(6, 2));
    EXPECT_EQ(between(rows, {0, 0}, {100, 0}), rows);
    EXPECT_EQ(between(rows, {6, 2}, {6, 3}), (std::vector<Tid>{{6, 2}}));
    EXPECT_TRUE(between(rows, {8, 0}, {9, 0}).empty());
    EXPECT_TRUE(between({}, {0, 0}, {9, 0}).empty());
}

}  // namespace
}  // namespace zdm::backfill
