#include "cli/session.hpp"

#include <fmt/format.h>

#include "cli/failure.hpp"
#include "cli/server_error.hpp"

namespace zdm::cli {

namespace {

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

Rows Session::call(const std::string& function, const std::string& arguments,
                   const std::vector<Value>& values) {
    auto& server = client();
    return server.query(
        fmt::format("SELECT {}({}) AS result", server.function(function), arguments), values);
}

bool Session::ping(const std::string& name) {
    const auto rows = client().query("SELECT zdm.ping($1) AS started", {name});
    return !rows.empty() && rows.front().is_true("started");
}

Json Session::status_json(const Migration& migration) {
    auto out = to_json(migration);
    out["plan"] = to_json(steps(migration.name));
    out["progress"] = to_json(progress(migration.name));
    return out;
}

void Session::show_status(const Migration& migration) {
    if (console_.json()) {
        console_.result(dump({{"schema", "zdm.status/1"},
                              {"target", to_json(client().target())},
                              {"migrations", Json::array({status_json(migration)})}}));
    } else {
        console_.result(
            render_migration(out(), migration, steps(migration.name), progress(migration.name)));
    }
}

}  // namespace zdm::cli
