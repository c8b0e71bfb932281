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
    "batch_target (time that a batch may hold row locks, e.g. 50ms), duty (processors kept at work, "
    "0.01 to 64), workers (at a table at most), max_rate (rows/s, 0 = no limit), max_wal_rate "
    "(bytes/s, 0 = no limit), max_replica_lag (e.g. 2s), quiet_period (of the gate, e.g. 10m); "
    "default takes it back";

// A value as the server has it: plain numbers, times in the option's own unit.
Value server_value(const SetOptions& options) {
    if (options.value == "default") return std::nullopt;
    const bool in_ms = options.option == "batch_target";
    const bool in_s = options.option == "max_replica_lag" || options.option == "quiet_period";
    if (in_ms || in_s)
        if (const auto time = parse_duration(options.value))
            return fmt::format("{}", static_cast<double>(time->count()) / (in_ms ? 1 : 1000));
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
    command.among({"batch_target", "duty", "workers", "max_rate", "max_wal_rate", "max_replica_lag",
                   "quiet_period"});
    command.required("VALUE", options.value, "a number, a time, or default");
}

}  // namespace

Definition set_command() {
    return define<SetOptions>("set", "Change an option of a migration while it runs", declare,
                              run_set);
}

}  // namespace zdm::cli
