#include "run/usage.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

Finding write_of(const std::string& columns, std::optional<std::int64_t> last_used) {
    Finding finding;
    finding.relation = "public.users";
    finding.object = columns;
    finding.last_used = last_used;
    return finding;
}

Finding dependency(bool blocks) {
    Finding finding;
    finding.use = Use::dependency;
    finding.object = "column phone of table public.users";
    finding.used_by = blocks ? "view public.phones" : "index public.i";
    finding.blocks = blocks;
    return finding;
}

Finding session(const std::string& application, std::int64_t sessions) {
    Finding finding;
    finding.use = Use::session;
    finding.used_by = application;
    finding.role = "app";
    finding.sessions = sessions;
    return finding;
}

TEST(Usage, SaysWhenAnApplicationWrote) {
    const auto at = [](std::int64_t now) { return describe(write_of("phone", 1000), now); };
    EXPECT_EQ(at(1003), "an application wrote phone of public.users itself 3 s ago");
    EXPECT_EQ(at(1119), "an application wrote phone of public.users itself 119 s ago");
    EXPECT_EQ(at(1120), "an application wrote phone of public.users itself 2 min ago");
    EXPECT_EQ(at(1000 + 7200), "an application wrote phone of public.users itself 2 h ago");
    EXPECT_EQ(at(1000 + 2 * 86400), "an application wrote phone of public.users itself 2 days ago");
    // Clocks go back.
    EXPECT_EQ(at(990), "an application wrote phone of public.users itself 0 s ago");
}

TEST(Usage, SeveralColumnsShareTheEvidence) {
    EXPECT_EQ(describe(write_of("phone, mail", 1000), 1003),
              "an application wrote one of phone, mail of public.users itself 3 s ago");
}

TEST(Usage, NoWriteIsNoUse) {
    const Finding finding = write_of("phone", std::nullopt);
    EXPECT_EQ(describe(finding, 1000), "no application wrote phone of public.users itself");
    EXPECT_FALSE(is_use(finding));
    EXPECT_TRUE(is_use(write_of("phone", 1)));
}

TEST(Usage, WhatCanNotBeToldIsSaid) {
    Finding finding = write_of("phone", std::nullopt);
    finding.readable = false;
    EXPECT_EQ(describe(finding, 1000),
              "nobody can tell whether applications wrote phone of public.users: the evidence is "
              "gone");
    EXPECT_TRUE(is_use(finding));
}

TEST(Usage, ObjectsBlockOrGo) {
    EXPECT_EQ(describe(dependency(true), 0),
              "view public.phones depends on column phone of table public.users");
    EXPECT_EQ(describe(dependency(false), 0),
              "index public.i goes with column phone of table public.users");
    EXPECT_TRUE(is_use(dependency(false)));
}

TEST(Usage, Sessions) {
    EXPECT_EQ(describe(session("billing", 1), 0),
              "1 session of billing (role app) is connected and may use it");
    EXPECT_EQ(
        describe(session("", 3), 0),
        "3 sessions of an application without a name (role app) are connected and may use it");
    EXPECT_TRUE(is_use(session("billing", 1)));
}

TEST(Usage, OnlyWhatBlocksRefuses) {
    EXPECT_FALSE(refusal("m", {}));
    EXPECT_FALSE(refusal("m", {write_of("phone", 1), dependency(false), session("billing", 1)}));
}

TEST(Usage, TheRefusalNamesAllThatBlocks) {
    Finding other = dependency(true);
    other.used_by = "policy p on table public.users";
    const auto error = refusal("m", {write_of("phone", 1), dependency(true), other});
    ASSERT_TRUE(error);
    EXPECT_EQ(error->sqlstate, pg::sqlstate("2BP01"));
    EXPECT_STREQ(error->what(),
                 "ZD311: something depends on what a rollback of migration \"m\" takes away");
    EXPECT_EQ(error->detail,
              "view public.phones depends on column phone of table public.users; policy p on table "
              "public.users depends on column phone of table public.users. Nothing was changed.");
    EXPECT_NE(error->hint.find("zdm_rollback('m', keep => true)"), std::string::npos);
}

TEST(Usage, TheCallInItsHintCanBeCopied) {
    const auto error = refusal("it's", {dependency(true)});
    ASSERT_TRUE(error);
    EXPECT_NE(error->hint.find("zdm_rollback('it''s', keep => true)"), std::string::npos);
}

TEST(Usage, KindsHaveNames) {
    EXPECT_EQ(to_text(Use::write), "write");
    EXPECT_EQ(to_text(Use::dependency), "dependency");
    EXPECT_EQ(to_text(Use::session), "session");
}

Finding rows_of(Use use, std::int64_t rows) {
    Finding finding;
    finding.use = use;
    finding.relation = "public.users";
    finding.object = use == Use::loss ? "phone" : "NOT NULL of tel";
    finding.used_by = "tel";
    finding.rows = rows;
    finding.examples = "(0,1), id = 7";
    return finding;
}

TEST(Usage, RowsThatLoseSomethingOrDoNotFitAreNamed) {
    EXPECT_EQ(describe(rows_of(Use::loss, 1), 0),
              "1 row of public.users has other values in phone than tel gives, and loses them, for "
              "example (0,1), id = 7");
    EXPECT_EQ(
        describe(rows_of(Use::loss, 2), 0),
        "2 rows of public.users have other values in phone than tel gives, and lose them, for "
        "example (0,1), id = 7");
    EXPECT_EQ(
        describe(rows_of(Use::misfit, 1), 0),
        "1 row of public.users violates NOT NULL of tel, which comes back, and stops it there, "
        "for example (0,1), id = 7");
    EXPECT_EQ(
        describe(rows_of(Use::misfit, 3), 0),
        "3 rows of public.users violate NOT NULL of tel, which comes back, and stop it there, "
        "for example (0,1), id = 7");
    Finding unread = rows_of(Use::unread, 0);
    unread.examples = "somebody has it locked";
    EXPECT_EQ(
        describe(unread, 0),
        "rows of public.users may not fit what comes back, and were not read: somebody has it "
        "locked");
    for (const auto use : {Use::loss, Use::misfit, Use::unread}) {
        EXPECT_TRUE(is_use(rows_of(use, 1)));
        EXPECT_FALSE(refusal("m", {rows_of(use, 1)}));
        EXPECT_FALSE(to_text(use).empty());
    }
}

}  // namespace
}  // namespace zdm::run
