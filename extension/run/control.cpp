#include "run/control.hpp"

#include <algorithm>
#include <ctime>

#include "pg/arguments.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "run/clean_up.hpp"
#include "run/gate.hpp"
#include "run/launch.hpp"
#include "run/machine.hpp"
#include "run/limits.hpp"
#include "run/usage.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

#include "pg/bridge.hpp"
#include "pg/compat.hpp"

namespace zdm::run {

using catalog::Migration;

namespace {

std::string quoted(const Migration& m) { return pg::quote_literal(m.name); }

[[noreturn]] void wrong_state(const Migration& m, const std::string& wanted,
                              const std::string& hint) {
    throw pg::Error{pg::state::kNotInPrerequisiteState,
                    "ZD303: cannot " + wanted + " migration \"" + m.name + "\"",
                    "It is in state " + std::string{catalog::to_text(m.state)} + ".", hint};
}

// Some rows with triggers and some without are what nobody can have meant.
void require_no_batches(const Migration& m) {
    for (const auto& stored : catalog::load_steps(m.id)) {
        const auto kind = stored.step.kind;
        const bool fills = kind == plan::StepKind::backfill || kind == plan::StepKind::delete_rows;
        if (fills && stored.state != catalog::StepState::pending)
            throw pg::Error{pg::state::kNotInPrerequisiteState,
                            "ZD303: rows of migration \"" + m.name + "\" are being changed already",
                            "fire_triggers holds for all of its rows.",
                            "Set it before zdm_start, or give it to zdm_backfill."};
    }
}

std::vector<StepView> views_of(std::int64_t id) {
    std::vector<StepView> views;
    for (const auto& mark : catalog::latest_marks(id))
        views.push_back({mark.phase, mark.state, mark.removal});
    return views;
}

void refuse_while_failed(const Migration& m, const std::string& wanted) {
    if (m.state == State::failed)
        wrong_state(m, wanted,
                    "See zdm.migrations for the error; remove the cause and call zdm_resume(" +
                        quoted(m) + "), or zdm_rollback(" + quoted(m) + ").");
}

// Says who uses what the rollback takes away; refuses what would fail in the middle.
void tell_usage(const Migration& m) {
    const auto findings = usage(m);
    if (const auto refused = refusal(m.name, findings)) throw pg::Error{*refused};
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    for (const auto& finding : findings)
        if (is_use(finding)) pg::notice(describe(finding, now));
}

// A migration whose role was dropped goes on as the role that has its tables now, never as a
// superuser: its SQL is that of somebody who may have been none.
void inherit(Migration& m) {
    if (!catalog::inherit(m.id)) return;
    m = *catalog::find_migration(m.id);
    if (pg::call([&] { return superuser_arg(m.owner); }))
        throw pg::Error{
            pg::state::kInsufficientPrivilege,
            "ZD506: migration \"" + m.name + "\" may not go on as the superuser " + m.owner_name,
            "Its own role was dropped, and " + m.owner_name +
                " owns its tables now. What its own role was allowed can't be known "
                "any more, so its SQL is not run as a superuser.",
            "Give its tables to a role that is no superuser (ALTER TABLE ... OWNER TO "
            "...), then call this again."};
    catalog::add_event(m.id, "inherited", std::nullopt,
                       "its role was dropped; it runs as the owner of its tables, " + m.owner_name);
}

// Makes a migration that came with a copy of its database this database's own.
void adopt(const Migration& m) {
    const auto synced = catalog::adopt_database(m.id);
    // Rules may call functions of the owner's, which run as the owner only. Planning a rule
    // evaluates its constants; restricted, they leave nothing that would run later as whoever
    // called.
    const pg::AsUser owner{m.owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION};
    for (const auto& [before, now] : synced) sync::adopt(before, now);
    catalog::add_event(m.id, "adopted", std::nullopt, "resumed in a copy of its database");
}

// Keeps who lets differing values go. True when that is all that is to be done: the migration
// compares already, or in its switch, which comes first.
bool accept(const Migration& m) {
    const State now = m.state == State::failed ? m.failed_state.value_or(State::failed) : m.state;
    if (now != State::ready && now != State::switching && now != State::switched &&
        now != State::contracting)
        return false;
    const auto steps = catalog::load_steps(m.id);
    const bool before_switch = now == State::ready && m.switches;
    const auto compares = [&](const auto& stored) {
        return stored.step.kind == plan::StepKind::verify &&
               stored.state != catalog::StepState::done &&
               (!before_switch || stored.step.phase == plan::Phase::switch_);
    };
    if (std::none_of(steps.begin(), steps.end(), compares)) {
        pg::notice("migration \"" + m.name + "\" compares no columns from here on");
        return false;
    }
    if (m.differences_accepted_by.empty()) {
        const std::string who = catalog::accept_differences(m.id);
        catalog::add_event(m.id, "accepted", std::nullopt,
                           who + " lets contract remove old values that differ from the new ones");
    }
    // Those of the switch, which is to be called for.
    if (before_switch) return true;
    if (now == State::ready || now == State::switched) return false;
    resume(m.name);
    return true;
}

}  // namespace

void require_writable() {
    if (!XactReadOnly) return;
    throw pg::Error{pg::sqlstate("25006"), "ZD310: zdm cannot do this in a read-only transaction",
                    "It keeps its state in tables, and plans on empty temporary ones.",
                    "Call it on the primary, in a transaction that may write."};
}

Migration visible_migration(const std::string& name, bool lock) {
    if (lock) require_writable();
    auto migration = lock ? catalog::lock_migration(name) : catalog::find_migration(name);
    const bool visible =
        migration && pg::call([&] { return has_privs_of_role(GetUserId(), migration->owner); });
    if (!visible)
        throw pg::Error{pg::state::kUndefinedObject,
                        "ZD301: there is no migration \"" + name + "\"",
                        "None of that name belongs to a role that you are a member of.",
                        "SELECT name, state FROM zdm.migrations shows those that you may see."};
    return *migration;
}

void switch_over(const std::string& name) {
    const Migration m = visible_migration(name, true);
    if (!m.switches)
        throw pg::Error{pg::state::kNotInPrerequisiteState,
                        "ZD315: there is nothing to switch in migration \"" + name + "\"",
                        "Its plan has no switch phase.",
                        "When it is ready, call zdm_contract(" + quoted(m) + ")."};
    refuse_while_failed(m, "switch");
    switch (m.state) {
    case State::switching:
    case State::switched:
    case State::contracting:
    case State::done:
        pg::notice("migration \"" + name + "\" is " + std::string{catalog::to_text(m.state)});
        return;
    case State::ready: break;
    case State::planned:
    case State::expanding:
    case State::expanded:
    case State::migrating:
    case State::rolling_back:
    case State::rolled_back:
    case State::failed:
        wrong_state(m, "switch", "Wait until it is ready: CALL zdm_wait(" + quoted(m) + ").");
    }
    if (m.upto != Upto::done) catalog::set_upto(m.id, Upto::switched);
    catalog::set_paused(m.id, false, std::nullopt);
    catalog::change_state(m.id, State::ready, State::switching);
    catalog::add_event(m.id, "state", std::nullopt, "ready -> switching");
    launch_at_commit(m);
}

void contract(const std::string& name, bool force, const std::optional<std::string>& reason,
              bool accept_differences) {
    Migration m = visible_migration(name, true);
    if (accept_differences && accept(m)) return;
    if (m.state == State::done || m.state == State::contracting) {
        pg::notice("migration \"" + name + "\" is " + std::string{catalog::to_text(m.state)});
        return;
    }
    refuse_while_failed(m, "contract");
    if (m.state == State::ready && m.switches)
        throw pg::Error{
            pg::state::kNotInPrerequisiteState,
            "ZD314: migration \"" + name + "\" is not switched yet",
            "It is ready, and its plan has a switch phase, which comes before contract.",
            "zdm_switch(" + quoted(m) + "), then zdm_contract(" + quoted(m) + "); or zdm_start(" +
                quoted(m) + ", 'done') goes through both, its gate included."};
    const State from = before_contract(m.switches);
    if (m.state != from)
        wrong_state(m, "contract",
                    m.switches
                        ? "Wait until it is switched: CALL zdm_wait(" + quoted(m) + ", 'switched')."
                        : "Wait until it is ready: CALL zdm_wait(" + quoted(m) + ").");
    if (force && (!reason || reason->empty()))
        throw pg::Error{pg::state::kInvalidParameter, "ZD601: force needs a reason",
                        "The reason is kept with the migration.",
                        "zdm_contract(" + quoted(m) + ", force => true, reason => '...')"};
    // The worker asks again: with this session's settings, and leaving it out, as this call does.
    remember_caller(m.id);
    const Verdict verdict = judge(read_evidence(m));
    record_excuse(m, verdict);
    const auto shut = gate_error(m, verdict);
    if (shut && !force) {
        pg::Error refused{*shut};
        refused.detail += " Nothing was changed.";
        throw refused;
    }
    // Kept whatever the gate says now: it may be shut when the worker asks.
    if (force) {
        catalog::set_forced(m.id, *reason);
        const std::string said =
            shut ? std::string{shut->what()} + ": " + shut->detail : "the gate was open";
        catalog::add_event(m.id, "forced", std::nullopt, *reason + " (" + said + ")");
    }
    catalog::set_upto(m.id, Upto::done);
    catalog::set_paused(m.id, false, std::nullopt);
    catalog::change_state(m.id, from, State::contracting);
    catalog::add_event(m.id, "state", std::nullopt,
                       std::string{catalog::to_text(from)} + " -> contracting");
    launch_at_commit(m);
}

std::string rollback(const std::string& name, bool keep) {
    Migration m = visible_migration(name, true);
    // Whoever lost the answer asks again.
    const auto left = [&] {
        return clean_up_sql(catalog::load_steps(m.id), settings::lock_timeout());
    };
    if (m.state == State::rolled_back) return keep && m.keep ? left() : std::string{};
    // What was removed does not come back, but whoever can't go on either may leave it as it is.
    if (m.state == State::done || (!keep && removal_begun(views_of(m.id))))
        throw pg::Error{pg::state::kNotInPrerequisiteState,
                        "ZD304: migration \"" + name + "\" is past the point of no return",
                        m.state == State::done ? "It is done." : "Its first removal has begun.",
                        m.state == State::done
                            ? "Write a new migration that brings back what you need."
                            : "Let it go on: zdm_resume(" + quoted(m) +
                                  "); or leave all as it is: zdm_rollback(" + quoted(m) +
                                  ", keep => true)."};
    inherit(m);
    if (!m.same_database) adopt(m);
    if (!keep) tell_usage(m);
    const std::string sql = keep ? left() : std::string{};
    if (keep) catalog::set_keep(m.id);
    const State from = m.state;
    if (from == State::failed) catalog::clear_failure(m.id);
    const State now = from == State::failed ? m.failed_state.value_or(State::expanding) : from;
    const State to = now == State::planned ? State::rolled_back : State::rolling_back;
    catalog::set_paused(m.id, false, std::nullopt);
    if (now != to) {
        catalog::change_state(m.id, now, to);
        catalog::add_event(
            m.id, "state", std::nullopt,
            std::string{catalog::to_text(from)} + " -> " + std::string{catalog::to_text(to)});
    }
    if (to == State::rolling_back) {
        interrupt_at_commit(m.id);
        launch_at_commit(m);
    }
    return sql;
}

void pause(const std::string& name, const std::optional<std::string>& reason) {
    const Migration m = visible_migration(name, true);
    if (!catalog::is_live(m.state))
        wrong_state(m, "pause",
                    "Only migrations that were started and are not finished can be paused.");
    if (m.paused) return;
    catalog::set_paused(m.id, true, reason.value_or("asked for"));
    catalog::add_event(m.id, "paused", std::nullopt, reason.value_or("asked for"));
    interrupt_at_commit(m.id);
}

void resume(const std::string& name) {
    Migration m = visible_migration(name, true);
    if (!catalog::is_live(m.state))
        wrong_state(m, "resume",
                    m.state == State::planned ? "Start it: zdm_start(" + quoted(m) + ")."
                                              : "There is nothing left to do.");
    inherit(m);
    if (!m.same_database) adopt(m);
    if (m.state == State::failed) catalog::clear_failure(m.id);
    if (m.paused || m.state == State::failed) {
        catalog::set_paused(m.id, false, std::nullopt);
        catalog::add_event(m.id, "resumed", std::nullopt, "asked for");
    }
    launch_at_commit(m);
}

void set_option(const std::string& name, const std::string& option,
                const std::optional<std::string>& value) {
    const Migration m = visible_migration(name, true);
    require_option(option, value);
    if (option == "fire_triggers") require_no_batches(m);
    catalog::set_option(m.id, option, value);
    catalog::add_event(m.id, "option", std::nullopt, option + " = " + value.value_or("default"));
}

bool ping(const std::string& name, bool silent) {
    const Migration m = visible_migration(name, false);
    if (!can_launch()) return false;
    for (const auto id : catalog::runnable_migrations())
        if (id == m.id && m.same_database && worker_pid(id) == 0) {
            launch_at_commit(m, silent);
            return true;
        }
    return false;
}

}  // namespace zdm::run
