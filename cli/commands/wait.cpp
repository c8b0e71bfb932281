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
    how.until = options.state;
    how.deadline = deadline_in(options.timeout);
    how.quiet = true;
    session.migration(options.name);
    Follower follower{session, {options.name}, how};
    return conclude(session, "zdm.wait/1", options.name, follower.run());
}

}  // namespace

void add_wait(CLI::App& app, Context& context) {
    auto options = std::make_shared<WaitOptions>();
    auto* const command = app.add_subcommand("wait", "Wait until a migration has reached a state");
    command->add_option("NAME", options->name, "a migration")->required();
    command
        ->add_option("--for", options->state,
                     "expanded, ready, done or rolled_back (default: ready)")
        ->check(CLI::IsMember({"expanded", "ready", "switched", "done", "rolled_back"}))
        ->type_name("STATE");
    add_duration(*command, "--timeout", options->timeout, "stop waiting after this time (exit 8)");
    command->callback([options, &context] {
        context.action = [options](Session& session) { return run_wait(*options, session); };
    });
}

}  // namespace zdm::cli
