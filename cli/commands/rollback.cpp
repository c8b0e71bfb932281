// zdm rollback NAME: back to where the migration started, or with --keep: stop and leave what is
// there.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct RollbackOptions {
    std::string name;
    bool keep = false;
    bool yes = false;
    std::optional<Milliseconds> timeout;
};

// What rollback will run, last step first.
std::string undo_list(const std::vector<Step>& steps) {
    std::string list;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step)
        if ((step->state == "done" || step->state == "running") && !step->undo.empty())
            list += fmt::format("  step {}: {}\n", step->step, step->undo);
    return list;
}

// Who uses what goes, as the server sees it; what has to go first is refused before anybody is
// asked.
void tell_usage(Session& session, const Migration& m, const std::vector<Usage>& usage) {
    std::string list;
    std::string in_the_way;
    for (const auto& use : usage) (use.blocks ? in_the_way : list) += "  " + use.message + "\n";
    if (!list.empty()) list.pop_back();
    if (!list.empty())
        session.console().narrate("Who uses what goes back, and would miss it:\n" + list);
    if (in_the_way.empty()) return;
    throw Failure{Exit::usage, "ZD311",
                  fmt::format("something depends on what going back from {} takes away", m.name),
                  in_the_way + "Nothing was touched.",
                  "Change or drop that first; or leave what was made: zdm rollback " +
                      shell_word(m.name) + " --keep"};
}

void confirm(Session& session, const Migration& m, const std::vector<Usage>& usage, bool yes) {
    auto list = undo_list(session.steps(m.name));
    if (list.empty()) return;
    tell_usage(session, m, usage);
    if (yes) return;
    if (session.console().can_ask()) {
        session.console().narrate(
            fmt::format("{} is {}. Going back takes this away, and what was written to it:\n{}",
                        m.name, m.state, list));
        if (session.console().ask("Go back?")) return;
        throw Failure{Exit::usage, "ZD821", "not confirmed, so nothing was rolled back",
                      "Nothing was touched.", "Answer y, or give --yes."};
    }
    list.pop_back();
    throw Failure{Exit::usage, "ZD821",
                  "going back takes away what was made, and nobody is here to ask",
                  list + "\nNothing was touched.", "Look at the list above, then give --yes."};
}

Exit run_rollback(const RollbackOptions& options, Session& session) {
    session.announced_client();
    auto& console = session.console();
    const auto m = session.migration(options.name);
    std::vector<Usage> usage;
    if (m.state != "rolled_back" && !m.removal_started && m.state != "done" && !options.keep) {
        usage = session.usage(m.name);
        confirm(session, m, usage, options.yes);
    }
    Follower follower{session, {m.name}, {"rolled_back", deadline_in(options.timeout)}};
    follower.remember();
    Rows rows;
    session.client().transaction([&] {
        // Its notices say what was said above.
        session.client().query("SET LOCAL client_min_messages = warning");
        rows = session.call("zdm_rollback", "$1, $2::boolean", {m.name, options.keep ? "t" : "f"});
        return true;
    });
    const auto clean_up = rows.empty() ? std::string{} : rows.front().text("result");
    // Out before anything can come in between; whoever misses it asks again.
    if (options.keep && !console.json()) {
        console.narrate(clean_up.empty() ? "There is nothing to clean up later."
                                         : "To clean up later, run this SQL:");
        if (!clean_up.empty()) console.result(clean_up);
    }
    const auto exit = follower.run();
    if (options.keep && exit != Exit::failed && !console.json()) {
        if (exit == Exit::done) console.narrate(m.name + " is rolled_back, what it made stays.");
        return exit;
    }
    if (!console.json() || exit == Exit::failed)
        return conclude(session, "zdm.rollback/1", m.name, exit);
    console.result(dump({{"schema", "zdm.rollback/1"},
                         {"target", to_json(session.client().target())},
                         {"migration", session.status_json(session.migration(m.name))},
                         {"usage", to_json(usage)},
                         {"clean_up_sql", clean_up.empty() ? Json(nullptr) : Json(clean_up)},
                         {"exit_code", code(exit)}}));
    return exit;
}

void declare(Command& command, RollbackOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.flag("--keep", options.keep,
                 "stop, leave what was made, and print the SQL that cleans up later");
    command.flag("--yes", options.yes, "do not ask");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition rollback_command() {
    return define<RollbackOptions>(
        "rollback",
        "Go back to where a migration started, until its first removal; first shows who "
        "uses what goes",
        declare, run_rollback);
}

}  // namespace zdm::cli
