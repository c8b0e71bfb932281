// ALTER COLUMN TYPE of a partitioned table: what changes hands in partitions, in the switch and on
// the way back.
#include "plan/text.hpp"
#include "retyped.hpp"

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
    users.partitions = {partition(300, "a"), partition(301, "m", kNoTable, false),
                        partition(302, "m1", kMiddle)};
    return facts;
}

RetypeColumn of_key() {
    RetypeColumn retype = retyped();
    retype.copies.not_null = true;
    CopiedIndex key;
    key.name = "users_pkey";
    key.schema = "public";
    key.unique = true;
    key.tail = "USING btree (zdm_n_new, id)";
    key.constraint = "PRIMARY KEY";
    key.definition = "PRIMARY KEY (zdm_n_new, id)";
    key.columns = {"zdm_n_new", "id"};
    key.parts = {{kFirst, "a_pkey", "public"},
                 {kMiddle, "m_pkey", "public"},
                 {kLast, "m1_pkey", "public", {}, {"COMMENT;"}}};
    retype.copies.indexes = {key};
    retype.primaries = {{0,
                         "USING btree (n, id)",
                         {"USING btree (n, id)", "USING btree (n, id)", "USING hash"},
                         {"n", "id"},
                         "PRIMARY KEY (n, id)"}};
    return retype;
}

Plan plan_retype(const RetypeColumn& retype) {
    Action action = act(kUsers, retype);
    action.seen.locks[0].partitions = LockMode::access_exclusive;
    return plan_of({action}, partitioned());
}

Lines split(std::string text) {
    Lines statements;
    text += " ";
    for (std::size_t end; (end = text.find("; ")) != std::string::npos; text.erase(0, end + 2))
        statements.push_back(text.substr(0, end));
    return statements;
}

const Step& turning(const Plan& plan) {
    for (const auto& step : plan.steps)
        if (step.phase == Phase::switch_ && step.kind == StepKind::sync) return step;
    throw std::runtime_error("no switch");
}

const Undo& turning_back(const Plan& plan) {
    for (const auto& part : turning(plan).undo)
        if (part.kind == StepKind::sync) return part;
    throw std::runtime_error("no way back");
}

TEST(PlanRetypePartitioned, AllPartitionsAreLockedTogether) {
    const Plan plan = plan_retype(retyped());
    EXPECT_EQ(step_of(plan, StepKind::ddl).locks.size(), 4u);
    EXPECT_EQ(step_of(plan, StepKind::sync).locks.size(), 4u);
    EXPECT_EQ(step_of(plan, StepKind::sync).locks[1].mode, LockMode::share_row_exclusive);
    EXPECT_EQ(turning(plan).locks.size(), 4u);
    EXPECT_EQ(step_of(plan, StepKind::unsync).locks.size(), 4u);
    EXPECT_EQ(turning(plan).parameters.count("about"), 0u);
    EXPECT_EQ(
        plan.notes.back(),
        "until contract a table that becomes a partition of public.users needs n, and with it "
        "zdm_n_new before the switch, zdm_n_old after it");
}

TEST(PlanRetypePartitioned, PrimaryKeyChangesHandsInTheSwitch) {
    const Plan plan = plan_retype(of_key());
    Lines built;
    for (const auto& step : plan.steps)
        if (step.kind == StepKind::index) built.push_back(step.command);
    EXPECT_EQ(built,
              (Lines{"CREATE UNIQUE INDEX CONCURRENTLY zdm_a_pkey_copy ON public.a USING btree "
                     "(zdm_n_new, id)",
                     "CREATE UNIQUE INDEX CONCURRENTLY zdm_m1_pkey_copy ON public.m1 USING btree "
                     "(zdm_n_new, id)",
                     "CREATE UNIQUE INDEX CONCURRENTLY zdm_a_pkey_old ON public.a USING btree (n, "
                     "id)",
                     "CREATE UNIQUE INDEX CONCURRENTLY zdm_m1_pkey_old ON public.m1 USING hash"}));
    EXPECT_EQ(
        split(turning(plan).parameters.at("turn")),
        (Lines{"ALTER TABLE public.users DROP CONSTRAINT users_pkey",
               "ALTER TABLE public.users RENAME COLUMN n TO zdm_n_old",
               "ALTER TABLE public.users RENAME COLUMN zdm_n_new TO n",
               "ALTER TABLE public.a ADD CONSTRAINT a_pkey PRIMARY KEY USING INDEX zdm_a_pkey_copy",
               "ALTER TABLE public.m1 ADD CONSTRAINT m1_pkey PRIMARY KEY USING INDEX "
               "zdm_m1_pkey_copy",
               "ALTER TABLE public.m ADD CONSTRAINT m_pkey PRIMARY KEY (n, id)",
               "ALTER TABLE public.users ADD CONSTRAINT users_pkey PRIMARY KEY (n, id)", "COMMENT",
               "ALTER TABLE public.users ALTER COLUMN zdm_n_old DROP NOT NULL"}));
    const auto& parameters = turning(plan).parameters;
    EXPECT_EQ(parameters.at("about"), "4 public.a\n5 public.m1\n6 public.m\n8 public.m1");
    EXPECT_EQ(parameters.at("key_at"), "6");
    EXPECT_EQ(parameters.at("key"), "n, id");
    EXPECT_EQ(parameters.at("key_outside"), "zdm_n_new, id");
    EXPECT_NE(plan.notes.back().find("before the switch needs by then, if it has rows, a unique "
                                     "index over (zdm_n_new, id)"),
              std::string::npos);
}

