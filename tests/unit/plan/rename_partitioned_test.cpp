// RENAME COLUMN of a partitioned table: what is copied leaf by leaf, and what of it belongs to one
// partition alone.
#include "facts.hpp"
#include "plan/text.hpp"

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

RenameColumn rename_email() {
    RenameColumn rename;
    rename.column = "email";
    rename.renamed = "mail";
    rename.type = rename.definition = "text";
    return rename;
}

CopiedIndex index_of_all(const std::string& constraint = {}) {
    CopiedIndex index;
    index.name = "users_email";
    index.schema = "public";
    index.unique = !constraint.empty();
    index.tail = "USING btree (mail, id)";
    index.constraint = constraint;
    index.definition = constraint + " (mail, id)";
    index.columns = {"mail", "id"};
    index.parts = {{kFirst, "a_email", "public"},
                   {kMiddle, "m_email", "public"},
                   {kLast, "m1_email", "other", "USING btree (mail, id) WITH (fillfactor='70')"}};
    return index;
}

Plan plan_rename(const RenameColumn& rename) {
    Action action = act(kUsers, rename);
    action.seen.locks[0].partitions = LockMode::access_exclusive;
    return plan_of({action}, partitioned());
}

Lines then_of(const Plan& plan) {
    Lines statements;
    std::string text = step_of(plan, StepKind::unsync).parameters.at("then") + " ";
    for (std::size_t end; (end = text.find("; ")) != std::string::npos; text.erase(0, end + 2))
        statements.push_back(text.substr(0, end));
    return statements;
}

Lines of_kind(const Plan& plan, StepKind kind) {
    Lines all;
    for (const auto& step : plan.steps)
        if (step.kind == kind) all.push_back(step.command);
    return all;
}

Lines locked(const Step& step) {
    Lines names;
    for (const auto& need : step.locks)
        names.push_back(std::string{to_text(need.mode)} + " " + need.relation);
    return names;
}

const Lines kAllExclusive = {"ACCESS EXCLUSIVE public.users", "ACCESS EXCLUSIVE public.a",
                             "ACCESS EXCLUSIVE public.m", "ACCESS EXCLUSIVE public.m1"};

TEST(PlanRenamePartitioned, AllPartitionsAreLockedTogether) {
    const Plan plan = plan_rename(rename_email());
    EXPECT_EQ(locked(step_of(plan, StepKind::ddl)), kAllExclusive);
    EXPECT_EQ(locked(step_of(plan, StepKind::unsync)), kAllExclusive);
    EXPECT_EQ(step_of(plan, StepKind::last_pass).command,
              "SELECT count(*) FROM public.users WHERE mail IS NULL AND (email IS NOT NULL)");
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.count("about"), 0u);
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.count("key_at"), 0u);
    EXPECT_EQ(
        plan.notes.back(),
        "until contract a table that becomes a partition of public.users needs email and mail");
}

TEST(PlanRenamePartitioned, PartitionsSayTheirOwn) {
    RenameColumn rename = rename_email();
    rename.default_text = "'x'";
    rename.partitions = {{kFirst, {"COMMENT;", "GRANT;"}}};
    const Plan plan = plan_rename(rename);
    const Step& dress = step_of(plan, StepKind::ddl, 1);
    EXPECT_EQ(dress.command, "COMMENT; GRANT;");
    EXPECT_EQ(dress.phase, Phase::expand);
    EXPECT_EQ(dress.relation_oid, 300u);
    EXPECT_EQ(dress.parameters.at("table"), "public.users");
    EXPECT_EQ(dress.parameters.at("statements"), "2");
    EXPECT_EQ(locked(dress), Lines{"ACCESS EXCLUSIVE public.a"});
    EXPECT_EQ(then_of(plan), (Lines{"ALTER TABLE public.users DROP COLUMN email",
                                    "ALTER TABLE public.users ALTER COLUMN mail SET DEFAULT 'x'"}));
}

