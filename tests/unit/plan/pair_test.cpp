// Columns that are kept equal both ways, and what goes in one transaction with their trigger.
#include "facts.hpp"

namespace zdm::plan {
namespace {

Composer composer_of(const Facts& facts, const Action& action) {
    Composer composer{facts};
    composer.pair(action, {"b", "text", "a", "a", "b"});
    return composer;
}

TEST(PlanPair, OneTriggerHasBothRulesTheForwardOneFirst) {
    Facts facts = shop();
    facts.actions = {act(kUsers, column("b"))};
    Composer composer = composer_of(facts, facts.actions[0]);
    composer.pair(facts.actions[0], {"\"D d\"", "text", "c", "c", "\"D d\""});
    const Plan plan = composer.finish();
    EXPECT_EQ(step_of(plan, StepKind::sync).command,
              "CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW "
              "EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'b', 'step', 'a', '', 'D d', "
              "'step', 'c', '', 'a', 'back', 'b', '', 'c', 'back', '\"D d\"', '')");
    EXPECT_EQ(step_of(plan, StepKind::sync).parameters.at("columns"), "b, \"D d\"");
    EXPECT_TRUE(plan.transition);
}

TEST(PlanPair, TriggerAloneCanBeTakenBack) {
    Facts facts = shop();
    facts.actions = {act(kUsers, column("b"))};
    const Plan plan = composer_of(facts, facts.actions[0]).finish();
    const Step& unsync = step_of(plan, StepKind::unsync);
    EXPECT_EQ(unsync.command, "DROP TRIGGER zz_zdm_sync ON public.users");
    EXPECT_FALSE(unsync.removal);
    EXPECT_EQ(undo_sql(unsync), step_of(plan, StepKind::sync).command + ";");
    EXPECT_EQ(unsync.parameters.count("then"), 0u);
}

TEST(PlanPair, WhatIsRemovedGoesInTheTransactionOfTheTrigger) {
    Facts facts = shop();
    facts.actions = {act(kUsers, column("b"))};
    Composer composer = composer_of(facts, facts.actions[0]);
    composer.with_unsync(facts.actions[0],
                         {"ALTER TABLE public.users DROP COLUMN a;",
                          "ALTER TABLE public.users ALTER COLUMN b SET DEFAULT 1;"},
                         {{{kUsers, LockMode::share}, {kOrders, LockMode::share}}, false, false});
    composer.with_unsync(facts.actions[0], {"SELECT 1;"},
                         {{{kOrders, LockMode::access_exclusive}}, false, false});
    const Plan plan = composer.finish();
    const Step& unsync = step_of(plan, StepKind::unsync);
    const std::string then =
        "ALTER TABLE public.users DROP COLUMN a; ALTER TABLE public.users ALTER COLUMN b SET "
        "DEFAULT 1; SELECT 1;";
    EXPECT_EQ(unsync.command, "DROP TRIGGER zz_zdm_sync ON public.users; " + then);
    EXPECT_EQ(unsync.parameters.at("drop"), "DROP TRIGGER zz_zdm_sync ON public.users");
    EXPECT_EQ(unsync.parameters.at("then"), then);
    EXPECT_EQ(unsync.parameters.at("statements"), "3");
    EXPECT_TRUE(unsync.removal);
    EXPECT_TRUE(unsync.undo.empty());
    EXPECT_EQ(unsync.phase, Phase::contract);
    ASSERT_EQ(unsync.locks.size(), 2u);
    EXPECT_EQ(unsync.locks[0].relation, "public.orders");
    EXPECT_EQ(unsync.locks[0].mode, LockMode::access_exclusive);
    EXPECT_EQ(unsync.locks[1].relation, "public.users");
}

}  // namespace
}  // namespace zdm::plan
