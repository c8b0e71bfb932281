#include "plan/text.hpp"

#include <gtest/gtest.h>

#include "plan/plan.hpp"
#include "plan/refusal.hpp"

namespace zdm::plan {
namespace {

TEST(PlanText, Literals) {
    EXPECT_EQ(literal("a'b"), "'a''b'");
    EXPECT_EQ(literal("a\\b'"), "E'a\\\\b'''");
    EXPECT_EQ(literal(""), "''");
}

TEST(PlanText, Identifiers) {
    EXPECT_EQ(quote_private("zdm_a1"), "zdm_a1");
    EXPECT_EQ(quote_private("zdm_A\"b"), "\"zdm_A\"\"b\"");
    EXPECT_EQ(unquoted("\"a\"\"b\""), "a\"b");
    EXPECT_EQ(unquoted("plain"), "plain");
    EXPECT_EQ(unquoted("\""), "\"");
}

TEST(PlanText, Parentheses) {
    EXPECT_EQ(parenthesised("a"), "a");
    EXPECT_EQ(parenthesised("(a)"), "(a)");
    EXPECT_EQ(parenthesised("(a) OR (b)"), "((a) OR (b))");
    EXPECT_EQ(parenthesised("(a = ')')"), "(a = ')')");
    EXPECT_EQ(parenthesised("(a = '(') OR (b)"), "((a = '(') OR (b))");
    EXPECT_EQ(parenthesised("(\"(\" IS NULL)"), "(\"(\" IS NULL)");
    EXPECT_EQ(parenthesised("(a = E'\\')')"), "((a = E'\\')'))");
    EXPECT_EQ(parenthesised("a b"), "(a b)");
    EXPECT_EQ(parenthesised(""), "()");
}

TEST(PlanText, Joins) {
    EXPECT_EQ(join({}), "");
    EXPECT_EQ(join({"a", "b"}), "a, b");
    EXPECT_EQ(join({"a", "b"}, " AND "), "a AND b");
}

TEST(PlanText, Places) {
    EXPECT_EQ(place_text({}), "");
    EXPECT_EQ(place_text({3, 12}), "line 3, column 12: ");
}

TEST(PlanWords, NamesGoBothWays) {
    for (const StepKind kind : kStepKinds) EXPECT_EQ(kind_from(to_text(kind)), kind);
    for (const Phase phase : {Phase::expand, Phase::migrate, Phase::contract})
        EXPECT_EQ(phase_from(to_text(phase)), phase);
    EXPECT_FALSE(kind_from("nonsense"));
    EXPECT_EQ(lock_from("SHARE"), LockMode::share);
}

TEST(PlanWords, LockConflicts) {
    EXPECT_TRUE(conflicts(LockMode::access_share, LockMode::access_exclusive));
    EXPECT_FALSE(conflicts(LockMode::access_share, LockMode::exclusive));
    EXPECT_TRUE(conflicts(LockMode::share, LockMode::row_exclusive));
    EXPECT_FALSE(conflicts(LockMode::share_update_exclusive, LockMode::row_exclusive));
    for (int a = 1; a <= 8; ++a)
        for (int b = 1; b <= 8; ++b)
            EXPECT_EQ(conflicts(static_cast<LockMode>(a), static_cast<LockMode>(b)),
                      conflicts(static_cast<LockMode>(b), static_cast<LockMode>(a)));
}

}  // namespace
}  // namespace zdm::plan
