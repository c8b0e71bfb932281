// Signals that are a count beside a limit. Pure.
#pragma once

#include <string>

#include "pressure/signal.hpp"

namespace zdm::pressure {

// Processes that wait for a lock which a worker of the migration holds: fewer rows at a time, and
// pauses between them, let them through.
Reading judge_lock_waiters(double waiters, const std::string& first, double limit);

// Sessions of applications that are at work. Ours don't count: waiting for ourselves relieves
// nobody.
Reading judge_active_sessions(double active, double limit);

// Dead rows of the table that is filled. We leave one for each row that we fill, so waiting helps,
// but only where autovacuum comes to take them away.
Reading judge_dead_tuples(double dead, std::optional<double> autovacuum_at, double limit);

// How old the oldest snapshot is, in transactions, and who holds it. Never trips: it is somebody
// else's, and does not end earlier because we wait. (Page rounds wait for it within a budget.)
Reading judge_horizon(double age, const std::string& holder);

}  // namespace zdm::pressure
