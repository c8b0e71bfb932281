#include "facts.hpp"

namespace zdm::plan {
namespace {

AddCheck check(const std::string& name) {
    AddCheck add;
    add.name = name;
    add.expression = "(price > 0)";
    add.definition = "CHECK (price > 0)";
    add.columns = {"price"};
    return add;
}

AddForeignKey foreign_key() {
    AddForeignKey add;
    add.name = "orders_user_fk";
    add.definition = "FOREIGN KEY (user_id) REFERENCES public.users (id)";
    add.violates = "user_id IS NOT NULL AND NOT EXISTS (...)";
    add.columns = {"user_id"};
    add.referenced = kUsers;
    return add;
}

AddUnique unique(const std::string& name, bool primary = false) {
    AddUnique add;
    add.name = name;
    add.primary = primary;
    add.tail = "USING btree (code)";
    add.columns = {"code"};
    add.schema = "public";
    return add;
}

DropConstraint drop(const std::string& name, ConstraintKind kind, const std::string& definition) {
    DropConstraint statement;
    statement.name = name;
    statement.kind = kind;
    statement.definition = definition;
    return statement;
}

TEST(PlanConstraints, CheckIsCountedAddedAndValidated) {
    const Plan plan = plan_of({act(kOrders, check("ck"))});
    EXPECT_EQ(
        lines(plan),
        (Lines{"contract count: SELECT count(*) FROM ONLY public.orders WHERE (price > 0) IS "
               "FALSE",
               "contract constraint: ALTER TABLE public.orders ADD CONSTRAINT ck CHECK (price "
               "> 0) NOT VALID",
               "contract validate: ALTER TABLE public.orders VALIDATE CONSTRAINT ck"}));
    EXPECT_EQ(plan.steps[0].parameters.at("sqlstate"), "23514");
    EXPECT_EQ(undo_sql(plan.steps[1]), "ALTER TABLE public.orders DROP CONSTRAINT IF EXISTS ck;");
    EXPECT_EQ(plan.steps[2].parameters.at("drop"), "ALTER TABLE public.orders DROP CONSTRAINT ck;");
    EXPECT_FALSE(plan.transition);
}

TEST(PlanConstraints, AllCountsComeBeforeAnythingIsAdded) {
    const Plan plan =
        plan_of({act(kOrders, check("a")), act(kOrders, unique("u")), act(kOrders, foreign_key())});
    std::vector<StepKind> kinds;
    for (const auto& step : plan.steps) kinds.push_back(step.kind);
    EXPECT_EQ(kinds, (std::vector<StepKind>{StepKind::count, StepKind::count, StepKind::index,
                                            StepKind::constraint, StepKind::validate, StepKind::ddl,
                                            StepKind::constraint, StepKind::validate}));
}

TEST(PlanConstraints, ForeignKeyLocksTheReferencedTableFirst) {
    Action action = act(kOrders, foreign_key(), LockMode::share_row_exclusive);
    action.seen.locks.push_back({kUsers, LockMode::share_row_exclusive});
    action.seen.scans = true;
    const Plan plan = plan_of({action});
    const Step& step = step_of(plan, StepKind::constraint);
    ASSERT_EQ(step.locks.size(), 2u);
    EXPECT_EQ(step.locks[0].relation, "public.users");
    EXPECT_EQ(step.locks[1].relation, "public.orders");
    EXPECT_EQ(step.lock, LockMode::share_row_exclusive);
    EXPECT_FALSE(step.scans);
    EXPECT_EQ(plan.relations, (std::vector<std::uint32_t>{100, 200}));
}

TEST(PlanConstraints, AsWrittenNotValidIsOnlyAdded) {
    AddCheck add = check("ck");
    add.not_valid = true;
    EXPECT_EQ(
        lines(plan_of({act(kOrders, add)})),
        Lines{"contract constraint: ALTER TABLE public.orders ADD CONSTRAINT ck CHECK (price > "
              "0) NOT VALID"});
}

TEST(PlanConstraints, ValidateCountsFirstAndKeepsWhatWasThere) {
    Validate validate{"ck", "(price > 0) IS FALSE", "23514", false};
    const Plan plan = plan_of({act(kOrders, validate, LockMode::share_update_exclusive)});
    ASSERT_EQ(plan.steps.size(), 2u);
    EXPECT_EQ(plan.steps[0].kind, StepKind::count);
    EXPECT_EQ(plan.steps[1].parameters.at("drop"), "");
    validate.made_here = true;
    EXPECT_NE(step_of(plan_of({act(kOrders, validate)}), StepKind::validate).parameters.at("drop"),
              "");
    validate.violates.clear();
    EXPECT_EQ(plan_of({act(kOrders, validate)}).steps.size(), 1u);
}

TEST(PlanConstraints, UniqueTakesOverAnIndexBuiltBesideApplications) {
    AddUnique add = unique("orders_code_key");
    add.suffix = " DEFERRABLE";
    const Plan plan = plan_of({act(kOrders, add)});
    EXPECT_EQ(
        lines(plan),
        (Lines{"contract index: CREATE UNIQUE INDEX CONCURRENTLY orders_code_key ON "
               "public.orders USING btree (code)",
               "contract ddl: ALTER TABLE public.orders ADD CONSTRAINT orders_code_key UNIQUE "
               "USING INDEX orders_code_key DEFERRABLE;"}));
    EXPECT_EQ(plan.steps[0].parameters.at("index"), "public.orders_code_key");
    EXPECT_EQ(undo_sql(plan.steps[1]),
              "ALTER TABLE public.orders DROP CONSTRAINT orders_code_key;");
}

TEST(PlanConstraints, PrimaryKeyProvesNotNullFirst) {
    AddUnique add = unique("orders_pkey", true);
    add.nullable = {"code"};
    const Plan plan = plan_of({act(kOrders, add)});
    std::vector<StepKind> kinds;
    for (const auto& step : plan.steps) kinds.push_back(step.kind);
    EXPECT_EQ(kinds, (std::vector<StepKind>{StepKind::count, StepKind::index, StepKind::constraint,
                                            StepKind::validate, StepKind::ddl, StepKind::ddl}));
    EXPECT_EQ(plan.steps.back().command,
              "ALTER TABLE public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX "
              "orders_pkey;");
}

TEST(PlanConstraints, UsingIndexIsTakenAsWritten) {
    AddUnique add = unique("u");
    add.index = "i";
    const Plan plan = plan_of({act(kOrders, add)});
    ASSERT_EQ(plan.steps.size(), 1u);
    EXPECT_EQ(undo_sql(plan.steps[0]),
              "CREATE UNIQUE INDEX CONCURRENTLY zdm_i_again ON public.orders USING btree (code); "
              "ALTER TABLE public.orders DROP CONSTRAINT u; ALTER INDEX public.zdm_i_again RENAME "
              "TO i;");
    add.index_made_here = true;
    EXPECT_EQ(undo_sql(plan_of({act(kOrders, add)}).steps[0]),
              "ALTER TABLE public.orders DROP CONSTRAINT u;");
}

TEST(PlanConstraints, DroppingLoosensInExpand) {
    Plan plan = plan_of({act(kOrders, drop("ck", ConstraintKind::check, "CHECK (price > 0)"))});
    EXPECT_EQ(lines(plan), Lines{"expand ddl: ALTER TABLE public.orders DROP CONSTRAINT ck;"});
    EXPECT_EQ(
        undo_sql(plan.steps[0]),
        "ALTER TABLE public.orders ADD CONSTRAINT ck CHECK (price > 0) NOT VALID; ALTER TABLE "
        "public.orders VALIDATE CONSTRAINT ck;");
    DropConstraint invalid = drop("ck", ConstraintKind::foreign_key, "FOREIGN KEY (a)");
    invalid.valid = false;
    EXPECT_EQ(undo_sql(plan_of({act(kOrders, invalid)}).steps[0]),
              "ALTER TABLE public.orders ADD CONSTRAINT ck FOREIGN KEY (a) NOT VALID;");
    DropConstraint key = drop("u", ConstraintKind::unique, "UNIQUE (code)");
    key.schema = "public";
    key.tail = "USING btree (code)";
    key.suffix = " DEFERRABLE";
    plan = plan_of({act(kOrders, key)});
    EXPECT_EQ(undo_sql(plan.steps[0]),
              "CREATE UNIQUE INDEX CONCURRENTLY u ON public.orders USING btree (code); ALTER TABLE "
              "public.orders ADD CONSTRAINT u UNIQUE USING INDEX u DEFERRABLE;");
    EXPECT_FALSE(plan.steps[0].removal);
    key.exclusive = true;
    EXPECT_TRUE(plan_of({act(kOrders, key)}).steps.back().removal);
}

TEST(PlanConstraints, ExclusionGoesInContract) {
    const Plan plan = plan_of({act(kOrders, drop("x", ConstraintKind::exclusion, "EXCLUDE ..."))});
    EXPECT_EQ(plan.steps.back().phase, Phase::contract);
    EXPECT_TRUE(plan.steps.back().removal);
    EXPECT_TRUE(plan.transition);
}

TEST(PlanConstraints, HelperOfTheUserGoesAfterItsUse) {
    AddCheck add = check("helper");
    DropConstraint gone = drop("helper", ConstraintKind::check, "CHECK (price > 0)");
    gone.made_here = true;
    const Plan plan = plan_of(
        {act(kOrders, add), act(kOrders, SetNotNull{"price", true, {}, {}}), act(kOrders, gone)});
    EXPECT_EQ(lines(plan).back(),
              "contract ddl: ALTER TABLE public.orders DROP CONSTRAINT helper;");
    EXPECT_EQ(plan.steps.size(), 5u);
}

TEST(PlanConstraints, NameMadeAgainIsTakenOverInContract) {
    const Plan plan = plan_of(
        {act(kOrders, drop("ck", ConstraintKind::check, "CHECK (a)")), act(kOrders, check("ck"))});
    EXPECT_EQ(
        lines(plan),
        (Lines{"contract gate: zdm_contract gate",
               "contract count: SELECT count(*) FROM ONLY public.orders WHERE (price > 0) IS "
               "FALSE",
               "contract constraint: ALTER TABLE public.orders ADD CONSTRAINT zdm_ck_new CHECK "
               "(price > 0) NOT VALID",
               "contract validate: ALTER TABLE public.orders VALIDATE CONSTRAINT zdm_ck_new",
               "contract ddl: ALTER TABLE public.orders DROP CONSTRAINT IF EXISTS ck; ALTER TABLE "
               "public.orders RENAME CONSTRAINT zdm_ck_new TO ck;"}));
    EXPECT_EQ(undo_sql(plan.steps.back()),
              "ALTER TABLE public.orders RENAME CONSTRAINT ck TO zdm_ck_new; ALTER TABLE "
              "public.orders ADD CONSTRAINT ck CHECK (a) NOT VALID; ALTER TABLE public.orders "
              "VALIDATE CONSTRAINT ck;");
}

TEST(PlanConstraints, PrimaryKeyMadeAgainSwapsInOneTransaction) {
    const Plan plan =
        plan_of({act(kOrders, drop("orders_pkey", ConstraintKind::primary_key, "PRIMARY KEY (id)")),
                 act(kOrders, unique("orders_pkey", true))});
    EXPECT_EQ(plan.steps.back().command,
              "ALTER TABLE public.orders DROP CONSTRAINT IF EXISTS orders_pkey; ALTER TABLE "
              "public.orders ADD "
              "CONSTRAINT orders_pkey PRIMARY KEY USING INDEX zdm_orders_pkey_new;");
    EXPECT_TRUE(plan.steps.back().removal);
}

}  // namespace
}  // namespace zdm::plan
