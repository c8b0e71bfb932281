#include "backfill/rounds.hpp"

#include <algorithm>
#include <cmath>

namespace zdm::backfill {

namespace {

constexpr std::size_t kSampled = 8;

// The row behind the last one on the same page.
std::size_t page_end(const std::vector<Tid>& rows, std::size_t from) {
    std::size_t to = from;
    while (to < rows.size() && rows[to].block == rows[from].block) ++to;
    return to;
}

}  // namespace

double Rounds::needed(const PageFacts& page) const {
    return std::max(1.0, page.row_bytes + growth_);
}

int Rounds::room(const PageFacts& page) const { return static_cast<int>(page.free / needed(page)); }

// Each row that stays takes away from the page's room what it gets longer and a line pointer; each
// that moves gives its length back.
int Rounds::movers(const PageFacts& page, int candidates) const {
    const double room = needed(page);
    const double missing = candidates * (growth_ + kPointer) + kSpare * room - page.free;
    const int rows = static_cast<int>(std::lround(missing / (room + kPointer)));
    return std::clamp(rows, 0, std::max(1, candidates / 2));
}

int Rounds::quota(const PageFacts& page, int candidates) const {
    if (!pay_) return candidates;
    return std::min(candidates, std::max(1, room(page) + movers(page, candidates)));
}

void Rounds::observe(const ChangeSample& sample) {
    if (sample.rows == 0) return;
    const double mean = static_cast<double>(sample.growth) / sample.rows;
    growth_ += (std::max(mean, 0.0) - growth_) / 8;
    seen_ += sample.rows;
    hot_ += sample.hot;
    if (seen_ < kEnough) return;
    if (hot_ * 2 < seen_) pay_ = false;
    // The recent ones count.
    seen_ /= 2;
    hot_ /= 2;
}

Picked pick(const Rounds& rounds, const std::vector<Tid>& found,
            const std::vector<PageFacts>& pages, std::size_t most, std::uint32_t end,
            bool complete) {
    Picked picked;
    picked.end = end;
    std::size_t page = 0;
    for (std::size_t from = 0; from < found.size(); ++page) {
        const std::size_t to = page_end(found, from);
        const bool partial = !complete && to == found.size();
        if (from > 0 && (partial || picked.rows.size() >= most)) {
            picked.end = found[from].block;
            return picked;
        }
        const auto candidates = static_cast<int>(to - from);
        const auto taken = std::min(static_cast<std::size_t>(rounds.quota(pages[page], candidates)),
                                    std::max<std::size_t>(1, most - picked.rows.size()));
        const auto first = found.begin() + static_cast<std::ptrdiff_t>(from);
        const auto rest = first + static_cast<std::ptrdiff_t>(taken);
        picked.rows.insert(picked.rows.end(), first, rest);
        picked.waiting.insert(picked.waiting.end(), rest,
                              found.begin() + static_cast<std::ptrdiff_t>(to));
        if (rounds.fits(pages[page]) && picked.fitting.size() < kSampled)
            picked.fitting.push_back(found[from]);
        if (partial) picked.end = found[from].block + 1;
        from = to;
    }
    return picked;
}

std::vector<Tid> between(const std::vector<Tid>& rows, Tid from, Tid end) {
    const auto first = std::lower_bound(rows.begin(), rows.end(), from);
    return {first, std::lower_bound(first, rows.end(), end)};
}

}  // namespace zdm::backfill
