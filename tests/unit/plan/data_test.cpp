#include "facts.hpp"

namespace zdm::plan {
namespace {

std::string predicate(const Plan& plan) {
    return step_of(plan, StepKind::backfill).parameters.at("predicate");
}
std::string set_of(const Plan& plan) {
    return step_of(plan, StepKind::backfill).parameters.at("set");
}

Update marked(Assignment assignment, const std::string& rest = {}) {
    assignment.marked = true;
    Update statement = update({assignment});
    statement.where = "(" + assignment.column + " IS NULL)";
    statement.rest = rest;
    return statement;
}

TEST(PlanData, UpdateAloneNeedsNoSyncAndNoGate) {
    const Plan plan = plan_of({act(kUsers, marked(value("phone", "'x'::text")))});
    EXPECT_EQ(lines(plan),
              (Lines{"migrate backfill: UPDATE public.users SET phone = 'x'::text WHERE (phone IS "
                     "NULL)",
                     "migrate last_pass: SELECT count(*) FROM ONLY public.users WHERE (phone IS "
                     "NULL)",
                     "migrate analyze: ANALYZE public.users (phone)"}));
    EXPECT_FALSE(plan.transition);
    EXPECT_FALSE(plan.steps[0].removal);
    EXPECT_EQ(plan.steps[0].parameters.at("sync"), "no");
    EXPECT_EQ(plan.steps[1].parameters.at("of"), "1");
}

TEST(PlanData, ValueThatMayBeNullIsLeftOutOfThePredicate) {
    Assignment maybe = value("phone", "lower(name)");
    maybe.never_null = false;
    EXPECT_EQ(predicate(plan_of({act(kUsers, marked(maybe))})),
              "(phone IS NULL) AND ((lower(name)) IS NOT NULL)");
    maybe.is_volatile = true;
    EXPECT_NE(refusal({act(kUsers, marked(maybe))}).find("ZD103"), std::string::npos);
}

TEST(PlanData, NewColumnIsMarkedByThePlanner) {
    Update statement = update({value("phone", "'x'::text")});
    statement.where = statement.rest = "active";
    const Plan plan = plan_of({act(kUsers, column("phone")), act(kUsers, statement)});
    EXPECT_EQ(predicate(plan), "phone IS NULL AND active");
    EXPECT_FALSE(step_of(plan, StepKind::backfill).removal);
    EXPECT_FALSE(plan.transition);
}

TEST(PlanData, SeveralNewColumnsKeepWhatApplicationsWrote) {
    Assignment maybe = value("b", "(name || 'x'::text)");
    maybe.never_null = false;
    const Plan plan = plan_of({act(kUsers, column("a")), act(kUsers, column("b")),
                               act(kUsers, update({value("a", "1"), maybe}))});
    EXPECT_EQ(set_of(plan), "a = COALESCE(a, 1), b = COALESCE(b, (name || 'x'::text))");
    EXPECT_EQ(predicate(plan),
              "((a IS NULL) OR (b IS NULL AND ((name || 'x'::text) IS NOT NULL)))");
}

TEST(PlanData, NewAndOldColumnsTogether) {
    Assignment old = value("price", "0");
    Assignment fresh = value("kind", "'x'::text");
    Assignment filled = value("phone", "'y'::text");
    filled.marked = true;
    Update statement = update({old, fresh, filled});
    statement.where = "(phone IS NULL)";
    const Plan plan = plan_of({act(kUsers, column("kind")), act(kUsers, statement)});
    EXPECT_EQ(set_of(plan), "price = 0, kind = COALESCE(kind, 'x'::text), phone = 'y'::text");
    EXPECT_EQ(predicate(plan), "(phone IS NULL)");
    EXPECT_TRUE(step_of(plan, StepKind::backfill).removal);
}

TEST(PlanData, TheBestOfSeveralMarkersIsTaken) {
    Assignment first = value("a", "lower(name)");
    first.never_null = false;
    first.marked = true;
    Assignment second = value("b", "1");
    second.marked = true;
    Update statement = update({first, second});
    statement.where = "((a IS NULL) AND (b IS NULL))";
    EXPECT_EQ(predicate(plan_of({act(kUsers, statement)})), "((a IS NULL) AND (b IS NULL))");
}

TEST(PlanData, OverwritingConvergesOrIsRefused) {
    Update statement = update({value("status", "'paid'::text")});
    statement.where = statement.rest = "(status = 'payed'::text)";
    statement.rest_reads = {"status"};
    EXPECT_NE(refusal({act(kOrders, statement)}).find("ZD103: line 1, column 1"),
              std::string::npos);
    statement.converges = true;
    const Plan plan = plan_of({act(kOrders, statement)});
    EXPECT_TRUE(step_of(plan, StepKind::backfill).removal);
    EXPECT_FALSE(plan.transition);
}

TEST(PlanData, NullFillsNothing) {
    Assignment nothing = value("phone", "NULL::text");
    nothing.null = true;
    nothing.never_null = false;
    EXPECT_NE(refusal({act(kUsers, column("phone")), act(kUsers, update({nothing}))}).find("ZD103"),
              std::string::npos);
}

TEST(PlanData, SecondUpdateOfANewColumnMustSayWhichRows) {
    const std::vector<Action> first = {act(kUsers, column("kind")),
                                       act(kUsers, update({value("kind", "'a'::text")}))};
    std::vector<Action> again = first;
    Update second = update({value("kind", "'b'::text")});
    second.where = second.rest = "(price > 3)";
    second.rest_reads = {"price"};
    again.push_back(act(kUsers, second));
    EXPECT_NE(refusal(again).find("ZD103"), std::string::npos);
    again.back() = act(kUsers, marked(value("kind", "'b'::text"), "(price > 3)"));
    EXPECT_EQ(lines(plan_of(again)).size(), 6u);
}

TEST(PlanData, InsertedRowsHaveTheirValues) {
    EXPECT_NE(refusal({act(kUsers, column("kind")), act(kUsers, Insert{}),
                       act(kUsers, update({value("kind", "'a'::text")}))})
                  .find("ZD103"),
              std::string::npos);
}

TEST(PlanData, RuleIsKeptInStepWhenItReadsWhatIsDropped) {
    Assignment full = value("full_name", "(first || last)");
    full.never_null = false;
    full.reads = {"first", "last"};
    const Plan plan = plan_of({act(kUsers, column("full_name")), act(kUsers, marked(full)),
                               act(kUsers, DropColumn{"last", false, false, ""})});
    EXPECT_NE(step_of(plan, StepKind::sync).command.find("'full_name', 'step', '(first || last)'"),
              std::string::npos);
    EXPECT_NE(step_of(plan, StepKind::sync).note.find("kept in step with first, last"),
              std::string::npos);
    EXPECT_EQ(plan.steps.back().command, "ALTER TABLE public.users DROP COLUMN last;");
    EXPECT_EQ(plan.steps[plan.steps.size() - 2].kind, StepKind::unsync);
}

TEST(PlanData, ConditionOfTheUpdateIsThatOfTheRule) {
    const Plan plan = plan_of({act(kUsers, marked(value("phone", "'x'::text"), "active")),
                               act(kUsers, SetNotNull{"phone", false, {}, {}})});
    EXPECT_NE(step_of(plan, StepKind::sync).command.find("'once', '''x''::text', 'active')"),
              std::string::npos);
}

TEST(PlanData, RulesThatCanNotRunInApplicationsAreRefused) {
    const auto with = [](Assignment assignment, bool rest_subquery = false,
                         bool rest_immutable = true, const std::string& rest_hidden = {}) {
        Update statement = marked(std::move(assignment), "active");
        statement.rest_subquery = rest_subquery;
        statement.rest_immutable = rest_immutable;
        statement.rest_not_public = rest_hidden;
        return refusal({act(kUsers, statement), act(kUsers, SetNotNull{"phone", false, {}, {}})});
    };
    const Assignment plain = value("phone", "'x'::text");
    EXPECT_EQ(with(plain), "");
    Assignment subquery = plain;
    subquery.subquery = true;
    EXPECT_NE(with(subquery).find("ZD104"), std::string::npos);
    EXPECT_NE(with(plain, true).find("ZD104"), std::string::npos);
    Assignment stable = plain;
    stable.immutable = false;
    EXPECT_EQ(with(stable), "");  // filled once
    stable.reads = {"name"};
    EXPECT_NE(with(stable).find("ZD108"), std::string::npos);
    Assignment step = plain;
    step.reads = {"name"};
    EXPECT_NE(with(step, false, false).find("ZD108"), std::string::npos);
    Assignment hidden = plain;
    hidden.not_public = "function public.f()";
    EXPECT_NE(with(hidden).find("ZD109"), std::string::npos);
    EXPECT_NE(with(plain, false, true, "function public.f()").find("ZD109"), std::string::npos);
}

TEST(PlanData, OneTriggerHoldsAllRulesOfATable) {
    const Plan plan =
        plan_of({act(kUsers, column("a", true)), act(kUsers, column("b", true)),
                 act(kUsers, update({value("a", "1")})), act(kUsers, update({value("b", "2")}))});
    int triggers = 0;
    for (const auto& step : plan.steps) triggers += step.kind == StepKind::sync;
    EXPECT_EQ(triggers, 1);
    EXPECT_EQ(step_of(plan, StepKind::sync).parameters.at("columns"), "a, b");
    EXPECT_EQ(step_of(plan, StepKind::analyze).command, "ANALYZE public.users (a, b)");
    EXPECT_EQ(step_of(plan, StepKind::last_pass, 1).parameters.at("of"), "6");
}

TEST(PlanData, DeleteIsARemovalInBatches) {
    const Plan plan = plan_of({act(kOrders, Delete{"(user_id = 0)"})});
    EXPECT_EQ(lines(plan), Lines{"migrate delete: DELETE FROM public.orders WHERE (user_id = 0)"});
    EXPECT_TRUE(plan.steps[0].removal);
    EXPECT_FALSE(plan.transition);
    EXPECT_EQ(plan_of({act(kOrders, Delete{""})}).steps[0].parameters.at("predicate"), "true");
}

TEST(PlanData, InsertGoesWhereItsRowsAre) {
    EXPECT_EQ(plan_of({act(kOrders, Insert{})}).steps[0].phase, Phase::migrate);
    EXPECT_EQ(plan_of({act(kItems, Insert{})}).steps[0].phase, Phase::expand);
    Insert copy;
    copy.reads = {kUsers};
    EXPECT_EQ(plan_of({act(kItems, copy)}).steps[0].phase, Phase::migrate);
    copy.large = true;
    EXPECT_NE(refusal({act(kItems, copy)}).find("ZD105"), std::string::npos);
}

}  // namespace
}  // namespace zdm::plan
