#include "sync/pairs.hpp"

#include <gtest/gtest.h>

#include "pg/error.hpp"

namespace zdm::sync {
namespace {

// Columns of the tests; old ones from 1, new ones from 11.
constexpr int kName = 1;
constexpr int kFirst = 2;
constexpr int kOther = 9;
constexpr int kNew = 11;
constexpr int kLast = 12;

Reads step(int column, std::vector<int> inputs) { return {Mode::step, column, std::move(inputs)}; }

Reads back(int column, std::vector<int> inputs) { return {Mode::back, column, std::move(inputs)}; }

std::string refusal(const std::vector<Reads>& rules) {
    try {
        find_groups(rules);
    } catch (const pg::Error& error) {
        EXPECT_EQ(error.sqlstate, pg::state::kInvalidParameter);
        EXPECT_EQ(std::string{error.what()}.substr(0, 6), "ZD702:");
        return error.detail;
    }
    ADD_FAILURE() << "was not refused";
    return {};
}

TEST(SyncPairs, RulesOfOneDirectionAreNone) {
    EXPECT_TRUE(find_groups({}).empty());
    EXPECT_TRUE(find_groups({step(kNew, {kName}), {Mode::once, kLast, {kNew}}}).empty());
}

TEST(SyncPairs, ARenamedColumnIsAGroupOfTwo) {
    const auto groups = find_groups({step(kNew, {kName}), back(kName, {kNew})});
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0], (Group{{0}, {1}, {kNew}}));
}

TEST(SyncPairs, EachRenamedColumnIsAGroupOfItsOwn) {
    const auto groups = find_groups(
        {step(kNew, {kName}), step(kLast, {kFirst}), back(kFirst, {kLast}), back(kName, {kNew})});
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0], (Group{{1}, {2}, {kLast}}));
    EXPECT_EQ(groups[1], (Group{{0}, {3}, {kNew}}));
}

TEST(SyncPairs, ASplitColumnIsOneGroup) {
    const auto groups = find_groups(
        {step(kLast, {kName}), step(kNew, {kName, kOther}), back(kName, {kNew, kLast})});
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0], (Group{{0, 1}, {2}, {kNew, kLast}}));
}

TEST(SyncPairs, MergedColumnsAreOneGroup) {
    const auto groups = find_groups(
        {step(kNew, {kName, kFirst}), back(kName, {kNew}), back(kFirst, {kNew, kOther})});
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0], (Group{{0}, {1, 2}, {kNew}}));
}

TEST(SyncPairs, WhatOnlyReadsAnOldColumnIsInNoGroup) {
    // kLast follows the old column, and nothing gives that back from it.
    const auto groups =
        find_groups({step(kNew, {kName}), back(kName, {kNew}), step(kLast, {kName})});
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0], (Group{{0}, {1}, {kNew}}));
}

TEST(SyncPairs, AColumnThatGoesFollowsAllThatItsRuleReads) {
    const auto groups = find_groups({back(kName, {kOther, kFirst, kName}), back(kLast, {})});
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0], (Group{{}, {0}, {kFirst, kOther}}));
    EXPECT_EQ(groups[1], (Group{{}, {1}, {}}));
}

TEST(SyncPairs, SeveralRulesForOneColumn) {
    const auto groups = find_groups({step(kNew, {kName}), step(kNew, {kName, kOther}),
                                     back(kName, {kNew}), back(kName, {kNew})});
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0], (Group{{0, 1}, {2, 3}, {kNew}}));
}

TEST(SyncPairs, RefusesAStepBehindItsBack) {
    EXPECT_EQ(refusal({back(kName, {kNew}), step(kNew, {kName})}),
              "Rule 2 stands behind rule 1, which gives back what it reads.");
}

TEST(SyncPairs, RefusesAColumnOfBothSides) {
    EXPECT_EQ(refusal({step(kNew, {kName}), back(kNew, {kLast})}),
              "Rule 1 and rule 2 give the same column, one as new and one as old.");
    refusal({{Mode::once, kNew, {}}, back(kNew, {kLast})});
}

}  // namespace
}  // namespace zdm::sync
