// Keeps old row versions for standbys that don't say themselves what their queries see.
//
// A batch that has committed leaves versions behind that anything may clean away: the next reader
// of the page, a full page of an index, a write of our own progress. Each is replayed on the
// standby and cancels queries there that are older. So this process gives the feedback that the
// standby does not give: a temporary replication slot without WAL, whose xmin stays where the
// server was some time ago. A plain UPDATE holds the horizon as well, for all of its time.
#pragma once

#include <cstdint>

namespace zdm::backfill {

// Nothing that was deleted or replaced by a transaction that ended within the last `grace_ms` is
// cleaned away from now on, until release_versions() or the end of the process; call it again every
// now and then, or what is older is kept as well (move_horizon_on). In a transaction. False: there
// is no slot for it, so nothing is kept.
bool keep_versions(std::int64_t grace_ms, std::int64_t now_ms);
// For whoever waits, outside transactions: does nothing where nothing is kept.
void move_horizon_on(std::int64_t grace_ms, std::int64_t now_ms);
void release_versions() noexcept;

}  // namespace zdm::backfill
