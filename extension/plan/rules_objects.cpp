// Whole objects: DROP TABLE, and all statements that run as they are written.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

namespace {

Slot slot_of(const Action& action, const Direct& direct) {
    if (action.phase) {
        switch (*action.phase) {
        case Phase::expand: return Slot::structure;
        case Phase::migrate: return Slot::filled_index;
        case Phase::switch_: return Slot::switch_;
        case Phase::contract: return direct.removal ? Slot::remove : Slot::enforce;
        }
    }
    if (direct.removal && !direct.data) return Slot::remove;
    if (direct.later) return Slot::finish;
    if (direct.enforces) return Slot::enforce;
    return direct.data ? Slot::data : Slot::structure;
}

}  // namespace

void plan_action(Composer& composer, const Action& action, const DropTable& drop) {
    const Table& table = composer.table(action);
    // One at a time: each locks the table that it points to for a moment, not all of them at once.
    for (const auto& key : drop.foreign_keys) {
        Step step = composer.start(action, StepKind::ddl);
        composer.lock(step, action, action.seen);
        step.scans = step.rewrites = false;
        step.command = "ALTER TABLE " + table.qualified + " DROP CONSTRAINT " + key + ";";
        step.removal = true;
        step.note = "so that DROP TABLE locks no other table";
        step.parameters = {{"path", "pinned"}, {"statements", "1"}};
        composer.add(Slot::remove, step);
    }
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, {{{action.table, LockMode::access_exclusive}}, false, false});
    step.command = "DROP TABLE " + table.qualified + ";";
    step.removal = true;
    step.note = "the table and its rows are lost";
    step.parameters = {{"path", "pinned"}, {"statements", "1"}};
    composer.add(Slot::remove, step);
    composer.blind("who still uses " + table.qualified);
}

void plan_action(Composer& composer, const Action& action, const Direct& direct) {
    bool existing = false;
    for (const auto& held : action.seen.locks)
        existing = existing || (!composer.facts().tables.at(held.table).made_here() &&
                                conflicts(held.mode, LockMode::row_exclusive));
    if (existing && (action.seen.scans || action.seen.rewrites) && !action.accept_locks) {
        const std::string name =
            action.table == kNoTable ? std::string{"a table"} : composer.table(action).qualified;
        refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
               "this would " + std::string{action.seen.rewrites ? "rewrite" : "scan"} + " " + name +
                   " under a lock that blocks applications",
               "zdm has no safe way for it yet.",
               "Write -- zdm: direct right before the statement to run it as written and accept "
               "the lock.");
    }
    Slot slot = slot_of(action, direct);
    // What was written after rows that come in migrate stays after them.
    if (slot == Slot::structure && composer.comes_late(action.table)) slot = Slot::data;
    Step step = composer.start(action, StepKind::ddl);
    composer.lock(step, action, action.seen);
    step.lock = std::max(step.lock, direct.lock);
    step.command = direct.command;
    step.removal = direct.removal && direct.undo.empty();
    step.note = direct.note;
    if (action.accept_locks) {
        step.note = std::string{"as written, with the lock that it takes"} +
                    (direct.note.empty() ? "" : "; " + direct.note);
    }
    step.parameters = {{"path", direct.pinned ? "pinned" : "user"}, {"statements", "1"}};
    // Undoing mostly needs stronger locks than doing: DROP TRIGGER against CREATE TRIGGER.
    step.undo = undo_ddl(step, direct.undo);
    for (auto& part : step.undo) {
        part.parameters["path"] = step.parameters["path"];
        if (direct.same_locks && !step.locks.empty()) part.locks = step.locks;
    }
    composer.add(slot, step);
    if (step.removal && !direct.what.empty()) composer.blind("who still uses " + direct.what);
}

}  // namespace zdm::plan
