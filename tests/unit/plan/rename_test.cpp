// RENAME COLUMN: a pair of columns, of which the old one takes the name in the end.
#include "facts.hpp"

namespace zdm::plan {
namespace {

RenameColumn rename_email() {
    RenameColumn rename;
    rename.column = "email";
    rename.renamed = "mail";
    rename.type = rename.definition = "text";
    return rename;
}

RenameColumn rename_phone() {
    RenameColumn rename = rename_email();
    rename.column = "phone";
    rename.renamed = "tel";
    return rename;
}

CopiedIndex index_on(const std::string& name, const std::string& constraint = {}) {
    CopiedIndex index;
    index.name = name;
    index.schema = "public";
    index.unique = !constraint.empty();
    index.tail = "USING btree (mail)";
    index.constraint = constraint;
    return index;
}

CopiedConstraint foreign_key(std::size_t table, std::size_t referenced, bool incoming) {
    CopiedConstraint key;
    key.table = table;
    key.name = "fk";
    key.definition = "FOREIGN KEY (x) REFERENCES y (z)";
    key.foreign_key = true;
    key.referenced = referenced;
    key.incoming = incoming;
    return key;
}

std::vector<std::string> then_of(const Plan& plan) {
    std::vector<std::string> statements;
    std::string text = step_of(plan, StepKind::unsync).parameters.at("then") + " ";
    for (std::size_t end; (end = text.find("; ")) != std::string::npos; text.erase(0, end + 2))
        statements.push_back(text.substr(0, end));
    return statements;
}

TEST(PlanRename, PlainColumnBecomesAPair) {
    const Plan plan = plan_of({act(kUsers, rename_email())});
    const Lines all = lines(plan);
    ASSERT_EQ(all.size(), 9u);
    EXPECT_EQ(all[0], "expand ddl: ALTER TABLE public.users ADD COLUMN mail text;");
    EXPECT_EQ(all[1],
              "expand sync: CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR "
              "EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'mail', 'step', 'email', "
              "'', 'email', 'back', 'mail', '')");
    EXPECT_EQ(all[2],
              "migrate backfill: UPDATE public.users SET mail = email WHERE mail IS NULL AND "
              "(email IS NOT NULL)");
    EXPECT_EQ(all[3],
              "migrate last_pass: SELECT count(*) FROM ONLY public.users WHERE mail IS NULL AND "
              "(email IS NOT NULL)");
    EXPECT_EQ(all[4], "migrate analyze: ANALYZE public.users (mail)");
    EXPECT_EQ(all[5], "contract gate: zdm_contract gate");
    EXPECT_EQ(step_of(plan, StepKind::verify).parameters.at("old"), "email");
    EXPECT_EQ(step_of(plan, StepKind::verify).parameters.at("new"), "mail");
    EXPECT_EQ(all[8],
              "contract unsync: DROP TRIGGER zz_zdm_sync ON public.users; ALTER TABLE public.users "
              "DROP COLUMN mail; ALTER TABLE public.users RENAME COLUMN email TO mail;");
    EXPECT_TRUE(plan.transition);
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.users DROP COLUMN mail;");
    EXPECT_TRUE(plan.steps.back().removal);
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("blind"),
              "who still reads public.users.email");
    EXPECT_EQ(plan.relations, std::vector<std::uint32_t>{200});
}

// What differs all the same is settled before the new column goes, and nobody's removal.
TEST(PlanRename, AcceptedDifferencesBecomeWhatTheNewColumnHas) {
    const Plan plan = plan_of({act(kUsers, rename_email())});
    const Step& settle = plan.steps[7];
    EXPECT_EQ(settle.kind, StepKind::backfill);
    EXPECT_EQ(settle.phase, Phase::contract);
    EXPECT_EQ(settle.command,
              "UPDATE public.users SET email = mail WHERE " + settle.parameters.at("predicate"));
    EXPECT_EQ(settle.parameters.at("set"), "email = mail");
    EXPECT_EQ(settle.parameters.at("accepted"), "yes");
    EXPECT_FALSE(settle.removal);
}

TEST(PlanRename, FillIsNobodysBusiness) {
    const Plan plan = plan_of({act(kUsers, rename_email())});
    for (const StepKind kind : {StepKind::backfill, StepKind::last_pass}) {
        EXPECT_EQ(step_of(plan, kind).parameters.at("fire_triggers"), "no");
        EXPECT_EQ(step_of(plan, kind).parameters.at("sync"), "yes");
        EXPECT_FALSE(step_of(plan, kind).removal);
    }
    EXPECT_EQ(step_of(plan, StepKind::last_pass).parameters.at("of"), "3");
}

TEST(PlanRename, DressGoesWithTheColumn) {
    RenameColumn rename = rename_email();
    rename.dress = {"ALTER TABLE public.users ALTER COLUMN mail SET STATISTICS 7;",
                    "COMMENT ON COLUMN public.users.mail IS 'x';"};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(plan.steps[0].command,
              "ALTER TABLE public.users ADD COLUMN mail text; ALTER TABLE public.users ALTER "
              "COLUMN mail SET STATISTICS 7; COMMENT ON COLUMN public.users.mail IS 'x';");
    EXPECT_EQ(plan.steps[0].parameters.at("statements"), "3");
}

// They make queries of the new version fast, and go with the new column.
TEST(PlanRename, IndexesAreCopiedForTheTimeBeing) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_on("users_email_idx"), index_on("users_email_key", "UNIQUE")};
    rename.indexes[1].constraint.clear();
    const Plan plan = plan_of({act(kUsers, rename)});
    const Lines all = lines(plan);
    EXPECT_EQ(all[4],
              "migrate index: CREATE INDEX CONCURRENTLY zdm_users_email_idx_copy ON public.users "
              "USING btree (mail)");
    EXPECT_EQ(all[5],
              "migrate index: CREATE UNIQUE INDEX CONCURRENTLY zdm_users_email_key_copy ON "
              "public.users USING btree (mail)");
    EXPECT_EQ(undo_sql(plan.steps[4]),
              "DROP INDEX CONCURRENTLY IF EXISTS public.zdm_users_email_idx_copy;");
    EXPECT_EQ(then_of(plan), (Lines{"ALTER TABLE public.users DROP COLUMN mail",
                                    "ALTER TABLE public.users RENAME COLUMN email TO mail"}));
}

