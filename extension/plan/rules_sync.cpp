// The sync trigger of each table: its rules, when it comes and goes, what goes with it, and that
// what it carries over is compared.
#include <algorithm>

#include "plan/rules.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

void Composer::sync(const Action& action, const Assignment& assignment,
                    const std::string& condition) {
    Rules& rules = rules_of(action);
    const bool step = !assignment.reads.empty();
    rules.columns.push_back(assignment.column);
    rules.notes.push_back(assignment.column +
                          (step ? " is kept in step with " + join(assignment.reads)
                                : " is filled once, when it is missing"));
    for (const std::string& argument :
         {unquoted(assignment.column), std::string{step ? "step" : "once"}, assignment.expression,
          condition})
        rules.forward.push_back(argument);
    if (step)
        rules.news.push_back({assignment.column, assignment.type, assignment.expression, condition,
                              assignment.reads});
}

Composer::Rules& Composer::rules_of(const Action& action) {
    Rules& rules = rules_[action.table];
    if (rules.action == nullptr) rules.action = &action;
    return rules;
}

void Composer::back(const Action& action, const std::string& column, const std::string& expression,
                    const std::vector<std::string>& reads, const std::string& type,
                    const std::string& remark) {
    Rules& rules = rules_of(action);
    // What the rule gives where an application leaves the column out, nobody wrote.
    rules.olds.push_back({column, given(column, type.empty() ? std::string{} : expression, type),
                          true, type, expression, reads});
    rules.notes.push_back(
        (reads.empty() ? column + " is given where an INSERT leaves it out"
                       : column + " follows " + join(reads) + " where an application writes that") +
        remark);
    for (const std::string& argument :
         {unquoted(column), std::string{"back"}, expression, std::string{}})
        rules.reverse.push_back(argument);
}

void Composer::pair(const Action& action, const Pair& pair) {
    Assignment forward;
    forward.column = pair.column;
    forward.type = pair.type;
    forward.expression = pair.up;
    forward.immutable = true;
    forward.reads = {pair.old_column};
    sync(action, forward, {});
    back(action, pair.old_column, pair.down, {pair.column}, pair.old_type);
}

void Composer::with_unsync(const Action& action, const Script& script, const Seen& seen) {
    Rules& rules = rules_of(action);
    rules.then.append(script);
    rules.locks.insert(rules.locks.end(), seen.locks.begin(), seen.locks.end());
}

void Composer::takes_place(const Action& action, const RenameColumn& rename) {
    Rules& rules = rules_of(action);
    if (!rename.place.empty()) rules.places.push_back(rename.place);
    for (const auto& trigger : rename.triggers)
        if (!trigger.made.empty()) rules.triggers.push_back(trigger.made);
}

void Composer::guard(Step& step, const std::string& hanging) {
    if (!hanging.empty()) step.parameters["hanging"] = "{" + hanging + "}";
}

std::string Composer::create_trigger(const std::string& relation,
                                     const std::vector<std::string>& rules) const {
    return "CREATE TRIGGER " + std::string{kSyncTrigger} + " BEFORE INSERT OR UPDATE ON " +
           relation + trigger_tail(rules);
}

std::string Composer::trigger_tail(const std::vector<std::string>& rules) const {
    std::vector<std::string> arguments = {literal(facts_.search_path)};
    for (const auto& argument : rules) arguments.push_back(literal(argument));
    return " FOR EACH ROW EXECUTE FUNCTION zdm.sync(" + join(arguments) + ")";
}

std::string Composer::drop_trigger(const std::string& relation) const {
    return "DROP TRIGGER " + std::string{kSyncTrigger} + " ON " + relation;
}

std::string Composer::create_trigger(const Action& action,
                                     const std::vector<std::string>& rules) const {
    return create_trigger(table(action).qualified, rules);
}

std::string Composer::drop_trigger(const Action& action) const {
    return drop_trigger(table(action).qualified);
}

// Of a partitioned table the server makes it on all partitions; children have none of their
// parent's.
Seen Composer::lock_trigger(std::size_t index, LockMode mode) const {
    if (facts_.tables.at(index).has_children) return {{{index, mode}}, false, false};
    return lock_all(index, mode);
}

// One trigger for each table, with all rules.
void Composer::finish_sync() {
    for (const auto& [index, rules] : rules_) {
        if (rules.forward.empty() && rules.reverse.empty()) continue;
        std::vector<std::string> all = rules.forward;
        all.insert(all.end(), rules.reverse.begin(), rules.reverse.end());
        const Table& target = facts_.tables.at(index);
        const std::string create = create_trigger(target.qualified, all);
        const std::string drop = drop_trigger(target.qualified);

        Step sync = start(*rules.action, StepKind::sync);
        sync.command = create;
        lock(sync, *rules.action, lock_trigger(index, LockMode::share_row_exclusive));
        sync.undo = {{StepKind::unsync,
                      drop,
                      {{"trigger", kSyncTrigger}},
                      locks_at(sync, LockMode::access_exclusive)}};
        sync.note = "rows that applications write from now on: " + join(rules.notes, "; ");
        sync.parameters = {{"trigger", kSyncTrigger}, {"columns", join(rules.columns)}};
        add(Slot::sync, sync);
        finish_unsync(index, rules, create, drop);
        for (const auto& child : target.partitions) {
            if (!target.has_children) break;
            Step same = sync_child(*rules.action, child, all, sync.parameters);
            same.note = sync.note;
            add(Slot::sync, same);
            // With columns that they name they go in one transaction.
            if (rules.then.empty()) unsync_child(rules, child, same);
        }
        finish_verify(index, rules);
    }
}

