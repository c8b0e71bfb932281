// What people read in events. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace zdm::backfill {

// "1 row", "5 rows".
inline std::string counted(std::int64_t number, const char* one, const char* many) {
    return std::to_string(number) + " " + (number == 1 ? one : many);
}

}  // namespace zdm::backfill