TEST(PlanRetypePartitioned, PrimaryKeyComesBackFromTheSecondIndexes) {
    const Plan plan = plan_retype(of_key());
    const Undo& back = turning_back(plan);
    EXPECT_EQ(
        split(back.parameters.at("turn")),
        (Lines{"ALTER TABLE public.users DROP CONSTRAINT users_pkey",
               "ALTER TABLE public.users RENAME COLUMN n TO zdm_n_new",
               "ALTER TABLE public.users RENAME COLUMN zdm_n_old TO n",
               "ALTER TABLE public.users ALTER COLUMN n SET NOT NULL",
               "ALTER TABLE public.users DROP CONSTRAINT zdm_zdm_n_old_not_null",
               "ALTER TABLE public.a ADD CONSTRAINT a_pkey PRIMARY KEY USING INDEX zdm_a_pkey_old",
               "ALTER TABLE public.m1 ADD CONSTRAINT m1_pkey PRIMARY KEY USING INDEX "
               "zdm_m1_pkey_old",
               "ALTER TABLE public.m ADD CONSTRAINT m_pkey PRIMARY KEY (n, id)",
               "ALTER TABLE public.users ADD CONSTRAINT users_pkey PRIMARY KEY (n, id)",
               "COMMENT"}));
    EXPECT_EQ(back.parameters.at("about"), "6 public.a\n7 public.m1\n8 public.m\n10 public.m1");
    EXPECT_EQ(back.parameters.at("key_outside"), "zdm_n_old, id");
    EXPECT_EQ(back.locks.size(), 4u);
    // That no row has NULL is proved under all of these locks too.
    EXPECT_EQ(turning(plan).undo[1].locks.size(), 4u);
}

TEST(PlanRetypePartitioned, ChecksOfALeafGoAndComeWithTheNames) {
    RetypeColumn retype = retyped();
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "own";
    check.definition = "CHECK (zdm_n_new > 0)";
    check.partition = kLast;
    retype.copies.constraints = {check};
    retype.checks = {{0, "CHECK (n > 0)"}};
    const Plan plan = plan_retype(retype);
    EXPECT_EQ(split(turning(plan).parameters.at("turn")),
              (Lines{"ALTER TABLE public.m1 DROP CONSTRAINT own",
                     "ALTER TABLE public.users RENAME COLUMN n TO zdm_n_old",
                     "ALTER TABLE public.users RENAME COLUMN zdm_n_new TO n",
                     "ALTER TABLE public.m1 RENAME CONSTRAINT zdm_own_copy TO own"}));
    EXPECT_EQ(turning(plan).parameters.at("about"), "1 public.m1\n4 public.m1");
    const Undo& back = turning_back(plan);
    EXPECT_EQ(split(back.parameters.at("turn")).back(),
              "ALTER TABLE public.m1 ADD CONSTRAINT own CHECK (n > 0) NOT VALID");
    const Undo& validated = turning(plan).undo.back();
    EXPECT_EQ(validated.command, "ALTER TABLE public.m1 VALIDATE CONSTRAINT own;");
    EXPECT_EQ(validated.parameters.at("relation"), "public.m1");
    EXPECT_EQ(validated.parameters.at("table"), "public.users");
    ASSERT_EQ(validated.locks.size(), 1u);
    EXPECT_EQ(validated.locks[0].relation, "public.m1");
    // The copy is made and proved there.
    EXPECT_EQ(step_of(plan, StepKind::constraint).command,
              "ALTER TABLE public.m1 ADD CONSTRAINT zdm_own_copy CHECK (zdm_n_new > 0) NOT VALID");
    EXPECT_EQ(step_of(plan, StepKind::validate).command,
              "ALTER TABLE public.m1 VALIDATE CONSTRAINT zdm_own_copy");
    retype.copies.constraints[0].valid = false;
    for (const auto& step : plan_retype(retype).steps) EXPECT_NE(step.kind, StepKind::validate);
}

