#include "facts.hpp"

namespace zdm::plan {
namespace {

const std::string kRecipe[] = {
    "contract count: SELECT count(*) FROM ONLY public.users WHERE phone IS NULL",
    "contract constraint: ALTER TABLE public.users ADD CONSTRAINT zdm_phone_not_null CHECK (phone "
    "IS NOT NULL) NOT VALID",
    "contract validate: ALTER TABLE public.users VALIDATE CONSTRAINT zdm_phone_not_null",
    "contract ddl: ALTER TABLE public.users ALTER COLUMN phone SET NOT NULL; ALTER TABLE "
    "public.users DROP CONSTRAINT zdm_phone_not_null;"};

TEST(PlanColumns, NullableColumnIsAddedAtOnce) {
    const Plan plan = plan_of({act(kUsers, column("phone"))});
    EXPECT_EQ(lines(plan), Lines{"expand ddl: ALTER TABLE public.users ADD COLUMN phone text;"});
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.users DROP COLUMN phone;");
    EXPECT_EQ(plan.steps[0].lock, LockMode::access_exclusive);
    EXPECT_EQ(plan.steps[0].locks.size(), 1u);
    EXPECT_EQ(plan.steps[0].parameters.at("path"), "pinned");
    EXPECT_NE(plan.steps[0].note.find("0A000"), std::string::npos);
    EXPECT_FALSE(plan.transition);
    EXPECT_EQ(plan.relations, std::vector<std::uint32_t>{200});
}

TEST(PlanColumns, ConstantDefaultAndNotNullAreAddedAtOnce) {
    AddColumn add = column("kind", true);
    add.default_text = "'new'::text";
    EXPECT_EQ(lines(plan_of({act(kUsers, add)})),
              Lines{"expand ddl: ALTER TABLE public.users ADD COLUMN kind text DEFAULT 'new'::text "
                    "NOT NULL;"});
}

TEST(PlanColumns, NotNullWithoutValueIsRefusedOnlyWhereRowsAre) {
    EXPECT_NE(refusal({act(kUsers, column("phone", true))}).find("ZD102: line 1, column 1:"),
              std::string::npos);
    Facts facts = shop();
    facts.tables[kUsers].empty = true;
    const Plan plan = plan_of({act(kUsers, column("phone", true))}, facts);
    EXPECT_EQ(lines(plan),
              Lines{"expand ddl: ALTER TABLE public.users ADD COLUMN phone text NOT NULL;"});
    EXPECT_NE(plan.steps[0].note.find("empty"), std::string::npos);
}

TEST(PlanColumns, RewritingColumnIsRefusedOnlyWhereRowsAre) {
    Action action = act(kUsers, column("phone"));
    action.seen.rewrites = true;
    EXPECT_NE(refusal({action}).find("ZD105"), std::string::npos);
    Facts facts = shop();
    facts.tables[kUsers].empty = true;
    EXPECT_EQ(plan_of({action}, facts).steps.size(), 1u);
}

TEST(PlanColumns, FilledNotNullColumnGoesThroughAllPhases) {
    const Plan plan = plan_of({act(kUsers, column("phone", true)),
                               act(kUsers, update({value("phone", "'unknown'::text")}))});
    const std::string trigger =
        "CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE "
        "FUNCTION zdm.sync('pg_catalog, pg_temp', 'phone', 'once', '''unknown''::text', '')";
    EXPECT_EQ(
        lines(plan),
        (Lines{"expand ddl: ALTER TABLE public.users ADD COLUMN phone text;",
               "expand sync: " + trigger,
               "migrate backfill: UPDATE public.users SET phone = 'unknown'::text WHERE phone IS "
               "NULL",
               "migrate last_pass: SELECT count(*) FROM ONLY public.users WHERE phone IS NULL",
               "migrate analyze: ANALYZE public.users (phone)", "contract gate: zdm_contract gate",
               kRecipe[0], kRecipe[1], kRecipe[2], kRecipe[3],
               "contract unsync: DROP TRIGGER zz_zdm_sync ON public.users"}));
    EXPECT_TRUE(plan.transition);
    EXPECT_EQ(undo_sql(step_of(plan, StepKind::unsync)), trigger + ";");
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("relations"), "public.users");
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("blind"), "");
    EXPECT_EQ(step_of(plan, StepKind::last_pass).parameters.at("of"), "3");
    EXPECT_EQ(step_of(plan, StepKind::backfill).parameters.at("sync"), "yes");
    EXPECT_EQ(step_of(plan, StepKind::count).parameters.at("sqlstate"), "23502");
    EXPECT_EQ(step_of(plan, StepKind::validate).parameters.at("drop"),
              "ALTER TABLE public.users DROP CONSTRAINT zdm_phone_not_null;");
    EXPECT_EQ(undo_sql(step_of(plan, StepKind::ddl, 1)),
              "ALTER TABLE public.users ALTER COLUMN phone DROP NOT NULL;");
    EXPECT_EQ(step_of(plan, StepKind::ddl, 1).parameters.at("statements"), "2");
    for (const auto& step : plan.steps) EXPECT_FALSE(step.removal);
}

