#include "run/machine.hpp"

#include <gtest/gtest.h>

namespace zdm::run {
namespace {

using plan::Phase;

StepView step(Phase phase, StepState state = StepState::pending, bool removal = false) {
    return {phase, state, removal};
}

View view(State state, std::vector<StepView> steps = {}) {
    View v;
    v.state = state;
    v.transition = true;
    v.steps = std::move(steps);
    return v;
}

TEST(Machine, RunsTheStepsOfItsPhaseInOrder) {
    View v = view(State::expanding, {step(Phase::expand, StepState::done), step(Phase::expand),
                                     step(Phase::migrate)});
    EXPECT_EQ(next(v).act, Act::run_step);
    EXPECT_EQ(next(v).step, 1U);
}

TEST(Machine, GoesOnWithAStepThatWasInterrupted) {
    View v = view(State::migrating,
                  {step(Phase::expand, StepState::done), step(Phase::migrate, StepState::running)});
    EXPECT_EQ(next(v).act, Act::run_step);
    EXPECT_EQ(next(v).step, 1U);
}

TEST(Machine, RunsStepsAgainThatWereUndone) {
    View v = view(State::contracting, {step(Phase::contract, StepState::undone)});
    EXPECT_EQ(next(v).act, Act::run_step);
}

TEST(Machine, EntersTheNextStateWhenThePhaseIsDone) {
    EXPECT_EQ(next(view(State::expanding, {step(Phase::migrate)})).state, State::expanded);
    EXPECT_EQ(next(view(State::migrating, {step(Phase::contract)})).state, State::ready);
    EXPECT_EQ(next(view(State::contracting, {step(Phase::contract, StepState::done)})).state,
              State::done);
}

TEST(Machine, SkippedStepsAreNotRun) {
    View v = view(State::expanding, {step(Phase::expand, StepState::skipped)});
    EXPECT_EQ(next(v).act, Act::enter);
}

TEST(Machine, StopsAtExpandedOnlyWhenToldTo) {
    View v = view(State::expanded);
    v.upto = Upto::expanded;
    EXPECT_EQ(next(v).act, Act::stop);
    v.upto = Upto::ready;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::migrating);
}

TEST(Machine, WaitsAtReadyForWhomeverCallsContract) {
    View v = view(State::ready);
    EXPECT_EQ(next(v).act, Act::stop);
    v.upto = Upto::done;
    EXPECT_EQ(next(v).act, Act::ask_gate);
}

TEST(Machine, WithoutTransitionReadyIsNoStop) {
    View v = view(State::ready);
    v.transition = false;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::contracting);
}

TEST(Machine, ReadyWithASwitchWaitsForWhomeverCallsIt) {
    View v = view(State::ready, {step(Phase::switch_), step(Phase::contract)});
    for (const Upto upto : {Upto::expanded, Upto::ready}) {
        v.upto = upto;
        EXPECT_EQ(next(v).act, Act::stop);
    }
    // What was to be done switches first, without asking the gate.
    for (const Upto upto : {Upto::switched, Upto::done}) {
        v.upto = upto;
        EXPECT_EQ(next(v).act, Act::enter);
        EXPECT_EQ(next(v).state, State::switching);
    }
}

TEST(Machine, WithoutASwitchReadyIsAsFarAsSwitched) {
    View v = view(State::ready, {step(Phase::contract)});
    v.upto = Upto::switched;
    EXPECT_EQ(next(v).act, Act::stop);
}

TEST(Machine, SwitchingRunsItsStepsAndIsSwitched) {
    View v = view(State::switching, {step(Phase::migrate, StepState::done), step(Phase::switch_),
                                     step(Phase::contract)});
    EXPECT_EQ(next(v).act, Act::run_step);
    EXPECT_EQ(next(v).step, 1U);
    v.steps[1].state = StepState::done;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::switched);
}

TEST(Machine, WaitsAtSwitchedForWhomeverCallsContract) {
    View v = view(State::switched, {step(Phase::switch_, StepState::done), step(Phase::contract)});
    for (const Upto upto : {Upto::expanded, Upto::ready, Upto::switched}) {
        v.upto = upto;
        EXPECT_EQ(next(v).act, Act::stop);
    }
    v.upto = Upto::done;
    EXPECT_EQ(next(v).act, Act::ask_gate);
    EXPECT_EQ(next(v).state, State::contracting);
}

