#include "run/differences.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

TEST(Differences, OneRowAndSeveralInWords) {
    EXPECT_EQ(describe({"s.t", "a", "b", 1, {"(0,1), id = 7"}}),
              "1 row of s.t differs: b is not what a gives, for example (0,1), id = 7");
    EXPECT_EQ(describe({"s.t", "a, c", "b, d", 3, {"(0,1)", "(0,2)"}}),
              "3 rows of s.t differ: b, d are not what a, c give, for example (0,1); (0,2)");
}

TEST(Differences, RefusalSaysHowToGoOn) {
    const auto refused = refusal("'it''s'", {"s.t", "a", "b", 2, {"(0,1), id = 7"}});
    EXPECT_STREQ(refused.what(), "ZD210: 2 rows of s.t differ: b is not what a gives");
    EXPECT_EQ(refused.detail, "For example: (0,1), id = 7. Nothing was removed.");
    for (const auto* call : {"zdm_verify('it''s')", "zdm_resume('it''s')", "zdm_rollback('it''s')",
                             "zdm_contract('it''s', accept_differences => true)"})
        EXPECT_NE(refused.hint.find(call), std::string::npos) << call;
    EXPECT_EQ(refused.sqlstate, pg::state::kNotInPrerequisiteState);
}

}  // namespace
}  // namespace zdm::run
