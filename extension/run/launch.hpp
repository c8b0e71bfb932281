// Starting background workers: at commit of the caller, as the migration's owner.
#pragma once

#include <cstdint>
#include <vector>

#include "catalog/migration.hpp"

namespace zdm::run {

// Starts a worker for the migration when the current transaction commits. One that runs already
// goes on, and the new one ends. Throws when none could connect; warns, unless told to be silent,
// when no slot is free.
void launch_at_commit(const catalog::Migration& migration, bool silent = false);
// When the current transaction commits, cancels a statement of its worker that may take long, so
// that a pause or rollback is noticed at once.
void interrupt_at_commit(std::int64_t migration);
// Whether workers can run here at all: not on a standby, nor while zdm.enabled is off.
bool can_launch();
// Launches whatever of this database should be running and is not. Returns how many.
int launch_stopped();
// Pid of the worker that runs the migration, 0 when none does.
int worker_pid(std::int64_t migration);
// Takes the session lock that means "this process runs the migration"; false when another has it.
bool claim(std::int64_t migration);
// The same for whoever took it: has it still, or takes it again.
bool keep_claim(std::int64_t migration);

}  // namespace zdm::run
