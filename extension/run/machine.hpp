// What a worker does next in each state of a migration. Pure.
//
//   planned → expanding → expanded → migrating → ready → [switching → switched →] contracting →
//   done
//        (in brackets: only where the plan has switch steps)
//        any before the first removal → rolling_back → rolled_back;   any → failed → back where it
//        was
#pragma once

#include <optional>
#include <vector>

#include "catalog/state.hpp"
#include "plan/plan.hpp"

namespace zdm::run {

using catalog::State;
using catalog::StepState;
using catalog::Upto;

// What the decision looks at.
struct StepView {
    plan::Phase phase = plan::Phase::expand;
    StepState state = StepState::pending;
    bool removal = false;
};
struct View {
    State state = State::planned;
    Upto upto = Upto::ready;
    bool transition = false;
    bool paused = false;
    bool keep = false;
    std::vector<StepView> steps;

    bool switches() const;  // the plan has a switch phase
};

enum class Act {
    stop,       // nothing to do until somebody calls
    run_step,   // run step `step` (again, when it was running)
    undo_step,  // take step `step` back
    enter,      // change the state to `state`
    ask_gate,   // contract was asked for in advance: enter contracting once the gate is open
};
struct Next {
    Act act = Act::stop;
    std::size_t step = 0;
    State state = State::planned;
};

Next next(const View& view);

// The state from which contract begins, and to which it goes back when its gate shuts again.
State before_contract(bool switches);

// The part of a step's undo to run now, counted from 0; nullopt when nothing of it is left to do.
// `parts`: how far each got.
std::optional<std::size_t> open_part(plan::StepKind kind, StepState state,
                                     const std::vector<StepState>& parts);

// Whether a removal has begun, after which there is no way back.
bool removal_begun(const std::vector<StepView>& steps);

}  // namespace zdm::run
