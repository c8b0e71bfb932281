// zdm history [NAME]: what was done here, or all that happened to one migration.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/quantity.hpp"

namespace zdm::cli {

namespace {

struct HistoryOptions {
    std::string name;
};

Exit show_events(Session& session, const std::string& name) {
    const auto m = session.migration(name);
    std::vector<Event> events;
    for (const auto& row : session.client().query(
             std::string{kSelectEvents} + " WHERE e.migration = $1 ORDER BY e.id", {m.name}))
        events.push_back(event_from(row));
    auto& console = session.console();
    if (console.json()) {
        console.result(dump({{"schema", "zdm.history/1"},
                             {"target", to_json(session.client().target())},
                             {"migrations", Json::array({to_json(m)})},
                             {"events", to_json(events)}}));
        return Exit::done;
    }
    std::vector<std::vector<std::string>> rows = {{"at", "event", "step", "what"}};
    for (const auto& e : events) {
        // Statements have many lines; the first tells which one it is.
        const auto end = e.message.find('\n');
        rows.push_back({e.at, e.kind, e.step ? fmt::format("{}", *e.step) : "",
                        end == e.message.npos ? e.message : e.message.substr(0, end) + " ..."});
    }
    console.result(table(rows));
    return Exit::done;
}

Exit run_history(const HistoryOptions& options, Session& session) {
    if (!options.name.empty()) return show_events(session, options.name);
    const auto migrations = session.migrations();
    auto& console = session.console();
    if (console.json()) {
        console.result(dump({{"schema", "zdm.history/1"},
                             {"target", to_json(session.client().target())},
                             {"migrations", to_json(migrations)}}));
        return Exit::done;
    }
    std::vector<std::vector<std::string>> rows = {
        {"migration", "state", "owner", "started", "finished", "took", "note"}};
    for (const auto& m : migrations) {
        auto note = m.forced_reason.empty()
                        ? std::string{}
                        : fmt::format("gate forced by {}: {}", m.forced_by, m.forced_reason);
        if (m.state == "failed") note = m.message.substr(0, m.message.find('\n'));
        rows.push_back({m.name, m.state, m.owner, m.started_at.empty() ? "-" : m.started_at,
                        m.finished_at.empty() ? "-" : m.finished_at,
                        m.seconds && !m.finished_at.empty() ? show_duration(*m.seconds) : "-",
                        note});
    }
    console.result(migrations.empty() ? "No migrations yet." : table(rows));
    return Exit::done;
}

void declare(Command& command, HistoryOptions& options) {
    command.optional("NAME", options.name, "a migration");
}

}  // namespace

Definition history_command() {
    return define<HistoryOptions>(
        "history", "List all migrations with their times, or all that happened to one", declare,
        run_history);
}

}  // namespace zdm::cli
