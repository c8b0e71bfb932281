// zdm resume NAME: lets a paused, stopped or failed migration go on from where it is.
#include "cli/commands.hpp"
#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

struct ResumeOptions {
    std::string name;
};

Exit run_resume(const ResumeOptions& options, Session& session) {
    session.announced_client();
    session.call("zdm_resume", "$1", {options.name});
    const auto m = session.migration(options.name);
    if (session.console().json())
        session.show_status(m);
    else
        session.console().result(m.name + " goes on in state " + m.state + ".\nNext: zdm watch " +
                                 shell_word(m.name));
    return Exit::done;
}

void declare(Command& command, ResumeOptions& options) {
    command.required("NAME", options.name, "a migration");
}

}  // namespace

Definition resume_command() {
    return define<ResumeOptions>("resume",
                                 "Let a paused, stopped or failed migration go on from where it is",
                                 declare, run_resume);
}

}  // namespace zdm::cli
