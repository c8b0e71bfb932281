#include "catalog/state.hpp"

#include <utility>

namespace zdm::catalog {

namespace {

template <typename Enum>
using Names = std::initializer_list<std::pair<Enum, std::string_view>>;

const Names<State> kStates = {{State::planned, "planned"},
                              {State::expanding, "expanding"},
                              {State::expanded, "expanded"},
                              {State::migrating, "migrating"},
                              {State::ready, "ready"},
                              {State::switching, "switching"},
                              {State::switched, "switched"},
                              {State::contracting, "contracting"},
                              {State::done, "done"},
                              {State::rolling_back, "rolling_back"},
                              {State::rolled_back, "rolled_back"},
                              {State::failed, "failed"}};
const Names<Upto> kUptos = {{Upto::expanded, "expanded"},
                            {Upto::ready, "ready"},
                            {Upto::switched, "switched"},
                            {Upto::done, "done"}};
const Names<StepState> kStepStates = {{StepState::pending, "pending"},
                                      {StepState::running, "running"},
                                      {StepState::done, "done"},
                                      {StepState::undone, "undone"},
                                      {StepState::skipped, "skipped"}};

template <typename Enum>
std::string_view name_of(const Names<Enum>& names, Enum value) {
    for (const auto& [known, name] : names)
        if (known == value) return name;
    return "?";
}

template <typename Enum>
std::optional<Enum> value_of(const Names<Enum>& names, std::string_view text) {
    for (const auto& [value, name] : names)
        if (name == text) return value;
    return std::nullopt;
}

}  // namespace

std::string_view to_text(State state) { return name_of(kStates, state); }
std::string_view to_text(Upto upto) { return name_of(kUptos, upto); }
std::string_view to_text(StepState state) { return name_of(kStepStates, state); }
std::optional<State> state_from(std::string_view text) { return value_of(kStates, text); }
std::optional<Upto> upto_from(std::string_view text) { return value_of(kUptos, text); }
std::optional<StepState> step_state_from(std::string_view text) {
    return value_of(kStepStates, text);
}

bool is_live(State state) {
    return state != State::planned && state != State::done && state != State::rolled_back;
}

}  // namespace zdm::catalog
