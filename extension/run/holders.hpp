// Who is in the way of a lock. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.hpp"

namespace zdm::run {

// A mode by its name in pg_locks, "AccessShareLock".
plan::LockMode lock_mode_of_server(std::string_view name);

// Somebody who holds a lock on a relation.
struct Holder {
    int pid = 0;  // 0: a prepared transaction
    std::string application;
    std::string role;
    std::string query;  // empty where the owner of the migration may not see it
    std::string state;
    plan::LockMode mode = plan::LockMode::none;
    double age_ms = 0;  // of its transaction
    bool autovacuum = false;
    std::string relation;
};

// The first holder for whom an attempt at `mode` would be in vain: it conflicts and its transaction
// is already older than the deadline. Autovacuum is no reason, it yields to whoever waits. Pure.
const Holder* hopeless(const std::vector<Holder>& holders, plan::LockMode mode, double deadline_ms);
// "pid 8123 (psql, role bob, idle in transaction for 40 s: SELECT …) holds … on public.users".
// Pure.
std::string describe(const Holder& holder);

}  // namespace zdm::run
