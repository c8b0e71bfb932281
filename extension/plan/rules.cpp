#include "plan/rules.hpp"

#include <algorithm>

#include "plan/apart.hpp"
#include "plan/text.hpp"
#include "plan/undo.hpp"

namespace zdm::plan {

Phase phase_of(Slot slot) {
    switch (slot) {
    case Slot::structure:
    case Slot::sync:
    case Slot::index: return Phase::expand;
    case Slot::data:
    case Slot::filled_index:
    case Slot::copy:
    case Slot::statistics: return Phase::migrate;
    case Slot::proof:
    case Slot::switch_: return Phase::switch_;
    case Slot::gate:
    case Slot::verify:
    case Slot::count:
    case Slot::unique_index:
    case Slot::enforce:
    case Slot::unsync:
    case Slot::remove:
    case Slot::finish: return Phase::contract;
    }
    return Phase::expand;
}

Step Composer::start(const Action& action, StepKind kind) const {
    Step step;
    step.kind = kind;
    step.line = action.at.line;
    if (action.table != kNoTable) {
        const Table& target = table(action);
        step.relation = target.qualified;
        step.relation_oid = target.oid;
        step.partitioned = target.partitioned;
        step.has_children = target.has_children;
        step.rows = target.rows;
        step.bytes = target.bytes;
    }
    return step;
}

Step Composer::start_at(const Action& action, const Partition& partition, StepKind kind) const {
    Step step = start(action, kind);
    step.relation = partition.qualified;
    step.relation_oid = partition.oid;
    step.partitioned = !partition.leaf;
    step.has_children = false;
    step.rows = partition.rows;
    step.bytes = partition.bytes;
    step.parameters = {{"table", table(action).qualified}};
    if (table(action).has_children) step.parameters["child"] = "yes";
    return step;
}

void Composer::lock(Step& step, const Action& action, const Seen& seen) const {
    struct Want {
        std::size_t table;
        std::uint32_t oid;
        bool peer;
        LockMode mode;
        LockMode partitions;
    };
    std::vector<Want> wants;
    for (const auto& held : seen.locks) {
        const Table& target = facts_.tables.at(held.table);
        if (target.made_here() || held.mode == LockMode::none) continue;
        wants.push_back(
            {held.table, target.oid, held.table != action.table, held.mode, held.partitions});
    }
    std::sort(wants.begin(), wants.end(), [](const Want& a, const Want& b) {
        if (a.peer != b.peer) return a.peer;
        return a.oid < b.oid;
    });
    step.locks.clear();
    step.lock = LockMode::none;
    for (const auto& want : wants) {
        step.lock = std::max(step.lock, want.mode);
        // ACCESS SHARE makes nobody wait; the server takes it when it needs it.
        if (want.mode > LockMode::access_share)
            step.locks.push_back({facts_.tables.at(want.table).qualified, want.mode});
        // Who comes by the table itself waits there, and has none of these.
        if (want.partitions > LockMode::access_share)
            for (const auto& partition : facts_.tables.at(want.table).partitions)
                step.locks.push_back({partition.qualified, want.partitions});
    }
    // In a table of this migration there is nothing to scan or rewrite.
    const bool existing = action.table == kNoTable || !table(action).made_here();
    step.scans = seen.scans && existing;
    step.rewrites = seen.rewrites && existing;
}

Seen lock_all(std::size_t table, LockMode mode) { return {{{table, mode, mode}}, false, false}; }

std::vector<std::string> partitions_below(const Table& table, std::size_t partition) {
    std::set<std::size_t> within = {partition};
    std::vector<std::string> below;
    // Parents come first.
    for (std::size_t i = 0; i < table.partitions.size(); ++i) {
        if (within.count(table.partitions[i].parent) == 0) continue;
        within.insert(i);
        below.push_back(table.partitions[i].qualified);
    }
    return below;
}

std::string rows_of(const Table& table) {
    return (table.is_tree() ? "" : "ONLY ") + table.qualified;
}

void go_through_tree(Step& step, const Table& table) {
    if (!table.has_children) return;
    step.parameters["tree"] = "yes";
    for (const auto& child : table.partitions) {
        if (child.rows) step.rows = step.rows.value_or(0) + *child.rows;
        if (child.bytes) step.bytes = step.bytes.value_or(0) + *child.bytes;
    }
}

void lock_sequences(Step& step, const std::vector<std::string>& sequences) {
    for (const auto& sequence : sequences)
        step.locks.push_back({sequence, LockMode::access_exclusive});
}

void Composer::add(Slot slot, Step step) {
    step.phase = phase_of(slot);
    steps_[slot].push_back(std::move(step));
}

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

void Composer::with_unsync(const Action& action, const Script& script, const Seen& seen,
                           const std::vector<std::string>& views,
                           const std::vector<std::string>& sequences) {
    Rules& rules = rules_of(action);
    rules.sequences.insert(rules.sequences.end(), sequences.begin(), sequences.end());
    rules.views.insert(rules.views.end(), views.begin(), views.end());
    rules.then.append(script);
    rules.locks.insert(rules.locks.end(), seen.locks.begin(), seen.locks.end());
}

void Composer::as_planned(const Action& action, const std::string& hanging) {
    if (!hanging.empty()) rules_of(action).hanging.push_back(hanging);
}

void Composer::guard(Step& step, const std::vector<std::string>& hanging) const {
    if (join(hanging).empty()) return;
    const auto is_such = [](const Action& action) {
        return std::holds_alternative<RenameColumn>(action.detail) ||
               std::holds_alternative<RetypeColumn>(action.detail);
    };
    const bool only = std::all_of(facts_.actions.begin(), facts_.actions.end(), is_such);
    step.parameters["hanging"] = "{" + join(hanging) + "}";
    step.parameters["hanging_all"] = only ? "yes" : "no";
}

void Composer::analyze(const Action& action, const std::string& column) {
    Statistics& statistics = statistics_[action.table];
    if (statistics.action == nullptr) statistics.action = &action;
    auto& columns = statistics.columns;
    if (std::find(columns.begin(), columns.end(), column) == columns.end())
        columns.push_back(column);
}

std::string Composer::private_name(const std::string& about, const std::string& purpose) {
    const std::string name = zdm::plan::private_name(unquoted(about), purpose);
    std::string unique = name;
    for (int n = 1; !private_names_.insert(unique).second; ++n) unique = name + std::to_string(n);
    return quote_private(unique);
}

std::string Composer::create_trigger(const std::string& relation,
                                     const std::vector<std::string>& rules) const {
    std::vector<std::string> arguments = {literal(facts_.search_path)};
    for (const auto& argument : rules) arguments.push_back(literal(argument));
    return "CREATE TRIGGER " + std::string{kSyncTrigger} + " BEFORE INSERT OR UPDATE ON " +
           relation + " FOR EACH ROW EXECUTE FUNCTION zdm.sync(" + join(arguments) + ")";
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
        if (target.has_children)
            for (const auto& child : target.partitions) sync_child(rules, child, all, sync.note);
        finish_verify(index, rules);
    }
}

