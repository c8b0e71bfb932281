#include "run/runner.hpp"

#include "backfill/hold.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/backoff.hpp"
#include "run/context.hpp"
#include "run/gate.hpp"
#include "run/hint.hpp"
#include "run/locks.hpp"
#include "run/machine.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace zdm::run {

using catalog::Migration;
using catalog::StoredStep;

namespace {

struct Picture {
    Migration migration;
    std::vector<StoredStep> steps;
};

std::optional<Picture> look(std::int64_t id) {
    pg::Transaction transaction;
    auto migration = catalog::find_migration(id);
    if (!migration) return std::nullopt;
    Picture picture{*migration, catalog::load_steps(id)};
    transaction.commit();
    return picture;
}

View view_of(const Picture& picture) {
    const Migration& m = picture.migration;
    View view{m.state, m.upto, m.transition, m.paused, m.keep, {}};
    for (const auto& stored : picture.steps)
        view.steps.push_back({stored.step.phase, stored.state, stored.step.removal});
    return view;
}

// Nobody asks the evidence of a migration that is over. What dropped its trigger took it along,
// unless that was somebody else, or nobody: where all is left as it is, the user's own SQL cleans
// up later, and may not drop it.
void forget_evidence(std::int64_t id) {
    set_local("lock_timeout", std::to_string(settings::lock_timeout().count()));
    for (const auto& stored : catalog::load_steps(id))
        if (stored.step.kind == plan::StepKind::sync) sync::forget(stored.step.relation_oid);
}

void enter(const Migration& migration, State to) {
    ZDM_FAULT("enter_" + std::string{catalog::to_text(to)} + ":before_commit");
    pg::Transaction transaction;
    if (to == State::rolled_back || to == State::done) forget_evidence(migration.id);
    if (catalog::change_state(migration.id, migration.state, to))
        catalog::add_event(migration.id, "state", std::nullopt,
                           std::string{catalog::to_text(migration.state)} + " -> " +
                               std::string{catalog::to_text(to)});
    transaction.commit();
    ZDM_FAULT("enter_" + std::string{catalog::to_text(to)} + ":after_commit");
}

// Contract was asked for when the migration was started: waits for the gate here, and says for
// what. False when it can't be opened without a person.
bool ask_gate(Context& context) {
    const Migration& migration = context.migration();
    Verdict verdict;
    {
        pg::Transaction transaction;
        verdict = judge(read_evidence(migration));
        record_excuse(migration, verdict);
        transaction.commit();
    }
    switch (verdict.state) {
    case GateState::open: enter(migration, State::contracting); return true;
    case GateState::blind:
        context.show_waiting("the gate is blind: " + verdict.reason + " Call zdm_contract(" +
                             pg::quote_literal(migration.name) +
                             ", force => true, reason => '...').");
        return false;
    case GateState::shut: break;
    }
    context.show_waiting("the gate is shut: " + verdict.reason);
    // That may take long, and all batches before it are done.
    backfill::release_versions();
    context.sleep(std::chrono::seconds{1}, {});
    return true;
}

std::string hint_for(const Migration& migration, const pg::Error& error) {
    const std::string name = pg::quote_literal(migration.name);
    if (!error.hint.empty()) return with_name(error.hint, name);
    if (migration.state == State::rolling_back)
        return "Remove the cause, then call zdm_resume(" + name + "); or zdm_rollback(" + name +
               ", keep => true) leaves the rest as it is.";
    return with_name("Remove the cause, then call zdm_resume; or go back with zdm_rollback.", name);
}

// The server says what is wrong, but not with what zdm was at work.
std::string detail_for(const StoredStep* step, const pg::Error& error) {
    if (!error.detail.empty() || step == nullptr) return error.detail;
    return "In step " + std::to_string(step->number) + ": " + step->step.command;
}

// The server's own errors get a code too.
std::string with_code(const pg::Error& error) {
    const std::string message = error.what();
    if (message.starts_with("ZD")) return message;
    const bool rows = pg::sqlstate_text(error.sqlstate).starts_with("23");
    return (rows ? "ZD202: " : "ZD207: ") + message;
}

// Evidence of tables that somebody dropped would stay for ever.
void forget_gone_relations(std::int64_t id) {
    for (const auto& stored : catalog::load_steps(id))
        if (stored.step.kind == plan::StepKind::sync && !relation_exists(stored.step))
            sync::forget(stored.step.relation_oid);
}

// A removal that is one transaction and failed did not happen, unless it failed behind its commit:
// going back is still possible.
void take_back_begin(const Migration& migration, const StoredStep* stored) {
    if (migration.state != State::contracting || stored == nullptr || !stored->step.removal) return;
    if (stored->step.kind != plan::StepKind::unsync && stored->step.kind != plan::StepKind::ddl)
        return;
    for (const auto& now : catalog::load_steps(migration.id))
        if (now.number == stored->number && now.state == catalog::StepState::running)
            catalog::set_step(migration.id, now.number, catalog::StepState::pending);
}

void record_failure(const Migration& migration, const StoredStep* stored, const pg::Error& error) {
    pg::Transaction transaction;
    const auto step = stored == nullptr ? std::nullopt : std::optional<int>{stored->number};
    catalog::Failure failure{step, pg::sqlstate_text(error.sqlstate), with_code(error),
                             detail_for(stored, error), hint_for(migration, error)};
    // Of two workers that fail together one says why.
    if (catalog::set_failed(migration.id, migration.state, failure)) {
        catalog::add_event(migration.id, "failed", step,
                           failure.message + (failure.detail.empty() ? "" : " " + failure.detail));
        take_back_begin(migration, stored);
    }
    forget_gone_relations(migration.id);
    transaction.commit();
}

// A cancel is somebody's wish that this stops: a pause, unless they already said what they want.
void take_as_pause(const Migration& migration) {
    pg::Transaction transaction;
    const auto now = catalog::lock_migration(migration.id);
    if (now && now->state == migration.state && !now->paused) {
        catalog::set_paused(migration.id, true, "its statement was cancelled");
        catalog::add_event(migration.id, "paused", std::nullopt, "its statement was cancelled");
    }
    transaction.commit();
}

class Runner {
public:
    explicit Runner(std::int64_t id) : id_(id) {}

