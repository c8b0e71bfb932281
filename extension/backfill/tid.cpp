#include "backfill/tid.hpp"

#include <algorithm>

namespace zdm::backfill {

std::string to_text(Tid tid) {
    return "(" + std::to_string(tid.block) + "," + std::to_string(tid.offset) + ")";
}

void PageSet::add(Pages pages) {
    if (pages.first >= pages.end) return;
    auto at = std::lower_bound(ranges_.begin(), ranges_.end(), pages.first,
                               [](const Pages& r, std::uint32_t first) { return r.end < first; });
    auto last = at;
    while (last != ranges_.end() && last->first <= pages.end) {
        pages.first = std::min(pages.first, last->first);
        pages.end = std::max(pages.end, last->end);
        ++last;
    }
    at = ranges_.erase(at, last);
    ranges_.insert(at, pages);
    if (ranges_.size() > most_) shrink();
}

std::vector<Pages> PageSet::take() {
    std::vector<Pages> all;
    all.swap(ranges_);
    return all;
}

// Joins the two neighbours with the fewest pages between them.
void PageSet::shrink() {
    auto best = ranges_.begin();
    for (auto r = ranges_.begin(); r + 1 != ranges_.end(); ++r)
        if ((r + 1)->first - r->end < (best + 1)->first - best->end) best = r;
    best->end = (best + 1)->end;
    ranges_.erase(best + 1);
}

std::uint32_t chunk_pages(std::uint32_t blocks) {
    return std::clamp<std::uint32_t>(blocks / 64, 2048, 8192);
}

}  // namespace zdm::backfill
