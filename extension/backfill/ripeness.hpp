// When each part of a range was last changed by us. A part is ripe when the row versions that we
// left behind there can be pruned: no snapshot sees them any more. Pure.
//
// A standby without hot_standby_feedback does not say what its queries still see. It cancels those
// that see what was cleaned away here, or holds replay back for them. A plain UPDATE leaves old
// versions to the next vacuum; beside such a standby ours are kept for a while as well (hold.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "backfill/tid.hpp"
#include "pressure/standbys.hpp"

namespace zdm::backfill {

// How long a chunk may wait for its pages to get ripe, all in all, at the most. Then it goes on
// without: rows move to other pages, as a plain UPDATE moves them.
inline constexpr std::int64_t kPatienceMs = 2000;

// How long the next chunk may wait. Who holds the horizon (a dump, a forgotten transaction) does so
// for hours, and each chunk would wait for him anew: after one that waited in vain the next waits a
// quarter of that, and after one that did not, twice as long.
class Patience {
public:
    double ms() const { return ms_; }
    void in_vain() { ms_ = std::max(kLeastMs, ms_ / 4); }
    void not_in_vain() { ms_ = std::min(static_cast<double>(kPatienceMs), ms_ * 2); }

private:
    // Enough for the batch of another worker to end.
    static constexpr double kLeastMs = 60;

    double ms_ = static_cast<double>(kPatienceMs);
};

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

// When the old row versions that a backfill leaves behind may be cleaned away.
enum class Pruning {
    at_once,      // as soon as nobody here sees them
    after_grace,  // and not before a while has passed; rounds wait for that
    too_late,     // the same, and it is so long that there are no rounds
};

// `unheard`: there is a standby that gives no feedback.
Pruning pruning_beside(bool unheard, std::int64_t grace_ms);

// Which transactions had ended at some time before.
class Past {
public:
    // All older than `xid` have ended now.
    void note(std::int64_t now_ms, std::uint32_t xid) { samples_.push_back({now_ms, xid}); }
    // All older than this one had ended at that time, 0 when that is not known. Times must not
    // fall.
    std::uint32_t as_of(std::int64_t at_ms);

private:
    struct Sample {
        std::int64_t at_ms;
        std::uint32_t xid;
    };
    std::deque<Sample> samples_;
};

// The standbys that give no feedback. One that went away may come back with its queries, and
// replays then what we wrote meanwhile, so it counts for another minute.
class Unheard {
public:
    static constexpr std::int64_t kMissedMs = 60000;

    // Those that are there now.
    void look(const std::vector<pressure::Hearing>& standbys, std::int64_t now_ms);
    bool any() const { return !seen_.empty(); }
    // One of them, empty when there is none.
    std::string name() const { return any() ? seen_.begin()->first : std::string{}; }

private:
    std::map<std::string, std::int64_t> seen_;  // name → when last seen
};

}  // namespace zdm::backfill
