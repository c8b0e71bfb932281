#include "plan/rules.hpp"

#include <algorithm>
#include <cstdio>

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
    case Slot::statistics: return Phase::migrate;
    case Slot::switch_: return Phase::switch_;
    case Slot::gate:
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
        step.rows = target.rows;
        step.bytes = target.bytes;
    }
    return step;
}

void Composer::lock(Step& step, const Action& action, const Seen& seen) const {
    struct Want {
        std::size_t table;
        std::uint32_t oid;
        bool peer;
        LockMode mode;
    };
    std::vector<Want> wants;
    for (const auto& held : seen.locks) {
        const Table& target = facts_.tables.at(held.table);
        if (target.made_here() || held.mode == LockMode::none) continue;
        wants.push_back({held.table, target.oid, held.table != action.table, held.mode});
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
    }
    // In a table of this migration there is nothing to scan or rewrite.
    const bool existing = action.table == kNoTable || !table(action).made_here();
    step.scans = seen.scans && existing;
    step.rewrites = seen.rewrites && existing;
}

void Composer::add(Slot slot, Step step) {
    step.phase = phase_of(slot);
    steps_[slot].push_back(std::move(step));
}

void Composer::sync(const Action& action, const Assignment& assignment,
                    const std::string& condition) {
    Rules& rules = rules_[action.table];
    if (rules.action == nullptr) rules.action = &action;
    const bool step = !assignment.reads.empty();
    rules.columns.push_back(assignment.column);
    rules.notes.push_back(assignment.column +
                          (step ? " is kept in step with " + join(assignment.reads)
                                : " is filled once, when it is missing"));
    for (const std::string& argument :
         {unquoted(assignment.column), std::string{step ? "step" : "once"}, assignment.expression,
          condition})
        rules.arguments.push_back(argument);
}

void Composer::analyze(const Action& action, const std::string& column) {
    Statistics& statistics = statistics_[action.table];
    if (statistics.action == nullptr) statistics.action = &action;
    auto& columns = statistics.columns;
    if (std::find(columns.begin(), columns.end(), column) == columns.end())
        columns.push_back(column);
}

std::string Composer::private_name(const std::string& about, const std::string& purpose) {
    const std::string raw = unquoted(about);
    std::string name = "zdm_" + raw + "_" + purpose;
    // Names have at most 63 bytes; a hash keeps long ones apart without cutting a character.
    if (name.size() > 60) {
        std::uint64_t hash = 14695981039346656037ULL;
        for (const char c : raw) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        char digits[17];
        std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
        name = std::string{"zdm_"} + digits + "_" + purpose;
    }
    std::string unique = name;
    for (int n = 1; !private_names_.insert(unique).second; ++n) unique = name + std::to_string(n);
    return quote_private(unique);
}

// One trigger for each table, with all rules.
void Composer::finish_sync() {
    for (const auto& [index, rules] : rules_) {
        const Table& target = facts_.tables.at(index);
        std::vector<std::string> arguments = {literal(facts_.search_path)};
        for (const auto& argument : rules.arguments) arguments.push_back(literal(argument));
        const std::string trigger = "zz_zdm_sync";
        const std::string create = "CREATE TRIGGER " + trigger + " BEFORE INSERT OR UPDATE ON " +
                                   target.qualified + " FOR EACH ROW EXECUTE FUNCTION zdm.sync(" +
                                   join(arguments) + ")";
        const std::string drop = "DROP TRIGGER " + trigger + " ON " + target.qualified;

        Step sync = start(*rules.action, StepKind::sync);
        sync.command = create;
        lock(sync, *rules.action, {{{index, LockMode::share_row_exclusive}}, false, false});
        sync.undo = {{StepKind::unsync,
                      drop,
                      {{"trigger", trigger}},
                      locks_at(sync, LockMode::access_exclusive)}};
        sync.note = "rows that applications write from now on: " + join(rules.notes, "; ");
        sync.parameters = {{"trigger", trigger}, {"columns", join(rules.columns)}};
        add(Slot::sync, sync);

        Step unsync = start(*rules.action, StepKind::unsync);
        unsync.command = drop;
        lock(unsync, *rules.action, {{{index, LockMode::access_exclusive}}, false, false});
        unsync.undo = {{StepKind::sync,
                        create,
                        {{"trigger", trigger}, {"columns", join(rules.columns)}},
                        locks_at(unsync, LockMode::share_row_exclusive)}};
        unsync.note = "applications give " + join(rules.columns) + " themselves from here on";
        unsync.parameters = {{"trigger", trigger}};
        add(Slot::unsync, unsync);
    }
}

void Composer::finish_statistics() {
    for (const auto& [index, statistics] : statistics_) {
        const Table& target = facts_.tables.at(index);
        Step step = start(*statistics.action, StepKind::analyze);
        step.command = "ANALYZE " + target.qualified + " (" + join(statistics.columns) + ")";
        step.lock = LockMode::share_update_exclusive;
        step.note = "columns that were filled have no statistics yet";
        add(Slot::statistics, step);
    }
}

void Composer::finish_gate() {
    Step gate;
    gate.kind = StepKind::gate;
    gate.command = "zdm_contract gate";
    std::vector<std::string> relations;
    for (const auto& [index, rules] : rules_)
        relations.push_back(facts_.tables.at(index).qualified);
    gate.parameters = {{"relations", join(relations, "\n")}, {"blind", join(blind_, "; ")}};
    if (!relations.empty())
        gate.note = "waits until for zdm.quiet_period no application wrote a row of " +
                    join(relations) + " without the new columns";
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

Plan Composer::finish() {
    finish_sync();
    finish_statistics();
    const bool contract = has(Slot::count) || has(Slot::unique_index) || has(Slot::enforce);
    Plan plan;
    plan.transition =
        has(Slot::sync) || has(Slot::remove) || has(Slot::switch_) || (has(Slot::data) && contract);
    if (plan.transition) finish_gate();

    int backfill = 0;
    for (auto& [slot, steps] : steps_) {
        for (auto& step : steps) {
            plan.steps.push_back(std::move(step));
            Step& placed = plan.steps.back();
            const int number = static_cast<int>(plan.steps.size());
            if (placed.kind == StepKind::backfill) backfill = number;
            if (placed.kind == StepKind::last_pass)
                placed.parameters["of"] = std::to_string(backfill);
        }
    }
    plan.notes = facts_.notes;
    plan.notes.insert(plan.notes.end(), notes_.begin(), notes_.end());

    std::set<std::uint32_t> owned;
    const auto own = [&](std::size_t index) {
        if (index == kNoTable || facts_.tables.at(index).made_here()) return;
        const Table& table = facts_.tables.at(index);
        owned.insert(table.oid);
        owned.insert(table.partitions.begin(), table.partitions.end());
    };
    for (const auto& action : facts_.actions) {
        own(action.table);
        for (const auto& held : action.seen.locks) own(held.table);
    }
    plan.relations.assign(owned.begin(), owned.end());
    return plan;
}

Plan make_steps(const Facts& facts) {
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