TEST(PlanRenamePartitioned, IndexIsBuiltLeafByLeafAndAttached) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_of_all()};
    rename.indexes[0].after = {"COMMENT;"};
    rename.indexes[0].parts[0].after = {"CLUSTER;"};
    const Plan plan = plan_rename(rename);
    EXPECT_EQ(step_of(plan, StepKind::ddl, 1).command,
              "CREATE INDEX zdm_users_email_copy ON ONLY public.users USING btree (mail, id); "
              "CREATE INDEX zdm_m_email_copy ON ONLY public.m USING btree (mail, id); ALTER INDEX "
              "public.zdm_users_email_copy ATTACH PARTITION public.zdm_m_email_copy;");
    EXPECT_EQ(
        of_kind(plan, StepKind::index),
        (Lines{"CREATE INDEX CONCURRENTLY zdm_a_email_copy ON public.a USING btree (mail, id)",
               "CREATE INDEX CONCURRENTLY zdm_m1_email_copy ON public.m1 USING btree (mail, "
               "id) WITH (fillfactor='70')"}));
    EXPECT_EQ(of_kind(plan, StepKind::attach).size(), 2u);
    EXPECT_EQ(of_kind(plan, StepKind::whole_index).size(), 1u);
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER TABLE public.users DROP COLUMN email",
                     "ALTER INDEX public.zdm_users_email_copy RENAME TO users_email",
                     "ALTER INDEX public.zdm_a_email_copy RENAME TO a_email", "CLUSTER",
                     "ALTER INDEX public.zdm_m_email_copy RENAME TO m_email",
                     "ALTER INDEX other.zdm_m1_email_copy RENAME TO m1_email", "COMMENT"}));
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("about"),
              "3 public.a\n4 public.a\n5 public.m\n6 public.m1");
}

TEST(PlanRenamePartitioned, UniqueIsAConstraintBeforeContract) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_of_all("UNIQUE")};
    const Plan plan = plan_rename(rename);
    Lines made;
    for (const auto& step : plan.steps)
        if (step.phase == Phase::migrate && step.kind == StepKind::ddl)
            made.push_back(step.command);
    EXPECT_EQ(made,
              (Lines{"ALTER TABLE public.a ADD CONSTRAINT zdm_a_email_copy UNIQUE USING INDEX "
                     "zdm_a_email_copy;",
                     "ALTER TABLE public.m1 ADD CONSTRAINT zdm_m1_email_copy UNIQUE USING "
                     "INDEX zdm_m1_email_copy;",
                     "ALTER TABLE public.m ADD CONSTRAINT zdm_m_email_copy UNIQUE (mail, id);",
                     "ALTER TABLE public.users ADD CONSTRAINT zdm_users_email_copy UNIQUE "
                     "(mail, id);"}));
    const Step& middle = step_of(plan, StepKind::ddl, 3);
    EXPECT_EQ(locked(middle), (Lines{"ACCESS EXCLUSIVE public.m", "ACCESS EXCLUSIVE public.m1"}));
    EXPECT_EQ(middle.parameters.at("proven_key"), "mail, id");
    EXPECT_EQ(middle.parameters.at("table"), "public.users");
    EXPECT_EQ(undo_sql(middle), "ALTER TABLE public.m DROP CONSTRAINT IF EXISTS zdm_m_email_copy;");
    EXPECT_EQ(
        then_of(plan),
        (Lines{"ALTER TABLE public.users DROP COLUMN email",
               "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_email_copy TO users_email",
               "ALTER TABLE public.a RENAME CONSTRAINT zdm_a_email_copy TO a_email",
               "ALTER TABLE public.m RENAME CONSTRAINT zdm_m_email_copy TO m_email",
               "ALTER TABLE public.m1 RENAME CONSTRAINT zdm_m1_email_copy TO m1_email"}));
}

