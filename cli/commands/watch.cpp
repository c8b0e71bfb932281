// zdm watch [NAME]: looks on until nothing more happens by itself.
#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct WatchOptions {
    std::string name;
    std::optional<Milliseconds> timeout;
};

bool is_live(const Migration& m) {
    return m.state != "planned" && m.state != "done" && m.state != "rolled_back" &&
           m.state != "failed";
}

Exit run_watch(const WatchOptions& options, Session& session) {
    const auto deadline = deadline_in(options.timeout);
    auto& console = session.console();
    std::vector<std::string> names;
    if (!options.name.empty()) {
        names.push_back(session.migration(options.name).name);
    } else {
        for (const auto& m : session.migrations())
            if (is_live(m) && (m.paused || !m.at_rest())) names.push_back(m.name);
    }
    if (names.empty()) {
        if (console.json())
            console.result(dump({{"schema", "zdm.status/1"},
                                 {"target", to_json(session.client().target())},
                                 {"migrations", Json::array()},
                                 {"events", Json::array()}}));
        else
            console.result("Nothing runs. zdm status shows what there is.");
        return Exit::done;
    }
    FollowOptions how;
    how.deadline = deadline;
    how.stream = true;
    Follower follower{session, names, how};
    follower.remember();
    const auto exit = follower.run();
    if (exit == Exit::detached || console.json()) return exit;
    Exit worst = exit;
    for (const auto& [name, m] : follower.migrations()) {
        const auto one = conclude(session, "zdm.watch/1", name,
                                  m.state == "failed"    ? Exit::failed
                                  : exit == Exit::failed ? Exit::done
                                                         : exit);
        if (one == Exit::failed) worst = one;
    }
    return worst;
}

void declare(Command& command, WatchOptions& options) {
    command.optional("NAME", options.name, "a migration");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition watch_command() {
    return define<WatchOptions>(
        "watch", "Watch one migration, or all that run, until nothing more happens by itself",
        declare, run_watch);
}

}  // namespace zdm::cli
