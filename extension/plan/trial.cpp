#include "plan/trial.hpp"

#include <algorithm>

#include "plan/text.hpp"

namespace zdm::plan {

namespace {

bool can_run(const Update& update, const Assignment& fill) {
    return fill.immutable && !fill.subquery && update.rest_immutable && !update.rest_subquery;
}

// Whether it can give `column` its value.
bool can_run(const Down& down, const std::string& column) {
    return down.immutable && !down.subquery && down.unreadable.empty() &&
           !contains(down.reads, column);
}

bool can_run(const DropColumn& drop) {
    return drop.down && !drop.made_here && !drop.generated && !drop.checked_domain &&
           can_run(*drop.down, drop.column);
}

class Collector {
public:
    explicit Collector(const Facts& facts) : facts_(facts), survey_(survey(facts)) {}

    std::vector<Trial> collect() {
        for (const auto& action : facts_.actions)
            if (const auto* drop = std::get_if<DropColumn>(&action.detail);
                drop != nullptr && drop->down)
                for (const auto& column : drop->down->reads)
                    given_back_.insert({action.table, column});
        for (const auto& action : facts_.actions)
            if (const auto* update = std::get_if<Update>(&action.detail)) add_ups(action, *update);
        for (const auto& action : facts_.actions)
            if (const auto* drop = std::get_if<DropColumn>(&action.detail)) add_down(action, *drop);
        for (const auto& action : facts_.actions)
            if (const auto* retype = std::get_if<RetypeColumn>(&action.detail))
                add_retype(action, *retype);
        return std::move(trials_);
    }

private:
    Trial& of(std::size_t table) {
        for (auto& trial : trials_)
            if (trial.table == table) return trial;
        trials_.push_back({table, {}, {}, {}});
        return trials_.back();
    }

    // A column that a rule reads or gives.
    void need(Trial& trial, const std::string& column) {
        const auto made = survey_.made.find({trial.table, column});
        if (made == survey_.made.end()) {
            if (!contains(trial.reads, column)) trial.reads.push_back(column);
            return;
        }
        const auto same = [&](const AddColumn& other) { return other.column == column; };
        if (std::none_of(trial.columns.begin(), trial.columns.end(), same))
            trial.columns.push_back(*made->second);
    }

    void add_ups(const Action& action, const Update& update) {
        if (facts_.tables.at(action.table).made_here()) return;
        for (const auto& fill : update.assignments) {
            if (survey_.fills.count(&fill) == 0 || !can_run(update, fill)) continue;
            // Rules that run in applications' writes, and what others are computed from.
            if (given_back_.count({action.table, fill.column}) == 0 &&
                (fill.reads.empty() || !needs_sync(survey_, action.table, fill)))
                continue;
            Trial& trial = of(action.table);
            // A value that is there already stays.
            const std::string missing = fill.column + " IS NULL";
            const std::string condition =
                update.rest.empty() ? missing : missing + " AND " + parenthesised(update.rest);
            trial.rules.push_back({action.at, Way::up, fill.column, fill.expression, condition});
            need(trial, fill.column);
            for (const auto* reads : {&fill.reads, &update.rest_reads})
                for (const auto& column : *reads) need(trial, column);
        }
    }

    void add_down(const Action& action, const DropColumn& drop) {
        if (!can_run(drop)) return;
        for (const auto& column : drop.down->reads)
            if (is_unknown(action.table, column)) return;
        Trial& trial = of(action.table);
        trial.rules.push_back({drop.down->at, Way::down, drop.column, drop.down->expression, {}});
        need(trial, drop.column);
        for (const auto& column : drop.down->reads) need(trial, column);
    }

    // USING and `-- zdm: down`, under the names that the columns have before the switch. Nothing
    // else may change the table.
    void add_retype(const Action& action, const RetypeColumn& retype) {
        if (!retype.given || !can_run(*retype.given, retype.parked)) return;
        const RenameColumn& copies = retype.copies;
        Trial& trial = of(action.table);
        AddColumn shadow;
        shadow.column = copies.renamed;
        shadow.definition = copies.definition;
        trial.columns.push_back(shadow);
        trial.rules.push_back({action.at,
                               Way::up,
                               copies.renamed,
                               retype.up,
                               {},
                               copies.column + " as " + copies.type});
        trial.rules.push_back({retype.given->at, Way::down, copies.column, retype.down_before, {}});
        need(trial, copies.column);
        for (const auto* reads : {&retype.reads, &retype.given->reads})
            for (const auto& column : *reads) need(trial, column);
    }

    // A new column that gets its value by something that is not tried.
    bool is_unknown(std::size_t table, const std::string& column) {
        const ColumnKey key{table, column};
        if (survey_.made.count(key) == 0 || survey_.filled.count(key) == 0) return false;
        return !has_rule(of(table), column);
    }

    const Facts& facts_;
    Survey survey_;
    std::set<ColumnKey> given_back_;  // columns that a rule reads which goes down
    std::vector<Trial> trials_;
};

}  // namespace

std::vector<Trial> trials(const Facts& facts) { return Collector{facts}.collect(); }

bool has_rule(const Trial& trial, const std::string& column) {
    return std::any_of(trial.rules.begin(), trial.rules.end(), [&](const TriedRule& rule) {
        return rule.way == Way::up && rule.column == column;
    });
}

std::string trial_sql(const TriedRule& rule, const std::string& table, const std::string& target) {
    return "UPDATE " + table + " SET " + target + " = " + rule.expression +
           (rule.condition.empty() ? "" : " WHERE " + rule.condition);
}

}  // namespace zdm::plan