// They follow the column by themselves.
TEST(PlanRename, ConstraintsAreNotTouched) {
    RenameColumn rename = rename_email();
    rename.constraints = {foreign_key(kOrders, kUsers, true)};
    const Plan plan = plan_of({act(kUsers, rename)});
    for (const auto& step : plan.steps) {
        EXPECT_NE(step.kind, StepKind::constraint);
        EXPECT_NE(step.kind, StepKind::validate);
    }
    const Step& unsync = step_of(plan, StepKind::unsync);
    ASSERT_EQ(unsync.locks.size(), 1u);
    EXPECT_EQ(unsync.locks[0].relation, "public.users");
    EXPECT_EQ(unsync.locks[0].mode, LockMode::access_exclusive);
}

TEST(PlanRename, TriggersFireForEitherColumnInBetween) {
    RenameColumn rename = rename_email();
    rename.triggers = {{"seen", {"DROP 1;", "BEFORE;"}, {"DROP 2;", "BETWEEN;"}}};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(plan.steps[1].command, "DROP 2; BETWEEN;");
    EXPECT_EQ(undo_sql(plan.steps[1]), "DROP 1; BEFORE;");
    EXPECT_EQ(plan.steps[2].kind, StepKind::sync);
    EXPECT_EQ(then_of(plan), (Lines{"DROP 1", "BEFORE", "ALTER TABLE public.users DROP COLUMN mail",
                                    "ALTER TABLE public.users RENAME COLUMN email TO mail"}));
}

TEST(PlanRename, StatisticsAreCopiedForTheTimeBeing) {
    RenameColumn rename = rename_email();
    rename.statistics = {{"st", "public", "ON mail, id FROM public.users", "50", {}}};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(step_of(plan, StepKind::ddl, 1).command,
              "CREATE STATISTICS public.zdm_st_copy ON mail, id FROM public.users; ALTER "
              "STATISTICS public.zdm_st_copy SET STATISTICS 50;");
    EXPECT_EQ(then_of(plan).size(), 2u);
}

TEST(PlanRename, NobodyMayPutAnythingOnTheColumnThatGoes) {
    RenameColumn rename = rename_email();
    const auto without = step_of(plan_of({act(kUsers, rename)}), StepKind::unsync).parameters;
    EXPECT_EQ(without.count("places") + without.count("own"), 0u);
    rename.place = R"("mail": "email")";
    RenameColumn other = rename_phone();
    other.place = R"("tel": "phone")";
    const Plan plan = plan_of({act(kUsers, rename), act(kUsers, other)});
    const auto& parameters = step_of(plan, StepKind::unsync).parameters;
    EXPECT_EQ(parameters.count("hanging"), 0u);
    EXPECT_EQ(parameters.at("places"), R"({"mail": "email", "tel": "phone"})");
    EXPECT_EQ(parameters.count("own"), 0u);
}

TEST(PlanRename, WhatThePlanPutsOnTheColumnThatGoesIsKnownByItsName) {
    RenameColumn rename = rename_email();
    rename.place = R"("mail": "email")";
    rename.statistics = {{"st", "public", "ON mail, id FROM public.users", "", {}},
                         {"\"St 2\"", "public", "ON mail, name FROM public.users", "", {}}};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("own"),
              "\"zdm_St 2_copy\"\nzdm_st_copy");
    for (const Step& step : plan.steps)
        EXPECT_EQ(step.parameters.count("own"), step.kind == StepKind::unsync ? 1u : 0u);
}

Facts with_children() {
    Facts facts = shop();
    Table& users = facts.tables[kUsers];
    users.has_children = true;
    Partition child;
    child.oid = 300;
    child.qualified = "public.kid";
    child.leaf = true;
    child.parent = kNoTable;
    users.partitions = {child};
    return facts;
}

