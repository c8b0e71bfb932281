// RENAME COLUMN: a pair of columns, and copies of what hangs on the old one.
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

CopiedConstraint check_on(const std::string& name) {
    CopiedConstraint check;
    check.table = kUsers;
    check.name = name;
    check.definition = "CHECK (mail <> '')";
    return check;
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
    ASSERT_EQ(all.size(), 8u);
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
    EXPECT_EQ(all[7],
              "contract unsync: DROP TRIGGER zz_zdm_sync ON public.users; ALTER TABLE public.users "
              "DROP COLUMN email;");
    EXPECT_TRUE(plan.transition);
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.users DROP COLUMN mail;");
    EXPECT_TRUE(plan.steps.back().removal);
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("blind"),
              "who still reads public.users.email");
    EXPECT_EQ(plan.relations, std::vector<std::uint32_t>{200});
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

TEST(PlanRename, CopiesTakeTheNamesWhenTheOldOnesAreGone) {
    RenameColumn rename = rename_email();
    rename.default_text = "'none'::text";
    rename.not_null = true;
    rename.sequences = {"public.users_email_seq"};
    rename.indexes = {index_on("users_email_idx"), index_on("users_email_key", "UNIQUE")};
    rename.indexes[0].after = {"COMMENT ON INDEX public.users_email_idx IS 'y';"};
    rename.constraints = {check_on("users_email_check")};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER SEQUENCE public.users_email_seq OWNED BY public.users.mail",
                     "ALTER TABLE public.users DROP COLUMN email",
                     "ALTER TABLE public.users ALTER COLUMN mail SET DEFAULT 'none'::text",
                     "ALTER INDEX public.zdm_users_email_idx_copy RENAME TO users_email_idx",
                     "COMMENT ON INDEX public.users_email_idx IS 'y'",
                     "ALTER TABLE public.users ADD CONSTRAINT users_email_key UNIQUE USING INDEX "
                     "zdm_users_email_key_copy",
                     "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_email_check_copy TO "
                     "users_email_check"}));
    const Lines all = lines(plan);
    EXPECT_EQ(all[4],
              "migrate index: CREATE INDEX CONCURRENTLY zdm_users_email_idx_copy ON public.users "
              "USING btree (mail)");
    EXPECT_EQ(all[5],
              "migrate index: CREATE UNIQUE INDEX CONCURRENTLY zdm_users_email_key_copy ON "
              "public.users USING btree (mail)");
    EXPECT_EQ(all[6],
              "migrate constraint: ALTER TABLE public.users ADD CONSTRAINT zdm_mail_not_null CHECK "
              "(mail IS NOT NULL) NOT VALID");
    EXPECT_EQ(all[8],
              "migrate ddl: ALTER TABLE public.users ALTER COLUMN mail SET NOT NULL; ALTER TABLE "
              "public.users DROP CONSTRAINT zdm_mail_not_null;");
    EXPECT_EQ(all[9],
              "migrate constraint: ALTER TABLE public.users ADD CONSTRAINT "
              "zdm_users_email_check_copy CHECK (mail <> '') NOT VALID");
    EXPECT_EQ(all[10],
              "migrate validate: ALTER TABLE public.users VALIDATE CONSTRAINT "
              "zdm_users_email_check_copy");
    EXPECT_EQ(undo_sql(plan.steps[4]),
              "DROP INDEX CONCURRENTLY IF EXISTS public.zdm_users_email_idx_copy;");
    EXPECT_EQ(undo_sql(plan.steps[8]), "ALTER TABLE public.users ALTER COLUMN mail DROP NOT NULL;");
}

TEST(PlanRename, NotNullHasANameWhereTheServerKnowsSuch) {
    RenameColumn rename = rename_email();
    rename.not_null = true;
    rename.not_null_name = "users_email_not_null";
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_NE(step_of(plan, StepKind::ddl, 1)
                  .command.find("ADD CONSTRAINT zdm_users_email_not_null_copy NOT NULL mail;"),
              std::string::npos);
    EXPECT_EQ(then_of(plan).back(),
              "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_email_not_null_copy TO "
              "users_email_not_null");
}

