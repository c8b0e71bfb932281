// When each part of a range was last changed by us. A part is ripe when the row versions that we
// left behind there can be pruned: no snapshot sees them any more. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace zdm::backfill {

class Ripeness {
public:
    // Pages up to `end` were gone over by a transaction; 0: it changed nothing. In order.
    void note(std::uint32_t end, std::uint32_t xid) { parts_.push_back({end, xid}); }
    // The transaction that must be over for everybody before page `block` is ripe, 0 for none.
    std::uint32_t needed(std::uint32_t block) const;

private:
    struct Part {
        std::uint32_t end;
        std::uint32_t xid;
    };
    std::vector<Part> parts_;
};

}  // namespace zdm::backfill
