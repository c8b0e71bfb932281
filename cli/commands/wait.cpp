// zdm wait NAME --for STATE: changes nothing and says only why it waits; for deployment scripts.
#include "cli/commands.hpp"
#include "cli/commands/common.hpp"

namespace zdm::cli {

namespace {

struct WaitOptions {
    std::string name;
    std::string state = "ready";
    std::optional<Milliseconds> timeout;
};

Exit run_wait(const WaitOptions& options, Session& session) {
    FollowOptions how;
    how.deadline = deadline_in(options.timeout);
    how.quiet = true;
    how.until = reachable(session.migration(options.name), options.state);
    Follower follower{session, {options.name}, how};
    return conclude(session, "zdm.wait/1", options.name, follower.run());
}

void declare(Command& command, WaitOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.text("--for", options.state, "STATE",
                 "expanded, ready, switched, done or rolled_back (default: ready)");
    command.among({"expanded", "ready", "switched", "done", "rolled_back"});
    command.time("--timeout", options.timeout, "stop waiting after this time (exit 8)");
}

}  // namespace

Definition wait_command() {
    return define<WaitOptions>("wait", "Wait until a migration has reached a state", declare,
                               run_wait);
}

}  // namespace zdm::cli