TEST(PlanRename, ConstraintThatIsNotValidIsCopiedSo) {
    RenameColumn rename = rename_email();
    rename.constraints = {check_on("c")};
    rename.constraints[0].valid = false;
    const Plan plan = plan_of({act(kUsers, rename)});
    for (const auto& step : plan.steps) EXPECT_NE(step.kind, StepKind::validate);
}

TEST(PlanRename, ForeignKeysLockBothTables) {
    RenameColumn rename = rename_email();
    rename.constraints = {foreign_key(kOrders, kUsers, true)};
    Action action = act(kUsers, rename);
    action.seen.locks.push_back({kOrders, LockMode::access_exclusive});
    const Plan plan = plan_of({action});
    const Step& add = step_of(plan, StepKind::constraint);
    EXPECT_EQ(add.relation, "public.orders");
    EXPECT_EQ(add.relation_oid, 100u);
    EXPECT_EQ(add.locks.size(), 2u);
    EXPECT_EQ(add.lock, LockMode::share_row_exclusive);
    const Step& unsync = step_of(plan, StepKind::unsync);
    ASSERT_EQ(unsync.locks.size(), 2u);
    EXPECT_EQ(unsync.locks[0].relation, "public.orders");
    EXPECT_EQ(unsync.locks[0].mode, LockMode::access_exclusive);
    EXPECT_EQ(then_of(plan)[0], "ALTER TABLE public.orders DROP CONSTRAINT fk");
    EXPECT_EQ(then_of(plan)[2], "ALTER TABLE public.orders RENAME CONSTRAINT zdm_fk_copy TO fk");
    EXPECT_EQ(plan.relations, (std::vector<std::uint32_t>{100, 200}));
    // One that goes with the column needs no statement.
    rename.constraints = {foreign_key(kUsers, kOrders, false)};
    EXPECT_EQ(then_of(plan_of({act(kUsers, rename)}))[0],
              "ALTER TABLE public.users DROP COLUMN email");
}

TEST(PlanRename, IdentityKeepsItsSequenceAndItsPlace) {
    RenameColumn rename = rename_email();
    rename.identity = {"public.s", "GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.s)"};
    const Lines then = then_of(plan_of({act(kUsers, rename)}));
    ASSERT_EQ(then.size(), 4u);
    EXPECT_NE(then[0].find("FROM public.s"), std::string::npos);
    EXPECT_EQ(then[1], "ALTER TABLE public.users DROP COLUMN email");
    EXPECT_EQ(then[2],
              "ALTER TABLE public.users ALTER COLUMN mail ADD GENERATED ALWAYS AS IDENTITY "
              "(SEQUENCE NAME public.s)");
    EXPECT_NE(then[3].find("setval('public.s'::"), std::string::npos);
}

// What somebody draws from a sequence between the two statements would be lost.
TEST(PlanRename, SequencesAreLockedBehindTablesBeforeTheirValueIsRead) {
    RenameColumn rename = rename_email();
    rename.identity = {"public.s", "GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.s)"};
    rename.sequences = {"public.owned"};
    rename.constraints = {foreign_key(kOrders, kUsers, true)};
    const Plan plan = plan_of({act(kUsers, rename)});
    const auto& locks = step_of(plan, StepKind::unsync).locks;
    ASSERT_EQ(locks.size(), 4u);
    EXPECT_EQ(locks[1].relation, "public.users");
    EXPECT_EQ(locks[2].relation, "public.owned");
    EXPECT_EQ(locks[3].relation, "public.s");
    EXPECT_EQ(locks[3].mode, LockMode::access_exclusive);
}

TEST(PlanRename, TriggersFireForEitherColumnInBetween) {
    RenameColumn rename = rename_email();
    rename.triggers = {{"seen", {"DROP 1;", "BEFORE;"}, {"DROP 2;", "BETWEEN;"}, {"AFTER;"}},
                       {"when", {"DROP 3;", "BEFORE;"}, {}, {"AFTER TOO;"}}};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(plan.steps[1].command, "DROP 2; BETWEEN;");
    EXPECT_EQ(undo_sql(plan.steps[1]), "DROP 1; BEFORE;");
    EXPECT_EQ(plan.steps[2].kind, StepKind::sync);
    EXPECT_EQ(then_of(plan),
              (Lines{"DROP TRIGGER seen ON public.users", "DROP TRIGGER when ON public.users",
                     "ALTER TABLE public.users DROP COLUMN email", "AFTER", "AFTER TOO"}));
}

