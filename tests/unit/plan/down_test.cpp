// DROP COLUMN with `-- zdm: down`.
#include "facts.hpp"
#include "plan/trial.hpp"

namespace zdm::plan {
namespace {

Assignment carried(const std::string& column, const std::string& expression,
                   std::vector<std::string> reads) {
    Assignment fill = value(column, expression);
    fill.type = "text";
    fill.reads = std::move(reads);
    return fill;
}

Down gives(const std::string& expression, std::vector<std::string> reads) {
    Down down;
    down.at = {7, 1};
    down.type = "text";
    down.expression = expression;
    down.reads = down.required = std::move(reads);
    down.never_null = down.immutable = true;
    return down;
}

DropColumn drop_of(const std::string& column, Down down) {
    DropColumn drop;
    drop.column = column;
    drop.not_null = drop.relax = true;
    drop.given = column + " IS NOT NULL";
    drop.down = std::move(down);
    return drop;
}

std::vector<Action> split_with(const DropColumn& drop) {
    return {act(kUsers, column("first", true)), act(kUsers, column("last", true)),
            act(kUsers, update({carried("first", "l(name)", {"name"}),
                                carried("last", "r(name)", {"name"})})),
            act(kUsers, drop)};
}

std::vector<Action> split(Down down = gives("first || last", {"first", "last"})) {
    return split_with(drop_of("name", std::move(down)));
}

int relaxed(const Plan& plan) {
    int found = 0;
    for (const auto& step : plan.steps)
        found += step.command == "ALTER TABLE public.users ALTER COLUMN name DROP NOT NULL;";
    return found;
}

TEST(PlanDown, OldColumnIsGivenBackUntilItGoesWithTheTrigger) {
    const Plan plan = plan_of(split());
    const Step& sync = step_of(plan, StepKind::sync);
    EXPECT_NE(sync.command.find("'first', 'step', 'l(name)', '', 'last', 'step', 'r(name)', '', "
                                "'name', 'back', 'first || last', '')"),
              std::string::npos)
        << sync.command;
    EXPECT_NE(sync.note.find("name follows first, last where an application writes that"),
              std::string::npos);
    const Step& unsync = step_of(plan, StepKind::unsync);
    EXPECT_EQ(unsync.parameters.at("then"), "ALTER TABLE public.users DROP COLUMN name;");
    EXPECT_TRUE(unsync.removal);
    EXPECT_EQ(&unsync, &plan.steps.back());
    EXPECT_EQ(relaxed(plan), 0);
    const Step& gate = step_of(plan, StepKind::gate);
    EXPECT_EQ(gate.parameters.at("blind"), "who still reads public.users.name");
    EXPECT_NE(step_of(plan, StepKind::verify).parameters.at("differs").find("first || last"),
              std::string::npos);
}

TEST(PlanDown, MergedColumnsGoTogether) {
    const Plan plan =
        plan_of({act(kUsers, column("full", true)),
                 act(kUsers, update({carried("full", "first || last", {"first", "last"})})),
                 act(kUsers, drop_of("first", gives("l(full)", {"full"}))),
                 act(kUsers, drop_of("last", gives("r(full)", {"full"})))});
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN first; ALTER TABLE public.users DROP COLUMN "
              "last;");
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("statements"), "2");
}

TEST(PlanDown, OtherColumnsOfTheTableGoWithThemInTheOrderOfTheFile) {
    std::vector<Action> actions = split();
    actions.insert(actions.begin() + 3, act(kUsers, DropColumn{"upper_name", false, false, {}}));
    actions.push_back(act(kUsers, DropColumn{"code", false, false, {}}));
    actions.push_back(act(kOrders, DropColumn{"code", false, false, {}}));
    const Plan plan = plan_of(actions);
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN upper_name; ALTER TABLE public.users DROP "
              "COLUMN name; ALTER TABLE public.users DROP COLUMN code;");
    EXPECT_EQ(plan.steps.back().command, "ALTER TABLE public.orders DROP COLUMN code;");
}

TEST(PlanDown, NotNullIsRelaxedWhereANewRowMayLackAValue) {
    Down maybe = gives("first || last", {"first", "last"});
    maybe.never_null = false;
    EXPECT_EQ(relaxed(plan_of(split(maybe))), 1);
    Down nothing_required = gives("coalesce(first, '')", {"first"});
    nothing_required.required.clear();
    EXPECT_EQ(relaxed(plan_of(split(nothing_required))), 1);
    EXPECT_NE(plan_of(split(nothing_required)).steps[2].note.find("may leave out first"),
              std::string::npos);
    DropColumn nullable = drop_of("name", maybe);
    nullable.not_null = nullable.relax = false;
    EXPECT_EQ(relaxed(plan_of(split_with(nullable))), 0);
}

// The trigger computes a value when a column is given that the old one is carried over into; one
// that was there before tells nothing.
TEST(PlanDown, RequiredMeansANewColumn) {
    Down down = gives("first || coalesce(title, '')", {"first", "title"});
    down.required = {"title"};
    EXPECT_EQ(relaxed(plan_of(split(down))), 1);
    down.required = {"first"};
    EXPECT_EQ(relaxed(plan_of(split(down))), 0);
    // Without any carrying over all that it reads counts.
    Down alone = gives("title", {"title"});
    EXPECT_EQ(relaxed(plan_of({act(kUsers, drop_of("name", alone))})), 0);
}

