// Follows migrations by polling: short statements, no transaction while it waits, so that it holds
// nothing back in the server and may die at any time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/session.hpp"

namespace zdm::cli {

struct FollowOptions {
    std::string until;  // a state; empty: until nothing more happens by itself
    Deadline deadline;
    bool quiet = false;   // says only why it waits
    bool stream = false;  // with --json: a line for each change (watch)
    bool to_gate =
        false;  // ends with Exit::gate where a migration rests before contract, its gate not open
};

class Follower {
public:
    Follower(Session& session, std::vector<std::string> names, FollowOptions options);

    // Notes what there is already, so that only what is new is told. Call it before starting
    // anything.
    void remember();

    // Until all migrations are where they should be, one failed, time is over or Ctrl-C.
    Exit run();

    // The migrations as last read.
    const std::map<std::string, Migration>& migrations() const { return migrations_; }
    FollowOptions& options() { return options_; }

private:
    struct Told {  // what was said about a migration last
        std::string state;
        std::string doing;
        int stopped_polls = 0;
        int gate_polls = 0;
        std::map<std::int64_t, std::string> steps;
    };

    void poll();
    void read();
    void revive();
    void tell();
    void tell_news(const Migration& migration, Told& told);
    void tell_steps(const Migration& migration, Told& told, std::int64_t before);
    void tell_doing(const Migration& migration, Told& told);
    void tell_progress(const Migration& migration);
    void draw_one(const Migration& migration, std::vector<std::string>& bars);
    void tell_json();
    std::string prefix(const Migration& migration) const;
    std::optional<Exit> verdict();
    std::chrono::milliseconds nap();
    bool is_there(const Migration& migration) const;
    Exit detach();
    Exit time_over();

    Session& session_;
    std::vector<std::string> names_;
    FollowOptions options_;
    Clock::time_point started_ = Clock::now();
    std::map<std::string, Migration> migrations_;
    std::map<std::string, std::vector<Step>> steps_;
    std::map<std::string, std::vector<Progress>> progress_;
    std::map<std::string, std::vector<Signal>> pressure_;
    std::vector<Event> events_;  // new since the last poll
    std::int64_t last_event_ = 0;
    std::map<std::string, Told> told_;
    std::string streamed_;
    Clock::time_point progress_at_ = Clock::now();
    bool shows_progress_ = false;
    std::chrono::milliseconds nap_{};
    std::string seen_;  // states of migrations and steps at the last poll
    unsigned spin_ = 0;
};

// Why a migration is not going to get to where it was wanted, as a failure to show and exit with.
Failure failure_of(const Migration& migration, const std::vector<Step>& steps);

}  // namespace zdm::cli
