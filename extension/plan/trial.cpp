#include "plan/trial.hpp"

#include <algorithm>

#include "plan/text.hpp"

namespace zdm::plan {

namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool can_run(const Update& update, const Assignment& fill) {
    return !fill.reads.empty() && fill.immutable && !fill.subquery && update.rest_immutable &&
           !update.rest_subquery;
}

bool can_run(const DropColumn& drop) {
    return drop.down && !drop.made_here && !drop.generated && drop.down->immutable &&
           !drop.down->subquery && drop.down->unreadable.empty() &&
           !contains(drop.down->reads, drop.column);
}

class Collector {
public:
    explicit Collector(const Facts& facts) : facts_(facts), survey_(survey(facts)) {}

    std::vector<Trial> collect() {
        for (const auto& action : facts_.actions)
            if (const auto* update = std::get_if<Update>(&action.detail)) add_ups(action, *update);
        for (const auto& action : facts_.actions)
            if (const auto* drop = std::get_if<DropColumn>(&action.detail)) add_down(action, *drop);
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
        if (std::find(trial.columns.begin(), trial.columns.end(), made->second) ==
            trial.columns.end())
            trial.columns.push_back(made->second);
    }

    void add_ups(const Action& action, const Update& update) {
        if (facts_.tables.at(action.table).made_here()) return;
        for (const auto& fill : update.assignments) {
            if (survey_.fills.count(&fill) == 0 || !needs_sync(survey_, action.table, fill) ||
                !can_run(update, fill))
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
        Trial& trial = of(action.table);
        trial.rules.push_back({drop.down->at, Way::down, drop.column, drop.down->expression, {}});
        need(trial, drop.column);
        for (const auto& column : drop.down->reads) need(trial, column);
    }

    const Facts& facts_;
    Survey survey_;
    std::vector<Trial> trials_;
};

}  // namespace

std::vector<Trial> trials(const Facts& facts) { return Collector{facts}.collect(); }

std::string trial_sql(const TriedRule& rule, const std::string& table, const std::string& target) {
    return "UPDATE " + table + " SET " + target + " = " + rule.expression +
           (rule.condition.empty() ? "" : " WHERE " + rule.condition);
}

}  // namespace zdm::plan
