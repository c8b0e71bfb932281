// Reads and writes of zdm.migration, zdm.step and zdm.event. Each call goes through the door and
// needs a transaction around it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.hpp"
#include "catalog/state.hpp"

namespace zdm::catalog {

using TextMap = std::map<std::string, std::string>;

struct Migration {
    std::int64_t id = 0;
    std::string name;
    std::string sql;
    std::string checksum;
    std::uint32_t owner = 0;
    std::uint32_t login = 0;
    std::string owner_name;
    State state = State::planned;
    Upto upto = Upto::ready;
    bool transition = false;
    bool switches = false;  // its plan has a switch phase
    bool paused = false;
    bool keep = false;
    bool forced = false;
    std::string differences_accepted_by;  // session user; empty: nobody did
    std::optional<State> failed_state;
    bool same_database = true;  // false in a restored or copied database
    TextMap settings;
    TextMap options;
};

struct StoredStep {
    int number = 0;
    StepState state = StepState::pending;
    plan::Step step;
    std::vector<StepState> undo;  // how far each part of step.undo got: pending, running or done
    int part = 0;  // of the undo, counted from 1, when `step` is that part itself; else 0
};

std::optional<Migration> find_migration(const std::string& name);
std::optional<Migration> find_migration(std::int64_t id);
// The same, with its row locked until the end of the transaction.
std::optional<Migration> lock_migration(const std::string& name);
std::optional<Migration> lock_migration(std::int64_t id);
// Keeps callers from deciding anything about the migration until the end of the transaction; false
// when one is about to. Never waits.
bool hold_migration(std::int64_t id);

// Names of live migrations, other than `except`, that own one of the relations: as of now, whatever
// the caller's transaction sees.
std::vector<std::string> live_owners(const std::vector<std::uint32_t>& relations,
                                     std::int64_t except);
// Ids of migrations that a worker should be running: live, not paused, something to do.
std::vector<std::int64_t> runnable_migrations();

struct NewMigration {
    std::string name;
    std::string sql;
    std::string checksum;
    std::uint32_t owner = 0;
    std::uint32_t login = 0;
    TextMap settings;
    TextMap options;
};
// The new id, or nullopt when the name is taken.
std::optional<std::int64_t> insert_migration(const NewMigration& migration);
void replace_sql(std::int64_t id, const NewMigration& migration);
void save_plan(std::int64_t id, const plan::Plan& plan);
// As of now, whatever the caller's transaction sees.
std::vector<StoredStep> load_steps(std::int64_t id);
// How far each got, in order: as of now, whatever the caller's transaction sees. With the migration
// locked none begins any more.
struct StepMark {
    plan::Phase phase = plan::Phase::contract;
    StepState state = StepState::pending;
    bool removal = false;
};
std::vector<StepMark> latest_marks(std::int64_t id);

// Sets the state if it still is `from`; false when somebody changed it meanwhile.
bool change_state(std::int64_t id, State from, State to);
void set_started(std::int64_t id, Upto upto);
void set_upto(std::int64_t id, Upto upto);
void set_paused(std::int64_t id, bool paused, const std::optional<std::string>& reason);
void set_forced(std::int64_t id, const std::string& reason);
void set_keep(std::int64_t id);
// The session user lets contract remove what differs. Gives his name.
std::string accept_differences(std::int64_t id);
void set_option(std::int64_t id, const std::string& option,
                const std::optional<std::string>& value);
// Back to the state in which it failed, its error cleared.
void clear_failure(std::int64_t id);
// A worker begins: how many did within ten minutes of each other without one that ended by itself.
int count_attempt(std::int64_t id);
// A worker ends by itself.
void forget_attempts(std::int64_t id);
// Gives a migration whose role was dropped to the owner of the first table that it still has. True
// when it did.
bool inherit(std::int64_t id);
// Makes a migration in a copy of its database that database's own. Returns, of each relation with a
// sync trigger, its OID where it was made and the one that it has here.
std::vector<std::pair<std::uint32_t, std::uint32_t>> adopt_database(std::int64_t id);

struct Failure {
    std::optional<int> step;
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
};
// False: it was in another state by then.
bool set_failed(std::int64_t id, State from, const Failure& failure);
// What it waits for right now, for people; nullopt clears it. Writes only when it changed.
void set_waiting(std::int64_t id, const std::optional<std::string>& reason);

void set_step(std::int64_t id, int step, StepState state);
// Merges keys into the step's result.
void add_result(std::int64_t id, int step, const TextMap& result);
// Whether zdm.step.result has the key.
std::optional<std::string> read_result(std::int64_t id, int step, const std::string& key);
void add_event(std::int64_t id, const std::string& kind, std::optional<int> step,
               const std::string& message);

}  // namespace zdm::catalog
