// What goes from a partitioned table, its UNIQUE and PRIMARY KEY, and indexes that leaves have
// already.
#include "facts.hpp"

namespace zdm::plan {

namespace {

constexpr std::size_t kFirst = 0;
constexpr std::size_t kMiddle = 1;  // partitioned itself
constexpr std::size_t kLast = 2;    // of kMiddle

Partition partition(std::uint32_t oid, const std::string& name, std::size_t parent = kNoTable,
                    bool leaf = true) {
    Partition made;
    made.oid = oid;
    made.qualified = "public." + name;
    made.parent = parent;
    made.leaf = leaf;
    return made;
}

Facts partitioned() {
    Facts facts = shop();
    Table& users = facts.tables[kUsers];
    users.partitioned = true;
    users.bytes.reset();
    users.partitions = {partition(300, "a"), partition(301, "m", kNoTable, false),
                        partition(302, "m1", kMiddle)};
    return facts;
}

Action on_all(Detail detail, LockMode mode = LockMode::access_exclusive) {
    Action action = act(kUsers, std::move(detail), mode);
    action.seen.locks[0].partitions = mode;
    return action;
}

Lines locked(const std::vector<LockNeed>& locks) {
    Lines names;
    for (const auto& need : locks)
        names.push_back(std::string{to_text(need.mode)} + " " + need.relation);
    return names;
}

const Lines kAllExclusive = {"ACCESS EXCLUSIVE public.users", "ACCESS EXCLUSIVE public.a",
                             "ACCESS EXCLUSIVE public.m", "ACCESS EXCLUSIVE public.m1"};

AddUnique key(bool primary = false) {
    AddUnique add;
    add.name = "k";
    add.primary = primary;
    add.tail = "USING btree (code, id)";
    add.definition = std::string{primary ? "PRIMARY KEY" : "UNIQUE"} + " (code, id)";
    add.columns = {"code", "id"};
    add.schema = "public";
    add.partitions = {
        {kFirst, "a_key", "public"}, {kMiddle, "m_key", "public"}, {kLast, "m1_key", "other"}};
    return add;
}

DropConstraint drop(ConstraintKind kind) {
    DropConstraint statement;
    statement.name = "c";
    statement.kind = kind;
    statement.definition = "DEFINITION";
    return statement;
}

Lines undo_lines(const Step& step) {
    Lines all;
    for (const auto& part : step.undo)
        all.push_back(std::string{to_text(part.kind)} + ": " + part.command);
    return all;
}

CreateIndex index_with_one_there() {
    CreateIndex index;
    index.name = "i";
    index.schema = "public";
    index.tail = "USING btree (code)";
    index.columns = {"code"};
    index.partitions = {{kFirst, "was_a", "public", "USING btree (code) WITH (fillfactor='70')"},
                        {kMiddle, "m_code_idx", "public"},
                        {kLast, "m1_code_idx", "public"}};
    return index;
}

}  // namespace

TEST(PartitionKeys, EachLeafGetsItsKeyThenTheTableTakesThemOver) {
    const Plan plan = plan_of({on_all(key(), LockMode::share)}, partitioned());
    EXPECT_EQ(
        lines(plan),
        (Lines{"contract index: CREATE UNIQUE INDEX CONCURRENTLY a_key ON public.a USING btree "
               "(code, id)",
               "contract index: CREATE UNIQUE INDEX CONCURRENTLY m1_key ON public.m1 USING btree "
               "(code, id)",
               "contract ddl: ALTER TABLE public.a ADD CONSTRAINT a_key UNIQUE USING INDEX a_key;",
               "contract ddl: ALTER TABLE public.m1 ADD CONSTRAINT m1_key UNIQUE USING INDEX "
               "m1_key;",
               "contract ddl: ALTER TABLE public.users ADD CONSTRAINT k UNIQUE (code, id);"}));
    const Step& build = step_of(plan, StepKind::index, 1);
    EXPECT_EQ(build.relation_oid, 302U);
    EXPECT_EQ(build.parameters.at("index"), "other.m1_key");
    EXPECT_EQ(build.parameters.at("table"), "public.users");
    EXPECT_EQ(undo_sql(build), "DROP INDEX CONCURRENTLY IF EXISTS other.m1_key;");
    const Step& take = step_of(plan, StepKind::ddl, 0);
    EXPECT_EQ(locked(take.locks), Lines{"ACCESS EXCLUSIVE public.a"});
    EXPECT_EQ(take.parameters.at("table"), "public.users");
    EXPECT_EQ(undo_sql(take), "ALTER TABLE public.a DROP CONSTRAINT IF EXISTS a_key;");
    const Step& whole = step_of(plan, StepKind::ddl, 2);
    EXPECT_EQ(whole.parameters.at("proven_key"), "code, id");
    EXPECT_EQ(whole.parameters.at("key_type"), "u");
    EXPECT_EQ(undo_sql(whole), "ALTER TABLE public.users DROP CONSTRAINT IF EXISTS k;");
    EXPECT_FALSE(whole.scans);
}

TEST(PartitionKeys, APrimaryKeyProvesItsColumnsFirst) {
    AddUnique primary = key(true);
    primary.nullable = {"code"};
    const Plan plan = plan_of({on_all(primary)}, partitioned());
    EXPECT_EQ(step_of(plan, StepKind::count).command,
              "SELECT count(*) FROM public.users WHERE code IS NULL");
    const Step& whole = plan.steps.back();
    EXPECT_EQ(whole.command, "ALTER TABLE public.users ADD CONSTRAINT k PRIMARY KEY (code, id);");
    EXPECT_EQ(whole.parameters.at("key_type"), "p");
    EXPECT_EQ(plan.steps[plan.steps.size() - 2].command,
              "ALTER TABLE public.m1 ADD CONSTRAINT m1_key PRIMARY KEY USING INDEX m1_key;");
}

TEST(PartitionKeys, WhatALeafHasIsTakenOverAndIsItsOwnAgainOnTheWayBack) {
    AddUnique add = key();
    add.suffix = " DEFERRABLE";
    add.partitions[kFirst] = {kFirst, "was_a", "public", "USING btree (code, id)"};
    const Plan plan = plan_of({on_all(add)}, partitioned());
    EXPECT_EQ(lines(plan).size(), 3U);
    const Step& whole = plan.steps.back();
    EXPECT_EQ(undo_lines(whole),
              (Lines{"index: CREATE UNIQUE INDEX CONCURRENTLY zdm_was_a_again ON public.a USING "
                     "btree (code, id)",
                     "ddl: ALTER TABLE public.users DROP CONSTRAINT IF EXISTS k; ALTER TABLE "
                     "public.a ADD CONSTRAINT was_a UNIQUE USING INDEX zdm_was_a_again "
                     "DEFERRABLE;"}));
    EXPECT_EQ(whole.undo[0].parameters.at("oid"), "300");
    EXPECT_EQ(whole.undo[0].parameters.at("relation"), "public.a");
    EXPECT_EQ(whole.undo[1].parameters.at("statements"), "2");
    EXPECT_EQ(locked(whole.undo[1].locks), kAllExclusive);
}

TEST(PartitionKeys, AKeyTakesNoNameThatIsDroppedInTheSameFile) {
    DropConstraint old = drop(ConstraintKind::unique);
    old.name = "k";
    EXPECT_NE(refusal({on_all(old), on_all(key())}, partitioned()).find("ZD105"),
              std::string::npos);
}

TEST(PartitionKeys, ADroppedKeyComesBackLeafByLeaf) {
    DropConstraint old = drop(ConstraintKind::primary_key);
    old.columns = {"code", "id"};
    old.with = {"COMMENT;"};
    old.partitions = {{kFirst, "a_pkey", "public", "USING btree (code, id)"},
                      {kMiddle, "m_pkey", "public", "USING btree (code, id)"},
                      {kLast, "m1_pkey", "other", "USING btree (code, id)"}};
    const Plan plan = plan_of({on_all(old)}, partitioned());
    const Step& step = step_of(plan, StepKind::ddl);
    EXPECT_EQ(step.phase, Phase::expand);
    EXPECT_EQ(step.command, "ALTER TABLE public.users DROP CONSTRAINT c;");
    EXPECT_EQ(locked(step.locks), kAllExclusive);
    EXPECT_EQ(
        undo_lines(step),
        (Lines{"index: CREATE UNIQUE INDEX CONCURRENTLY a_pkey ON public.a USING btree (code, id)",
               "index: CREATE UNIQUE INDEX CONCURRENTLY m1_pkey ON public.m1 USING btree (code, "
               "id)",
               "ddl: ALTER TABLE public.a ADD CONSTRAINT a_pkey PRIMARY KEY USING INDEX a_pkey;",
               "ddl: ALTER TABLE public.m1 ADD CONSTRAINT m1_pkey PRIMARY KEY USING INDEX m1_pkey;",
               "ddl: ALTER TABLE public.users ADD CONSTRAINT c DEFINITION; COMMENT;"}));
    EXPECT_EQ(step.undo[1].parameters.at("index"), "other.m1_pkey");
    EXPECT_EQ(step.undo[3].parameters.at("oid"), "302");
    EXPECT_EQ(step.undo[4].parameters.at("proven_key"), "code, id");
    EXPECT_EQ(step.undo[4].parameters.at("key_type"), "p");
    EXPECT_EQ(step.undo[4].parameters.at("statements"), "2");
}

TEST(PartitionKeys, ADroppedForeignKeyComesBackLeafByLeaf) {
    DropConstraint old = drop(ConstraintKind::foreign_key);
    old.violates = "bad";
    Action action = on_all(old);
    action.seen.locks.push_back({kOrders, LockMode::access_exclusive});
    const Step step = step_of(plan_of({action}, partitioned()), StepKind::ddl);
    EXPECT_EQ(undo_lines(step),
              (Lines{"count: SELECT count(*) FROM public.users WHERE bad",
                     "constraint: ALTER TABLE public.a ADD CONSTRAINT c DEFINITION NOT VALID",
                     "validate: ALTER TABLE public.a VALIDATE CONSTRAINT c",
                     "constraint: ALTER TABLE public.m1 ADD CONSTRAINT c DEFINITION NOT VALID",
                     "validate: ALTER TABLE public.m1 VALIDATE CONSTRAINT c",
                     "ddl: ALTER TABLE public.users ADD CONSTRAINT c DEFINITION;"}));
    EXPECT_EQ(locked(step.undo[1].locks),
              (Lines{"SHARE ROW EXCLUSIVE public.orders", "SHARE ROW EXCLUSIVE public.a"}));
    EXPECT_EQ(step.undo[2].parameters.at("drop"), "ALTER TABLE public.a DROP CONSTRAINT c;");
    EXPECT_EQ(step.undo[5].parameters.at("proven"), "c");
}

// Which only 18 knows.
TEST(PartitionKeys, ADroppedForeignKeyThatWasNotValidIsNotProved) {
    DropConstraint old = drop(ConstraintKind::foreign_key);
    old.valid = false;
    const Step step = step_of(plan_of({on_all(old)}, partitioned()), StepKind::ddl);
    EXPECT_EQ(undo_lines(step),
              Lines{"constraint: ALTER TABLE public.users ADD CONSTRAINT c DEFINITION NOT VALID"});
}

TEST(PartitionKeys, ADroppedCheckComesBackOnTheTable) {
    DropConstraint old = drop(ConstraintKind::check);
    old.violates = "bad";
    const Step step = step_of(plan_of({on_all(old)}, partitioned()), StepKind::ddl);
    EXPECT_EQ(undo_lines(step),
              (Lines{"count: SELECT count(*) FROM public.users WHERE bad",
                     "constraint: ALTER TABLE public.users ADD CONSTRAINT c DEFINITION NOT VALID",
                     "validate: ALTER TABLE public.users VALIDATE CONSTRAINT c"}));
    EXPECT_EQ(locked(step.undo[1].locks), kAllExclusive);
}

TEST(PartitionKeys, ADroppedColumnGoesFromAllAtOnce) {
    DropColumn gone;
    gone.column = "code";
    gone.relax = gone.not_null = true;
    const Plan plan = plan_of({on_all(gone)}, partitioned());
    EXPECT_EQ(lines(plan),
              (Lines{"expand ddl: ALTER TABLE public.users ALTER COLUMN code DROP NOT NULL;",
                     "contract gate: zdm_contract gate",
                     "contract ddl: ALTER TABLE public.users DROP COLUMN code;"}));
    EXPECT_EQ(locked(plan.steps[0].locks), kAllExclusive);
    EXPECT_EQ(locked(plan.steps[2].locks), kAllExclusive);
    EXPECT_TRUE(plan.steps[2].removal);
}

TEST(PartitionKeys, ADroppedIndexLocksAllOfThemOnce) {
    const Plan plan = plan_of({on_all(DropIndex{"i", "public"})}, partitioned());
    const Step& step = step_of(plan, StepKind::ddl);
    EXPECT_EQ(step.command, "DROP INDEX public.i;");
    EXPECT_EQ(step.phase, Phase::contract);
    EXPECT_TRUE(step.removal);
    EXPECT_EQ(locked(step.locks), kAllExclusive);
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("blind"),
              "which queries still use public.i");
}