// The same trigger on a table that inherits from the one that is changed.
void Composer::sync_child(const Rules& rules, const Partition& child,
                          const std::vector<std::string>& arguments, const std::string& note) {
    const std::string create = create_trigger(child.qualified, arguments);
    const std::string drop = drop_trigger(child.qualified);
    const std::map<std::string, std::string> made = {{"trigger", kSyncTrigger},
                                                     {"columns", join(rules.columns)}};
    Step sync = start_at(*rules.action, child, StepKind::sync);
    sync.command = create;
    sync.lock = LockMode::share_row_exclusive;
    sync.locks = {{child.qualified, sync.lock}};
    sync.undo = {{StepKind::unsync,
                  drop,
                  {{"trigger", kSyncTrigger}},
                  {{child.qualified, LockMode::access_exclusive}}}};
    sync.note = note;
    sync.parameters.insert(made.begin(), made.end());
    add(Slot::sync, sync);

    Step unsync = start_at(*rules.action, child, StepKind::unsync);
    unsync.command = drop;
    unsync.lock = LockMode::access_exclusive;
    unsync.locks = {{child.qualified, unsync.lock}};
    unsync.undo = {{StepKind::sync, create, made, {{child.qualified, sync.lock}}}};
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
            same->mode = std::max(same->mode, held.mode);
    }
    lock(unsync, *rules.action, seen);
    // Whoever reads a view locks it before its tables.
    for (const auto& view : rules.views)
        unsync.locks.insert(unsync.locks.begin(), {view, LockMode::access_exclusive});
    lock_sequences(unsync, rules.sequences);
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
        guard(unsync, rules.hanging);
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

