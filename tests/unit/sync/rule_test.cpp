#include "sync/rule.hpp"

#include <gtest/gtest.h>

#include "pg/error.hpp"

namespace zdm::sync {
namespace {

// The detail with which the arguments are refused; fails the test when they are not.
std::string refusal(const std::vector<std::string>& arguments) {
    try {
        parse_arguments(arguments);
    } catch (const pg::Error& error) {
        EXPECT_EQ(error.sqlstate, pg::state::kInvalidParameter);
        EXPECT_EQ(std::string{error.what()}.substr(0, 6), "ZD702:");
        EXPECT_FALSE(error.hint.empty());
        return error.detail;
    }
    ADD_FAILURE() << "was not refused";
    return {};
}

TEST(SyncRule, ReadsOneRule) {
    const auto parsed = parse_arguments({"pg_catalog, pg_temp", "phone", "once", "'unknown'", ""});
    EXPECT_EQ(parsed.search_path, "pg_catalog, pg_temp");
    ASSERT_EQ(parsed.rules.size(), 1U);
    EXPECT_EQ(parsed.rules[0], (Rule{"phone", Mode::once, "'unknown'", ""}));
}

TEST(SyncRule, KeepsTheOrderOfRules) {
    const auto parsed = parse_arguments(
        {"p", "b", "step", "a + 1", "a > 0", "b", "once", "0", "", "c", "step", "b", " \t\n"});
    ASSERT_EQ(parsed.rules.size(), 3U);
    EXPECT_EQ(parsed.rules[0], (Rule{"b", Mode::step, "a + 1", "a > 0"}));
    EXPECT_EQ(parsed.rules[1], (Rule{"b", Mode::once, "0", ""}));
    EXPECT_EQ(parsed.rules[2], (Rule{"c", Mode::step, "b", ""})) << "a blank condition is none";
}

TEST(SyncRule, ReadsARenamedColumn) {
    const auto parsed = parse_arguments({"p", "b", "step", "a", "", "a", "back", "b", ""});
    ASSERT_EQ(parsed.rules.size(), 2U);
    EXPECT_EQ(parsed.rules[0], (Rule{"b", Mode::step, "a", ""}));
    EXPECT_EQ(parsed.rules[1], (Rule{"a", Mode::back, "b", ""}));
}

TEST(SyncRule, RefusesOtherCounts) {
    EXPECT_EQ(refusal({}), "Number of arguments: 0; it must be one and four for each rule.");
    refusal({"p"});
    refusal({"p", "c", "once", "1"});
    refusal({"p", "c", "once", "1", "", "d"});
}

TEST(SyncRule, NamesTheRuleThatIsWrong) {
    EXPECT_EQ(refusal({"p", "c", "once", "1", "", "d", "Step", "1", ""}),
              "Rule 2 has the mode \"Step\".");
    EXPECT_EQ(refusal({"p", "", "once", "1", ""}), "Rule 1 names no column.");
    EXPECT_EQ(refusal({"p", "c", "once", " \n", ""}), "Rule 1 has no expression.");
    EXPECT_EQ(refusal({" ", "c", "once", "1", ""}), "The search_path is empty.");
}

TEST(SyncRule, WritesModesAsItReadsThem) {
    for (const Mode mode : {Mode::once, Mode::step, Mode::back, Mode::taken})
        EXPECT_EQ(parse_arguments({"p", "c", std::string{to_text(mode)}, "1", ""}).rules[0].mode,
                  mode);
}

}  // namespace
}  // namespace zdm::sync