TEST(PartitionKeys, AnIndexTakesNoNameThatIsDroppedInTheSameFile) {
    CreateIndex index = index_with_one_there();
    EXPECT_NE(
        refusal({on_all(DropIndex{"i", "public"}), on_all(index)}, partitioned()).find("ZD105"),
        std::string::npos);
}

TEST(PartitionKeys, AnEqualIndexOfALeafIsAttachedWithTheParents) {
    const Plan plan = plan_of({on_all(index_with_one_there(), LockMode::share)}, partitioned());
    EXPECT_EQ(lines(plan)[0],
              "expand ddl: CREATE INDEX i ON ONLY public.users USING btree (code); CREATE INDEX "
              "m_code_idx ON ONLY public.m USING btree (code); ALTER INDEX public.i ATTACH "
              "PARTITION public.m_code_idx; ALTER INDEX public.i ATTACH PARTITION public.was_a;");
    EXPECT_EQ(lines(plan).size(), 4U);
    const Step& parents = step_of(plan, StepKind::ddl);
    EXPECT_EQ(parents.parameters.at("statements"), "4");
    EXPECT_EQ(parents.lock, LockMode::access_exclusive);
    EXPECT_EQ(locked(parents.locks),
              (Lines{"SHARE public.users", "SHARE public.m", "ACCESS EXCLUSIVE public.was_a"}));
    EXPECT_NE(parents.note.find("equal indexes"), std::string::npos);
}

TEST(PartitionKeys, GoingBackTheEqualIndexIsBuiltAgainFirst) {
    const Plan plan = plan_of({on_all(index_with_one_there(), LockMode::share)}, partitioned());
    const Step& parents = step_of(plan, StepKind::ddl);
    EXPECT_EQ(undo_lines(parents),
              (Lines{"index: CREATE INDEX CONCURRENTLY zdm_was_a_again ON public.a USING btree "
                     "(code) WITH (fillfactor='70')",
                     "ddl: DROP INDEX IF EXISTS public.i; ALTER INDEX IF EXISTS "
                     "public.zdm_was_a_again RENAME TO was_a;"}));
    EXPECT_EQ(parents.undo[0].parameters.at("gone"), "public.i");
    EXPECT_EQ(parents.undo[0].parameters.at("oid"), "300");
    EXPECT_EQ(parents.undo[1].parameters.at("statements"), "2");
    // Only there: the first that is attached must not drop it before.
    EXPECT_EQ(undo_sql(step_of(plan, StepKind::attach)), "");
}

}  // namespace zdm::plan
