#include "run/steps.hpp"

#include <algorithm>

#include "backfill/hold.hpp"
#include "backfill/ripeness.hpp"
#include "catalog/undo.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/locks.hpp"
#include "run/machine.hpp"
#include "run/turn.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

#include "pg/bridge.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace zdm::run {

using catalog::StepState;
using catalog::StoredStep;
using plan::StepKind;

namespace {

std::string parameter(const StoredStep& stored, const char* name) {
    const auto found = stored.step.parameters.find(name);
    return found == stored.step.parameters.end() ? std::string{} : found->second;
}

// The first bytes of a text, without a part of a character.
std::string clipped(const std::string& text) {
    constexpr int kMost = 1000;
    const int length = pg::call([&] {
        return pg_mbcliplen(text.data(),
                            static_cast<int>(std::min<std::size_t>(text.size(), 2 * kMost)), kMost);
    });
    return text.substr(0, static_cast<std::size_t>(length));
}

bool is_concurrent(StepKind kind) {
    return kind == StepKind::index || kind == StepKind::drop_index;
}

// Intent first: from here on the step may have had effects. False, and nothing was done, when it
// needs the turn and another migration has it.
bool try_begin(Context& context, const StoredStep& stored, Turn& turn) {
    pg::Transaction transaction;
    if (stored.step.kind == StepKind::index && stored.state != StepState::running)
        steps::refuse_taken_name(stored);
    // The event's foreign key waits for whoever has locked the migration to pause it or take it
    // back, and makes later ones wait until they see that the step has begun. Before the mark,
    // since they lock in this order too.
    if (stored.state != StepState::running)
        catalog::add_event(context.migration().id, "step", stored.number,
                           (stored.part == 0 ? "" : "undo: ") + clipped(stored.step.command));
    // What waited before may have been a worker that was killed, so nobody else knows of it.
    catalog::set_waiting(context.migration().id, std::nullopt);
    stop_if_told(context);
    // After all that may wait for a caller: nobody else's index waits for him too.
    if (is_concurrent(stored.step.kind) && !turn.take()) return false;
    set_mark(context, stored, StepState::running);
    transaction.commit();
    return true;
}

// Waits for the turn before the step is marked: until its index is under construction the name is
// anybody's, and what bears it is not for a rollback to drop.
void begin(Context& context, const StoredStep& stored, Turn& turn) {
    ZDM_FAULT(fault_name(context, stored) + ":begin");
    while (!try_begin(context, stored, turn)) wait_for_turn(context);
    ZDM_FAULT(fault_name(context, stored) + ":intent");
}

bool works_in_batches(StepKind kind) {
    return kind == StepKind::backfill || kind == StepKind::delete_rows ||
           kind == StepKind::last_pass || kind == StepKind::verify || kind == StepKind::count;
}

void execute(Context& context, const StoredStep& stored, bool resumed) {
    // Others are short, or hold a snapshot of their own for as long.
    if (is_concurrent(stored.step.kind)) backfill::release_versions();
    switch (stored.step.kind) {
    case StepKind::ddl:
    case StepKind::constraint: return steps::run_ddl(context, stored);
    case StepKind::sync: return steps::run_sync(context, stored);
    case StepKind::unsync: return steps::run_unsync(context, stored);
    case StepKind::backfill:
    case StepKind::delete_rows: return steps::run_backfill(context, stored);
    case StepKind::insert: return steps::run_insert(context, stored);
    case StepKind::last_pass: return steps::run_last_pass(context, stored);
    case StepKind::analyze: return steps::run_analyze(context, stored);
    case StepKind::index: return steps::run_index(context, stored, resumed);
    case StepKind::drop_index: return steps::run_drop_index(context, stored);
    case StepKind::gate: return steps::run_gate(context, stored);
    case StepKind::verify: return steps::run_verify(context, stored);
    case StepKind::count: return steps::run_count(context, stored);
    case StepKind::validate: return steps::run_validate(context, stored, resumed);
    case StepKind::attach: return steps::run_attach(context, stored);
    case StepKind::whole_index: return steps::run_whole_index(context, stored);
    }
}

const char* why_settled(const StoredStep& stored, steps::Standing standing) {
    switch (standing) {
    case steps::Standing::open: break;
    case steps::Standing::attached: return " has its index already, from the server: nothing to do";
    case steps::Standing::left:
        return parameter(stored, "child") == "yes" ? " inherits no more: nothing to do"
                                                   : " is no partition any more: nothing to do";
    case steps::Standing::gone: return " is gone: nothing to do";
    }
    return "";
}

// Ends a step about a partition, or child, that has left its table, or has got its index from the
// server.
bool settled(Context& context, const StoredStep& stored, bool resumed) {
    auto standing = steps::Standing::open;
    {
        pg::Transaction look;
        standing = steps::standing_of(stored);
        look.commit();
    }
    if (standing == steps::Standing::open) return false;
    if (resumed && stored.step.kind == StepKind::index) steps::clear_index(stored);
    pg::Transaction transaction;
    catalog::add_event(context.migration().id, "step", stored.number,
                       stored.step.relation + why_settled(stored, standing));
    if (standing == steps::Standing::gone) sync::forget(stored.step.relation_oid);
    set_mark(context, stored, StepState::done);
    transaction.commit();
    return true;
}

// A part of the step's undo as a step of its kind.
StoredStep as_step(const StoredStep& stored, std::size_t part) {
    const plan::Undo& undo = stored.step.undo[part];
    StoredStep step;
    step.number = stored.number;
    step.part = static_cast<int>(part) + 1;
    step.state = stored.undo[part];
    step.step.phase = stored.step.phase;
    step.step.kind = undo.kind;
    // What a step renamed has another name on the way back.
    const auto renamed = undo.parameters.find("relation");
    step.step.relation = renamed == undo.parameters.end() ? stored.step.relation : renamed->second;
    const auto oid = undo.parameters.find("oid");
    step.step.relation_oid = oid == undo.parameters.end()
                                 ? stored.step.relation_oid
                                 : static_cast<std::uint32_t>(std::stoul(oid->second));
    step.step.command = undo.command;
    step.step.parameters = undo.parameters;
    step.step.locks = undo.locks;
    return step;
}

// What a part of an undo would take away went with something else.
bool went_along(const StoredStep& part) {
    const auto gone = part.step.parameters.find("gone");
    if (gone == part.step.parameters.end()) return false;
    pg::Transaction transaction;
    const bool is =
        pg::query("SELECT pg_catalog.to_regclass($1)", {gone->second}).front().is_null(0);
    transaction.commit();
    return is;
}

void run_part(Context& context, const StoredStep& part) {
    const bool resumed = part.state == StepState::running;
    Turn turn;
    begin(context, part, turn);
    if (went_along(part)) return mark(context, part, StepState::done);
    if (!settled(context, part, resumed)) execute(context, part, resumed);
}

// What is gone need not be taken back: all that an undo says of a column goes with it. A table with
// another name is not gone, except one that the step made: under that name it is somebody else's.
bool is_gone(const StoredStep& stored, const pg::Error& error) {
    if (error.sqlstate == pg::state::kUndefinedColumn) return true;
    if (stored.step.relation_oid == 0)
        return error.sqlstate == pg::state::kUndefinedTable ||
               error.sqlstate == pg::state::kUndefinedObject ||
               error.sqlstate == pg::sqlstate("42883");
    pg::Transaction transaction;
    const bool exists = relation_exists(stored.step);
    transaction.commit();
    return !exists;
}

}  // namespace

