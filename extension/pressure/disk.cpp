#include "pressure/disk.hpp"

#include "pressure/words.hpp"

namespace zdm::pressure {

Reading judge_disk(const std::vector<Place>& places, double least) {
    Reading reading;
    if (least > 0) reading.limit = least;
    const Place* worst = nullptr;
    for (const Place& place : places)
        if (worst == nullptr || place.free < worst->free) worst = &place;
    if (worst == nullptr) return reading;
    reading.value = worst->free;
    reading.tripped = least > 0 && worst->free < least;
    if (reading.tripped)
        reading.reason = bytes_text(worst->free) + " are free on the disk of " + worst->what +
                         " (min_free_disk is " + bytes_text(least) + ")";
    return reading;
}

}  // namespace zdm::pressure
