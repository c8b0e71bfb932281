#include "cli/commands/common.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/failure.hpp"

namespace zdm::cli {

Deadline deadline_in(const std::optional<Milliseconds>& time) {
    if (!time) return std::nullopt;
    return Clock::now() + *time;
}

std::vector<Step> removals_in(const std::vector<Step>& steps,
                              const std::vector<std::string_view>& phases) {
    std::vector<Step> found;
    for (const auto& step : steps)
        if (step.removal && step.state != "done" && step.state != "skipped" &&
            std::find(phases.begin(), phases.end(), step.phase) != phases.end())
            found.push_back(step);
    return found;
}

void confirm_removals(Session& session, const std::string& name, const std::vector<Step>& removals,
                      bool yes) {
    if (yes || removals.empty()) return;
    std::string list;
    for (const auto& step : removals)
        list += fmt::format("  step {} ({}): {}\n", step.step, step.phase, step.command);
    if (session.console().can_ask()) {
        session.console().narrate(fmt::format(
            "{} removes what is there now, and zdm rollback can't bring it back:\n{}", name, list));
        if (session.console().ask("Remove it?")) return;
        throw Failure{Exit::usage, "ZD821", "not confirmed, so " + name + " was not run",
                      "It was not run.", "Answer y, or give --yes."};
    }
    list.pop_back();
    throw Failure{Exit::usage, "ZD821",
                  name + " removes what is there now, and nobody is here to ask",
                  list + "\nIt was not run.", "Look at the steps above, then give --yes."};
}

bool pass_gate(Session& session, const std::string& name, const ContractCall& how,
               const Deadline& deadline) {
    const Interrupts interrupts;
    auto& console = session.console();
    std::string told;
    for (;;) {
        try {
            session.surviving(deadline, [&] {
                session.call(
                    "zdm_contract", "$1, $2::boolean, $3, $4::boolean",
                    {name, how.force ? "t" : "f", how.reason, how.accept_differences ? "t" : "f"});
            });
            console.draw({});
            return true;
        } catch (const Failure& refusal) {
            if (refusal.code != "ZD401" || !deadline || is_over(deadline)) throw;
            // Its numbers change with every second; the first words are the news.
            const auto why = refusal.detail.empty() ? std::string{refusal.what()} : refusal.detail;
            if (console.has_bar())
                console.draw({console.err(Style::warning, "gate shut: ") + why});
            else if (told != why.substr(0, 40))
                console.narrate("gate shut: " + why);
            told = why.substr(0, 40);
        }
        pause_for(Milliseconds{500});
        if (Interrupts::asked()) {
            console.draw({});
            console.narrate("Stopped asking the gate; nothing was contracted. Next: zdm contract " +
                            shell_word(name));
            return false;
        }
    }
}

Exit drive_to_done(Session& session, Follower& follower, const std::string& name,
                   const Deadline& gate_deadline) {
    follower.options().until = "done";
    follower.options().to_gate = true;
    for (;;) {
        const auto exit = follower.run();
        if (exit != Exit::gate) return exit;
        // Shut or blind, or the worker that was to ask it is gone: ask ourselves, and hear why not.
        if (!pass_gate(session, name, {}, gate_deadline)) return Exit::detached;
    }
}

Exit conclude(Session& session, const std::string& schema, const std::string& name, Exit exit) {
    auto& console = session.console();
    if (exit == Exit::detached) return exit;
    Migration m;
    std::vector<Step> steps;
    session.surviving(std::nullopt, [&] {
        m = session.migration(name);
        steps = session.steps(name);
    });
    if (console.json()) {
        console.result(dump({{"schema", schema},
                             {"target", to_json(session.client().target())},
                             {"migration", session.status_json(m)},
                             {"next", next_words(m).empty() ? Json(nullptr) : Json(next_words(m))},
                             {"exit_code", code(exit)}}));
    }
    if (exit == Exit::failed) {
        const auto failure = failure_of(m, steps);
        if (console.json()) {
            console.complain(dump(to_json(failure)));
        } else if (m.state == "failed") {
            console.complain(render_failed(session.err(), m, steps) + next_words(m));
        } else {
            console.complain(render_failure(session.err(), failure, {}, {}));
        }
        return exit;
    }
    if (console.json() || exit != Exit::done) return exit;
    auto line = fmt::format("{} is {}", name, session.out().paint(Style::good, m.state));
    if (m.state == "done" && m.seconds) line += ", took " + show_duration(*m.seconds);
    const auto next = next_words(m);
    console.result(next.empty() ? line : line + "\n" + next);
    return exit;
}

}  // namespace zdm::cli
