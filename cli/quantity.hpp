// Times, sizes, counts and names: read from options, written for people. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zdm::cli {

using Milliseconds = std::chrono::milliseconds;

// "500ms", "30s", "10m", "2h", "1.5h", "1d". Nothing for all else: a number without unit, negative,
// NaN.
std::optional<Milliseconds> parse_duration(std::string_view text);

// A finite number of at least 0 in plain digits; nothing for all else.
std::optional<double> parse_number(std::string_view text);

// "340 ms", "4.2 s", "3 min 20 s", "2 h 5 min".
std::string show_duration(double seconds);

// "12,345".
std::string show_count(std::int64_t count);

// "145 MB".
std::string show_bytes(std::int64_t bytes);

// A name as an argument in a shell, quoted only if it must be.
std::string shell_word(std::string_view word);

}  // namespace zdm::cli