Step Composer::sync_child(const Action& action, const Partition& child,
                          const std::vector<std::string>& rules,
                          const std::map<std::string, std::string>& made) const {
    Step sync = start_at(action, child, StepKind::sync);
    sync.command = create_trigger(child.qualified, rules);
    sync.lock = LockMode::share_row_exclusive;
    sync.locks = {{child.qualified, sync.lock}};
    sync.undo = {{StepKind::unsync,
                  drop_trigger(child.qualified),
                  {{"trigger", kSyncTrigger}},
                  {{child.qualified, LockMode::access_exclusive}}}};
    sync.parameters.insert(made.begin(), made.end());
    return sync;
}

void Composer::unsync_child(const Rules& rules, const Partition& child, const Step& sync) {
    Step unsync = start_at(*rules.action, child, StepKind::unsync);
    unsync.command = drop_trigger(child.qualified);
    unsync.lock = LockMode::access_exclusive;
    unsync.locks = {{child.qualified, unsync.lock}};
    unsync.undo = {{StepKind::sync,
                    sync.command,
                    {{"trigger", kSyncTrigger}, {"columns", join(rules.columns)}},
                    {{child.qualified, sync.lock}}}};
    unsync.note = "applications give " + join(rules.columns) + " themselves from here on";
    // Also of one that inherits no more, but not of one that is gone.
    unsync.parameters = {{"trigger", kSyncTrigger}, {"child", "yes"}, {"may_be_gone", "yes"}};
    add(Slot::unsync, unsync);
}

// What is carried over from columns that go must have arrived.
void Composer::finish_verify(std::size_t index, const Rules& rules) {
    std::vector<Going> olds = rules.olds;
    for (const auto& action : facts_.actions) {
        const auto* drop = std::get_if<DropColumn>(&action.detail);
        if (drop == nullptr || action.table != index) continue;
        const auto is_it = [&](const Going& old) { return old.column == drop->column; };
        if (std::none_of(olds.begin(), olds.end(), is_it))
            olds.push_back({drop->column, drop->given, false, {}, {}, {}});
    }
    verify(Slot::verify, *rules.action, compare(rules.news, olds));
}

void Composer::verify(Slot slot, const Action& action, const Comparison& comparison) {
    if (comparison.differs.empty()) return;
    const Table& target = table(action);
    const std::string old_columns = join(comparison.olds);
    const std::string new_columns = join(comparison.news);
    Step step = start(action, StepKind::verify);
    step.command = "SELECT ctid, " + old_columns + ", " + new_columns + " FROM " + rows_of(target) +
                   " WHERE " + comparison.differs;
    step.lock = LockMode::access_share;
    step.scans = true;
    step.note = "rows in which " + new_columns + " " +
                (comparison.news.size() == 1 ? "is" : "are") + " not what " + old_columns + " " +
                (comparison.olds.size() == 1 ? "gives" : "give") + " stop " +
                (slot == Slot::verify ? "contract before anything is removed" : "the switch");
    step.parameters = {{"differs", comparison.differs},
                       {"lost", comparison.lost},
                       {"old", old_columns},
                       {"new", new_columns},
                       {"show_old", shown(comparison.olds)},
                       {"show_new", shown(comparison.news)}};
    go_through_tree(step, target);
    add(slot, step);
}

// Alone it can be taken back; what goes in the same transaction can't.
void Composer::finish_unsync(std::size_t index, const Rules& rules, const std::string& create,
                             const std::string& drop) {
    Step unsync = start(*rules.action, StepKind::unsync);
    Seen seen = lock_trigger(index, LockMode::access_exclusive);
    for (const auto& held : rules.locks) {
        const auto same =
            std::find_if(seen.locks.begin(), seen.locks.end(),
                         [&](const auto& other) { return other.table == held.table; });
        if (same == seen.locks.end())
            seen.locks.push_back(held);
        else
            *same = {held.table, std::max(same->mode, held.mode),
                     std::max(same->partitions, held.partitions)};
    }
    lock(unsync, *rules.action, seen);
    unsync.parameters = {{"trigger", kSyncTrigger}};
    if (rules.then.empty()) {
        unsync.command = drop;
        unsync.undo = {{StepKind::sync,
                        create,
                        {{"trigger", kSyncTrigger}, {"columns", join(rules.columns)}},
                        locks_at(unsync, LockMode::share_row_exclusive)}};
        unsync.note = "applications give " + join(rules.columns) + " themselves from here on";
    } else {
        const std::string then = join(rules.then.statements(), " ");
        unsync.command = drop + "; " + then;
        unsync.parameters["drop"] = drop;
        unsync.parameters["then"] = then;
        unsync.parameters["statements"] = std::to_string(rules.then.statements().size());
        rules.then.describe(unsync.parameters);
        if (facts_.tables.at(index).has_children) unsync.parameters["children"] = "yes";
        if (!rules.places.empty()) unsync.parameters["places"] = "{" + join(rules.places) + "}";
        if (!rules.triggers.empty())
            unsync.parameters["triggers"] = "{" + join(rules.triggers) + "}";
        unsync.removal = true;
        unsync.note =
            "in one transaction, so that no row is refused in between; the old version fails from "
            "here on" +
            (rules.columns.empty() ? "" : ", the new one sees " + join(rules.columns) + " alone") +
            "; prepared statements that return all columns fail once with 0A000 and must be "
            "prepared again";
    }
    add(Slot::unsync, unsync);
}

}  // namespace zdm::plan
