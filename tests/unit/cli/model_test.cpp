#include "cli/model.hpp"

#include <gtest/gtest.h>

namespace zdm::cli {

TEST(States, AreReachedOnTheWay) {
    EXPECT_TRUE(has_reached("ready", "expanded"));
    EXPECT_TRUE(has_reached("contracting", "ready"));
    EXPECT_TRUE(has_reached("done", "done"));
    EXPECT_TRUE(has_reached("switched", "ready"));
    EXPECT_TRUE(has_reached("contracting", "switched"));
    EXPECT_FALSE(has_reached("switching", "switched"));
    EXPECT_FALSE(has_reached("ready", "switched"));
    EXPECT_FALSE(has_reached("migrating", "ready"));
    EXPECT_FALSE(has_reached("planned", "expanded"));
    EXPECT_FALSE(has_reached("failed", "expanded"));
    EXPECT_FALSE(has_reached("rolled_back", "done"));
    EXPECT_TRUE(has_reached("rolled_back", "rolled_back"));
    EXPECT_FALSE(has_reached("done", "rolled_back"));
}

TEST(States, SwitchedIsReadyWhereThereIsNothingToSwitch) {
    Migration m;
    EXPECT_EQ(reachable(m, "switched"), "ready");
    EXPECT_EQ(reachable(m, "done"), "done");
    m.switches = true;
    EXPECT_EQ(reachable(m, "switched"), "switched");
}

TEST(States, ContractComesBehindTheSwitch) {
    Migration m;
    m.state = "ready";
    m.activity = "waiting: zdm_contract('x')";
    EXPECT_TRUE(m.can_contract());
    m.switches = true;
    EXPECT_FALSE(m.can_contract());
    m.state = "switched";
    EXPECT_TRUE(m.can_contract());
    m.activity = "running";
    EXPECT_FALSE(m.can_contract());
}

TEST(States, RestIsWhereNothingHappensByItself) {
    Migration m;
    m.state = "migrating";
    m.activity = "running";
    EXPECT_FALSE(m.at_rest());
    EXPECT_FALSE(m.stopped());
    m.activity = "stopped: zdm_resume('x')";
    EXPECT_FALSE(m.at_rest());
    EXPECT_TRUE(m.stopped());
    m.state = "ready";
    m.activity = "waiting: zdm_contract('x')";
    EXPECT_TRUE(m.at_rest());
    for (const char* const state : {"done", "failed", "rolled_back", "planned"}) {
        Migration still;
        still.state = state;
        EXPECT_TRUE(still.at_rest()) << state;
    }
}

}  // namespace zdm::cli
