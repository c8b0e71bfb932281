// zdm pause NAME: the migration stops after its current batch or statement, until it is resumed.
#include "cli/commands.hpp"

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

}  // namespace

void add_pause(CLI::App& app, Context& context) {
    auto options = std::make_shared<PauseOptions>();
    auto* const command =
        app.add_subcommand("pause", "Stop a migration after its current batch or statement");
    command->add_option("NAME", options->name, "a migration")->required();
    command->add_option("--reason", options->reason, "why, for those who see it paused")
        ->type_name("TEXT");
    command->callback([options, &context] {
        context.action = [options](Session& session) { return run_pause(*options, session); };
    });
}

}  // namespace zdm::cli
