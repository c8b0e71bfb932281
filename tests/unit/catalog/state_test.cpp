#include "catalog/state.hpp"

#include <gtest/gtest.h>

namespace zdm::catalog {
namespace {

TEST(State, TextGoesBothWays) {
    for (const State state : {State::planned, State::expanding, State::expanded, State::migrating,
                              State::ready, State::switching, State::switched, State::contracting,
                              State::done, State::rolling_back, State::rolled_back, State::failed})
        EXPECT_EQ(state_from(to_text(state)), state);
    for (const Upto upto : {Upto::expanded, Upto::ready, Upto::switched, Upto::done})
        EXPECT_EQ(upto_from(to_text(upto)), upto);
    for (const StepState state : {StepState::pending, StepState::running, StepState::done,
                                  StepState::undone, StepState::skipped})
        EXPECT_EQ(step_state_from(to_text(state)), state);
    EXPECT_FALSE(state_from("finished"));
    EXPECT_FALSE(upto_from(""));
    EXPECT_FALSE(step_state_from("Done"));
}

TEST(State, LiveIsFromStartToTheEnd) {
    EXPECT_FALSE(is_live(State::planned));
    EXPECT_FALSE(is_live(State::done));
    EXPECT_FALSE(is_live(State::rolled_back));
    for (const State state : {State::expanding, State::ready, State::switching, State::switched,
                              State::contracting, State::failed, State::rolling_back})
        EXPECT_TRUE(is_live(state));
}

}  // namespace
}  // namespace zdm::catalog
