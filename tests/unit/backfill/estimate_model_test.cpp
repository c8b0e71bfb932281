#include "backfill/estimate_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace zdm::backfill {
namespace {

constexpr PageFacts kFull{.rows = 60, .row_bytes = 134, .free = 20};

std::vector<PageSeen> pages(int count, int matching, PageFacts facts = kFull) {
    return std::vector<PageSeen>(static_cast<std::size_t>(count), {facts, matching});
}

TEST(ChoosePages, AreDifferentAndFromAllOverTheTable) {
    std::mt19937_64 random{1};
    const auto chosen = choose_pages(100000, 300, random);
    EXPECT_EQ(chosen.size(), 300U);
    const std::set<std::uint32_t> sorted(chosen.begin(), chosen.end());
    EXPECT_EQ(sorted.size(), 300U);
    std::set<std::uint32_t> parts;
    for (const auto page : sorted) parts.insert(page * 300U / 100000U);
    EXPECT_GT(parts.size(), 290U);
    EXPECT_FALSE(std::is_sorted(chosen.begin(), chosen.end()));
}

TEST(ChoosePages, TakeAllOfASmallTable) {
    std::mt19937_64 random{1};
    auto chosen = choose_pages(3, 300, random);
    std::sort(chosen.begin(), chosen.end());
    EXPECT_EQ(chosen, (std::vector<std::uint32_t>{0, 1, 2}));
    EXPECT_TRUE(choose_pages(0, 300, random).empty());
    EXPECT_EQ(choose_pages(4294967295U, 2, random).size(), 2U);
}

TEST(MatchingRows, AreExactWhenAllPagesWereRead) {
    const Range rows = matching_rows(pages(100, 7), 100);
    EXPECT_DOUBLE_EQ(rows.low, 700);
    EXPECT_DOUBLE_EQ(rows.high, 700);
    EXPECT_DOUBLE_EQ(matching_rows({}, 0).high, 0);
}

TEST(MatchingRows, LeaveRoomForPagesThatNobodySaw) {
    const Range all = matching_rows(pages(300, 60), 100000);
    EXPECT_DOUBLE_EQ(all.high, 6e6);
    EXPECT_LT(all.low, 5.95e6);
    EXPECT_GT(all.low, 5.8e6);
    const Range none = matching_rows(pages(300, 0), 100000);
    EXPECT_DOUBLE_EQ(none.low, 0);
    EXPECT_GT(none.high, 60000);  // a percent of the pages may be full of them
    EXPECT_LT(none.high, 180000);
}

TEST(MatchingRows, AreNarrowWhereRowsAreSpreadAndWideWhereTheyLieTogether) {
    std::vector<PageSeen> spread;
    std::vector<PageSeen> together;
    for (int i = 0; i < 300; ++i) {
        spread.push_back({kFull, i % 10 < 6 ? 1 : 0});
        together.push_back({kFull, i % 100 == 0 ? 60 : 0});
    }
    const Range even = matching_rows(spread, 30000);
    EXPECT_LT(even.low, 18000);
    EXPECT_GT(even.high, 18000);
    EXPECT_LT(even.high - even.low, 9000);
    const Range lumps = matching_rows(together, 30000);
    EXPECT_LT(lumps.low, 18000);
    EXPECT_GT(lumps.high, 18000);
    EXPECT_GT(lumps.high - lumps.low, 30000);
}

TEST(MatchingRows, HoldTheTruthNearlyAlways) {
    std::mt19937_64 random{7};
    int missed = 0;
    for (int run = 0; run < 300; ++run) {
        // 5000 pages, a third of which have between none and all rows that match.
        std::vector<PageSeen> table;
        double truth = 0;
        for (int i = 0; i < 5000; ++i) {
            PageSeen page{kFull, 0};
            page.facts.rows = std::uniform_int_distribution<int>{40, 60}(random);
            if (i % 3 == run % 3)
                page.matching = std::uniform_int_distribution<int>{0, page.facts.rows}(random);
            truth += page.matching;
            table.push_back(page);
        }
        std::vector<PageSeen> sample;
        for (const auto page : choose_pages(5000, 300, random)) sample.push_back(table[page]);
        const Range rows = matching_rows(sample, 5000);
        if (truth < rows.low || truth > rows.high) ++missed;
    }
    EXPECT_LE(missed, 9);
}

TEST(GoOver, RoundsKeepMostRowsOfAFullPageWhereTheyAre) {
    const PageFate in_rounds = go_over(kFull, 60, 8, true);
    EXPECT_EQ(in_rounds.stay + in_rounds.move, 60);
    EXPECT_LT(in_rounds.move, 12);
    EXPECT_GT(in_rounds.move, 5);
    EXPECT_GT(in_rounds.rounds, 3);
    const PageFate at_once = go_over(kFull, 60, 8, false);
    EXPECT_EQ(at_once.move, 60);
    EXPECT_EQ(at_once.rounds, 1);
}

TEST(GoOver, AFewRowsFitIntoARoomyPage) {
    const PageFate fate = go_over({.rows = 50, .row_bytes = 134, .free = 1500}, 5, 8, true);
    EXPECT_EQ(fate.stay, 5);
    EXPECT_EQ(fate.move, 0);
    EXPECT_EQ(fate.rounds, 1);
}

TEST(GoOver, RowsThatGrowALotLeave) {
    EXPECT_GT(go_over(kFull, 60, 500, true).move, 40);
    EXPECT_EQ(go_over({.rows = 1, .row_bytes = 8100, .free = 0}, 1, 0, true).move, 1);
}

Surroundings quiet() {
    Surroundings around;
    around.full_page_writes = false;
    return around;
}

RowChange longer(double bytes) {
    RowChange change;
    change.growth = {bytes, bytes};
    change.row_bytes = 138;
    return change;
}

void expect_ordered(const Range& range) {
    EXPECT_GE(range.low, 0);
    EXPECT_LE(range.low, range.high);
}

TEST(Forecast, OfPartitionsIsTheirSum) {
    Forecast one;
    one.rows = {100, 100};
    one.moved = {0.2, 0.4};
    one.wal = {1, 2};
    one.table_growth = {3, 4};
    one.index_growth = {5, 6};
    one.seconds = {7, 8};
    one.table_growth_held = 9;
    Forecast all;
    add(all, one);
    EXPECT_DOUBLE_EQ(all.moved.low, 0.2);
    EXPECT_DOUBLE_EQ(all.moved.high, 0.4);
    Forecast other = one;
    other.rows = {200, 400};
    other.moved = {0.6, 0.8};
    add(all, other);
    add(all, Forecast{});
    EXPECT_DOUBLE_EQ(all.rows.low, 300);
    EXPECT_DOUBLE_EQ(all.rows.high, 500);
    EXPECT_DOUBLE_EQ(all.moved.low, 0.5);
    EXPECT_DOUBLE_EQ(all.moved.high, 0.7);
    EXPECT_DOUBLE_EQ(all.wal.high, 4);
    EXPECT_DOUBLE_EQ(all.table_growth.low, 6);
    EXPECT_DOUBLE_EQ(all.index_growth.high, 12);
    EXPECT_DOUBLE_EQ(all.seconds.low, 14);
    EXPECT_DOUBLE_EQ(all.table_growth_held, 18);
}

TEST(Forecast, NothingMatches) {
    const Forecast f = forecast(pages(50, 0), 50, {0, 0}, {}, {}, quiet());
    EXPECT_DOUBLE_EQ(f.table_growth.high, 0);
    EXPECT_DOUBLE_EQ(f.wal.low, 0);
    EXPECT_DOUBLE_EQ(f.moved.high, 0);
    expect_ordered(f.seconds);
    const Forecast empty = forecast({}, 0, {0, 0}, {}, {}, quiet());
    EXPECT_DOUBLE_EQ(empty.index_growth.high, 0);
    expect_ordered(empty.seconds);
}

TEST(Forecast, RoundsSpareTableAndIndexes) {
    const std::vector<IndexSeen> indexes(4, IndexSeen{.bytes = 22e6, .entries = 1e6});
    const auto sample = pages(300, 60);
    const Range rows{980000, 1e6};
    const Forecast rounds = forecast(sample, 16667, rows, longer(8), indexes, quiet());
    Surroundings held = quiet();
    held.old_horizon = true;
    const Forecast once = forecast(sample, 16667, rows, longer(8), indexes, held);
    EXPECT_LT(rounds.table_growth.high, 0.4 * 16667 * 8192);
    EXPECT_GT(once.table_growth.high, 0.95 * 16667 * 8192);
    EXPECT_DOUBLE_EQ(rounds.table_growth_held, once.table_growth.high);
    EXPECT_LT(rounds.index_growth.high, once.index_growth.high);
    EXPECT_LT(rounds.wal.high, once.wal.high);
    EXPECT_LT(rounds.moved.high, 0.35);
    for (const auto& range : {rounds.rows, rounds.moved, rounds.wal, rounds.table_growth,
                              rounds.index_growth, rounds.seconds, once.wal, once.moved})
        expect_ordered(range);
}

TEST(Forecast, AnIndexedColumnSetSendsEveryRowIntoEveryIndex) {
    RowChange change = longer(0);
    change.not_hot = {1, 1};
    Surroundings around = quiet();
    around.rounds = false;
    const Forecast f = forecast(pages(100, 60), 100, {6000, 6000}, change,
                                {IndexSeen{.bytes = 200000, .columns_set = true}}, around);
    EXPECT_DOUBLE_EQ(f.moved.low, 1);
    EXPECT_DOUBLE_EQ(f.moved.high, 1);
    EXPECT_GT(f.index_growth.high, 50000);
}

TEST(Forecast, PageImagesAreInTheUpperEndOnly) {
    Surroundings images;
    const auto sample = pages(100, 60);
    const Forecast with = forecast(sample, 100, {6000, 6000}, longer(8), {}, images);
    const Forecast without = forecast(sample, 100, {6000, 6000}, longer(8), {}, quiet());
    EXPECT_DOUBLE_EQ(with.wal.low, without.wal.low);
    EXPECT_GT(with.wal.high, without.wal.high + 100 * 8192);
}

TEST(Forecast, TimeFollowsDutyAndRate) {
    const auto sample = pages(300, 60);
    Surroundings around = quiet();
    const Forecast usual = forecast(sample, 16667, {1e6, 1e6}, longer(8), {}, around);
    around.most_duty = 1;
    const Forecast own = forecast(sample, 16667, {1e6, 1e6}, longer(8), {}, around);
    EXPECT_LT(own.seconds.low, usual.seconds.low);
    EXPECT_DOUBLE_EQ(own.seconds.high, usual.seconds.high);
    around.least_duty = 1;
    const Forecast fast = forecast(sample, 16667, {1e6, 1e6}, longer(8), {}, around);
    EXPECT_LT(fast.seconds.high, usual.seconds.high);
    around.max_rate = 1000;
    const Forecast limited = forecast(sample, 16667, {1e6, 1e6}, longer(8), {}, around);
    EXPECT_GE(limited.seconds.low, 1000);
    EXPECT_LT(limited.seconds.high, 1300);
    around.max_rate = 0;
    around.max_wal_rate = 1e6;
    const Forecast slow = forecast(sample, 16667, {1e6, 1e6}, longer(8), {}, around);
    EXPECT_GE(slow.seconds.low, slow.wal.low / 1e6);
    EXPECT_GE(slow.seconds.high, slow.wal.high / 1e6);
    EXPECT_GT(slow.seconds.low, fast.seconds.low);
}

TEST(Forecast, TriggersBeforeAndLongValuesWiden) {
    const auto sample = pages(300, 60);
    Surroundings around = quiet();
    around.triggers_before = true;
    const Forecast f = forecast(sample, 300, {18000, 18000}, longer(8), {}, around);
    EXPECT_DOUBLE_EQ(f.moved.high, 1);
    RowChange wide = longer(40);
    wide.toast = {3000, 4000};
    const Forecast toasted = forecast(sample, 300, {18000, 18000}, wide, {}, quiet());
    EXPECT_GT(toasted.table_growth.low, 18000 * 1000);
    EXPECT_GT(toasted.table_growth.high, 18000 * 4000);
    EXPECT_GT(toasted.wal.low, 18000 * 3000);
}

}  // namespace
}  // namespace zdm::backfill