CopiedIndex key_of_all() {
    CopiedIndex index;
    index.name = "users_n";
    index.schema = "public";
    index.unique = true;
    index.tail = "USING btree (zdm_n_new, id)";
    index.constraint = "UNIQUE";
    index.definition = "UNIQUE (zdm_n_new, id)";
    index.columns = {"zdm_n_new", "id"};
    index.parts = {{kFirst, "a_n", "public"},
                   {kMiddle, "m_n", "public"},
                   {kLast, "m1_n", "other", "USING btree (zdm_n_new, id) WITH (fillfactor='70')"}};
    return index;
}

Lines locked(const Step& step) {
    Lines names;
    for (const auto& need : step.locks)
        names.push_back(std::string{to_text(need.mode)} + " " + need.relation);
    return names;
}

TEST(PlanRetypePartitioned, UniqueIsAConstraintBeforeTheSwitch) {
    RetypeColumn retype = retyped();
    retype.copies.indexes = {key_of_all()};
    const Plan plan = plan_retype(retype);
    Lines made;
    const Step* middle = nullptr;
    for (const auto& step : plan.steps) {
        if (step.phase != Phase::migrate || step.kind != StepKind::ddl) continue;
        made.push_back(step.command);
        if (step.relation == "public.m") middle = &step;
    }
    EXPECT_EQ(made, (Lines{"ALTER TABLE public.a ADD CONSTRAINT zdm_a_n_copy UNIQUE USING INDEX "
                           "zdm_a_n_copy;",
                           "ALTER TABLE public.m1 ADD CONSTRAINT zdm_m1_n_copy UNIQUE USING INDEX "
                           "zdm_m1_n_copy;",
                           "ALTER TABLE public.m ADD CONSTRAINT zdm_m_n_copy UNIQUE (zdm_n_new, "
                           "id);",
                           "ALTER TABLE public.users ADD CONSTRAINT zdm_users_n_copy UNIQUE "
                           "(zdm_n_new, id);"}));
    ASSERT_NE(middle, nullptr);
    EXPECT_EQ(locked(*middle), (Lines{"ACCESS EXCLUSIVE public.m", "ACCESS EXCLUSIVE public.m1"}));
    EXPECT_EQ(middle->parameters.at("proven_key"), "zdm_n_new, id");
    EXPECT_EQ(middle->parameters.at("table"), "public.users");
    EXPECT_EQ(undo_sql(*middle), "ALTER TABLE public.m DROP CONSTRAINT IF EXISTS zdm_m_n_copy;");
    EXPECT_EQ(split(plan.steps.back().parameters.at("then")),
              (Lines{"ALTER TABLE public.users DROP COLUMN zdm_n_old",
                     "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_n_copy TO users_n",
                     "ALTER TABLE public.a RENAME CONSTRAINT zdm_a_n_copy TO a_n",
                     "ALTER TABLE public.m RENAME CONSTRAINT zdm_m_n_copy TO m_n",
                     "ALTER TABLE public.m1 RENAME CONSTRAINT zdm_m1_n_copy TO m1_n"}));
}

TEST(PlanRetypePartitioned, DeferrableUniqueIsMadeWhileTheColumnIsEmpty) {
    RetypeColumn retype = retyped();
    retype.copies.indexes = {key_of_all()};
    retype.copies.indexes[0].deferrable = " DEFERRABLE";
    const Plan plan = plan_retype(retype);
    for (const auto& step : plan.steps) {
        const bool about = step.command.find("zdm_a_n_copy") != std::string::npos;
        if (about && step.kind != StepKind::unsync) {
            EXPECT_EQ(step.phase, Phase::expand) << step.command;
        }
    }
    EXPECT_NE(join(plan.notes).find("SET CONSTRAINTS users_n DEFERRED"), std::string::npos);
}