void Composer::finish_statistics() {
    for (const auto& [index, statistics] : statistics_) {
        const Table& target = facts_.tables.at(index);
        Step step = start(*statistics.action, StepKind::analyze);
        step.command = "ANALYZE " + target.qualified + " (" + join(statistics.columns) + ")";
        step.lock = LockMode::share_update_exclusive;
        step.note = "columns that were filled have no statistics yet";
        if (target.has_children) {
            step.note += "; likewise of each child";
            step.parameters["columns"] = join(statistics.columns);
        }
        go_through_tree(step, target);
        add(Slot::statistics, step);
    }
}

void Composer::finish_gate() {
    Step gate;
    gate.kind = StepKind::gate;
    gate.command = "zdm_contract gate";
    std::vector<std::string> relations;
    std::vector<std::string> filled;
    for (const auto& [index, rules] : rules_) {
        relations.push_back(facts_.tables.at(index).qualified);
        if (!rules.forward.empty()) filled.push_back(relations.back());
    }
    gate.parameters = {{"relations", join(relations, "\n")}, {"blind", join(blind_, "; ")}};
    if (!filled.empty())
        gate.note = "waits until for zdm.quiet_period no application wrote a row of " +
                    join(filled) + " without the new columns";
    if (!blind_.empty()) {
        if (!gate.note.empty()) gate.note += "; ";
        gate.note += "zdm can't see " + join(blind_, ", nor ");
    }
    if (gate.note.empty()) gate.note = "waits until it is called: deploy the new version first";
    if (relations.size() == 1) {
        gate.relation = relations.front();
        gate.relation_oid = facts_.tables.at(rules_.begin()->first).oid;
    }
    add(Slot::gate, gate);
}

namespace {

// Of the relations that the step locks, those that may have gone until then without a word.
void name_partitions(Step& step, const std::set<std::string>& partitions) {
    std::vector<std::string> locked;
    for (const auto& need : step.locks)
        if (need.relation != step.relation && partitions.count(need.relation) != 0)
            locked.push_back(need.relation);
    if (!locked.empty()) step.parameters["partitions"] = join(locked, "\n");
}

}  // namespace

Plan Composer::finish() {
    finish_sync();
    finish_statistics();
    const bool contract = has(Slot::count) || has(Slot::unique_index) || has(Slot::enforce);
    Plan plan;
    plan.transition =
        has(Slot::sync) || has(Slot::remove) || has(Slot::switch_) || (has(Slot::data) && contract);
    if (plan.transition) finish_gate();

    std::set<std::string> partitions;
    for (const auto& table : facts_.tables)
        for (const auto& partition : table.partitions) partitions.insert(partition.qualified);
    int backfill = 0;
    for (auto& [slot, steps] : steps_) {
        for (auto& step : steps) {
            plan.steps.push_back(std::move(step));
            Step& placed = plan.steps.back();
            const int number = static_cast<int>(plan.steps.size());
            if (placed.kind == StepKind::backfill) backfill = number;
            if (placed.kind == StepKind::last_pass)
                placed.parameters["of"] = std::to_string(backfill);
            name_partitions(placed, partitions);
        }
    }
    plan.notes = facts_.notes;
    plan.notes.insert(plan.notes.end(), notes_.begin(), notes_.end());

    std::set<std::uint32_t> owned;
    const auto own = [&](std::size_t index) {
        if (index == kNoTable || facts_.tables.at(index).made_here()) return;
        const Table& table = facts_.tables.at(index);
        owned.insert(table.oid);
        for (const auto& partition : table.partitions) owned.insert(partition.oid);
    };
    for (const auto& action : facts_.actions) {
        own(action.table);
        for (const auto& held : action.seen.locks) own(held.table);
    }
    plan.relations.assign(owned.begin(), owned.end());
    return plan;
}

Plan make_steps(const Facts& facts) {
    refuse_in_one_tree(facts);
    Composer composer{facts};
    for (const auto& action : facts.actions) {
        if (action.phase && !std::holds_alternative<Direct>(action.detail))
            refuse(action.at, "ZD105", pg::state::kFeatureNotSupported,
                   "-- zdm: phase is not supported for this statement",
                   "Its rule says in which phases its steps run.", "Take the comment out.");
        std::visit([&](const auto& detail) { plan_action(composer, action, detail); },
                   action.detail);
    }
    return composer.finish();
}

}  // namespace zdm::plan
