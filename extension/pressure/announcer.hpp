// When throttling is worth an event: not each time that it begins and ends within a minute. Pure.
#pragma once

#include <cstdint>

namespace zdm::pressure {

class Announcer {
public:
    static constexpr std::int64_t kApartMs = 60000;

    // Whether its beginning is to be told; at most once a minute.
    bool begins(std::int64_t now_ms);
    // Whether its end is: when the beginning was.
    bool ends();

private:
    std::int64_t told_ms_ = INT64_MIN / 2;
    bool open_ = false;
};

}  // namespace zdm::pressure
