// Page rounds: which rows of a page are changed now, and which wait for a later round.
//
// A full page has no room for new row versions: changed all at once, its rows move to other pages
// and into every index again. Changed a few at a time, the versions left behind can be pruned
// before the next round, and their room takes the next rows as HOT updates, which touch no index.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backfill/tid.hpp"

namespace zdm::backfill {

// What a page looks like before a batch.
struct PageFacts {
    int rows = 0;       // row versions on it
    int row_bytes = 0;  // their length in the mean, with their line pointers
    int free = 0;       // bytes for more
};

// Rows that the engine has changed, as samples of what changes do.
struct ChangeSample {
    int rows = 0;
    int hot = 0;     // that stayed on their page and touched no index
    int growth = 0;  // bytes by which they got longer, all together
};

class Rounds {
public:
    // At most so many rounds in a chunk, whatever happens; the last one takes all.
    static constexpr int kMost = 40;

    // How many of a page's `candidates` to change now: as many as fit into its free space, and as
    // many more as must move away so that all others can stay. Those go first: what they leave
    // behind is room for all later rounds, so there are fewer of these. At least one; all of them
    // once rounds do not pay.
    int quota(const PageFacts& page, int candidates) const;
    // Whether as many fit as quota gave.
    bool fits(const PageFacts& page) const { return room(page) > 0; }
    void observe(const ChangeSample& sample);
    // Whether it is worth while to go over pages more than once. False when rows that should have
    // stayed on their page did not: a trigger may set an indexed column, say.
    bool pay() const { return pay_; }
    // They don't: an indexed column is set.
    void give_up() { pay_ = false; }
    // Turns to another table whose rows are alike: they may pay there.
    void turn() {
        pay_ = true;
        seen_ = hot_ = 0;
    }

private:
    // Room for so many rows is left over in the end. A round changes as many rows of a page as
    // there is room for: with less there would be many rounds, with more, more rows move. A page's
    // visit costs about as much as a third of a row's move to another page and into four indexes
    // (docs/benchmarks.md); between 1 and 2.5 the sum hardly changes.
    static constexpr double kSpare = 1.5;
    // A line pointer for each version that stays: its row is found by the old one.
    static constexpr int kPointer = 4;
    // Rows after which to judge.
    static constexpr int kEnough = 200;

    // Bytes that a new version takes.
    double needed(const PageFacts& page) const;
    int room(const PageFacts& page) const;
    int movers(const PageFacts& page, int candidates) const;

    bool pay_ = true;
    int seen_ = 0;
    int hot_ = 0;
    double growth_ = 8;  // bytes, of a row
};

// What a batch takes of the rows that a survey found, in order.
struct Picked {
    std::vector<Tid> rows;
    std::vector<Tid> fitting;  // a few of them that should stay on their page
    std::vector<Tid> waiting;  // left for a later round, in order
    std::uint32_t end = 0;     // pages before it have had their turn
};

// Takes up to `most` rows, at least one. `pages` has the facts of each page on which rows were
// found, in order. `end` is where the survey ended, `complete` whether it got there: if not, the
// last of several pages may have more rows than were found, and is left out.
Picked pick(const Rounds& rounds, const std::vector<Tid>& found,
            const std::vector<PageFacts>& pages, std::size_t most, std::uint32_t end,
            bool complete);

// The rows in [from, end) of rows, which are in order.
std::vector<Tid> between(const std::vector<Tid>& rows, Tid from, Tid end);

}  // namespace zdm::backfill
