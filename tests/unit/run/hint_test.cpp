#include "run/hint.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

TEST(Hint, BareCallsGetTheName) {
    EXPECT_EQ(with_name("Correct the rows, then call zdm_resume; or call zdm_rollback.", "'a b'"),
              "Correct the rows, then call zdm_resume('a b'); or call zdm_rollback('a b').");
    EXPECT_EQ(with_name("zdm_contract", "'m'"), "zdm_contract('m')");
}

TEST(Hint, OpenCallsGetTheName) {
    EXPECT_EQ(with_name("zdm_rollback(...) undoes it", "'m'"), "zdm_rollback('m') undoes it");
}

TEST(Hint, WholeCallsStay) {
    const std::string whole = "zdm_resume('m'), or zdm_rollback('m', keep => true)";
    EXPECT_EQ(with_name(whole, "'other'"), whole);
}

TEST(Hint, OtherWordsStay) {
    EXPECT_EQ(with_name("", "'m'"), "");
    EXPECT_EQ(with_name("See zdm.migrations; zdm_start.", "'m'"), "See zdm.migrations; zdm_start.");
}

}  // namespace
}  // namespace zdm::run
