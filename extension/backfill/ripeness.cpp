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

Pruning pruning_beside(bool unheard, std::int64_t grace_ms) {
    if (!unheard || grace_ms <= 0) return Pruning::at_once;
    return grace_ms <= kPatienceMs ? Pruning::after_grace : Pruning::too_late;
}

std::uint32_t Past::as_of(std::int64_t at_ms) {
    while (samples_.size() > 1 && samples_[1].at_ms <= at_ms) samples_.pop_front();
    return samples_.empty() || samples_.front().at_ms > at_ms ? 0 : samples_.front().xid;
}

void Unheard::look(const std::vector<pressure::Hearing>& standbys, std::int64_t now_ms) {
    for (const auto& one : standbys)
        if (one.heard) seen_.erase(one.name);
    // Several may bear one name.
    for (const auto& one : standbys)
        if (!one.heard) seen_[one.name] = now_ms;
    std::erase_if(seen_, [&](const auto& one) { return now_ms - one.second > kMissedMs; });
}

}  // namespace zdm::backfill
