#include "pressure/announcer.hpp"

#include <utility>

namespace zdm::pressure {

bool Announcer::begins(std::int64_t now_ms) {
    if (open_ || now_ms - told_ms_ < kApartMs) return false;
    told_ms_ = now_ms;
    open_ = true;
    return true;
}

bool Announcer::ends() { return std::exchange(open_, false); }

}  // namespace zdm::pressure
