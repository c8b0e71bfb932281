// Cuts the work of statements into strokes with short rests between them.
//
// A statement of the engine calls zdm.stroke(ctid) for each row of the table that it reads (see
// statements.hpp). A batch has long row locks compared with a stroke, yet nobody who wants a
// processor waits longer than a stroke's time, and a commit flushes no more of our WAL than a
// stroke's. The same call leaves out rows that are passed over.
#pragma once

#include <set>

#include "backfill/host.hpp"
#include "backfill/pace.hpp"
#include "backfill/tid.hpp"

namespace zdm::backfill {

// While it lives, the rows that this process's statements read count, unless duty leaves no time to
// rest. One at a time.
class Strokes {
public:
    Strokes(Host& host, Pacer& pacer, double duty);
    ~Strokes();
    Strokes(const Strokes&) = delete;
    Strokes& operator=(const Strokes&) = delete;

    // Milliseconds that need no further rest: strokes so far that were paid for, and their rests.
    double paid_ms() const { return paid_ms_; }
    // Whether the stroke under way has lasted long enough. For each row: costs a look at the clock.
    bool over() const { return host_.fine_ms() - began_ms_ >= kStrokeMs; }
    // Ends the stroke, rests as long as it is due, and begins the next one.
    void rest();

private:
    Host& host_;
    Pacer& pacer_;
    double duty_;
    double began_ms_;
    double paid_ms_ = 0;
};

// While it lives, the engine's statements do not see these rows. One at a time; null: all are seen.
class PassedOver {
public:
    explicit PassedOver(const std::set<Tid>* rows);
    ~PassedOver();
    PassedOver(const PassedOver&) = delete;
    PassedOver& operator=(const PassedOver&) = delete;
};

}  // namespace zdm::backfill
