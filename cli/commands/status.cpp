// zdm status [NAME]: where things are; pings what should run, so that looking also revives it.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct StatusOptions {
    std::string name;
};

void revive(Session& session, const Migration& m) {
    if (!m.stopped()) return;
    try {
        // With no free slot the server warns instead of starting one (ZD501).
        const auto warnings = session.notices().size();
        if (session.ping(m.name) && session.notices().size() == warnings)
            session.console().narrate(m.name + ": no worker ran it, started one again");
    } catch (const ConnectionLost&) {
        throw;
    } catch (const Failure& refusal) {
        // Whoever may only look still gets to see it.
        session.console().narrate(m.name + ": could not be started again: " + refusal.what());
    }
}

Exit run_status(const StatusOptions& options, Session& session) {
    auto& console = session.console();
    if (!options.name.empty()) {
        const auto m = session.migration(options.name);
        revive(session, m);
        session.show_status(m);
        return Exit::done;
    }
    const auto migrations = session.migrations();
    for (const auto& m : migrations) revive(session, m);
    if (console.json()) {
        auto list = Json::array();
        for (const auto& m : migrations) {
            auto one = to_json(m);
            one["progress"] = to_json(session.progress(m.name));
            list.push_back(std::move(one));
        }
        console.result(dump({{"schema", "zdm.status/1"},
                             {"target", to_json(session.client().target())},
                             {"migrations", std::move(list)}}));
        return Exit::done;
    }
    if (migrations.empty()) {
        console.result("No migrations yet. Next: zdm up FILE");
        return Exit::done;
    }
    console.result(render_list(session.out(), migrations));
    // What somebody has to do something about, in full.
    for (const auto& m : migrations)
        if (m.state == "failed")
            console.result("\n" + render_failed(session.out(), m, session.steps(m.name)) +
                           next_words(m));
    return Exit::done;
}

void declare(Command& command, StatusOptions& options) {
    command.optional("NAME", options.name, "a migration");
}

}  // namespace

Definition status_command() {
    return define<StatusOptions>(
        "status", "Show all migrations, or one with its steps and progress", declare, run_status);
}

}  // namespace zdm::cli
