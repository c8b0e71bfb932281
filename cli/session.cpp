#include "cli/session.hpp"

#include <fmt/format.h>

#include "cli/failure.hpp"
#include "cli/server_error.hpp"

namespace zdm::cli {

namespace {

constexpr std::chrono::milliseconds kReconnectEvery{300};
constexpr std::chrono::seconds kReconnectFor{60};

template <typename Item>
std::vector<Item> all(const Rows& rows, Item (*from)(const Row&)) {
    std::vector<Item> items;
    items.reserve(rows.size());
    for (const auto& row : rows) items.push_back(from(row));
    return items;
}

}  // namespace

Client& Session::any_client() {
    if (client_ == nullptr)
        client_ = std::make_unique<Client>(
            connection_keywords(flags_, from_environment), [this](const std::string& text) {
                const auto notice = parse_server_error(text);
                // While somebody waits the same may be said every second.
                const bool again = !notices_.empty() && notices_.back() == notice.message;
                notices_.push_back(notice.message);
                if (again) return;
                console_.narrate("note: " + notice.message +
                                 (notice.detail.empty() ? "" : "\n  " + notice.detail) +
                                 (notice.hint.empty() ? "" : "\n  " + notice.hint));
            });
    return *client_;
}

Client& Session::client() {
    auto& client = any_client();
    if (!checked_) client.require_zdm();
    checked_ = true;
    return client;
}

Client& Session::announced_client() {
    auto& client = any_client();
    console_.narrate("target: " + client.target().text());
    return this->client();
}

std::optional<Migration> Session::find(const std::string& name) {
    const auto rows = client().query(std::string{kSelectMigrations} + " WHERE m.name = $1", {name});
    if (rows.empty()) return std::nullopt;
    return migration_from(rows.front());
}

Migration Session::migration(const std::string& name) {
    if (auto found = find(name)) return *found;
    std::string known;
    for (const auto& m : migrations()) known += (known.empty() ? "" : ", ") + m.name;
    throw Failure{Exit::usage, "ZD301",
                  fmt::format("there is no migration \"{}\" that you may see", name),
                  known.empty() ? "There are none in this database."
                                : "In this database there are: " + known + ".",
                  "zdm status lists them; a migration is called like its file, without .sql."};
}

std::vector<Migration> Session::migrations() {
    return all(client().query(std::string{kSelectMigrations} + " ORDER BY m.id"), migration_from);
}

std::vector<Step> Session::steps(const std::string& name) {
    return all(client().query(std::string{kSelectSteps} + " WHERE s.migration = $1 ORDER BY s.step",
                              {name}),
               step_from);
}

std::vector<Progress> Session::progress(const std::string& name) {
    return all(
        client().query(std::string{kSelectProgress} + " WHERE p.migration = $1 ORDER BY p.step",
                       {name}),
        progress_from);
}

std::vector<Signal> Session::pressure(const std::string& name) {
    return all(client().query(std::string{kSelectPressure} + " WHERE p.migration = $1", {name}),
               signal_from);
}

std::vector<Usage> Session::usage(const std::string& name) {
    auto& server = client();
    return all(server.query(fmt::format("SELECT {} FROM {}($1) u", kUsageColumns,
                                        server.function("zdm_usage")),
                            {name}),
               usage_from);
}

Rows Session::call(const std::string& function, const std::string& arguments,
                   const std::vector<Value>& values) {
    auto& server = client();
    return server.query(
        fmt::format("SELECT {}({}) AS result", server.function(function), arguments), values);
}

void Session::surviving(const Deadline& deadline, const std::function<void()>& body) {
    for (;;) {
        try {
            return body();
        } catch (const ConnectionLost& lost) {
            connect_again(deadline, lost.detail);
        }
    }
}

void Session::connect_again(const Deadline& deadline, const std::string& why) {
    console_.draw({});
    console_.narrate("connection lost, trying again: " + why.substr(0, why.find('\n')));
    const auto give_up = deadline.value_or(Clock::now() + kReconnectFor);
    for (;;) {
        pause_for(kReconnectEvery);
        if (Interrupts::asked())
            throw Failure{Exit::detached, "ZD802", "detached while the server was away",
                          "Whatever it had begun goes on when it is back.", "zdm status"};
        try {
            client_->reconnect();
            console_.narrate("connected again");
            return;
        } catch (const Failure& failure) {
            if (Clock::now() < give_up) continue;
            throw Failure{
                Exit::no_connection, "ZD802",
                "the connection to the server was lost and does not come back", failure.detail,
                "The server side is unaffected by this end: when it is up again, zdm status "
                "shows where it is, and zdm watch goes on watching."};
        }
    }
}

bool Session::ping(const std::string& name) {
    const auto rows = client().query("SELECT zdm.ping($1) AS started", {name});
    return !rows.empty() && rows.front().is_true("started");
}

Json Session::status_json(const Migration& migration) {
    auto out = to_json(migration);
    out["plan"] = to_json(steps(migration.name));
    out["progress"] = to_json(progress(migration.name));
    out["pressure"] = to_json(pressure(migration.name));
    return out;
}

void Session::show_status(const Migration& migration) {
    if (console_.json()) {
        console_.result(dump({{"schema", "zdm.status/1"},
                              {"target", to_json(client().target())},
                              {"migrations", Json::array({status_json(migration)})}}));
    } else {
        console_.result(render_migration(out(), migration, steps(migration.name),
                                         progress(migration.name), pressure(migration.name)));
    }
}

}  // namespace zdm::cli
