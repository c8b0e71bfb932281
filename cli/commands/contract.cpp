// zdm contract NAME: enforces and removes, once the gate lets it.
#include "cli/commands.hpp"
#include "cli/commands/common.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

struct ContractOptions {
    std::string name;
    std::optional<Milliseconds> wait;
    std::optional<Milliseconds> timeout;
    bool force = false;
    bool accept_differences = false;
    Value reason;
    bool yes = false;
};

// The gate's refusal names functions; people who use this program want its commands.
[[noreturn]] void refuse(const ContractOptions& options, Failure refusal) {
    const auto name = shell_word(options.name);
    if (refusal.code == "ZD401")
        refusal.hint = "Stop or upgrade the old application, then: zdm contract " + name +
                       " --wait 15m\nor, if you know better: zdm contract " + name +
                       " --force --reason '...'";
    else if (refusal.code == "ZD314")
        refusal.hint = "zdm switch " + name + ", then: zdm contract " + name;
    else if (refusal.code == "ZD402")
        refusal.hint = "Make sure yourself, then: zdm contract " + name + " --force --reason '...'";
    throw refusal;
}

Exit run_contract(const ContractOptions& options, Session& session) {
    if (options.force && (!options.reason || options.reason->empty()))
        throw Failure{Exit::usage, "ZD601", "--force needs --reason",
                      "The reason is kept with the migration.",
                      "zdm contract " + shell_word(options.name) + " --force --reason '...'"};
    if (options.reason && !options.force)
        throw Failure{Exit::usage,
                      "ZD601",
                      "--reason goes with --force only",
                      {},
                      "Leave it out, or force the gate."};
    session.announced_client();
    const auto m = session.migration(options.name);
    if (m.state == (m.switches ? "switched" : "ready"))
        confirm_removals(session, m.name, removals_in(session.steps(m.name), {"contract"}),
                         options.yes);
    // Differences of the switch are accepted before it, or once it has stopped at them; contract is
    // another call.
    const bool in_switch =
        options.accept_differences && m.switches &&
        (m.state == "ready" || m.state == "switching" || m.failed_state == "switching");
    const auto gate_deadline = deadline_in(options.wait);
    Follower follower{session,
                      {m.name},
                      {in_switch ? (m.state == "ready" ? "ready" : "switched") : "done",
                       deadline_in(options.timeout)}};
    follower.remember();
    try {
        if (!pass_gate(session, m.name, {options.force, options.reason, options.accept_differences},
                       gate_deadline))
            return Exit::detached;
        const auto exit =
            in_switch ? follower.run() : drive_to_done(session, follower, m.name, gate_deadline);
        return conclude(session, "zdm.contract/1", m.name, exit);
    } catch (const ConnectionLost&) {
        throw;
    } catch (const Failure& refusal) {
        refuse(options, refusal);
    }
}

void declare(Command& command, ContractOptions& options) {
    command.required("NAME", options.name, "a migration");
    command.time("--wait", options.wait, "wait so long for a shut gate to open");
    command.flag("--force", options.force, "contract although the gate is shut or blind");
    command.text("--reason", options.reason, "TEXT", "why it is forced; kept with the migration");
    command.flag("--accept-differences", options.accept_differences,
                 "remove old values although new ones differ (zdm verify shows them)");
    command.flag("--yes", options.yes, "remove what the plan removes without asking");
    command.time("--timeout", options.timeout, "stop watching after this time (exit 8)");
}

}  // namespace

Definition contract_command() {
    return define<ContractOptions>(
        "contract", "Enforce and remove what a ready migration says, once its gate is open",
        declare, run_contract);
}

}  // namespace zdm::cli
