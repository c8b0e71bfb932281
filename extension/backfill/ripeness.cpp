#include "backfill/ripeness.hpp"

#include <algorithm>

namespace zdm::backfill {

std::uint32_t Ripeness::needed(Pages pages) const {
    auto part = std::upper_bound(parts_.begin(), parts_.end(), pages.first,
                                 [](std::uint32_t b, const Part& p) { return b < p.end; });
    std::uint32_t xid = 0;
    for (std::uint32_t first = pages.first; part != parts_.end() && first < pages.end; ++part) {
        if (part->xid != 0) xid = part->xid;
        first = part->end;
    }
    return xid;
}

}  // namespace zdm::backfill
