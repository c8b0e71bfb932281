// When each part of a range was last changed by us. A part is ripe when the row versions that we
// left behind there can be pruned: no snapshot sees them any more. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "backfill/tid.hpp"

namespace zdm::backfill {

class Ripeness {
public:
    // Pages up to `end` were gone over by a transaction; 0: it changed nothing. In order.
    void note(std::uint32_t end, std::uint32_t xid) { parts_.push_back({end, xid}); }
    // The last transaction that must be over for everybody before these pages are ripe, 0 for none.
    std::uint32_t needed(Pages pages) const;

private:
    struct Part {
        std::uint32_t end;
        std::uint32_t xid;
    };
    std::vector<Part> parts_;
};

}  // namespace zdm::backfill
