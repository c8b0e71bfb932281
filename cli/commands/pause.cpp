// zdm pause NAME: the migration stops after its current batch or statement, until it is resumed.
#include "cli/commands.hpp"
#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

struct PauseOptions {
    std::string name;
    Value reason;
};

Exit run_pause(const PauseOptions& options, Session& session) {
    session.announced_client();
    session.call("zdm_pause", "$1, $2", {options.name, options.reason});
    const auto m = session.migration(options.name);
    if (session.console().json())
        session.show_status(m);
    else
        session.console().result(m.name + " is paused in state " + m.state +
                                 ".\nNext: zdm resume " + shell_word(m.name));
    return Exit::done;
}

void declare(Command& command, PauseOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.text("--reason", options.reason, "TEXT", "why, for those who see it paused");
}

}  // namespace

Definition pause_command() {
    return define<PauseOptions>("pause", "Stop a migration after its current batch or statement",
                                declare, run_pause);
}

}  // namespace zdm::cli