TEST(PlanRenamePartitioned, DeferrableUniqueIsMadeWhileTheColumnIsEmpty) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_of_all("UNIQUE")};
    rename.indexes[0].deferrable = " DEFERRABLE";
    const Plan plan = plan_rename(rename);
    for (const auto& step : plan.steps) {
        const bool about = step.command.find("zdm_a_email_copy") != std::string::npos;
        if (about && step.kind != StepKind::unsync) {
            EXPECT_EQ(step.phase, Phase::expand) << step.command;
        }
    }
    EXPECT_EQ(of_kind(plan, StepKind::index).size(), 2u);
    EXPECT_NE(join(plan.notes).find("SET CONSTRAINTS users_email DEFERRED"), std::string::npos);
}

TEST(PlanRenamePartitioned, PrimaryKeyChangesHandsWithTheColumn) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_of_all("PRIMARY KEY")};
    rename.indexes[0].parts[2].after = {"COMMENT;"};
    const Plan plan = plan_rename(rename);
    EXPECT_EQ(of_kind(plan, StepKind::index),
              (Lines{"CREATE UNIQUE INDEX CONCURRENTLY zdm_a_email_copy ON public.a USING btree "
                     "(mail, id)",
                     "CREATE UNIQUE INDEX CONCURRENTLY zdm_m1_email_copy ON public.m1 USING btree "
                     "(mail, id) WITH (fillfactor='70')"}));
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER TABLE public.users DROP COLUMN email",
                     "ALTER TABLE public.a ADD CONSTRAINT a_email PRIMARY KEY USING INDEX "
                     "zdm_a_email_copy",
                     "ALTER TABLE public.m1 ADD CONSTRAINT m1_email PRIMARY KEY USING INDEX "
                     "zdm_m1_email_copy",
                     "ALTER TABLE public.m ADD CONSTRAINT m_email PRIMARY KEY (mail, id)",
                     "ALTER TABLE public.users ADD CONSTRAINT users_email PRIMARY KEY (mail, id)",
                     "COMMENT"}));
    const auto& parameters = step_of(plan, StepKind::unsync).parameters;
    EXPECT_EQ(parameters.at("about"), "2 public.a\n3 public.m1\n4 public.m\n6 public.m1");
    // Before anything partitioned gets its key, leaves that came meanwhile get theirs.
    EXPECT_EQ(parameters.at("key_at"), "4");
    EXPECT_EQ(parameters.at("key"), "mail, id");
    EXPECT_EQ(parameters.at("key_outside"), "mail, id");
    EXPECT_NE(
        join(plan.notes)
            .find("needs email and mail; one that is made or attached before contract needs by "
                  "then, if it has rows, a unique index over (mail, id)"),
        std::string::npos);
}

TEST(PlanRenamePartitioned, WhatALeafHasAloneIsCopiedThere) {
    RenameColumn rename = rename_email();
    CopiedIndex index = index_of_all();
    index.parts.clear();
    index.partition = kLast;
    rename.indexes = {index};
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "own";
    check.definition = "CHECK (mail <> '')";
    check.partition = kFirst;
    check.after = {"COMMENT;"};
    rename.constraints = {check};
    const Plan plan = plan_rename(rename);
    EXPECT_EQ(of_kind(plan, StepKind::index),
              (Lines{"CREATE INDEX CONCURRENTLY zdm_users_email_copy ON public.m1 USING btree "
                     "(mail, id)"}));
    EXPECT_EQ(step_of(plan, StepKind::index).relation_oid, 302u);
    const Step& add = step_of(plan, StepKind::constraint);
    EXPECT_EQ(add.command,
              "ALTER TABLE public.a ADD CONSTRAINT zdm_own_copy CHECK (mail <> '') NOT VALID");
    EXPECT_EQ(add.parameters.at("table"), "public.users");
    EXPECT_EQ(locked(add), Lines{"ACCESS EXCLUSIVE public.a"});
    EXPECT_EQ(step_of(plan, StepKind::validate).command,
              "ALTER TABLE public.a VALIDATE CONSTRAINT zdm_own_copy");
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER TABLE public.users DROP COLUMN email",
                     "ALTER INDEX public.zdm_users_email_copy RENAME TO users_email",
                     "ALTER TABLE public.a RENAME CONSTRAINT zdm_own_copy TO own", "COMMENT"}));
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("about"),
              "2 public.m1\n3 public.a\n4 public.a");
    rename.constraints[0].valid = false;
    EXPECT_TRUE(of_kind(plan_rename(rename), StepKind::validate).empty());
}