TEST(PlanColumns, DefaultComesLaterWhenAnUpdateTellsOldRows) {
    AddColumn add = column("total", true);
    add.default_text = "0";
    const Action fill = act(kUsers, update({value("total", "1")}));
    const Lines once = lines(plan_of({act(kUsers, add), fill}));
    EXPECT_EQ(once[0], "expand ddl: ALTER TABLE public.users ADD COLUMN total text;");
    EXPECT_EQ(once[1], "expand ddl: ALTER TABLE public.users ALTER COLUMN total SET DEFAULT 0;");
    // Kept in step: new rows get the computed value, so the default waits for contract.
    Assignment computed = value("total", "(price * 2)");
    computed.reads = {"price"};
    const Lines step = lines(plan_of({act(kUsers, add), act(kUsers, update({computed}))}));
    EXPECT_EQ(step[1].substr(0, 12), "expand sync:");
    EXPECT_NE(std::find(step.begin(), step.end(),
                        "contract ddl: ALTER TABLE public.users ALTER COLUMN total SET DEFAULT 0;"),
              step.end());
}

TEST(PlanColumns, DefaultIsTheValueWhenTheUpdateAsksForIt) {
    AddColumn add = column("kind");
    add.default_text = "'new'::text";
    Update statement = update({value("kind", "'old'::text")});
    statement.where = statement.rest = "(kind = 'new'::text)";
    statement.rest_reads = {"kind"};
    statement.converges = true;
    const Plan plan = plan_of({act(kUsers, add), act(kUsers, statement)});
    EXPECT_EQ(lines(plan)[0],
              "expand ddl: ALTER TABLE public.users ADD COLUMN kind text DEFAULT 'new'::text;");
    EXPECT_FALSE(step_of(plan, StepKind::backfill).removal);
}

TEST(PlanColumns, SetNotNullUsesTheRecipeUnlessItIsProven) {
    const Plan plan = plan_of({act(kUsers, SetNotNull{"phone", false, {}, {}})});
    EXPECT_EQ(lines(plan), Lines(std::begin(kRecipe), std::end(kRecipe)));
    EXPECT_FALSE(plan.transition);
    EXPECT_EQ(lines(plan_of({act(kUsers, SetNotNull{"phone", true, {}, {}})})),
              Lines{"contract ddl: ALTER TABLE public.users ALTER COLUMN phone SET NOT NULL;"});
}

TEST(PlanColumns, HelperNamesAreUniqueAndShort) {
    const std::string long_name(63, 'x');
    const Plan plan = plan_of({act(kUsers, SetNotNull{long_name, false, {}, {}}),
                               act(kUsers, SetNotNull{"a", false, {}, {}}),
                               act(kOrders, SetNotNull{"a", false, {}, {}}),
                               act(kOrders, SetNotNull{"\"A b\"", false, {}, {}})});
    std::set<std::string> names;
    for (const auto& step : plan.steps)
        if (step.kind == StepKind::constraint) {
            const std::string& name = step.parameters.at("constraint");
            EXPECT_LE(name.size(), 63u);
            EXPECT_TRUE(names.insert(name).second) << name;
        }
    EXPECT_EQ(names.size(), 4u);
    EXPECT_EQ(names.count("\"zdm_A b_not_null\""), 1u);
}

TEST(PlanColumns, DropNotNullLoosensInExpandAndProvesItAgainOnUndo) {
    const Plan plan = plan_of({act(kUsers, DropNotNull{"name"})});
    EXPECT_EQ(lines(plan),
              Lines{"expand ddl: ALTER TABLE public.users ALTER COLUMN name DROP NOT NULL;"});
    EXPECT_NE(undo_sql(plan.steps[0]).find("NOT VALID; ALTER TABLE public.users VALIDATE"),
              std::string::npos);
    EXPECT_FALSE(plan.transition);
}

TEST(PlanColumns, DefaultsAreSetInExpandAndDroppedInContract) {
    const Plan set = plan_of({act(kUsers, SetDefault{"name", "'x'::text", ""})});
    EXPECT_EQ(
        lines(set),
        Lines{"expand ddl: ALTER TABLE public.users ALTER COLUMN name SET DEFAULT 'x'::text;"});
    EXPECT_EQ(undo_sql(set.steps[0]), "ALTER TABLE public.users ALTER COLUMN name DROP DEFAULT;");
    const Plan drop = plan_of({act(kUsers, SetDefault{"name", "", "'x'::text"})});
    EXPECT_EQ(lines(drop),
              (Lines{"contract gate: zdm_contract gate",
                     "contract ddl: ALTER TABLE public.users ALTER COLUMN name DROP DEFAULT;"}));
    EXPECT_EQ(undo_sql(drop.steps[1]),
              "ALTER TABLE public.users ALTER COLUMN name SET DEFAULT 'x'::text;");
    EXPECT_TRUE(plan_of({act(kUsers, SetDefault{"name", "", ""})}).steps.empty());
}

TEST(PlanColumns, DropColumnRelaxesFirstAndRemovesLast) {
    const Plan plan = plan_of({act(kUsers, DropColumn{"name", true, false, ""})});
    EXPECT_EQ(lines(plan),
              (Lines{"expand ddl: ALTER TABLE public.users ALTER COLUMN name DROP NOT NULL;",
                     "contract gate: zdm_contract gate",
                     "contract ddl: ALTER TABLE public.users DROP COLUMN name;"}));
    EXPECT_TRUE(plan.steps[2].removal);
    EXPECT_TRUE(undo_sql(plan.steps[2]).empty());
    EXPECT_EQ(plan.steps[1].parameters.at("blind"), "who still reads public.users.name");
    EXPECT_EQ(plan_of({act(kUsers, DropColumn{"name", false, false, ""})}).steps.size(), 2u);
    EXPECT_NE(refusal({act(kUsers, DropColumn{"name", false, true, ""})}).find("ZD105"),
              std::string::npos);
}

}  // namespace
}  // namespace zdm::plan
