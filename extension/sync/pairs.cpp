#include "sync/pairs.hpp"

#include <algorithm>
#include <string>

namespace zdm::sync {

namespace {

using Rules = std::vector<Reads>;

bool reads(const Reads& rule, int column) {
    return std::find(rule.inputs.begin(), rule.inputs.end(), column) != rule.inputs.end();
}

bool are_pair(const Reads& step, const Reads& back) {
    return step.mode == Mode::step && back.mode == Mode::back && reads(step, back.column) &&
           reads(back, step.column);
}

std::string rule_name(std::size_t index) { return "Rule " + std::to_string(index + 1); }

void check(const Rules& rules) {
    for (std::size_t i = 0; i < rules.size(); ++i)
        for (std::size_t j = 0; j < rules.size(); ++j) {
            if (rules[j].mode != Mode::back || rules[i].mode == Mode::back) continue;
            if (rules[i].column == rules[j].column)
                refuse_arguments(rule_name(i) + " and rule " + std::to_string(j + 1) +
                                 " give the same column, one as new and one as old.");
            if (i > j && are_pair(rules[i], rules[j]))
                refuse_arguments(rule_name(i) + " stands behind rule " + std::to_string(j + 1) +
                                 ", which gives back what it reads.");
        }
}

void add(std::vector<int>& set, int value) {
    const auto place = std::lower_bound(set.begin(), set.end(), value);
    if (place == set.end() || *place != value) set.insert(place, value);
}

// Adds a rule to `group`, and all that are tied to it by pairs.
void collect(const Rules& rules, std::size_t index, Group& group, std::vector<bool>& taken) {
    const Reads& rule = rules[index];
    taken[index] = true;
    add(rule.mode == Mode::back ? group.reverse : group.forward, static_cast<int>(index));
    for (std::size_t other = 0; other < rules.size(); ++other)
        if (!taken[other] && (are_pair(rule, rules[other]) || are_pair(rules[other], rule)))
            collect(rules, other, group, taken);
}

}  // namespace

std::vector<Group> find_groups(const Rules& rules) {
    check(rules);
    std::vector<Group> groups;
    std::vector<bool> taken(rules.size(), false);
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].mode != Mode::back || taken[i]) continue;
        Group group;
        collect(rules, i, group, taken);
        for (const int rule : group.forward)
            add(group.news, rules[static_cast<std::size_t>(rule)].column);
        if (group.forward.empty())
            for (const int column : rules[i].inputs)
                if (column != rules[i].column) add(group.news, column);
        groups.push_back(std::move(group));
    }
    return groups;
}

}  // namespace zdm::sync
