// Hours of the day in which a backfill may work: "22:00-06:00 Europe/Berlin", or several:
// "22:00-06:00, 12:00-13:00 UTC". Pure.
//
// No load of ours, but a wish: it trips outside.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pressure/signal.hpp"

namespace zdm::pressure {

struct Hours {
    // Minutes of the day, the end excluded. One that ends before it begins goes over midnight.
    struct Window {
        int from = 0;
        int to = 0;
    };
    std::vector<Window> windows;
    std::string zone;  // must be stated; whether there is such a one, the server knows
};

// Nothing when it is no such text.
std::optional<Hours> hours_from(const std::string& text);

// `minute` of the day in the zone.
bool is_allowed(const Hours& hours, int minute);
// The minute at which the next window begins.
int next_begin(const Hours& hours, int minute);

Reading judge_hours(const std::string& text, const Hours& hours, int minute);

}  // namespace zdm::pressure
