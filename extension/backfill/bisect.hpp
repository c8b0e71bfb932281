// Finding the row that makes a batch fail. Pure.
#pragma once

#include <cstdint>
#include <functional>

namespace zdm::backfill {

// The smallest n in [1, most] for which fails(n) ("the first n fail"), provided that failing
// prefixes stay failing when they grow; 0 when not even `most` fails any more.
std::int64_t first_failing(std::int64_t most, const std::function<bool(std::int64_t)>& fails);

}  // namespace zdm::backfill
