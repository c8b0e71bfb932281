#include "pressure/hours.hpp"

namespace zdm::pressure {

namespace {

constexpr int kDay = 24 * 60;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "22:00"; also "24:00", the end of the day.
std::optional<int> minute_from(const std::string& text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    for (const std::size_t i : {0, 1, 3, 4})
        if (!is_digit(text[i])) return std::nullopt;
    const int hour = (text[0] - '0') * 10 + text[1] - '0';
    const int minute = (text[3] - '0') * 10 + text[4] - '0';
    if (minute > 59 || hour * 60 + minute > kDay) return std::nullopt;
    return hour * 60 + minute;
}

std::optional<Hours::Window> window_from(const std::string& text) {
    if (text.size() != 11 || text[5] != '-') return std::nullopt;
    const auto from = minute_from(text.substr(0, 5));
    const auto to = minute_from(text.substr(6));
    if (!from || !to || *from == *to || *from == kDay) return std::nullopt;
    return Hours::Window{*from, *to};
}

std::string clock_text(int minute) {
    const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    return two(minute / 60) + ":" + two(minute % 60);
}

}  // namespace

std::optional<Hours> hours_from(const std::string& text) {
    Hours hours;
    std::string rest = trimmed(text);
    for (bool more = true; more;) {
        const auto window = window_from(rest.substr(0, 11));
        if (!window) return std::nullopt;
        hours.windows.push_back(*window);
        rest = rest.substr(11);
        more = trimmed(rest).starts_with(',');
        if (more) rest = trimmed(trimmed(rest).substr(1));
    }
    if (!rest.starts_with(' ')) return std::nullopt;
    hours.zone = trimmed(rest);
    if (hours.zone.empty() || hours.zone.find(' ') != std::string::npos) return std::nullopt;
    return hours;
}

bool is_allowed(const Hours& hours, int minute) {
    for (const auto& window : hours.windows) {
        const bool within = window.from < window.to ? minute >= window.from && minute < window.to
                                                    : minute >= window.from || minute < window.to;
        if (within) return true;
    }
    return false;
}

int next_begin(const Hours& hours, int minute) {
    int nearest = kDay;
    for (const auto& window : hours.windows) {
        const int away = (window.from - minute + kDay) % kDay;
        if (away < nearest) nearest = away;
    }
    return (minute + nearest) % kDay;
}

Reading judge_hours(const std::string& text, const Hours& hours, int minute) {
    Reading reading;
    reading.tripped = !is_allowed(hours, minute);
    if (reading.tripped)
        reading.reason = "it is " + clock_text(minute) + ", allowed_hours are " + trimmed(text) +
                         ": goes on at " + clock_text(next_begin(hours, minute));
    return reading;
}

}  // namespace zdm::pressure
