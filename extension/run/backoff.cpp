#include "run/backoff.hpp"

#include <algorithm>
#include <string_view>

namespace zdm::run {

std::chrono::milliseconds backoff(int attempt, double random) {
    constexpr double kFirst = 100;
    constexpr double kMost = 5000;
    const int doublings = std::clamp(attempt, 0, 10);
    const double whole = std::min(kMost, kFirst * static_cast<double>(1 << doublings));
    return std::chrono::milliseconds{static_cast<int>(whole * (0.5 + random / 2))};
}

bool is_transient(const char* sqlstate) {
    constexpr std::string_view kTransient[] = {"40001", "40P01", "55P03", "53200", "53300"};
    return std::find(std::begin(kTransient), std::end(kTransient), std::string_view{sqlstate}) !=
           std::end(kTransient);
}

}  // namespace zdm::run