// A trigger that names a column which is gone would break each write.
TEST(PlanRename, TriggersOfChildrenGoInTheSameTransaction) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_on("kid_email_idx")};
    rename.indexes[0].partition = 0;
    const Plan plan = plan_of({act(kUsers, rename)}, with_children());
    std::size_t syncs = 0;
    for (const auto& step : plan.steps) {
        if (step.kind == StepKind::sync) ++syncs;
        if (step.kind == StepKind::backfill || step.kind == StepKind::last_pass ||
            step.kind == StepKind::verify) {
            EXPECT_EQ(step.parameters.count("tree"), 1u) << step.command;
        }
    }
    EXPECT_EQ(syncs, 2u);
    const Step& last = plan.steps.back();
    ASSERT_EQ(last.kind, StepKind::unsync);
    EXPECT_EQ(last.relation, "public.users");
    EXPECT_EQ(last.parameters.at("children"), "yes");
    ASSERT_EQ(last.locks.size(), 2u);
    EXPECT_EQ(last.locks[1].relation, "public.kid");
    EXPECT_EQ(last.locks[1].mode, LockMode::access_exclusive);
    EXPECT_EQ(last.parameters.at("partitions"), "public.kid");
    EXPECT_EQ(step_of(plan, StepKind::index).relation, "public.kid");
}

TEST(PlanRename, TwoOfOneTableOnlyWithNothingInCommon) {
    RenameColumn other = rename_phone();
    EXPECT_EQ(refusal({act(kUsers, rename_email()), act(kUsers, other)}), "");
    RenameColumn first = rename_email();
    first.indexes = other.indexes = {index_on("both")};
    EXPECT_NE(refusal({act(kUsers, first), act(kUsers, other)}).find("ZD105"), std::string::npos);
}

TEST(PlanRename, TwoTablesOnlyWithNothingInCommon) {
    RenameColumn first = rename_email();
    RenameColumn other = rename_email();
    first.constraints = {foreign_key(kOrders, kUsers, true)};
    EXPECT_EQ(refusal({act(kUsers, first), act(kOrders, other)}), "");
    other.constraints = {foreign_key(kOrders, kUsers, false)};
    EXPECT_NE(refusal({act(kUsers, first), act(kOrders, other)}), "");
    DropConstraint drop;
    drop.name = "fk";
    EXPECT_NE(refusal({act(kUsers, first), act(kOrders, drop)}), "");
    drop.name = "other";
    EXPECT_EQ(refusal({act(kUsers, first), act(kOrders, drop)}), "");
}

// A view, a function or a table would depend on the old column.
TEST(PlanRename, NotTogetherWithStatementsElsewhereThatNameTheTable) {
    const auto with = [](Detail detail) {
        Action other = act(kOrders, std::move(detail));
        other.names = {kOrders, kUsers};
        return refusal({act(kUsers, rename_email()), other});
    };
    EXPECT_NE(with(Direct{}).find("ZD105"), std::string::npos);
    Direct rows;
    rows.data = true;
    EXPECT_EQ(with(rows), "");
    Update fill = update({value("total", "1")});
    fill.where = "total = 0";
    fill.converges = true;
    EXPECT_EQ(with(fill), "");
    EXPECT_EQ(with(Insert{}), "");
    EXPECT_EQ(with(column("code")), "");
    Action anywhere = act(kNoTable, Direct{});
    EXPECT_EQ(refusal({act(kUsers, rename_email()), anywhere}), "");
    anywhere.names = {kUsers};
    EXPECT_NE(refusal({act(kUsers, rename_email()), anywhere}).find("ZD105"), std::string::npos);
}

TEST(PlanRename, NotTogetherWithForeignKeysOnTheColumn) {
    for (const std::size_t table : {kUsers, kOrders}) {
        AddForeignKey key;
        key.name = "fk";
        key.columns = {"x"};
        key.referenced = kUsers;
        key.referenced_columns = {"id"};
        EXPECT_EQ(refusal({act(kUsers, rename_email()), act(table, key)}), "");
        for (const char* const name : {"email", "mail"}) {
            key.referenced_columns = {"id", name};
            EXPECT_NE(refusal({act(table, key), act(kUsers, rename_email())}).find("ZD105"),
                      std::string::npos);
        }
    }
}

TEST(PlanRename, NotTogetherWithStatementsAboutTheSame) {
    const auto with = [](Detail detail, std::size_t table = kUsers) {
        return refusal({act(kUsers, rename_email()), act(table, std::move(detail))});
    };
    EXPECT_NE(with(SetNotNull{"mail", false, {}, {}}), "");
    EXPECT_NE(with(update({value("email", "'x'")})), "");
    EXPECT_NE(with(Delete{"true"}), "");
    EXPECT_NE(with(Direct{}), "");
    EXPECT_EQ(with(Direct{}, kOrders), "");
    EXPECT_EQ(with(column("phone")), "");
    EXPECT_EQ(with(SetNotNull{"name", false, {}, {}}), "");
}

}  // namespace
}  // namespace zdm::plan
