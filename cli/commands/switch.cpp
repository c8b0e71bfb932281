// zdm switch NAME: a ready migration goes through its switch phase.
#include "cli/commands.hpp"
#include "cli/commands/common.hpp"

namespace zdm::cli {

namespace {

struct SwitchOptions {
    std::string name;
    bool yes = false;
    std::optional<Milliseconds> timeout;
};

Exit run_switch(const SwitchOptions& options, Session& session) {
    session.announced_client();
    const auto m = session.migration(options.name);
    if (m.state == "ready")
        confirm_removals(session, m.name, removals_in(session.steps(m.name), {"switch"}),
                         options.yes);
    const auto deadline = deadline_in(options.timeout);
    Follower follower{session, {m.name}, {"switched", deadline}};
    follower.remember();
    session.surviving(deadline, [&] { session.call("zdm_switch", "$1", {m.name}); });
    return conclude(session, "zdm.switch/1", m.name, follower.run());
}

void declare(Command& command, SwitchOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.flag("--yes", options.yes, "remove what the plan removes without asking");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition switch_command() {
    return define<SwitchOptions>(
        "switch",
        "Give a ready migration its new names and column types; the old ones stay until contract",
        declare, run_switch);
}

}  // namespace zdm::cli
