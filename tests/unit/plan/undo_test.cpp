// How each step is taken back: which parts, under which locks.
#include "plan/undo.hpp"

#include "facts.hpp"

namespace zdm::plan {

namespace {

std::vector<StepKind> kinds(const Step& step) {
    std::vector<StepKind> all;
    for (const auto& part : step.undo) all.push_back(part.kind);
    return all;
}

using Kinds = std::vector<StepKind>;

DropConstraint dropped(ConstraintKind kind) {
    DropConstraint drop;
    drop.name = "c";
    drop.kind = kind;
    drop.definition = "DEFINITION";
    drop.violates = "BAD";
    drop.schema = "public";
    drop.tail = "USING btree (code)";
    return drop;
}

Plan plan_of_drop(const DropConstraint& drop) {
    Action action = act(kOrders, drop);
    if (drop.kind == ConstraintKind::foreign_key)
        action.seen.locks.push_back({kUsers, LockMode::access_exclusive});
    return plan_of({action});
}

}  // namespace

TEST(PlanUndo, WhatScansOrBuildsIsNeverUnderABlockingLock) {
    using K = StepKind;
    EXPECT_EQ(kinds(plan_of_drop(dropped(ConstraintKind::check)).steps[0]),
              (Kinds{K::count, K::constraint, K::validate}));
    EXPECT_EQ(kinds(plan_of_drop(dropped(ConstraintKind::foreign_key)).steps[0]),
              (Kinds{K::count, K::constraint, K::validate}));
    EXPECT_EQ(kinds(plan_of_drop(dropped(ConstraintKind::unique)).steps[0]),
              (Kinds{K::index, K::ddl}));
    EXPECT_EQ(kinds(plan_of_drop(dropped(ConstraintKind::primary_key)).steps[0]),
              (Kinds{K::index, K::ddl}));
    EXPECT_EQ(kinds(plan_of({act(kUsers, DropNotNull{"name"})}).steps[0]),
              (Kinds{K::count, K::constraint, K::validate, K::ddl}));
    EXPECT_EQ(kinds(plan_of({act(kUsers, DropColumn{"name", true, false, ""})}).steps[0]),
              (Kinds{K::count, K::constraint, K::validate, K::ddl}));
    CreateIndex index;
    index.name = "i";
    index.schema = "public";
    Facts small = shop();
    small.tables[kUsers].small = true;
    for (const Facts& facts : {shop(), small}) {
        const Plan plan = plan_of({act(kUsers, index, LockMode::share)}, facts);
        EXPECT_EQ(kinds(plan.steps[0]), Kinds{K::drop_index});
        EXPECT_TRUE(plan.steps[0].undo[0].locks.empty());
    }
}

TEST(PlanUndo, TakesTheWeakestLocksThatDo) {
    const Step key = plan_of_drop(dropped(ConstraintKind::foreign_key)).steps[0];
    ASSERT_EQ(key.undo[1].locks.size(), 2u);
    // The referenced table first, as on the way forward.
    EXPECT_EQ(key.undo[1].locks[0].relation, "public.users");
    EXPECT_EQ(key.undo[1].locks[0].mode, LockMode::share_row_exclusive);
    EXPECT_EQ(key.undo[1].locks[1].mode, LockMode::share_row_exclusive);
    // Those of dropping it again, should rows refuse it.
    EXPECT_EQ(key.undo[2].locks[0].mode, LockMode::access_exclusive);
    EXPECT_EQ(key.undo[2].parameters.at("drop"), "ALTER TABLE public.orders DROP CONSTRAINT c;");

    const Plan filled = plan_of(
        {act(kUsers, column("phone", true)), act(kUsers, update({value("phone", "'x'::text")}))});
    const Step& sync = step_of(filled, StepKind::sync);
    EXPECT_EQ(kinds(sync), Kinds{StepKind::unsync});
    EXPECT_EQ(sync.undo[0].locks[0].mode, LockMode::access_exclusive);
    const Step& unsync = step_of(filled, StepKind::unsync);
    EXPECT_EQ(kinds(unsync), Kinds{StepKind::sync});
    EXPECT_EQ(unsync.undo[0].command, sync.command);
    EXPECT_EQ(unsync.undo[0].locks[0].mode, LockMode::share_row_exclusive);

    Direct direct;
    direct.command = "COMMENT ON TABLE users IS 'x';";
    direct.undo = "COMMENT ON TABLE public.users IS NULL;";
    const auto lock_of = [&] {
        return plan_of({act(kUsers, direct, LockMode::share_update_exclusive)})
            .steps[0]
            .undo[0]
            .locks[0]
            .mode;
    };
    EXPECT_EQ(lock_of(), LockMode::access_exclusive);
    direct.same_locks = true;
    EXPECT_EQ(lock_of(), LockMode::share_update_exclusive);
}

TEST(PlanUndo, LocksWhatTheMigrationMadeLast) {
    Direct direct;
    direct.command = "CREATE TABLE items (user_id bigint REFERENCES users);";
    direct.undo = "DROP TABLE public.items;";
    Action action = act(kItems, direct);
    action.seen.locks = {{kUsers, LockMode::share_row_exclusive}};
    const Step step = plan_of({action}).steps[0];
    ASSERT_EQ(step.undo[0].locks.size(), 2u);
    EXPECT_EQ(step.undo[0].locks[0].relation, "public.users");
    EXPECT_EQ(step.undo[0].locks[0].mode, LockMode::access_exclusive);
    EXPECT_EQ(step.undo[0].locks[1].relation, "public.items");
}

TEST(PlanUndo, GivesBackWhatWentWithAConstraint) {
    DropConstraint drop = dropped(ConstraintKind::check);
    drop.with = {"COMMENT ON CONSTRAINT c ON public.orders IS 'x';"};
    Step step = plan_of_drop(drop).steps[0];
    EXPECT_EQ(step.undo.back().kind, StepKind::ddl);
    EXPECT_EQ(step.undo.back().locks[0].mode, LockMode::share_update_exclusive);
    drop.kind = ConstraintKind::primary_key;
    step = plan_of_drop(drop).steps[0];
    EXPECT_EQ(step.undo.back().command,
              "ALTER TABLE public.orders ADD CONSTRAINT c PRIMARY KEY USING INDEX c; COMMENT ON "
              "CONSTRAINT c ON public.orders IS 'x';");
    EXPECT_EQ(step.undo.back().parameters.at("statements"), "2");
}

TEST(PlanUndo, ConstraintsThatWereNotValidComeBackSo) {
    DropConstraint drop = dropped(ConstraintKind::check);
    drop.valid = false;
    EXPECT_EQ(kinds(plan_of_drop(drop).steps[0]), Kinds{StepKind::constraint});
}

TEST(PlanUndo, SwapWithWhatCanNotComeBackIsARemoval) {
    AddCheck add;
    add.name = "c";
    add.expression = "(a)";
    add.definition = "CHECK (a)";
    DropConstraint drop = dropped(ConstraintKind::exclusion);
    Plan plan = plan_of({act(kOrders, drop), act(kOrders, add)});
    EXPECT_TRUE(plan.steps.back().removal);
    EXPECT_TRUE(plan.steps.back().undo.empty());
    drop.kind = ConstraintKind::check;
    plan = plan_of({act(kOrders, drop), act(kOrders, add)});
    EXPECT_FALSE(plan.steps.back().removal);
    EXPECT_EQ(kinds(plan.steps.back()),
              (Kinds{StepKind::ddl, StepKind::count, StepKind::constraint, StepKind::validate}));
}

}  // namespace zdm::plan