TEST(PlanRename, StatisticsAndViewsAreMadeAnew) {
    RenameColumn rename = rename_email();
    rename.statistics = {{"st", "public", "ON mail, id FROM public.users", "50", {}}};
    rename.views = {{"public.v", "CREATE OR REPLACE VIEW public.v AS SELECT 1;"}};
    const Plan plan = plan_of({act(kUsers, rename)});
    EXPECT_EQ(step_of(plan, StepKind::ddl, 1).command,
              "CREATE STATISTICS public.zdm_st_copy ON mail, id FROM public.users; ALTER "
              "STATISTICS public.zdm_st_copy SET STATISTICS 50;");
    EXPECT_EQ(then_of(plan), (Lines{"CREATE OR REPLACE VIEW public.v AS SELECT 1",
                                    "ALTER TABLE public.users DROP COLUMN email",
                                    "ALTER STATISTICS public.zdm_st_copy RENAME TO st"}));
    EXPECT_EQ(step_of(plan, StepKind::unsync).locks.front().relation, "public.v");
}

// One that is checked late must be a constraint before the column has values.
TEST(PlanRename, DeferrableKeysAreConstraintsWhileTheColumnIsEmpty) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_on("users_email_key", "UNIQUE")};
    rename.indexes[0].deferrable = " DEFERRABLE INITIALLY DEFERRED";
    rename.indexes[0].after = {"COMMENT ON INDEX public.users_email_key IS 'y';"};
    const Plan plan = plan_of({act(kUsers, rename)});
    const Lines all = lines(plan);
    EXPECT_EQ(all[1],
              "expand index: CREATE UNIQUE INDEX CONCURRENTLY zdm_users_email_key_copy ON "
              "public.users USING btree (mail)");
    EXPECT_EQ(all[2],
              "expand ddl: ALTER TABLE public.users ADD CONSTRAINT zdm_users_email_key_copy UNIQUE "
              "USING INDEX zdm_users_email_key_copy DEFERRABLE INITIALLY DEFERRED;");
    EXPECT_EQ(all[3].substr(0, 12), "expand sync:");
    EXPECT_EQ(undo_sql(plan.steps[2]),
              "ALTER TABLE public.users DROP CONSTRAINT zdm_users_email_key_copy;");
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER TABLE public.users DROP COLUMN email",
                     "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_email_key_copy TO "
                     "users_email_key",
                     "COMMENT ON INDEX public.users_email_key IS 'y'"}));
    const auto tells = [](const Plan& of, const std::string& word) {
        return std::any_of(of.notes.begin(), of.notes.end(), [&](const std::string& note) {
            return note.find(word) != std::string::npos;
        });
    };
    // It is no arbiter of ON CONFLICT, and who defers all defers the copy.
    EXPECT_FALSE(tells(plan, "mirror"));
    EXPECT_FALSE(tells(plan, "SET CONSTRAINTS"));
    rename.indexes[0].deferrable = " DEFERRABLE";
    EXPECT_TRUE(tells(plan_of({act(kUsers, rename)}), "SET CONSTRAINTS users_email_key DEFERRED"));
}