    // One thing to do; false when there is nothing.
    bool once() {
        try {
            if (picture_) pg::check_for_interrupts();
            auto picture = look(id_);
            if (!picture || !settings::enabled()) return false;
            picture_ = std::move(picture);
        } catch (const pg::Error& error) {
            // A cancel between two acts is as much a wish as one in the middle of a statement.
            if (error.sqlstate != pg::state::kQueryCanceled || !picture_) throw;
            take_as_pause(picture_->migration);
            return true;
        }
        return do_next();
    }

private:
    bool do_next() {
        Picture picture = *picture_;  // the act sees it change
        const Next todo = next(view_of(picture));
        const StoredStep* step = nullptr;
        if (todo.act == Act::run_step || todo.act == Act::undo_step)
            step = &picture.steps[todo.step];
        Context context{picture.migration, todo.act == Act::undo_step,
                        step == nullptr ? 0 : step->step.relation_oid};
        try {
            become_owner(picture.migration);
            const bool more = act(context, todo, picture);
            attempts_ = 0;
            return more;
        } catch (const Stopped&) {
            return true;  // the next look says why
        } catch (const pg::Error& error) {
            return handle(context, step, error);
        }
    }

    bool act(Context& context, const Next& todo, const Picture& picture) {
        switch (todo.act) {
        case Act::stop: return false;
        case Act::run_step: {
            const StoredStep& stored = picture.steps[todo.step];
            run_step(context, stored, stored.state == catalog::StepState::running);
            return true;
        }
        case Act::undo_step: undo_step(context, picture.steps[todo.step]); return true;
        case Act::enter: enter(picture.migration, todo.state); return true;
        case Act::ask_gate: return ask_gate(context);
        }
        return false;
    }

    bool handle(Context& context, const StoredStep* step, const pg::Error& error) {
        const std::string code = pg::sqlstate_text(error.sqlstate);
        if (error.sqlstate == pg::state::kQueryCanceled) {
            take_as_pause(context.migration());
            return true;
        }
        // A gate that shut again after contract was allowed: back to where it can be asked again.
        if (std::string{error.what()}.starts_with("ZD40")) {
            enter(context.migration(), before_contract(context.migration().switches));
            return context.migration().upto == Upto::done;
        }
        if (is_transient(code.c_str()) && ++attempts_ <= kMostAttempts) {
            const std::string reason = std::string{"trying again after: "} + error.what();
            context.show_waiting(reason);
            context.sleep(backoff(attempts_, pg_prng_double(&pg_global_prng_state)), reason);
            return true;
        }
        record_failure(context.migration(), step, error);
        return false;
    }

    static constexpr int kMostAttempts = 50;
    std::int64_t id_;
    std::optional<Picture> picture_;  // as last seen
    int attempts_ = 0;
};

// A worker that crashes takes every session of the server with it, and is started again after a
// second. So that a statement that always does so is not run for ever, starts are counted.
bool may_begin(std::int64_t id) {
    constexpr int kMostStarts = 10;
    int starts = 0;
    {
        pg::Transaction transaction;
        starts = catalog::count_attempt(id);
        transaction.commit();
    }
    if (starts <= kMostStarts) return true;
    const auto picture = look(id);
    if (!picture || !catalog::is_live(picture->migration.state)) return true;
    const StoredStep* step = nullptr;
    for (const auto& stored : picture->steps)
        if (stored.state == catalog::StepState::running) step = &stored;
    record_failure(picture->migration, step,
                   pg::Error{pg::sqlstate("58000"),
                             "ZD208: the worker ended " + std::to_string(kMostStarts) +
                                 " times without coming to an end of its work",
                             "Each time it crashed or was terminated, within ten minutes of the "
                             "time before.",
                             "The server's log says why. Remove the cause, then call zdm_resume; "
                             "or call zdm_rollback."});
    return false;
}

}  // namespace

void become_owner(const Migration& migration) {
    if (GetUserId() != migration.owner) become(migration.owner);
}

void take_helpers_failure(const Migration& migration, const StoredStep& stored,
                          const pg::Error& error) {
    if (error.sqlstate == pg::state::kQueryCanceled) return take_as_pause(migration);
    const auto now = look(migration.id);
    const bool same = now && now->migration.state == migration.state && !now->migration.paused;
    if (same && !is_transient(pg::sqlstate_text(error.sqlstate).c_str()))
        record_failure(migration, &stored, error);
    else
        elog(LOG, "zdm helper ends: %s", error.what());
}

void run_migration(std::int64_t id) {
    release_versions_unless_needed(id);
    if (!may_begin(id)) return;
    Runner runner{id};
    while (runner.once()) {
    }
    pg::Transaction transaction;
    catalog::forget_attempts(id);
    transaction.commit();
}

}  // namespace zdm::run
