// What every command has: the console, the connection (made when first needed), and reads of the
// views.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/connection.hpp"
#include "cli/console.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json.hpp"
#include "cli/model.hpp"
#include "cli/render.hpp"

namespace zdm::cli {

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;

inline bool is_over(const Deadline& deadline) { return deadline && Clock::now() >= *deadline; }

class Session {
public:
    Session(ConnectionFlags flags, Console& console)
        : flags_(std::move(flags)), console_(console) {}

    Console& console() { return console_; }
    Dress out() const { return {console_, false}; }
    Dress err() const { return {console_, true}; }

    // What the server remarked so far (NOTICE), which is narrated too.
    const std::vector<std::string>& notices() const { return notices_; }

    // Connected to a server that zdm works with; throws Failure if there is none.
    Client& client();
    // Connected to whatever is there; only doctor wants that.
    Client& any_client();
    // The same, and says where things will be changed.
    Client& announced_client();

    std::optional<Migration> find(const std::string& name);
    // Throws Failure (usage) for an unknown name, with those that are known.
    Migration migration(const std::string& name);
    std::vector<Migration> migrations();
    std::vector<Step> steps(const std::string& name);
    std::vector<Progress> progress(const std::string& name);
    std::vector<Signal> pressure(const std::string& name);
    std::vector<Usage> usage(const std::string& name);

    // Calls a function of zdm; `arguments` has one placeholder for each value: "$1, $2::boolean".
    Rows call(const std::string& function, const std::string& arguments,
              const std::vector<Value>& values);

    // Runs what may be run twice; when the connection is lost on the way, connects again and
    // repeats it, until the deadline or, without one, for a minute. Then throws Failure
    // (no_connection).
    void surviving(const Deadline& deadline, const std::function<void()>& body);

    // Makes sure that a migration's worker runs if it should; true when it was started again.
    bool ping(const std::string& name);

    // A migration as the result of a command: with its plan and progress, for people or as JSON.
    Json status_json(const Migration& migration);
    void show_status(const Migration& migration);

private:
    void connect_again(const Deadline& deadline, const std::string& why);

    ConnectionFlags flags_;
    Console& console_;
    std::unique_ptr<Client> client_;
    bool checked_ = false;
    std::vector<std::string> notices_;
};

}  // namespace zdm::cli
