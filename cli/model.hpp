// What the views zdm.migrations, steps, progress and events say, as plain data. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/rows.hpp"

namespace zdm::cli {

struct Migration {
    std::int64_t id = 0;
    std::string name;
    std::string state;
    std::string activity;
    std::string upto;
    bool transition = false;
    bool switches = false;
    bool paused = false;
    std::string pause_reason;
    std::optional<std::int64_t> worker_pid;
    std::string waiting_for;
    std::optional<double> waiting_seconds;
    std::string owner;
    std::int64_t steps = 0;
    std::int64_t steps_done = 0;
    std::optional<std::int64_t> point_of_no_return;
    bool removal_started = false;
    std::string failed_state;
    std::optional<std::int64_t> failed_step;
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
    std::string forced_reason;
    std::string forced_by;
    std::string created_at;
    std::string started_at;
    std::string ready_at;
    std::string switched_at;
    std::string finished_at;
    std::optional<double> seconds;  // from start to end, or until now

    bool can_contract() const;  // at rest before contract
    bool at_rest() const;       // nothing will happen without a call
    bool stopped() const;       // a worker should run it and none does
};

struct Step {
    std::int64_t step = 0;
    std::string phase;
    std::string kind;
    std::string relation;
    std::string command;
    std::string undo;
    std::string lock;
    bool scans = false;
    bool rewrites = false;
    std::optional<std::int64_t> rows;
    std::optional<std::int64_t> bytes;
    std::string note;
    bool removal = false;
    std::optional<std::int64_t> line;
    std::string state;  // empty in a plan that is not stored
    std::optional<double> seconds;
};

struct Progress {
    std::int64_t step = 0;
    std::string kind;
    std::string relation;
    double percent = 0;
    std::int64_t rows_done = 0;
    std::optional<std::int64_t> rows_estimate;
    std::optional<double> rows_per_second;
    std::optional<double> eta_seconds;
    std::string throttled;
    double throttled_seconds = 0;
    std::optional<std::int64_t> wal_bytes;
};

// What the throttle of a running step sees: a row of zdm.pressure.
struct Signal {
    std::string signal;
    std::optional<double> value;
    std::optional<double> limit;
    std::string unit;
    bool tripped = false;
    std::string since;
    std::optional<double> seconds;  // for which it is tripped
    std::string reason;
};

struct Event {
    std::int64_t id = 0;
    std::string migration;
    std::string at;
    std::string kind;
    std::optional<std::int64_t> step;
    std::string message;
};

// Who uses what a migration has made: a row of zdm_usage.
struct Usage {
    std::string kind;  // write, dependency or session
    std::string relation;
    std::string object;
    std::string used_by;
    std::string role;
    std::optional<std::int64_t> sessions;
    std::string last_used;
    bool blocks = false;
    std::string message;
};

// SELECT lists that from_row understands; they end before FROM's conditions.
extern const char* const kSelectMigrations;  // … FROM zdm.migrations m
extern const char* const kSelectSteps;       // … FROM zdm.steps s
extern const char* const kSelectProgress;    // … FROM zdm.progress p
extern const char* const kSelectPressure;    // … FROM zdm.pressure p
extern const char* const kSelectEvents;      // … FROM zdm.events e
extern const char* const kUsageColumns;      // of a row u of zdm_usage

Migration migration_from(const Row& row);
Step step_from(const Row& row);
Step planned_step_from(const Row& row);  // a row of zdm_plan
Progress progress_from(const Row& row);
Signal signal_from(const Row& row);
Event event_from(const Row& row);
Usage usage_from(const Row& row);

// Where a state is on the way from planned to done; nothing for those off the way.
std::optional<int> rank_of(std::string_view state);

// The state itself, or ready for switched in a migration that has nothing to switch.
std::string reachable(const Migration& migration, const std::string& state);

// Whether a migration in `state` has got to `wanted`, or beyond it.
bool has_reached(std::string_view state, std::string_view wanted);

}  // namespace zdm::cli
