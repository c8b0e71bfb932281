// Numbers in reasons, for people. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::pressure {

// "3.2 s".
std::string seconds_text(std::int64_t ms);
// "512 bytes", "64.0 MB", "3.2 GB".
std::string bytes_text(double bytes);
// A whole number: "12".
std::string count_text(double count);
// Seconds from a limit, without overflow.
std::int64_t limit_ms(double seconds);

}  // namespace zdm::pressure
