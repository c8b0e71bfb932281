// What is done to a partitioned table and all its partitions.
#include "facts.hpp"

namespace zdm::plan {

namespace {

Partition partition(std::uint32_t oid, const std::string& name) {
    Partition made;
    made.oid = oid;
    made.qualified = "public." + name;
    return made;
}

Facts partitioned() {
    Facts facts = shop();
    Table& users = facts.tables[kUsers];
    users.partitioned = true;
    users.bytes.reset();
    users.partitions = {partition(301, "a"), partition(302, "b")};
    return facts;
}

Action on_all(Detail detail, LockMode mode = LockMode::access_exclusive) {
    Action action = act(kUsers, std::move(detail), mode);
    action.seen.locks[0].partitions = mode;
    return action;
}

std::vector<std::string> locked(const std::vector<LockNeed>& locks) {
    std::vector<std::string> names;
    for (const auto& need : locks)
        names.push_back(std::string{to_text(need.mode)} + " " + need.relation);
    return names;
}

const Lines kAllExclusive = {"ACCESS EXCLUSIVE public.users", "ACCESS EXCLUSIVE public.a",
                             "ACCESS EXCLUSIVE public.b"};

}  // namespace

TEST(Partitions, TheTableIsLockedFirstThenAllPartitions) {
    const Step step = step_of(plan_of({on_all(column("phone"))}, partitioned()), StepKind::ddl);
    EXPECT_EQ(locked(step.locks), kAllExclusive);
    EXPECT_EQ(step.parameters.at("partitions"), "public.a\npublic.b");
    ASSERT_EQ(step.undo.size(), 1U);
    EXPECT_EQ(locked(step.undo[0].locks), kAllExclusive);
}

TEST(Partitions, WhatStaysAtTheTableLocksNoPartition) {
    const Step step = step_of(
        plan_of({act(kUsers, column("phone"), LockMode::share_update_exclusive)}, partitioned()),
        StepKind::ddl);
    EXPECT_EQ(locked(step.locks), Lines{"SHARE UPDATE EXCLUSIVE public.users"});
    EXPECT_EQ(step.parameters.count("partitions"), 0U);
}

TEST(Partitions, PartitionsOfAPeerAreLockedBehindIt) {
    Facts facts = partitioned();
    Action action = act(kOrders, column("code"), LockMode::share_row_exclusive);
    action.seen.locks.push_back(
        {kUsers, LockMode::share_row_exclusive, LockMode::share_row_exclusive});
    const Step step = step_of(plan_of({action}, facts), StepKind::ddl);
    EXPECT_EQ(locked(step.locks),
              (Lines{"SHARE ROW EXCLUSIVE public.users", "SHARE ROW EXCLUSIVE public.a",
                     "SHARE ROW EXCLUSIVE public.b", "SHARE ROW EXCLUSIVE public.orders"}));
}

TEST(Partitions, NotNullIsProvedInAllOfThem) {
    const Plan plan = plan_of({on_all(SetNotNull{"name", false, {}, {}})}, partitioned());
    EXPECT_EQ(step_of(plan, StepKind::count).command,
              "SELECT count(*) FROM public.users WHERE name IS NULL");
    EXPECT_EQ(locked(step_of(plan, StepKind::constraint).locks), kAllExclusive);
    EXPECT_EQ(locked(step_of(plan, StepKind::ddl).locks), kAllExclusive);
    EXPECT_EQ(step_of(plan, StepKind::validate).command,
              "ALTER TABLE public.users VALIDATE CONSTRAINT zdm_name_not_null");
}

TEST(Partitions, GoingBackCountsInAllOfThem) {
    const Plan plan = plan_of({on_all(DropNotNull{"name"})}, partitioned());
    const auto& undo = step_of(plan, StepKind::ddl).undo;
    ASSERT_GE(undo.size(), 2U);
    EXPECT_EQ(undo[0].command, "SELECT count(*) FROM public.users WHERE name IS NULL");
    EXPECT_EQ(locked(undo[1].locks), kAllExclusive);
}

TEST(Partitions, TheTriggerIsMadeAndDroppedOnAllOfThem) {
    const Update fill = update({value("phone", "'unknown'::text")});
    const Plan plan = plan_of(
        {on_all(column("phone", true)), act(kUsers, fill, LockMode::row_exclusive)}, partitioned());
    EXPECT_EQ(locked(step_of(plan, StepKind::sync).locks),
              (Lines{"SHARE ROW EXCLUSIVE public.users", "SHARE ROW EXCLUSIVE public.a",
                     "SHARE ROW EXCLUSIVE public.b"}));
    EXPECT_EQ(locked(step_of(plan, StepKind::unsync).locks), kAllExclusive);
    EXPECT_EQ(step_of(plan, StepKind::backfill).note.find("partition by partition"),
              std::string{"in batches, "}.size());
}

TEST(Partitions, AForeignKeyIsCheckedInEachLeafAndTakenOver) {
    AddForeignKey add;
    add.name = "fk";
    add.definition = "FOREIGN KEY (code) REFERENCES public.orders(id)";
    add.violates = "bad";
    add.columns = {"code"};
    add.referenced = kOrders;
    Action action = on_all(add, LockMode::share_row_exclusive);
    action.seen.locks.push_back({kOrders, LockMode::share_row_exclusive});
    const Plan plan = plan_of({action}, partitioned());
    const std::string fk = " ADD CONSTRAINT fk FOREIGN KEY (code) REFERENCES public.orders(id)";
    EXPECT_EQ(lines(plan), (Lines{"contract count: SELECT count(*) FROM public.users WHERE bad",
                                  "contract constraint: ALTER TABLE public.a" + fk + " NOT VALID",
                                  "contract validate: ALTER TABLE public.a VALIDATE CONSTRAINT fk",
                                  "contract constraint: ALTER TABLE public.b" + fk + " NOT VALID",
                                  "contract validate: ALTER TABLE public.b VALIDATE CONSTRAINT fk",
                                  "contract ddl: ALTER TABLE public.users" + fk + ";"}));
    const Step& leaf = step_of(plan, StepKind::constraint);
    EXPECT_EQ(locked(leaf.locks),
              (Lines{"SHARE ROW EXCLUSIVE public.orders", "SHARE ROW EXCLUSIVE public.a"}));
    EXPECT_EQ(leaf.parameters.at("table"), "public.users");
    EXPECT_EQ(leaf.relation_oid, 301U);
    EXPECT_EQ(undo_sql(leaf), "ALTER TABLE public.a DROP CONSTRAINT IF EXISTS fk;");
    EXPECT_EQ(step_of(plan, StepKind::validate).parameters.at("drop"),
              "ALTER TABLE public.a DROP CONSTRAINT fk;");
    const Step& whole = step_of(plan, StepKind::ddl);
    EXPECT_EQ(locked(whole.locks),
              (Lines{"ACCESS EXCLUSIVE public.orders", "SHARE ROW EXCLUSIVE public.users",
                     "SHARE ROW EXCLUSIVE public.a", "SHARE ROW EXCLUSIVE public.b"}));
    EXPECT_EQ(whole.parameters.at("proven"), "fk");
}

TEST(Partitions, AForeignKeyToTheTableItselfLocksAllOfIt) {
    AddForeignKey add;
    add.name = "fk";
    add.referenced = kUsers;
    const Step leaf = step_of(plan_of({on_all(add, LockMode::share_row_exclusive)}, partitioned()),
                              StepKind::constraint);
    EXPECT_EQ(locked(leaf.locks),
              (Lines{"SHARE ROW EXCLUSIVE public.users", "SHARE ROW EXCLUSIVE public.a",
                     "SHARE ROW EXCLUSIVE public.b"}));
}

// A partition of the table, by itself, as kOrders.
Facts with_part() {
    Facts facts = partitioned();
    facts.tables[kUsers].partitions.push_back(
        partition(facts.tables[kOrders].oid, facts.tables[kOrders].name));
    return facts;
}

TEST(Partitions, OneAloneIsNotChangedBesideItsTable) {
    const Action alone = act(kOrders, SetDefault{"code", "1", ""});
    EXPECT_EQ(refusal({alone, on_all(column("phone"))}, with_part()),
              "ZD105: line 1, column 1: this statement is about public.orders, and line 1 about "
              "public.users above it");
    EXPECT_EQ(refusal({alone, on_all(column("phone"))}, partitioned()), "");
    EXPECT_EQ(refusal({alone, act(kOrders, DropNotNull{"code"})}, with_part()), "");
}

TEST(Partitions, RowsIndexesAndOptionsOfOneAloneStandBesideItsTable) {
    CreateIndex index;
    index.name = "i";
    index.schema = "public";
    Update fill = update({value("code", "1")});
    fill.converges = true;
    for (const Detail& detail : {Detail{index}, Detail{fill}, Detail{Delete{"code = 1"}},
                                 Detail{DropIndex{"j", "public"}}, Detail{Direct{}}})
        EXPECT_EQ(refusal({act(kOrders, detail), on_all(column("phone"))}, with_part()), "");
}

TEST(Partitions, AForeignKeyTakesNoNameThatIsDroppedInTheSameFile) {
    DropConstraint drop;
    drop.name = "fk";
    drop.kind = ConstraintKind::foreign_key;
    AddForeignKey add;
    add.name = "fk";
    add.referenced = kOrders;
    EXPECT_NE(refusal({on_all(drop), on_all(add)}, partitioned()).find("ZD105"), std::string::npos);
}

}  // namespace zdm::plan
