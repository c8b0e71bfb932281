// zdm backfill TABLE --set …: one batched UPDATE as a migration of its own.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/estimate.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct BackfillOptions {
    std::string table;
    std::string set;
    Value where;
    Value name;
    std::optional<std::string> max_rate;
    std::optional<std::string> max_bad_rows;
    bool no_fire_triggers = false;
    bool yes = false;
    bool no_wait = false;
    bool dry_run = false;
    std::optional<Milliseconds> timeout;
};

std::string settings_of(const BackfillOptions& options) {
    auto settings = Json::object();
    if (options.max_rate) settings["max_rate"] = *options.max_rate;
    if (options.max_bad_rows) settings["max_bad_rows"] = *options.max_bad_rows;
    if (options.no_fire_triggers) settings["fire_triggers"] = false;
    return dump(settings);
}

// Makes and starts it in one transaction; not when it removes something and nobody said yes: then
// nothing happens, and the removals are given back.
std::vector<Step> begin(Session& session, const BackfillOptions& options, bool confirmed,
                        std::string& name) {
    std::vector<Step> removals;
    session.client().transaction([&] {
        const auto made = session.call(
            "zdm_backfill", "$1::regclass, $2, $3, $4, $5::jsonb",
            {options.table, options.set, options.where, options.name, settings_of(options)});
        name = session.client()
                   .query("SELECT m.name FROM zdm.migrations m WHERE m.id = $1::bigint",
                          {made.front().text("result")})
                   .front()
                   .text("name");
        if (!confirmed)
            removals =
                removals_in(session.steps(name), {"expand", "migrate", "switch", "contract"});
        return removals.empty();
    });
    return removals;
}

// What it would do, without doing it.
Exit estimate(const BackfillOptions& options, Session& session) {
    auto& client = session.client();
    auto& console = session.console();
    const auto found =
        client.query("SELECT row_to_json(e) AS result FROM " + client.function("zdm_estimate") +
                         "($1::regclass, $2, $3, $4::jsonb) e",
                     {options.table, options.set, options.where, settings_of(options)});
    const auto row = Json::parse(found.front().text("result"));
    if (console.json()) {
        Json out = {{"schema", "zdm.estimate/1"}, {"target", to_json(client.target())}};
        out.update(row);
        console.result(dump(out));
        return Exit::done;
    }
    console.narrate("target: " + client.target().text());
    console.result(render_estimate(session.out(), row));
    console.narrate("Nothing was changed. Run it: the same without --dry-run.");
    return Exit::done;
}

Exit run_backfill(const BackfillOptions& options, Session& session) {
    if (options.dry_run) return estimate(options, session);
    const auto deadline = deadline_in(options.timeout);
    session.announced_client();
    std::string name;
    const auto removals = begin(session, options, options.yes, name);
    if (!removals.empty()) {
        confirm_removals(session, "this backfill", removals, options.yes);
        begin(session, options, true, name);
    }
    auto& console = session.console();
    if (options.no_wait) {
        if (console.json())
            session.show_status(session.migration(name));
        else
            console.result(name + " is started.\nNext: zdm watch " + shell_word(name));
        return Exit::done;
    }
    console.narrate("migration: " + name);
    Follower follower{session, {name}, {"done", deadline}};
    return conclude(session, "zdm.backfill/1", name, follower.run());
}

void declare(Command& command, BackfillOptions& options) {
    command.required("TABLE", options.table, "the table, as SQL names it");
    command.text("--set", options.set, "SQL", "what to set, e.g. \"phone = 'unknown'\"");
    command.must();
    command.text("--where", options.where, "SQL", "which rows, e.g. \"phone IS NULL\"");
    command.text("--name", options.name, "NAME", "a name for the migration");
    command.text("--max-rate", options.max_rate, "ROWS", "rows per second at most, 0 = no limit");
    const auto number = [](const std::string& text) {
        return parse_number(text) ? std::string{} : "\"" + text + "\" is no number of at least 0";
    };
    command.check(number);
    command.text("--max-bad-rows", options.max_bad_rows, "ROWS",
                 "rows that can't be changed and are passed over; zdm.bad_rows lists them");
    command.check(number);
    command.flag("--no-fire-triggers", options.no_fire_triggers,
                 "without the table's own triggers; foreign keys are checked all the same");
    command.flag("--yes", options.yes, "overwrite existing values without asking");
    command.flag("--dry-run", options.dry_run, "say what it would do; changes nothing");
    command.flag("--no-wait", options.no_wait, "return as soon as it is started");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition backfill_command() {
    return define<BackfillOptions>("backfill",
                                   "Run one UPDATE in small batches, as a migration of its own",
                                   declare, run_backfill);
}

}  // namespace zdm::cli
