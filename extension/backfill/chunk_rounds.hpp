// Goes over one chunk in page rounds (rounds.hpp).
#pragma once

#include <string>
#include <vector>

#include "backfill/ripeness.hpp"
#include "backfill/rounds.hpp"
#include "backfill/state.hpp"
#include "backfill/work.hpp"

namespace zdm::backfill {

class ChunkRounds {
public:
    // `locked`: gets the pages on which rows are locked by others to the end.
    ChunkRounds(const Task& task, Work& work, Rounds& rounds, Patience& patience,
                const Chunk& chunk, PageSet& locked)
        : task_(task),
          work_(work),
          rounds_(rounds),
          patience_(patience),
          chunk_(chunk),
          locked_(locked) {}

    SweepEnd run();

private:
    SweepEnd round(const std::vector<Pages>& pages, bool last);
    bool wait_until_ripe(Pages pages);
    std::uint32_t pages_at_once() const;
    std::string what_holds();
    std::string horizon_holder();
    std::int64_t share_of_pages(const Batch& batch) const;
    void share_free_space();

    const Task& task_;
    Work& work_;
    Rounds& rounds_;
    Patience& patience_;
    const Chunk& chunk_;
    PageSet& locked_;
    Ripeness before_;              // of the round before
    Ripeness now_;                 // of this one
    std::uint32_t horizon_ = 0;    // as last seen
    double waited_ms_ = 0;         // for pages to get ripe, of the budget
    bool impatient_ = false;       // it takes all that is left, without waiting
    bool in_vain_ = false;         // because the budget is used up
    bool first_ = true;            // the first round
    std::int64_t candidates_ = 0;  // rows that the first round found
    std::int64_t pages_told_ = 0;  // as progress
    PageSet waiting_;              // pages of which this round left rows for another
    std::vector<Tid> left_;        // these rows
    std::vector<Tid> taken_up_;    // those that the round before left
};

}  // namespace zdm::backfill