TEST(PlanRenamePartitioned, CheckOfTheTableLocksAllPartitions) {
    RenameColumn rename = rename_email();
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "c";
    check.definition = "CHECK (mail <> '')";
    rename.constraints = {check};
    const Plan plan = plan_rename(rename);
    EXPECT_EQ(locked(step_of(plan, StepKind::constraint)), kAllExclusive);
    EXPECT_EQ(step_of(plan, StepKind::validate).locks.size(), 4u);
    EXPECT_EQ(step_of(plan, StepKind::validate).lock, LockMode::share_update_exclusive);
}

TEST(PlanRenamePartitioned, ForeignKeyIsTakenOverFromTheLeaves) {
    RenameColumn rename = rename_email();
    CopiedConstraint key;
    key.table = kUsers;
    key.name = "fk";
    key.definition = "FOREIGN KEY (mail) REFERENCES public.orders (m)";
    key.foreign_key = true;
    key.referenced = kOrders;
    key.parts = {{kFirst, "fk"}, {kMiddle, "fk"}, {kLast, "fk_of_m1"}};
    rename.constraints = {key};
    Action action = act(kUsers, rename);
    action.seen.locks.push_back({kOrders, LockMode::access_exclusive});
    const Plan plan = plan_of({action}, partitioned());
    Lines copies;
    for (const auto& step : plan.steps)
        if (step.command.find("zdm_fk_copy") != std::string::npos && step.phase == Phase::migrate)
            copies.push_back(step.command);
    const std::string definition = "FOREIGN KEY (mail) REFERENCES public.orders (m)";
    EXPECT_EQ(
        copies,
        (Lines{"ALTER TABLE public.a ADD CONSTRAINT zdm_fk_copy " + definition + " NOT VALID",
               "ALTER TABLE public.a VALIDATE CONSTRAINT zdm_fk_copy",
               "ALTER TABLE public.m1 ADD CONSTRAINT zdm_fk_copy " + definition + " NOT VALID",
               "ALTER TABLE public.m1 VALIDATE CONSTRAINT zdm_fk_copy",
               "ALTER TABLE public.users ADD CONSTRAINT zdm_fk_copy " + definition + ";"}));
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER TABLE public.users DROP COLUMN email",
                     "ALTER TABLE public.users RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.a RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.m RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.m1 RENAME CONSTRAINT zdm_fk_copy TO fk_of_m1"}));
    EXPECT_TRUE(of_kind(plan, StepKind::count).empty());
}

TEST(Script, KeepsNumbersWhenOneIsAppended) {
    Script one = {"A;", "B;"};
    one.about("public.x", "C;");
    Script two = {"D;"};
    two.about("public.y", Statements{"E;", "F;"});
    two.expect_keys("k, l", "zdm_k_new, l");
    two.push_back("G;");
    one.append(two);
    EXPECT_EQ(join(one.statements(), " "), "A; B; C; D; E; F; G;");
    std::map<std::string, std::string> parameters;
    one.describe(parameters);
    EXPECT_EQ(parameters.at("about"), "3 public.x\n5 public.y\n6 public.y");
    EXPECT_EQ(parameters.at("key_at"), "7");
    EXPECT_EQ(parameters.at("key"), "k, l");
    EXPECT_EQ(parameters.at("key_outside"), "zdm_k_new, l");
}

TEST(Script, SaysNothingOfPlainStatements) {
    const Script plain = {"A;"};
    std::map<std::string, std::string> parameters;
    plain.describe(parameters);
    EXPECT_TRUE(parameters.empty());
    EXPECT_FALSE(plain.empty());
    EXPECT_TRUE(Script{}.empty());
}

}  // namespace
}  // namespace zdm::plan
