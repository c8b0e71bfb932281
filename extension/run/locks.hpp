// Locks that can block applications: all of a step within one deadline, or none, and then again
// later.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "run/context.hpp"
#include "run/holders.hpp"

namespace zdm::run {

// Throws Stopped when the migration was paused or taken back, or when a rollback under way was told
// to leave the rest as it is. In a transaction of the caller.
void stop_if_told(Context& context);
// The same outside any transaction; also serves interrupts.
void stop_if_asked(Context& context);

// Runs body in one transaction once all locks of the step are held; commits; tries again, with
// growing pauses outside any transaction, as long as somebody is in the way, and says who. Throws
// Stopped when the migration is paused or rolled back meanwhile. `name` is for fault points.
void under_locks(Context& context, const plan::Step& step, const std::string& name,
                 const std::function<void()>& body);

// Who may have been writing to one of the relations for longer than that, in words: a transaction
// that holds a lock of writers. In a transaction of its own.
std::optional<std::string> older_writer(const std::vector<std::string>& relations,
                                        std::uint32_t owner, double ms);

// The step with all its locks at ACCESS EXCLUSIVE: what dropping a constraint needs.
plan::Step with_exclusive_locks(plan::Step step);

// Whether the step's relation still exists, under whatever name (one that the migration made: under
// its own).
bool relation_exists(const plan::Step& step);

// Throws ZD204 unless the step's relation is still there under its name and owned by the current
// user.
void check_relation(const plan::Step& step);

}  // namespace zdm::run
