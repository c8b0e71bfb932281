// zdm set NAME OPTION VALUE: retunes a migration while it runs.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct SetOptions {
    std::string name;
    std::string option;
    std::string value;
};

constexpr auto kOptions =
    "batch_target (time that a batch may hold row locks, e.g. 50ms), "
    "duty (processors kept at work, 0.01 to 64; default: as the machine allows), "
    "workers (at a table at most), max_bad_rows (to pass over), max_rate (rows/s), max_wal_rate "
    "(per second, e.g. 20MB), "
    "quiet_period (of the gate, e.g. 10m), standby_grace (beside a standby without "
    "hot_standby_feedback, e.g. 30s), fire_triggers (true or false, before it starts); and what a "
    "backfill waits for: "
    "max_replica_lag (e.g. 2s), max_replica_lag_bytes, max_slot_wal, min_free_disk (e.g. 10GB), "
    "max_archive_backlog, max_lock_waiters, max_requested_checkpoints, max_active_sessions, "
    "max_dead_tuples, allowed_hours ('22:00-06:00 Europe/Berlin'), pressure_query (a SELECT); "
    "0 or an empty text = no limit, default takes it back";

enum class Unit { number, milliseconds, seconds, as_it_is };

struct Known {
    const char* name;
    Unit unit = Unit::number;
};
// Sizes, hours and queries are the server's to read.
constexpr Known kKnown[] = {
    {"batch_target", Unit::milliseconds},
    {"duty"},
    {"workers"},
    {"max_rate"},
    {"max_wal_rate", Unit::as_it_is},
    {"max_bad_rows"},
    {"fire_triggers", Unit::as_it_is},
    {"standby_grace", Unit::seconds},
    {"max_replica_lag", Unit::seconds},
    {"max_replica_lag_bytes", Unit::as_it_is},
    {"max_slot_wal", Unit::as_it_is},
    {"max_archive_backlog"},
    {"max_lock_waiters"},
    {"max_requested_checkpoints"},
    {"max_active_sessions"},
    {"max_dead_tuples"},
    {"min_free_disk", Unit::as_it_is},
    {"allowed_hours", Unit::as_it_is},
    {"pressure_query", Unit::as_it_is},
    {"quiet_period", Unit::seconds},
};

std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& known : kKnown) all.emplace_back(known.name);
    return all;
}

Unit unit_of(const std::string& option) {
    for (const auto& known : kKnown)
        if (option == known.name) return known.unit;
    return Unit::number;
}

// A value as the server has it: plain numbers, times in the option's own unit.
Value server_value(const SetOptions& options) {
    if (options.value == "default") return std::nullopt;
    const Unit unit = unit_of(options.option);
    if (unit == Unit::as_it_is) return options.value;
    if (unit != Unit::number)
        if (const auto time = parse_duration(options.value))
            return fmt::format(
                "{}", static_cast<double>(time->count()) / (unit == Unit::milliseconds ? 1 : 1000));
    if (parse_number(options.value)) return options.value;
    throw Failure{Exit::usage, "ZD601",
                  fmt::format("\"{}\" is no value for {}", options.value, options.option),
                  "A value is a number of at least 0, or a time such as 50ms.",
                  std::string{"Options: "} + kOptions + "."};
}

Exit run_set(const SetOptions& options, Session& session) {
    const auto value = server_value(options);
    session.announced_client();
    session.call("zdm_set", "$1, $2, $3", {options.name, options.option, value});
    const auto m = session.migration(options.name);
    if (session.console().json())
        session.show_status(m);
    else
        session.console().result(
            fmt::format("{}: {} is {} now", m.name, options.option, value.value_or("the default")));
    return Exit::done;
}

void declare(Command& command, SetOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.required("OPTION", options.option, kOptions);
    command.among(names());
    command.required("VALUE", options.value, "a number, a time, a size, a text, or default");
}

}  // namespace

Definition set_command() {
    return define<SetOptions>("set", "Change an option of a migration while it runs", declare,
                              run_set);
}

}  // namespace zdm::cli
