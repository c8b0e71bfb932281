#include "backfill/tid.hpp"

#include <gtest/gtest.h>

namespace zdm::backfill {
namespace {

TEST(Tid, IsWrittenAsTheServerDoes) { EXPECT_EQ(to_text(Tid{12, 3}), "(12,3)"); }

TEST(Tid, IsOrderedByBlockThenOffset) {
    EXPECT_LT((Tid{1, 200}), (Tid{2, 1}));
    EXPECT_LT((Tid{2, 1}), (Tid{2, 2}));
}

TEST(PageSet, JoinsWhatOverlapsOrTouches) {
    PageSet set;
    set.add({10, 12});
    set.add({20, 22});
    set.add({12, 13});
    set.add({8, 11});
    EXPECT_EQ(set.take(), (std::vector<Pages>{{8, 13}, {20, 22}}));
    EXPECT_TRUE(set.empty());
}

TEST(PageSet, JoinsAcrossSeveralRanges) {
    PageSet set;
    set.add({1, 2});
    set.add({3, 4});
    set.add({5, 6});
    set.add({9, 10});
    set.add({2, 6});
    EXPECT_EQ(set.take(), (std::vector<Pages>{{1, 6}, {9, 10}}));
}

TEST(PageSet, IgnoresEmptyRanges) {
    PageSet set;
    set.add({5, 5});
    EXPECT_TRUE(set.empty());
}

TEST(PageSet, StaysSmallByJoiningNearestNeighbours) {
    PageSet set{3};
    set.add({0, 1});
    set.add({100, 101});
    set.add({105, 106});
    set.add({500, 501});
    EXPECT_EQ(set.take(), (std::vector<Pages>{{0, 1}, {100, 106}, {500, 501}}));
}

TEST(PageSet, NeverLosesAPageHoweverFullItIs) {
    PageSet set{10};
    for (std::uint32_t i = 0; i < 1000; ++i) set.add({i * 7 % 1009, i * 7 % 1009 + 1});
    std::vector<bool> seen(1009);
    const auto ranges = set.take();
    EXPECT_LE(ranges.size(), 10U);
    for (const auto& r : ranges)
        for (std::uint32_t page = r.first; page < r.end; ++page) seen.at(page) = true;
    for (std::uint32_t i = 0; i < 1000; ++i) EXPECT_TRUE(seen[i * 7 % 1009]);
}

TEST(ChunkPages, StayBetweenTheirLimits) {
    EXPECT_EQ(chunk_pages(0), 2048U);
    EXPECT_EQ(chunk_pages(64 * 3000), 3000U);
    EXPECT_EQ(chunk_pages(4294967294U), 8192U);
}

}  // namespace
}  // namespace zdm::backfill
