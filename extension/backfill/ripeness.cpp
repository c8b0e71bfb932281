#include "backfill/ripeness.hpp"

#include <algorithm>

namespace zdm::backfill {

std::uint32_t Ripeness::needed(std::uint32_t block) const {
    const auto part = std::upper_bound(parts_.begin(), parts_.end(), block,
                                       [](std::uint32_t b, const Part& p) { return b < p.end; });
    return part == parts_.end() ? 0 : part->xid;
}

}  // namespace zdm::backfill
