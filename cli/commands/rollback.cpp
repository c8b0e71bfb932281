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

// Who is connected and might use what goes: which columns they use can't be seen.
void tell_applications(Session& session) {
    const auto rows = session.client().query(
        "SELECT a.application_name AS application, a.usename AS role, count(*) AS sessions"
        " FROM pg_stat_activity a"
        " WHERE a.datname = current_database() AND a.usename IS NOT NULL"
        "   AND coalesce(a.backend_type, 'client backend') = 'client backend'"
        "   AND a.pid <> pg_backend_pid() AND a.application_name <> 'zdm'"
        " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2");
    if (rows.empty()) return;
    std::vector<std::vector<std::string>> lines = {{"  application", "role", "sessions"}};
    for (const auto& row : rows)
        lines.push_back(
            {"  " + (row.text("application").empty() ? "(no name)" : row.text("application")),
             row.text("role"), row.text("sessions")});
    session.console().narrate(
        "Connected now; any of them that uses the new structure will fail without it:\n" +
        table(lines));
}

void confirm(Session& session, const Migration& m, bool yes) {
    auto list = undo_list(session.steps(m.name));
    if (list.empty()) return;
    tell_applications(session);
    if (yes) return;
    if (session.console().can_ask()) {
        session.console().narrate(
            fmt::format("{} is {}. Going back takes this away, and what was written to it:\n{}",
                        m.name, m.state, list));
        if (session.console().ask("Go back?")) return;
        throw Failure{Exit::usage, "ZD721", "not confirmed, so nothing was rolled back",
                      "Nothing was touched.", "Answer y, or give --yes."};
    }
    list.pop_back();
    throw Failure{Exit::usage, "ZD721",
                  "going back takes away what was made, and nobody is here to ask",
                  list + "\nNothing was touched.", "Look at the list above, then give --yes."};
}

Exit run_rollback(const RollbackOptions& options, Session& session) {
    session.announced_client();
    auto& console = session.console();
    const auto m = session.migration(options.name);
    if (m.state != "rolled_back" && !m.removal_started && m.state != "done" && !options.keep)
        confirm(session, m, options.yes);
    Follower follower{session, {m.name}, {"rolled_back", deadline_in(options.timeout)}};
    follower.remember();
    const auto rows =
        session.call("zdm_rollback", "$1, $2::boolean", {m.name, options.keep ? "t" : "f"});
    const auto clean_up = rows.empty() ? std::string{} : rows.front().text("result");
    const auto exit = follower.run();
    if (options.keep && exit != Exit::failed && !console.json()) {
        console.narrate(clean_up.empty() ? "There is nothing to clean up later."
                                         : "To clean up later, run this SQL:");
        if (!clean_up.empty()) console.result(clean_up);
        if (exit == Exit::done) console.narrate(m.name + " is rolled_back, what it made stays.");
        return exit;
    }
    if (!console.json() || exit != Exit::done)
        return conclude(session, "zdm.rollback/1", m.name, exit);
    console.result(dump({{"schema", "zdm.rollback/1"},
                         {"target", to_json(session.client().target())},
                         {"migration", session.status_json(session.migration(m.name))},
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
    return define<RollbackOptions>("rollback",
                                   "Go back to where a migration started, until its first removal",
                                   declare, run_rollback);
}

}  // namespace zdm::cli