TEST(PlanRename, ExclusionIsCopiedOfSmallTablesOnly) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_on("users_email_excl", "EXCLUDE")};
    rename.indexes[0].exclusion = "EXCLUDE USING gist (mail WITH &&)";
    EXPECT_NE(refusal({act(kUsers, rename)}).find("users_email_excl excludes"), std::string::npos);
    Facts facts = shop();
    facts.tables[kUsers].small = true;
    const Plan plan = plan_of({act(kUsers, rename)}, facts);
    const Step& add = step_of(plan, StepKind::ddl, 1);
    EXPECT_EQ(add.phase, Phase::expand);
    EXPECT_EQ(add.command,
              "ALTER TABLE public.users ADD CONSTRAINT zdm_users_email_excl_copy EXCLUDE USING "
              "gist (mail WITH &&);");
    EXPECT_EQ(add.lock, LockMode::access_exclusive);
    EXPECT_TRUE(add.scans);
    EXPECT_EQ(undo_sql(add), "ALTER TABLE public.users DROP CONSTRAINT zdm_users_email_excl_copy;");
    EXPECT_EQ(then_of(plan).back(),
              "ALTER TABLE public.users RENAME CONSTRAINT zdm_users_email_excl_copy TO "
              "users_email_excl");
}

TEST(PlanRename, PoliciesAndPublicationsChangeInTheLastTransaction) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_on("users_email_key", "PRIMARY KEY")};
    rename.policies = {{"own", "ALTER POLICY own ON public.users USING (true);"}};
    rename.publications = {{"p", "ALTER PUBLICATION p DROP TABLE public.users;",
                            "ALTER PUBLICATION p ADD TABLE public.users (mail);"}};
    const Plan plan = plan_of({act(kUsers, rename)});
    // The replica identity that the list must have is there before the list.
    EXPECT_EQ(then_of(plan),
              (Lines{"ALTER POLICY own ON public.users USING (true)",
                     "ALTER PUBLICATION p DROP TABLE public.users",
                     "ALTER TABLE public.users DROP COLUMN email",
                     "ALTER TABLE public.users ADD CONSTRAINT users_email_key PRIMARY KEY USING "
                     "INDEX zdm_users_email_key_copy",
                     "ALTER PUBLICATION p ADD TABLE public.users (mail)"}));
    EXPECT_NE(std::find(plan.notes.begin(), plan.notes.end(),
                        "contract makes these name mail instead of email, and refuses where "
                        "somebody has changed one of them: policy own, publication p"),
              plan.notes.end());
}

TEST(PlanRename, WhatHangsOnTheColumnMustStayAsItIs) {
    RenameColumn rename = rename_email();
    EXPECT_EQ(step_of(plan_of({act(kUsers, rename)}), StepKind::unsync).parameters.count("hanging"),
              0u);
    rename.hanging = R"("email": {"policy own": "1"})";
    RenameColumn other = rename_phone();
    other.hanging = R"("phone": {})";
    Plan plan = plan_of({act(kUsers, rename), act(kUsers, other)});
    const auto& parameters = step_of(plan, StepKind::unsync).parameters;
    EXPECT_EQ(parameters.at("hanging"), R"({"email": {"policy own": "1"}, "phone": {}})");
    EXPECT_EQ(parameters.at("hanging_all"), "yes");
    // Another statement may itself make an index or a constraint over it.
    plan = plan_of({act(kUsers, rename), act(kOrders, column("code"))});
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.at("hanging_all"), "no");
}

TEST(PlanRename, TwoColumnsOfOnePolicyOrPublicationAreNotApart) {
    RenameColumn first = rename_email();
    RenameColumn other = rename_phone();
    first.policies = {{"phone", "X;"}};
    EXPECT_EQ(refusal({act(kUsers, first), act(kUsers, other)}), "");
    other.policies = first.policies;
    EXPECT_NE(refusal({act(kUsers, first), act(kUsers, other)}).find("ZD105"), std::string::npos);
    other.policies.clear();
    first.publications = other.publications = {{"p", "X;", "Y;"}};
    EXPECT_NE(refusal({act(kUsers, first), act(kUsers, other)}).find("ZD105"), std::string::npos);
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

TEST(PlanRename, NotTogetherWithAViewThatIsMadeAnew) {
    RenameColumn rename = rename_email();
    rename.views = {{"public.orders", "CREATE OR REPLACE VIEW public.orders AS SELECT 1;"}};
    Action view = act(kNoTable, Direct{});
    view.names = {kOrders};
    EXPECT_NE(refusal({view, act(kUsers, rename)}).find("ZD105"), std::string::npos);
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