TEST(PlanRetypePartitioned, PlainIndexesTakeTheirNamesPartByPart) {
    RetypeColumn retype = retyped();
    retype.copies.indexes = {key_of_all()};
    CopiedIndex& index = retype.copies.indexes[0];
    index.unique = false;
    index.constraint.clear();
    index.after = {"COMMENT;"};
    index.parts[0].after = {"CLUSTER;"};
    const Plan plan = plan_retype(retype);
    EXPECT_EQ(split(plan.steps.back().parameters.at("then")),
              (Lines{"ALTER TABLE public.users DROP COLUMN zdm_n_old",
                     "ALTER INDEX public.zdm_users_n_copy RENAME TO users_n",
                     "ALTER INDEX public.zdm_a_n_copy RENAME TO a_n", "CLUSTER",
                     "ALTER INDEX public.zdm_m_n_copy RENAME TO m_n",
                     "ALTER INDEX other.zdm_m1_n_copy RENAME TO m1_n", "COMMENT"}));
    EXPECT_EQ(plan.steps.back().parameters.at("about"),
              "3 public.a\n4 public.a\n5 public.m\n6 public.m1");
}

TEST(PlanRetypePartitioned, CheckOfTheTableLocksAllPartitions) {
    RetypeColumn retype = retyped();
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "c";
    check.definition = "CHECK (zdm_n_new > 0)";
    retype.copies.constraints = {check};
    retype.checks = {{0, "CHECK (n > 0)"}};
    const Plan plan = plan_retype(retype);
    EXPECT_EQ(locked(step_of(plan, StepKind::constraint)),
              (Lines{"ACCESS EXCLUSIVE public.users", "ACCESS EXCLUSIVE public.a",
                     "ACCESS EXCLUSIVE public.m", "ACCESS EXCLUSIVE public.m1"}));
    EXPECT_EQ(step_of(plan, StepKind::validate).locks.size(), 4u);
    EXPECT_EQ(step_of(plan, StepKind::validate).lock, LockMode::share_update_exclusive);
}

TEST(PlanRetypePartitioned, ForeignKeyIsTakenOverFromTheLeaves) {
    RetypeColumn retype = retyped();
    CopiedConstraint key;
    key.table = kUsers;
    key.name = "fk";
    key.definition = "FOREIGN KEY (zdm_n_new) REFERENCES public.orders (m)";
    key.foreign_key = true;
    key.referenced = kOrders;
    key.parts = {{kFirst, "fk"}, {kMiddle, "fk"}, {kLast, "fk_of_m1"}};
    retype.copies.constraints = {key};
    Action action = act(kUsers, retype);
    action.seen.locks.push_back({kOrders, LockMode::access_exclusive});
    const Plan plan = plan_of({action}, partitioned());
    Lines copies;
    for (const auto& step : plan.steps)
        if (step.command.find("zdm_fk_copy") != std::string::npos && step.phase == Phase::migrate)
            copies.push_back(step.command);
    EXPECT_EQ(
        copies,
        (Lines{"ALTER TABLE public.a ADD CONSTRAINT zdm_fk_copy " + key.definition + " NOT VALID",
               "ALTER TABLE public.a VALIDATE CONSTRAINT zdm_fk_copy",
               "ALTER TABLE public.m1 ADD CONSTRAINT zdm_fk_copy " + key.definition + " NOT VALID",
               "ALTER TABLE public.m1 VALIDATE CONSTRAINT zdm_fk_copy",
               "ALTER TABLE public.users ADD CONSTRAINT zdm_fk_copy " + key.definition + ";"}));
    EXPECT_EQ(split(plan.steps.back().parameters.at("then")),
              (Lines{"ALTER TABLE public.users DROP COLUMN zdm_n_old",
                     "ALTER TABLE public.users RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.a RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.m RENAME CONSTRAINT zdm_fk_copy TO fk",
                     "ALTER TABLE public.m1 RENAME CONSTRAINT zdm_fk_copy TO fk_of_m1"}));
}

