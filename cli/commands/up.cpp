// zdm up FILE|DIR: takes migrations to the state asked for, and watches while the server works.
#include <fmt/format.h>

#include <filesystem>

#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/failure.hpp"
#include "cli/migration_file.hpp"

namespace zdm::cli {

namespace {

struct UpOptions {
    std::string path;
    std::string to = "ready";
    bool yes = false;
    std::optional<Milliseconds> timeout;
};

bool is_failed(const Migration& m) { return m.state == "failed"; }

// Phases that this call sets going; those that run already were allowed by whoever started them.
std::vector<std::string_view> new_phases(const Migration& m, const std::string& to) {
    std::vector<std::string_view> phases;
    const bool begins = m.state == "planned" || m.state == "rolled_back";
    const bool goes_on = begins || m.upto == "expanded";
    if (begins) phases.emplace_back("expand");
    if (to != "expanded" && goes_on) phases.emplace_back("migrate");
    if (to == "switched" && m.upto != "switched" && m.upto != "done") phases.emplace_back("switch");
    const bool ends = to == "done" || (to == "ready" && !m.transition && goes_on);
    if (ends && m.upto != "done") {
        phases.emplace_back("switch");
        phases.emplace_back("contract");
    }
    return phases;
}

// Creates and starts it in one transaction, unless there is nothing to start or somebody has to be
// asked first: then nothing happens, and the removals in question are given back.
std::vector<Step> begin(Session& session, const MigrationFile& file, const UpOptions& options,
                        bool confirmed) {
    std::vector<Step> removals;
    session.client().transaction([&] {
        session.call("zdm_create", "$1, $2", {file.name, file.sql});
        const auto m = session.migration(file.name);
        if (is_failed(m) || m.state == "rolling_back") return false;
        if (!confirmed) removals = removals_in(session.steps(file.name), new_phases(m, options.to));
        if (!removals.empty()) return false;
        if (has_reached(m.state, options.to) && m.state != "rolled_back") return true;
        session.call("zdm_start", "$1, $2", {file.name, options.to});
        return true;
    });
    return removals;
}

// What to wait for: where nothing lives side by side, ready is only passed through.
std::string goal(const Migration& m, const std::string& to) {
    const auto state = reachable(m, to);
    return state == "ready" && !m.transition ? "done" : state;
}

Exit run_one(const MigrationFile& file, const UpOptions& options, Session& session,
             const Deadline& deadline) {
    Follower follower{session, {file.name}, {options.to, deadline}};
    follower.remember();
    try {
        std::vector<Step> removals;
        session.surviving(deadline, [&] { removals = begin(session, file, options, options.yes); });
        if (!removals.empty()) {
            confirm_removals(session, file.name, removals, options.yes);
            session.surviving(deadline, [&] { begin(session, file, options, true); });
        }
    } catch (const Failure& refusal) {
        if (session.console().json() || refusal.spot.line == 0) throw;
        session.console().complain(
            render_failure(session.err(), refusal, file.path.string(), file.sql));
        return refusal.exit;
    }
    const auto m = session.migration(file.name);
    if (is_failed(m)) return Exit::failed;
    if (options.to == "done" && m.transition)
        return drive_to_done(session, follower, file.name,
                             deadline ? deadline : Deadline::value_type::max());
    follower.options().until = goal(m, options.to);
    return follower.run();
}

Exit run_file(const UpOptions& options, Session& session, const Deadline& deadline) {
    const auto file = read_migration(options.path);
    session.announced_client();
    const auto before = session.find(file.name);
    const auto exit = run_one(file, options, session, deadline);
    if (exit == Exit::usage) return exit;
    if (exit == Exit::done && before && before->state == session.migration(file.name).state)
        session.console().narrate(file.name + " was there already: nothing to do");
    return conclude(session, "zdm.up/1", file.name, exit);
}

// What a folder's run has come to, for the end of it.
struct FolderReport {
    Json migrations = Json::array();
    std::size_t done = 0;
    std::string stopped_at;
};

Exit conclude_folder(Session& session, const FolderReport& report, std::size_t files, Exit exit) {
    auto& console = session.console();
    if (console.json())
        console.result(dump(
            {{"schema", "zdm.up/1"},
             {"target", to_json(session.client().target())},
             {"migrations", report.migrations},
             {"stopped_at", report.stopped_at.empty() ? Json(nullptr) : Json(report.stopped_at)},
             {"exit_code", code(exit)}}));
    else if (exit == Exit::done)
        console.result(fmt::format("Done: {} of {} migrations.", report.done, files));
    return exit;
}

// A migration that this run did not take to done: why, and what lets the ones behind it go on.
void tell_stop(Session& session, const Migration& m, Exit exit, std::size_t left) {
    auto& console = session.console();
    if (exit == Exit::failed) {
        conclude(session, "zdm.up/1", m.name, exit);
    } else if (exit == Exit::done) {
        console.narrate(fmt::format("{} is {}, not done.\n{}", m.name, m.state, next_words(m)));
    }
    if (left > 0 && exit != Exit::detached)
        console.narrate(fmt::format("{} more {} behind it; then run zdm up again.", left,
                                    left == 1 ? "migration waits" : "migrations wait"));
}

Exit run_folder(const UpOptions& options, Session& session, const Deadline& deadline) {
    const auto paths = list_migrations(options.path);
    if (paths.empty())
        throw Failure{Exit::usage,
                      "ZD812",
                      fmt::format("no *.sql file in {}", options.path),
                      {},
                      "Give the folder that holds the migrations."};
    // All are read before the first one runs: a bad file is better found early.
    std::vector<MigrationFile> files;
    for (const auto& path : paths) files.push_back(read_migration(path));
    session.announced_client();
    auto& console = session.console();
    FolderReport report;
    Exit exit = Exit::done;
    for (const auto& file : files) {
        const auto before = session.find(file.name);
        const bool was_done = before && before->state == "done";
        if (!was_done) console.narrate(fmt::format("{}:", file.name));
        exit = run_one(file, options, session, deadline);
        const auto after = session.find(file.name);
        if (after) report.migrations.push_back(to_json(*after));
        if (after && after->state == "done") {
            ++report.done;
            console.narrate(file.name + (was_done ? ": done already" : ": done"));
            continue;
        }
        report.stopped_at = file.name;
        if (after && !console.json())
            tell_stop(session, *after, exit, files.size() - report.done - 1);
        else if (after && exit == Exit::failed)
            console.complain(dump(to_json(failure_of(*after, session.steps(after->name)))));
        break;
    }
    return conclude_folder(session, report, files.size(), exit);
}

Exit run_up(const UpOptions& options, Session& session) {
    const auto deadline = deadline_in(options.timeout);
    std::error_code problem;
    return std::filesystem::is_directory(options.path, problem)
               ? run_folder(options, session, deadline)
               : run_file(options, session, deadline);
}

void declare(Command& command, UpOptions& options) {
    command.required("FILE|DIR", options.path, "a .sql file, or a folder of them");
    command.text("--to", options.to, "STATE", "expanded, ready, switched or done (default: ready)");
    command.among({"expanded", "ready", "switched", "done"});
    command.flag("--yes", options.yes, "remove what the plan removes without asking");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition up_command() {
    return define<UpOptions>(
        "up", "Run a migration, or all *.sql of a folder in name order, up to a state", declare,
        run_up);
}

}  // namespace zdm::cli