std::string fault_name(const Context& context, const StoredStep& stored) {
    return (context.undoing() ? "undo_" : "") + std::string{plan::to_text(stored.step.kind)};
}

std::string hint_for_rows(const Context& context) {
    const std::string name = pg::quote_literal(context.migration().name);
    return "Correct the rows, then call zdm_resume(" + name + "); or call zdm_rollback(" + name +
           (context.undoing() ? ", keep => true), which leaves the rest as it is." : ").");
}

void keep_versions_early() {
    const auto grace = settings::standby_grace().count();
    if (grace <= 0) return;
    backfill::Unheard unheard;
    unheard.look(pressure::standbys_heard(), 0);
    if (unheard.any()) backfill::keep_versions(grace, steady_ms());
}

void release_versions_unless_needed(std::int64_t migration) {
    bool batches = false;
    {
        pg::Transaction transaction;
        for (const auto& stored : catalog::load_steps(migration))
            batches |= works_in_batches(stored.step.kind) && stored.state != StepState::done;
        transaction.commit();
    }
    if (!batches) backfill::release_versions();
}

backfill::Task task_of(const Context& context, const StoredStep& stored, const char* predicate) {
    backfill::Task task;
    task.migration = context.migration().id;
    task.step = stored.number;
    task.relation = stored.step.relation_oid;
    task.name = stored.step.relation;
    task.set_clause = parameter(stored, "set");
    task.predicate = parameter(stored, predicate);
    // A fill that the user did not write is not the applications' business.
    task.fire_triggers =
        context.options().fire_triggers && parameter(stored, "fire_triggers") != "no";
    task.sync = parameter(stored, "sync") == "yes";
    task.tree = parameter(stored, "tree") == "yes";
    // Of a row that is passed over the value would go that somebody chose.
    task.every_row = parameter(stored, "accepted") == "yes";
    const std::string of = parameter(stored, "of");
    task.of = of.empty() ? 0 : std::stoi(of);
    return task;
}

void set_mark(const Context& context, const StoredStep& stored, StepState state) {
    if (stored.part == 0)
        catalog::set_step(context.migration().id, stored.number, state);
    else
        catalog::set_undo(context.migration().id, stored.number, stored.part, state);
}

void mark(Context& context, const StoredStep& stored, StepState state) {
    pg::Transaction transaction;
    set_mark(context, stored, state);
    ZDM_FAULT(fault_name(context, stored) + ":before_mark");
    transaction.commit();
}

void run_step(Context& context, const StoredStep& stored, bool resumed) {
    {
        Turn turn;
        begin(context, stored, turn);
        if (!settled(context, stored, resumed)) {
            {
                pg::Transaction transaction;
                check_relation(stored.step);
                transaction.commit();
            }
            execute(context, stored, resumed);
        }
    }
    ZDM_FAULT(fault_name(context, stored) + ":after_commit");
}

void undo_step(Context& context, const StoredStep& stored) {
    const auto part = open_part(stored.step.kind, stored.state, stored.undo);
    if (!part) {
        ZDM_FAULT(fault_name(context, stored) + ":begin");
        mark(context, stored, StepState::undone);
        ZDM_FAULT(fault_name(context, stored) + ":after_commit");
        return;
    }
    const StoredStep step = as_step(stored, *part);
    try {
        run_part(context, step);
    } catch (const pg::Error& error) {
        if (!is_gone(stored, error)) throw;
        mark(context, stored, StepState::undone);
    }
    ZDM_FAULT(fault_name(context, step) + ":after_commit");
}

}  // namespace zdm::run