TEST(Machine, WithoutTransitionASwitchIsNoStopEither) {
    View v = view(State::ready, {step(Phase::switch_)});
    v.transition = false;
    EXPECT_EQ(next(v).state, State::switching);
    v.state = State::switched;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::contracting);
}

TEST(Machine, ContractBeginsWhereTheSwitchEnds) {
    EXPECT_EQ(before_contract(false), State::ready);
    EXPECT_EQ(before_contract(true), State::switched);
}

TEST(Machine, RollsBackASwitchLikeAnyStep) {
    View v = view(State::rolling_back,
                  {step(Phase::expand, StepState::done), step(Phase::switch_, StepState::done),
                   step(Phase::contract, StepState::pending, true)});
    EXPECT_EQ(next(v).act, Act::undo_step);
    EXPECT_EQ(next(v).step, 1U);
    EXPECT_FALSE(removal_begun(v.steps));
}

TEST(Machine, RollsBackLastStepFirst) {
    View v = view(State::rolling_back,
                  {step(Phase::expand, StepState::done), step(Phase::migrate, StepState::running),
                   step(Phase::contract)});
    EXPECT_EQ(next(v).act, Act::undo_step);
    EXPECT_EQ(next(v).step, 1U);
    v.steps[1].state = StepState::undone;
    EXPECT_EQ(next(v).step, 0U);
    v.steps[0].state = StepState::undone;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::rolled_back);
}

TEST(Machine, KeepLeavesTheNewStructure) {
    View v = view(State::rolling_back, {step(Phase::expand, StepState::done)});
    v.keep = true;
    EXPECT_EQ(next(v).act, Act::enter);
    EXPECT_EQ(next(v).state, State::rolled_back);
}

TEST(Machine, PausedDoesNothingInAnyState) {
    for (const State state :
         {State::expanding, State::expanded, State::migrating, State::ready, State::switching,
          State::switched, State::contracting, State::rolling_back}) {
        View v = view(state, {step(Phase::expand), step(Phase::migrate), step(Phase::switch_),
                              step(Phase::contract)});
        v.paused = true;
        EXPECT_EQ(next(v).act, Act::stop);
    }
}

TEST(Machine, FinishedAndFailedDoNothing) {
    for (const State state : {State::planned, State::done, State::rolled_back, State::failed})
        EXPECT_EQ(next(view(state, {step(Phase::expand)})).act, Act::stop);
}

TEST(Machine, RemovalBeginsWithItsIntent) {
    EXPECT_FALSE(removal_begun({step(Phase::contract, StepState::done, false)}));
    EXPECT_FALSE(removal_begun({step(Phase::contract, StepState::pending, true)}));
    EXPECT_TRUE(removal_begun({step(Phase::contract, StepState::running, true)}));
    EXPECT_TRUE(removal_begun({step(Phase::contract, StepState::done, true)}));
}

TEST(Machine, UndoGoesOnAtItsFirstOpenPart) {
    using plan::StepKind;
    const std::vector<StepState> fresh = {StepState::pending, StepState::pending};
    EXPECT_EQ(open_part(StepKind::ddl, StepState::done, fresh), 0U);
    EXPECT_EQ(open_part(StepKind::ddl, StepState::done, {StepState::running, StepState::pending}),
              0U);
    EXPECT_EQ(open_part(StepKind::ddl, StepState::done, {StepState::done, StepState::pending}), 1U);
    EXPECT_EQ(open_part(StepKind::ddl, StepState::done, {StepState::done, StepState::done}),
              std::nullopt);
    EXPECT_EQ(open_part(StepKind::backfill, StepState::done, {}), std::nullopt);
}

TEST(Machine, UndoesOnlyWhatHadEffects) {
    const std::vector<StepState> fresh = {StepState::pending};
    for (const auto kind : plan::kStepKinds) {
        EXPECT_EQ(open_part(kind, StepState::pending, fresh), std::nullopt);
        EXPECT_EQ(open_part(kind, StepState::undone, fresh), std::nullopt);
        // A transaction that was interrupted happened not at all; an index may have been left.
        EXPECT_EQ(open_part(kind, StepState::running, fresh).has_value(),
                  kind == plan::StepKind::index);
    }
}

}  // namespace
}  // namespace zdm::run
