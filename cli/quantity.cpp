#include "cli/quantity.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace zdm::cli {

std::optional<double> parse_number(std::string_view text) {
    // from_chars would take "nan", "inf" and "1e400" for numbers too.
    if (text.empty() || text.find_first_not_of("0123456789.") != text.npos) return std::nullopt;
    double number = 0;
    const auto* const last = text.data() + text.size();
    const auto [end, problem] = std::from_chars(text.data(), last, number);
    if (problem != std::errc{} || end != last || !std::isfinite(number)) return std::nullopt;
    return number;
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
        {{"ms", 1}, {"min", 60e3}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};
    for (const auto& [unit, factor] : kUnits) {
        if (text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) continue;
        const auto number = parse_number(text.substr(0, text.size() - unit.size()));
        // "5ms" is no "5m" minutes: the longer unit comes first, and its number must fit alone.
        if (!number) continue;
        const double value = *number * factor;
        if (value > 3650.0 * 86400e3) return std::nullopt;
        return Milliseconds{static_cast<std::int64_t>(std::llround(value))};
    }
    return std::nullopt;
}

std::string show_duration(double seconds) {
    if (!(seconds >= 0)) seconds = 0;
    if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
    if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<std::int64_t>(std::llround(seconds));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600)
        return whole % 60 == 0 ? fmt::format("{} min", whole / 60)
                               : fmt::format("{} min {} s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
    return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

std::string show_count(std::int64_t count) {
    auto digits = fmt::format("{}", count);
    const std::size_t first = count < 0 ? 1 : 0;
    for (auto at = digits.size(); at > first + 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

std::string show_bytes(std::int64_t bytes) {
    static constexpr std::array<const char*, 5> kUnits = {"bytes", "kB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    if (unit == 0 || value >= 10) return fmt::format("{:.0f} {}", value, kUnits[unit]);
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string shell_word(std::string_view word) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-./:=@%+,") == word.npos;
    if (plain) return std::string{word};
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string{"'\\''"} : std::string(1, c);
    return out + "'";
}

}  // namespace zdm::cli