TEST(PlanDown, DefaultAndConstantsGiveAValueByThemselves) {
    Down down = gives("coalesce(first, '')", {"first"});
    down.required.clear();
    DropColumn drop = drop_of("name", down);
    drop.has_default = true;
    drop.relax = false;
    EXPECT_EQ(relaxed(plan_of(split_with(drop))), 0);
    drop.down->never_null = false;
    EXPECT_EQ(relaxed(plan_of(split_with(drop))), 1);
    const Plan constant = plan_of({act(kUsers, drop_of("name", gives("'x'::text", {})))});
    EXPECT_EQ(relaxed(constant), 0);
    EXPECT_NE(
        step_of(constant, StepKind::sync).note.find("name is given where an INSERT leaves it out"),
        std::string::npos);
    EXPECT_EQ(step_of(constant, StepKind::gate).note.find("without the new columns"),
              std::string::npos);
}

TEST(PlanDown, WhatCanNotBeRelaxedIsRefused) {
    Down maybe = gives("first", {"first"});
    maybe.never_null = false;
    DropColumn drop = drop_of("name", maybe);
    drop.fixed_not_null = true;
    EXPECT_NE(refusal(split_with(drop)).find("ZD114: line 7"), std::string::npos);
    drop.down->never_null = true;
    EXPECT_EQ(refusal(split_with(drop)), "");
}

TEST(PlanDown, ExpressionsThatNoTriggerCanComputeAreRefused) {
    const auto with = [](auto change) {
        DropColumn drop = drop_of("name", gives("first", {"first"}));
        change(drop);
        return refusal(split_with(drop)).substr(0, 5);
    };
    EXPECT_EQ(with([](DropColumn&) {}), "");
    EXPECT_EQ(with([](DropColumn& drop) { drop.down->subquery = true; }), "ZD104");
    EXPECT_EQ(with([](DropColumn& drop) { drop.down->immutable = false; }), "ZD108");
    EXPECT_EQ(with([](DropColumn& drop) { drop.down->not_public = "function f()"; }), "ZD109");
    EXPECT_EQ(with([](DropColumn& drop) { drop.down->reads = {"name"}; }), "ZD114");
    EXPECT_EQ(with([](DropColumn& drop) { drop.down->unreadable = "the column x"; }), "ZD114");
    EXPECT_EQ(with([](DropColumn& drop) { drop.generated = true; }), "ZD114");
    EXPECT_EQ(with([](DropColumn& drop) { drop.made_here = true; }), "ZD105");
}

TEST(PlanDown, WhatMayFailIsSaid) {
    Down down = gives("first", {"first"});
    down.may_fail = "a value that does not fit varchar(9)";
    const Plan plan = plan_of(split(down));
    EXPECT_NE(
        step_of(plan, StepKind::sync).note.find("(a value that does not fit varchar(9) can make"),
        std::string::npos);
}

Facts facts_of(std::vector<Action> actions) {
    Facts facts = shop();
    facts.actions = std::move(actions);
    return facts;
}

TEST(PlanTrial, RulesOfATableWithTheColumnsThatTheyNeed) {
    const Facts facts = facts_of(split());
    const auto found = trials(facts);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].table, kUsers);
    EXPECT_EQ(found[0].reads, (std::vector<std::string>{"name"}));
    ASSERT_EQ(found[0].columns.size(), 2u);
    EXPECT_EQ(found[0].columns[1].column, "last");
    ASSERT_EQ(found[0].rules.size(), 3u);
    EXPECT_EQ(trial_sql(found[0].rules[0], "x", "first"),
              "UPDATE x SET first = l(name) WHERE first IS NULL");
    EXPECT_EQ(trial_sql(found[0].rules[2], "x", "back"), "UPDATE x SET back = first || last");
    EXPECT_EQ(found[0].rules[2].way, Way::down);
}

TEST(PlanTrial, ConditionOfTheUpdateCounts) {
    std::vector<Action> actions = split();
    auto& statement = std::get<Update>(actions[2].detail);
    statement.where = statement.rest = "(code > 3)";
    statement.rest_reads = {"code"};
    const Facts facts = facts_of(actions);
    const auto found = trials(facts);
    EXPECT_EQ(found[0].rules[0].condition, "first IS NULL AND (code > 3)");
    EXPECT_EQ(found[0].reads, (std::vector<std::string>{"name", "code"}));
}

TEST(PlanTrial, WhatIsRefusedOrNotKeptInStepIsNotTried) {
    Down stable = gives("first", {"first"});
    stable.immutable = false;
    std::vector<Action> actions = split(stable);
    std::get<Update>(actions[2].detail).assignments[0].immutable = false;
    std::get<Update>(actions[2].detail).assignments[1].subquery = true;
    const Facts refused = facts_of(actions);
    EXPECT_TRUE(trials(refused).empty());
    const Facts once =
        facts_of({act(kUsers, column("a", true)), act(kUsers, update({value("a", "1")}))});
    EXPECT_TRUE(trials(once).empty());
    const Facts nobody_relies =
        facts_of({act(kUsers, column("a")), act(kUsers, update({carried("a", "b", {"b"})}))});
    EXPECT_TRUE(trials(nobody_relies).empty());
}

}  // namespace
}  // namespace zdm::plan
