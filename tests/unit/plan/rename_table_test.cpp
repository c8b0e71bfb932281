#include "facts.hpp"

namespace zdm::plan {
namespace {

Action renaming(std::vector<std::string> grants = {}) {
    RenameTable rename;
    rename.name = "people";
    rename.qualified = "public.people";
    rename.columns = {"id", "\"full name\""};
    rename.grants = std::move(grants);
    return act(kUsers, rename);
}

const std::string kComment =
    "COMMENT ON VIEW public.users IS 'made by zdm for applications that know public.people by its "
    "old name; contract drops it';";

TEST(PlanRenameTable, NamesChangeHandsInOneTransactionOfTheSwitch) {
    const Plan plan = plan_of({renaming()});
    EXPECT_EQ(lines(plan),
              (Lines{"switch ddl: ALTER TABLE public.users RENAME TO people; CREATE VIEW "
                     "public.users WITH (security_invoker = true) AS SELECT id, \"full name\" FROM "
                     "public.people; " +
                         kComment,
                     "contract gate: zdm_contract gate", "contract ddl: DROP VIEW public.users;"}));
    EXPECT_TRUE(plan.transition);
    EXPECT_EQ(plan.relations, std::vector<std::uint32_t>{200});
    const Step& step = plan.steps[0];
    EXPECT_EQ(step.parameters.at("path"), "pinned");
    EXPECT_EQ(step.parameters.at("statements"), "3");
    EXPECT_EQ(step.parameters.at("from"), "public.users");
    EXPECT_EQ(step.parameters.at("to"), "public.people");
    EXPECT_EQ(step.lock, LockMode::access_exclusive);
    ASSERT_EQ(step.locks.size(), 1U);
    EXPECT_EQ(step.locks[0].relation, "public.users");
    EXPECT_FALSE(step.removal);
    EXPECT_NE(step.note.find("what a view can't do fails there"), std::string::npos);
}

TEST(PlanRenameTable, OfAPartitionedTableThePartitionsAreOwnedAndNotLocked) {
    Facts facts = shop();
    facts.tables[kUsers].partitioned = true;
    Partition part;
    part.oid = 301;
    part.qualified = "public.a";
    facts.tables[kUsers].partitions = {part};
    const Plan plan = plan_of({renaming()}, facts);
    EXPECT_EQ(plan.relations, (std::vector<std::uint32_t>{200, 301}));
    ASSERT_EQ(plan.steps[0].locks.size(), 1U);
    EXPECT_EQ(plan.steps[0].locks[0].relation, "public.users");
}

TEST(PlanRenameTable, StatementsAboveAndBelowAreRefused) {
    Facts facts = shop();
    Partition part;
    part.oid = facts.tables[kOrders].oid;
    part.qualified = "public.orders";
    facts.tables[kUsers].partitioned = true;
    facts.tables[kUsers].partitions = {part};
    EXPECT_NE(refusal({renaming(), act(kOrders, Delete{"code = 1"})}, facts).find("line 1 renames"),
              std::string::npos);
    Action of_part = renaming();
    of_part.table = kOrders;
    of_part.seen.locks = {{kOrders, LockMode::access_exclusive}};
    EXPECT_NE(refusal({of_part, act(kUsers, Delete{"code = 1"})}, facts), "");
}

TEST(PlanRenameTable, GoesBackInOneTransactionViewFirst) {
    const Plan plan = plan_of({renaming()});
    const Step& step = plan.steps[0];
    ASSERT_EQ(step.undo.size(), 1U);
    const Undo& undo = step.undo[0];
    EXPECT_EQ(undo.command,
              "DROP VIEW IF EXISTS public.users; ALTER TABLE public.people RENAME TO users;");
    EXPECT_EQ(undo.parameters.at("statements"), "2");
    EXPECT_EQ(undo.parameters.at("relation"), "public.people");
    EXPECT_EQ(undo.parameters.at("wait"), "all");
    ASSERT_EQ(undo.locks.size(), 2U);
    EXPECT_EQ(undo.locks[0].relation, "public.users");
    EXPECT_EQ(undo.locks[1].relation, "public.people");
}

TEST(PlanRenameTable, TheViewHasThePrivilegesOfTheTable) {
    const Plan plan = plan_of({renaming({"GRANT SELECT ON public.users TO app;"})});
    const Step& step = plan.steps[0];
    EXPECT_NE(step.command.find("; GRANT SELECT ON public.users TO app; COMMENT"),
              std::string::npos);
    EXPECT_EQ(step.parameters.at("statements"), "4");
}

TEST(PlanRenameTable, TheOldNameGoesBehindABlindGate) {
    const Plan plan = plan_of({renaming()});
    EXPECT_EQ(plan.steps[1].parameters.at("blind"), "who still uses the old name public.users");
    const Step& drop = plan.steps[2];
    EXPECT_TRUE(drop.removal);
    EXPECT_TRUE(drop.undo.empty());
    EXPECT_EQ(drop.relation, "public.people");
    EXPECT_EQ(drop.relation_oid, 200U);
    ASSERT_EQ(drop.locks.size(), 1U);
    EXPECT_EQ(drop.locks[0].relation, "public.users");
}

TEST(PlanRenameTable, PublishedTablesSayWhatBecomesOfSubscribers) {
    Action action = renaming();
    std::get<RenameTable>(action.detail).published = true;
    EXPECT_NE(step_of(plan_of({action}), StepKind::ddl).note.find("subscribers"),
              std::string::npos);
}

TEST(PlanRenameTable, AtOnceWhereTheUserAcceptsIt) {
    Action action = renaming();
    action.accept_locks = true;
    const Plan plan = plan_of({action});
    EXPECT_EQ(lines(plan), Lines{"expand ddl: ALTER TABLE public.users RENAME TO people;"});
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.people RENAME TO users;");
    EXPECT_EQ(plan.steps[0].undo[0].parameters.at("relation"), "public.people");
    EXPECT_FALSE(plan.transition);
}

TEST(PlanRenameTable, OthersBesideItAreRefused) {
    EXPECT_NE(refusal({act(kUsers, column("phone")), renaming()}).find("ZD105"), std::string::npos);
    EXPECT_NE(refusal({renaming(), act(kUsers, column("phone"))}).find("ZD105"), std::string::npos);
    // A table that its steps lock as well, by a foreign key say.
    Action key = act(kOrders, DropTable{});
    key.seen.locks.push_back({kUsers, LockMode::access_exclusive});
    EXPECT_NE(refusal({key, renaming()}).find("ZD105"), std::string::npos);
    // Names that both sides of the switch want.
    for (const char* const name : {"public.users", "public.people"}) {
        Facts facts = shop();
        facts.tables[kItems].qualified = name;
        EXPECT_NE(refusal({renaming()}, facts).find("ZD105"), std::string::npos);
    }
    EXPECT_EQ(refusal({act(kOrders, column("code")), renaming()}), "");
}

TEST(PlanRenameTable, StatementsOfTheUserCanBeInTheSwitchToo) {
    Direct statement;
    statement.command = "X;";
    Action action = act(kNoTable, statement);
    action.phase = Phase::switch_;
    const Plan plan = plan_of({action});
    EXPECT_EQ(lines(plan), (Lines{"switch ddl: X;", "contract gate: zdm_contract gate"}));
    EXPECT_TRUE(plan.transition);
}

}  // namespace
}  // namespace zdm::plan
