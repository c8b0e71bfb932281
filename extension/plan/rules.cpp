#include "plan/rules.hpp"

#include <algorithm>

#include "plan/apart.hpp"
#include "plan/text.hpp"

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

// To a step that asks what hangs on a column: what zdm itself has put there.
void Composer::name_own(Step& step) const {
    if (step.parameters.count("hanging") + step.parameters.count("places") == 0) return;
    std::vector<std::string> names;
    for (const auto& name : private_names_) names.push_back(quote_private(name));
    if (!names.empty()) step.parameters["own"] = join(names, "\n");
}

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
            name_own(placed);
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
