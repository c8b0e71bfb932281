// Places in a heap: row positions and ranges of pages. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace zdm::backfill {

// Where a row version is. Offset 0 is before the first row of the page.
struct Tid {
    std::uint32_t block = 0;
    std::uint16_t offset = 0;

    auto operator<=>(const Tid&) const = default;
};

// "(12,3)", as the server writes a ctid.
std::string to_text(Tid tid);

// Pages [first, end).
struct Pages {
    std::uint32_t first = 0;
    std::uint32_t end = 0;

    auto operator<=>(const Pages&) const = default;
};

// Page ranges that hold rows somebody else had locked, to be visited again: sorted, disjoint, few.
class PageSet {
public:
    // Adds a range, joined with those that it touches. With more than `most` ranges the nearest
    // neighbours are joined as well: memory stays constant, some pages are read once more.
    explicit PageSet(std::size_t most = 4096) : most_(most) {}
    void add(Pages pages);
    bool empty() const { return ranges_.empty(); }
    // All ranges, leaving none behind.
    std::vector<Pages> take();

private:
    void shrink();

    std::size_t most_;
    std::vector<Pages> ranges_;
};

// Pages of each chunk of a relation of `blocks` pages: between 2048 and 8192, about 64 chunks.
std::uint32_t chunk_pages(std::uint32_t blocks);

}  // namespace zdm::backfill
