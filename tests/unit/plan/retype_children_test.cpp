// ALTER COLUMN TYPE of a table from which others inherit: what children have by themselves, their
// triggers, and what is left where one has left.
#include "retyped.hpp"

namespace zdm::plan {
namespace {

constexpr std::size_t kUpper = 0;
constexpr std::size_t kLower = 1;  // below kUpper

Facts with_children() {
    Facts facts = shop();
    Table& users = facts.tables[kUsers];
    users.has_children = true;
    Partition upper;
    upper.oid = 300;
    upper.qualified = "public.kid";
    upper.parent = kNoTable;
    upper.leaf = true;
    Partition lower = upper;
    lower.oid = 301;
    lower.qualified = "public.grand";
    lower.parent = kUpper;
    users.partitions = {upper, lower};
    return facts;
}

CopiedConstraint check() {
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "positive";
    check.definition = "CHECK (zdm_n_new > 0)";
    return check;
}

Plan plan_retype(const RetypeColumn& retype) {
    Action action = act(kUsers, retype);
    action.seen.locks[0].partitions = LockMode::access_exclusive;
    return plan_of({action}, with_children());
}

std::vector<Step> steps_of(const Plan& plan, StepKind kind, Phase phase) {
    std::vector<Step> steps;
    for (const auto& step : plan.steps)
        if (step.kind == kind && step.phase == phase) steps.push_back(step);
    return steps;
}

Lines commands(const std::vector<Step>& steps) {
    Lines commands;
    for (const auto& step : steps) commands.push_back(step.command);
    return commands;
}

const Undo& turning_back(const Step& turning) {
    for (const auto& part : turning.undo)
        if (part.kind == StepKind::sync) return part;
    throw std::runtime_error("no way back");
}

TEST(PlanRetypeChildren, TheTriggersOfAllChangeInOneTransaction) {
    const Plan plan = plan_retype(retyped());
    const auto syncs = steps_of(plan, StepKind::sync, Phase::expand);
    ASSERT_EQ(syncs.size(), 3u);
    for (const auto& sync : syncs) EXPECT_EQ(sync.locks.size(), 1u) << sync.command;
    const Step turning = steps_of(plan, StepKind::sync, Phase::switch_).front();
    EXPECT_EQ(turning.locks.size(), 3u);
    EXPECT_EQ(turning.parameters.at("children"), "yes");
    const std::string& create = turning.parameters.at("create");
    const std::string& behind = turning.parameters.at("create_behind");
    EXPECT_EQ(create,
              "CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users" + behind);
    EXPECT_EQ(turning_back(turning).parameters.at("children"), "yes");
    EXPECT_EQ(syncs[2].command,
              "CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.grand" +
                  turning_back(turning).parameters.at("create_behind"));
    EXPECT_EQ(plan.steps.back().parameters.at("children"), "yes");
}

// Under its private name at each time.
TEST(PlanRetypeChildren, OneThatHasLeftLosesThePrivateColumn) {
    const Plan plan = plan_retype(retyped());
    const Step turning = steps_of(plan, StepKind::sync, Phase::switch_).front();
    EXPECT_EQ(turning.parameters.at("private"), "zdm_n_new");
    EXPECT_EQ(turning_back(turning).parameters.at("private"), "zdm_n_old");
    EXPECT_EQ(plan.steps.back().parameters.at("private"), "zdm_n_old");
    const auto syncs = steps_of(plan, StepKind::sync, Phase::expand);
    EXPECT_EQ(syncs[0].undo.front().parameters.count("private"), 0u);
    EXPECT_EQ(syncs[1].undo.front().parameters.at("private"), "zdm_n_new");
}

TEST(PlanRetypeChildren, WhatOneHasByItselfAsWellComesFromTheLowestUp) {
    RetypeColumn retype = retyped();
    retype.own_columns = {kUpper, kLower};
    retype.copies.constraints = {check()};
    retype.copies.constraints[0].own = {kUpper, kLower};
    retype.checks = {{0, "CHECK (n > 0)"}};
    const Plan plan = plan_retype(retype);
    EXPECT_EQ(commands(steps_of(plan, StepKind::ddl, Phase::expand)),
              (Lines{"ALTER TABLE public.grand ADD COLUMN zdm_n_new bigint;",
                     "ALTER TABLE public.kid ADD COLUMN zdm_n_new bigint;",
                     "ALTER TABLE public.users ADD COLUMN zdm_n_new bigint;"}));
    const auto checks = steps_of(plan, StepKind::constraint, Phase::migrate);
    const std::string add = " ADD CONSTRAINT zdm_positive_copy CHECK (zdm_n_new > 0) NOT VALID";
    EXPECT_EQ(commands(checks),
              (Lines{"ALTER TABLE public.grand" + add, "ALTER TABLE public.kid" + add,
                     "ALTER TABLE public.users" + add}));
    EXPECT_EQ(checks[1].locks.size(), 2u);
    const Step turning = steps_of(plan, StepKind::sync, Phase::switch_).front();
    EXPECT_EQ(turning.parameters.at("about").substr(0, 24), "2 public.kid\n3 public.gr");
    EXPECT_EQ(plan.steps.back().parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN zdm_n_old; ALTER TABLE public.kid DROP COLUMN "
              "zdm_n_old; ALTER TABLE public.grand DROP COLUMN zdm_n_old;");
    EXPECT_EQ(plan.steps.back().parameters.at("about"), "2 public.kid\n3 public.grand");
}

// They go with the column, or stay where it has the name: as what inherits from it may have them
// from there, they could not be dropped one by one.
TEST(PlanRetypeChildren, CopiesStayWithOneThatHasLeft) {
    RetypeColumn retype = retyped();
    CopiedIndex own;
    own.name = "own";
    own.schema = "public";
    own.tail = "USING btree (zdm_n_new)";
    own.partition = kLower;
    retype.copies.indexes = {own};
    retype.copies.constraints = {check()};
    retype.copies.constraints[0].partition = kLower;
    retype.checks = {{0, "CHECK (n > 0)"}};
    const Plan plan = plan_retype(retype);
    for (const StepKind kind : {StepKind::index, StepKind::constraint}) {
        const Undo undo = steps_of(plan, kind, Phase::migrate).front().undo.front();
        EXPECT_EQ(undo.parameters.at("table"), "public.users");
        EXPECT_EQ(undo.parameters.at("oid"), "301");
        EXPECT_EQ(undo.parameters.at("child"), "yes");
    }
}

TEST(PlanRetypeChildren, EachKeyComesBackFromItsSecondIndex) {
    RetypeColumn retype = retyped();
    CopiedIndex key;
    key.name = "kid_pkey";
    key.schema = "public";
    key.unique = true;
    key.tail = "USING btree (zdm_n_new)";
    key.constraint = "PRIMARY KEY";
    key.partition = kUpper;
    retype.copies.indexes = {key};
    retype.primaries = {{0, "USING btree (n)", {}, {"n"}, "PRIMARY KEY (n)"}};
    const Plan plan = plan_retype(retype);
    const auto built = steps_of(plan, StepKind::index, Phase::migrate);
    ASSERT_EQ(built.size(), 2u);
    EXPECT_EQ(built[1].command,
              "CREATE UNIQUE INDEX CONCURRENTLY zdm_kid_pkey_old ON public.kid USING btree (n)");
    // Over the column that stays in any case.
    EXPECT_EQ(built[1].undo.front().parameters.count("table"), 0u);
    const Step turning = steps_of(plan, StepKind::sync, Phase::switch_).front();
    EXPECT_EQ(turning.parameters.at("turn"),
              "ALTER TABLE public.kid DROP CONSTRAINT kid_pkey; ALTER TABLE public.users RENAME "
              "COLUMN n TO zdm_n_old; ALTER TABLE public.users RENAME COLUMN zdm_n_new TO n; ALTER "
              "TABLE public.kid ADD CONSTRAINT kid_pkey PRIMARY KEY USING INDEX "
              "zdm_kid_pkey_copy;");
    EXPECT_EQ(turning.parameters.at("about"), "1 public.kid\n4 public.kid");
    EXPECT_NE(turning_back(turning).parameters.at("turn").find(
                  "ALTER TABLE public.kid ADD CONSTRAINT kid_pkey PRIMARY KEY USING INDEX "
                  "zdm_kid_pkey_old;"),
              std::string::npos);
}

}  // namespace
}  // namespace zdm::plan
