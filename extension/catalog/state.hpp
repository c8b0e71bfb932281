// The states of a migration and of a step, as the tables store them. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace zdm::catalog {

enum class State {
    planned,
    expanding,
    expanded,
    migrating,
    ready,
    switching,
    switched,
    contracting,
    done,
    rolling_back,
    rolled_back,
    failed,
};
// A migration whose plan has no switch phase never is switching or switched; told to go as far as
// switched, it stops at ready.
enum class Upto { expanded, ready, switched, done };
enum class StepState { pending, running, done, undone, skipped };

std::string_view to_text(State state);
std::string_view to_text(Upto upto);
std::string_view to_text(StepState state);
std::optional<State> state_from(std::string_view text);
std::optional<Upto> upto_from(std::string_view text);
std::optional<StepState> step_state_from(std::string_view text);

// Live: from start to done or rolled back.
bool is_live(State state);

}  // namespace zdm::catalog
