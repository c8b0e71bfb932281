#include "run/machine.hpp"

#include <algorithm>

namespace zdm::run {

namespace {

bool is_open(StepState state) {
    return state == StepState::pending || state == StepState::running || state == StepState::undone;
}

// The first step of the phase that is not done yet, or entry into `after`.
Next first_open(const View& view, plan::Phase phase, State after) {
    for (std::size_t i = 0; i < view.steps.size(); ++i)
        if (view.steps[i].phase == phase && is_open(view.steps[i].state))
            return {Act::run_step, i, after};
    return {Act::enter, 0, after};
}

Next go_back(const View& view) {
    if (!view.keep)
        for (std::size_t i = view.steps.size(); i-- > 0;)
            if (view.steps[i].state == StepState::running || view.steps[i].state == StepState::done)
                return {Act::undo_step, i, State::rolled_back};
    return {Act::enter, 0, State::rolled_back};
}

// Where the new version of an application takes over, and contract is the next phase.
Next to_contract(const View& view) {
    // Where nothing lives side by side there is nothing to wait for.
    if (!view.transition) return {Act::enter, 0, State::contracting};
    if (view.upto == Upto::done) return {Act::ask_gate, 0, State::contracting};
    return {};
}

}  // namespace

bool View::switches() const {
    return std::any_of(steps.begin(), steps.end(),
                       [](const StepView& step) { return step.phase == plan::Phase::switch_; });
}

State before_contract(bool switches) { return switches ? State::switched : State::ready; }

Next next(const View& view) {
    if (view.paused) return {};
    switch (view.state) {
    case State::expanding: return first_open(view, plan::Phase::expand, State::expanded);
    case State::expanded:
        if (view.upto == Upto::expanded) return {};
        return {Act::enter, 0, State::migrating};
    case State::migrating: return first_open(view, plan::Phase::migrate, State::ready);
    case State::ready:
        if (!view.switches()) return to_contract(view);
        if (view.transition && view.upto != Upto::switched && view.upto != Upto::done) return {};
        return {Act::enter, 0, State::switching};
    case State::switching: return first_open(view, plan::Phase::switch_, State::switched);
    case State::switched: return to_contract(view);
    case State::contracting: return first_open(view, plan::Phase::contract, State::done);
    case State::rolling_back: return go_back(view);
    case State::planned:
    case State::done:
    case State::rolled_back:
    case State::failed: return {};
    }
    return {};
}

std::optional<std::size_t> open_part(plan::StepKind kind, StepState state,
                                     const std::vector<StepState>& parts) {
    // A step in one transaction happened or did not; a build that was interrupted leaves something.
    const bool lingers = kind == plan::StepKind::index && state == StepState::running;
    if (state != StepState::done && !lingers) return std::nullopt;
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (parts[i] != StepState::done) return i;
    return std::nullopt;
}

bool removal_begun(const std::vector<StepView>& steps) {
    for (const auto& step : steps)
        if (step.removal && (step.state == StepState::running || step.state == StepState::done))
            return true;
    return false;
}

}  // namespace zdm::run
