// What a pressure_query answered. Pure.
//
// The owner knows what it measures, so it trips when he says so.
#pragma once

#include <string>

#include "pressure/signal.hpp"

namespace zdm::pressure {

// Of the first column of the first row.
struct Answer {
    enum class Kind { nothing, boolean, text, other };  // nothing: no row, or null
    Kind kind = Kind::nothing;
    std::string text;  // of a boolean "t" or "f"
};

// Throws Blind for what is neither true or false nor a text.
Reading judge_answer(const Answer& answer);

}  // namespace zdm::pressure
