// Facts of small migrations, put together by hand, and plans as text.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include <string>
#include <vector>

#include "plan/rules.hpp"

namespace zdm::plan {

inline constexpr std::size_t kUsers = 0;
inline constexpr std::size_t kOrders = 1;
inline constexpr std::size_t kItems = 2;  // made by the migration

inline Table existing(std::uint32_t oid, const std::string& name) {
    Table table;
    table.oid = oid;
    table.qualified = "public." + name;
    table.name = name;
    table.rows = 1000000;
    table.bytes = 100000000;
    return table;
}

inline Facts shop() {
    Facts facts;
    facts.tables = {existing(200, "users"), existing(100, "orders"), existing(0, "items")};
    facts.tables[kItems].rows = facts.tables[kItems].bytes = 0;
    facts.tables[kItems].empty = facts.tables[kItems].small = true;
    return facts;
}

inline Action act(std::size_t table, Detail detail, LockMode mode = LockMode::access_exclusive) {
    Action action;
    action.at = {1, 1};
    action.table = table;
    action.written = "AS WRITTEN";
    if (table != kNoTable) action.seen.locks = {{table, mode}};
    action.detail = std::move(detail);
    return action;
}

inline Plan plan_of(std::vector<Action> actions, Facts facts = shop()) {
    facts.actions = std::move(actions);
    return make_steps(facts);
}

// One line a step, e.g. "expand ddl: ALTER TABLE ...".
inline std::vector<std::string> lines(const Plan& plan) {
    std::vector<std::string> all;
    std::string line;
    for (const char c : summary(plan)) {
        if (c != '\n') {
            line += c;
            continue;
        }
        all.push_back(line);
        line.clear();
    }
    return all;
}

using Lines = std::vector<std::string>;

inline const Step& step_of(const Plan& plan, StepKind kind, int nth = 0) {
    for (const auto& step : plan.steps)
        if (step.kind == kind && nth-- == 0) return step;
    static const Step none;
    ADD_FAILURE() << "no step of kind " << to_text(kind);
    return none;
}

// The message with which a migration is refused, empty when it is not.
inline std::string refusal(std::vector<Action> actions, Facts facts = shop()) {
    try {
        plan_of(std::move(actions), std::move(facts));
    } catch (const pg::Error& error) {
        EXPECT_FALSE(error.hint.empty()) << error.what();
        return error.what();
    }
    return {};
}

inline Assignment value(const std::string& column, const std::string& expression) {
    Assignment assignment;
    assignment.column = column;
    assignment.expression = expression;
    assignment.never_null = true;
    assignment.immutable = true;
    return assignment;
}

inline Update update(std::vector<Assignment> assignments) {
    Update statement;
    statement.assignments = std::move(assignments);
    return statement;
}

inline AddColumn column(const std::string& name, bool not_null = false) {
    AddColumn add;
    add.column = name;
    add.definition = "text";
    add.not_null = not_null;
    return add;
}

}  // namespace zdm::plan
