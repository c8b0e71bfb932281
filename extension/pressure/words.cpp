#include "pressure/words.hpp"

#include <algorithm>

namespace zdm::pressure {

std::string seconds_text(std::int64_t ms) {
    return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

std::string bytes_text(double bytes) {
    if (bytes < 1024) return count_text(bytes) + " bytes";
    const char* const units[] = {"kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    double number = bytes / 1024;
    for (; number >= 1024 && unit + 1 < std::size(units); ++unit) number /= 1024;
    const auto tenths = static_cast<std::int64_t>(std::min(number, 1e12) * 10);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + units[unit];
}

std::string count_text(double count) {
    return std::to_string(static_cast<std::int64_t>(std::clamp(count, -1e18, 1e18)));
}

std::int64_t limit_ms(double seconds) {
    return static_cast<std::int64_t>(std::min(seconds, 1e12) * 1000);
}

}  // namespace zdm::pressure