TEST(PlanRetypePartitioned, ReplicaIdentityOfAPartitionChangesHandsToo) {
    RetypeColumn retype = retyped();
    CopiedIndex index;
    index.name = "users_n";
    index.schema = "public";
    index.unique = true;
    index.tail = "USING btree (zdm_n_new)";
    index.parts = {{kFirst, "a_n", "public", {}, {}, true},
                   {kMiddle, "m_n", "public"},
                   {kLast, "m1_n", "public"}};
    CopiedIndex own = index;
    own.name = "own_n";
    own.parts.clear();
    own.partition = kLast;
    own.replica_identity = true;
    retype.copies.indexes = {index, own};
    const Plan plan = plan_retype(retype);
    const Lines turn = split(turning(plan).parameters.at("turn"));
    ASSERT_EQ(turn.size(), 4u);
    EXPECT_EQ(turn[2], "ALTER TABLE public.a REPLICA IDENTITY USING INDEX zdm_a_n_copy");
    EXPECT_EQ(turn[3], "ALTER TABLE public.m1 REPLICA IDENTITY USING INDEX zdm_own_n_copy");
    EXPECT_EQ(turning(plan).parameters.at("about"), "3 public.a\n4 public.m1");
    const Lines back = split(turning_back(plan).parameters.at("turn"));
    EXPECT_EQ(back[2], "ALTER TABLE public.a REPLICA IDENTITY USING INDEX a_n");
    EXPECT_EQ(back[3], "ALTER TABLE public.m1 REPLICA IDENTITY USING INDEX own_n");
    // Names of indexes wait for contract.
    EXPECT_EQ(split(step_of(plan, StepKind::unsync).parameters.at("then")),
              (Lines{"ALTER TABLE public.users DROP COLUMN zdm_n_old",
                     "ALTER INDEX public.zdm_users_n_copy RENAME TO users_n",
                     "ALTER INDEX public.zdm_a_n_copy RENAME TO a_n",
                     "ALTER INDEX public.zdm_m_n_copy RENAME TO m_n",
                     "ALTER INDEX public.zdm_m1_n_copy RENAME TO m1_n",
                     "ALTER INDEX public.zdm_own_n_copy RENAME TO own_n"}));
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("about"),
              "3 public.a\n4 public.m\n5 public.m1\n6 public.m1");
}

// Until the switch the new column has no key that it could refer to.
TEST(PlanRetypePartitioned, AKeyThatRefersToItIsMadeInTheSwitchAndValidatedAfter) {
    RetypeColumn retype = of_key();
    CopiedConstraint key;
    key.table = kOrders;
    key.name = "fk";
    key.foreign_key = key.incoming = key.late = true;
    key.referenced = kUsers;
    retype.copies.constraints = {key};
    retype.keys = {{0, "FOREIGN KEY (u, v) REFERENCES public.users (n, id)"}};
    const Plan plan = plan_retype(retype);
    for (const auto& step : plan.steps)
        EXPECT_TRUE(step.phase != Phase::migrate || step.relation != "public.orders");
    const Lines turn = split(turning(plan).parameters.at("turn"));
    EXPECT_EQ(turn.front(), "ALTER TABLE public.orders DROP CONSTRAINT fk");
    EXPECT_EQ(turn.back(),
              "ALTER TABLE public.orders ADD CONSTRAINT fk FOREIGN KEY (u, v) REFERENCES "
              "public.users (n, id) NOT VALID");
    const auto after = static_cast<std::size_t>(&turning(plan) - plan.steps.data()) + 1;
    const Step& validate = plan.steps.at(after);
    EXPECT_EQ(validate.phase, Phase::switch_);
    EXPECT_EQ(validate.command, "ALTER TABLE public.orders VALIDATE CONSTRAINT fk;");
    EXPECT_EQ(validate.relation, "public.orders");
    ASSERT_EQ(validate.locks.size(), 2u);
    EXPECT_EQ(validate.locks[1].mode, LockMode::row_share);
    EXPECT_TRUE(validate.undo.empty());
    EXPECT_EQ(turning(plan).undo.back().command,
              "ALTER TABLE public.orders VALIDATE CONSTRAINT fk;");

    retype.copies.constraints[0].valid = false;
    EXPECT_EQ(plan_retype(retype).steps.size(), plan.steps.size() - 1);
    retype.copies.constraints[0].both = true;
    EXPECT_THROW(plan_retype(retype), pg::Error);
}

}  // namespace
}  // namespace zdm::plan
