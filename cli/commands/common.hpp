// What several commands share: options with units, questions before a removal, the end of a
// command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/follow.hpp"
#include "cli/quantity.hpp"
#include "cli/session.hpp"

namespace zdm::cli {

// The point in time so far from now; none without a duration.
Deadline deadline_in(const std::optional<Milliseconds>& time);

// Whether to go on although these steps remove something. Asks on a terminal; elsewhere, or when
// the answer is no, throws Failure (usage). Says yes at once with `yes` or when there is nothing to
// remove.
void confirm_removals(Session& session, const std::string& name, const std::vector<Step>& removals,
                      bool yes);

// Removals among the steps still to be done in these phases.
std::vector<Step> removals_in(const std::vector<Step>& steps,
                              const std::vector<std::string_view>& phases);

// Follows a migration to done, its gate included. While the gate is shut it asks again until
// `gate_deadline`; then, or when the gate is blind, throws the gate's refusal (exit 4).
Exit drive_to_done(Session& session, Follower& follower, const std::string& name,
                   const Deadline& gate_deadline);

// How contract is called.
struct ContractCall {
    bool force = false;
    Value reason = {};
    bool accept_differences = false;
};

// Calls zdm_contract until the gate lets it through; throws its refusal after the deadline. False
// when Ctrl-C ended the wait.
bool pass_gate(Session& session, const std::string& name, const ContractCall& how,
               const Deadline& deadline);

// What a following command says at its end: the failure, or where things are and what comes next,
// as text or as one JSON object with the given schema.
Exit conclude(Session& session, const std::string& schema, const std::string& name, Exit exit);

}  // namespace zdm::cli
