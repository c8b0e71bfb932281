#include "pressure/slots.hpp"

#include <algorithm>

#include "pressure/words.hpp"

namespace zdm::pressure {

Reading judge_slots(const std::vector<Slot>& slots, double most, double limit) {
    Reading reading;
    reading.value = 0;
    const Slot* worst = nullptr;
    const Slot* endangered = nullptr;
    const Slot* lost = nullptr;
    for (const Slot& slot : slots) {
        if (slot.status == "lost") {
            lost = &slot;
            continue;
        }
        if (slot.status == "unreserved") endangered = &slot;
        if (worst != nullptr && slot.retained <= *reading.value) continue;
        worst = &slot;
        reading.value = slot.retained;
    }
    if (lost != nullptr)
        reading.reason = "slot " + lost->name + " is lost already, and does not come back";
    if (limit <= 0) return reading;
    if (most > 0) limit = std::min(limit, 0.9 * most);
    reading.limit = limit;
    if (worst != nullptr && *reading.value > limit) {
        reading.tripped = true;
        reading.reason = "slot " + worst->name + " keeps " + bytes_text(*reading.value) +
                         " of WAL (limit " + bytes_text(limit) + "), " +
                         (worst->active ? "its reader is behind" : "nobody reads it");
    } else if (endangered != nullptr) {
        reading.tripped = true;
        reading.reason =
            "slot " + endangered->name + " loses WAL that it needs at a next checkpoint";
    }
    return reading;
}

}  // namespace zdm::pressure
