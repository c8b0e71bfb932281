// ALTER COLUMN TYPE: a shadow column until the switch, and the old one behind it until contract.
#include "plan/trial.hpp"
#include "retyped.hpp"

namespace zdm::plan {
namespace {

RetypeColumn wider() {
    RetypeColumn retype = retyped();
    retype.partial = true;
    return retype;
}

const Step& turning(const Plan& plan) {
    for (const auto& step : plan.steps)
        if (step.phase == Phase::switch_ && step.kind == StepKind::sync) return step;
    throw std::runtime_error("no switch");
}

std::string undo_of(const Plan& plan) { return undo_sql(turning(plan)); }

TEST(PlanRetype, TheColumnsChangeHandsInTheSwitch) {
    const Plan plan = plan_of({act(kUsers, wider())});
    const Lines all = lines(plan);
    ASSERT_EQ(all.size(), 10u);
    EXPECT_EQ(all[0], "expand ddl: ALTER TABLE public.users ADD COLUMN zdm_n_new bigint;");
    EXPECT_EQ(all[1],
              "expand sync: CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR "
              "EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'zdm_n_new', 'step', 'n', "
              "'')");
    EXPECT_EQ(all[2],
              "migrate backfill: UPDATE public.users SET zdm_n_new = n WHERE zdm_n_new IS NULL AND "
              "(n IS NOT NULL)");
    EXPECT_EQ(all[4], "migrate analyze: ANALYZE public.users (zdm_n_new)");
    EXPECT_EQ(all[5].substr(0, 14), "switch verify:");
    EXPECT_EQ(
        all[6],
        "switch sync: DROP TRIGGER zz_zdm_sync ON public.users; ALTER TABLE public.users "
        "RENAME COLUMN n TO zdm_n_old; ALTER TABLE public.users RENAME COLUMN zdm_n_new TO n; "
        "CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW "
        "EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'n', 'taken', 'zdm_n_old', "
        "'zdm_n_old IS NOT NULL AND pg_catalog.record_image_ne(ROW(zdm_n_old), "
        "ROW((small(n))::integer))', 'zdm_n_old', 'step', 'small(n)', '')");
    EXPECT_EQ(all[7], "contract gate: zdm_contract gate");
    EXPECT_EQ(all[9],
              "contract unsync: DROP TRIGGER zz_zdm_sync ON public.users; ALTER TABLE public.users "
              "DROP COLUMN zdm_n_old;");
    EXPECT_EQ(undo_of(plan),
              "DROP TRIGGER zz_zdm_sync ON public.users; ALTER TABLE public.users RENAME COLUMN n "
              "TO zdm_n_new; ALTER TABLE public.users RENAME COLUMN zdm_n_old TO n; " +
                  plan.steps[1].command + ";");
    EXPECT_FALSE(turning(plan).removal);
    EXPECT_TRUE(plan.steps.back().removal);
    EXPECT_NE(turning(plan).note.find("is NULL"), std::string::npos);
}

TEST(PlanRetype, WhatHangsOnTheColumnMustStayAsItIs) {
    RetypeColumn retype = wider();
    EXPECT_EQ(turning(plan_of({act(kUsers, retype)})).parameters.count("hanging"), 0u);
    retype.copies.hanging = R"("n": {"index public.i": "1"})";
    const Plan plan = plan_of({act(kUsers, retype)});
    EXPECT_EQ(turning(plan).parameters.at("hanging"), R"({"n": {"index public.i": "1"}})");
    // The helper of NOT NULL and what else it makes of the old column.
    retype.copies.not_null = true;
    EXPECT_NE(turning(plan_of({act(kUsers, retype)})).parameters.at("own").find("zdm_"),
              std::string::npos);
    // From the switch on the old column has another name, and nobody knows it.
    EXPECT_EQ(step_of(plan, StepKind::unsync).parameters.count("hanging"), 0u);
}

// As text to int with `-- zdm: down`.
RetypeColumn given_back() {
    RetypeColumn retype = wider();
    Down down;
    down.at = {7, 1};
    down.expression = retype.down = "f(n, b)";
    down.reads = {"n", "b"};
    down.immutable = true;
    retype.given = down;
    retype.down_before = "f(zdm_n_new, b)";
    return retype;
}

TEST(PlanRetype, WhatIsGivenTakesThePlaceOfTheCastBack) {
    const Plan plan = plan_of({act(kUsers, given_back())});
    EXPECT_NE(turning(plan).command.find("'zdm_n_old', 'step', 'f(n, b)', '')"), std::string::npos);
    EXPECT_NE(turning(plan).note.find("where -- zdm: down gives NULL it is NULL"),
              std::string::npos);
    EXPECT_EQ(turning(plan).note.find("can't hold"), std::string::npos);
    EXPECT_EQ(turning(plan).note.find("can make that statement"), std::string::npos);
    RetypeColumn failing = given_back();
    failing.partial = false;
    failing.given->may_fail = "a division by zero";
    const Plan fails = plan_of({act(kUsers, failing)});
    EXPECT_EQ(turning(fails).note.find("it is NULL"), std::string::npos);
    EXPECT_NE(turning(fails).note.find(
                  "(a division by zero can make that statement of the new version fail)"),
              std::string::npos);
}

// What the expression gives may be no number at all, which the cast would refuse.
TEST(PlanRetype, WhatIsGivenIsNotCastAgainWhereItIsWhatItShouldBe) {
    const Plan plan = plan_of({act(kUsers, given_back())});
    const auto& before = plan.steps[5].parameters;
    const auto& after = plan.steps[8].parameters;
    EXPECT_NE(before.at("differs").find("f(zdm_n_new, b)"), std::string::npos);
    EXPECT_EQ(before.at("differs").find("CASE"), std::string::npos);
    EXPECT_EQ(after.at("differs").find("CASE WHEN pg_catalog.record_image_ne(ROW(zdm_n_old), "
                                       "ROW((f(n, b))::integer)) THEN "),
              0u)
        << after.at("differs");
    EXPECT_EQ(after.at("lost").find("CASE WHEN n IS NOT NULL AND (zdm_n_old IS NULL OR "), 0u)
        << after.at("lost");
}

TEST(PlanRetype, ExpressionsThatNoTriggerCanComputeAreRefused) {
    const auto with = [](auto change) {
        RetypeColumn retype = given_back();
        change(*retype.given);
        return refusal({act(kUsers, retype)}).substr(0, 13);
    };
    EXPECT_EQ(with([](Down&) {}), "");
    EXPECT_EQ(with([](Down& down) { down.subquery = true; }), "ZD104: line 7");
    EXPECT_EQ(with([](Down& down) { down.immutable = false; }), "ZD108: line 7");
    EXPECT_EQ(with([](Down& down) { down.not_public = "function f()"; }), "ZD109: line 7");
    EXPECT_EQ(with([](Down& down) { down.reads = {"zdm_n_old"}; }), "ZD114: line 7");
    EXPECT_EQ(with([](Down& down) { down.unreadable = "the column x"; }), "ZD114: line 7");
}

std::vector<Trial> trials_of(const RetypeColumn& retype) {
    Facts facts = shop();
    facts.actions = {act(kUsers, retype)};
    return trials(facts);
}

TEST(PlanRetype, UsingAndWhatIsGivenAreTriedOnRows) {
    const auto found = trials_of(given_back());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].table, kUsers);
    ASSERT_EQ(found[0].columns.size(), 1u);
    EXPECT_EQ(found[0].columns[0].column, "zdm_n_new");
    EXPECT_EQ(found[0].columns[0].definition, "bigint");
    EXPECT_EQ(found[0].reads, (Lines{"n", "b"}));
    ASSERT_EQ(found[0].rules.size(), 2u);
    EXPECT_EQ(found[0].rules[0].way, Way::up);
    EXPECT_EQ(found[0].rules[0].column, "zdm_n_new");
    EXPECT_EQ(found[0].rules[0].expression, "n");
    EXPECT_EQ(found[0].rules[0].shown, "n as bigint");
    EXPECT_EQ(found[0].rules[1].way, Way::down);
    EXPECT_EQ(found[0].rules[1].column, "n");
    EXPECT_EQ(found[0].rules[1].expression, "f(zdm_n_new, b)");
    EXPECT_EQ(found[0].rules[1].at.line, 7);
}

TEST(PlanRetype, ACastBackAndWhatIsRefusedAreNotTried) {
    EXPECT_TRUE(trials_of(wider()).empty());
    RetypeColumn subquery = given_back();
    subquery.given->subquery = true;
    EXPECT_TRUE(trials_of(subquery).empty());
    RetypeColumn itself = given_back();
    itself.given->reads = {"zdm_n_old"};
    EXPECT_TRUE(trials_of(itself).empty());
}

TEST(PlanRetype, SidesAreComparedUnderTheNamesOfTheTime) {
    const Plan plan = plan_of({act(kUsers, wider())});
    const auto& before = plan.steps[5].parameters;
    const auto& after = plan.steps[8].parameters;
    EXPECT_EQ(before.at("old"), "n");
    EXPECT_EQ(before.at("new"), "zdm_n_new");
    EXPECT_EQ(after.at("old"), "zdm_n_old");
    EXPECT_EQ(after.at("new"), "n");
    // What does not fit the old column is no difference.
    EXPECT_NE(after.at("differs").find("(small(n))"), std::string::npos);
}

TEST(PlanRetype, WhatTheOldColumnForbidsGoesInTheSwitchAndComesBack) {
    RetypeColumn retype = wider();
    retype.copies.not_null = true;
    retype.copies.default_text = "'1'::bigint";
    retype.old_default = "1";
    CopiedConstraint check;
    check.table = kUsers;
    check.name = "n_check";
    check.definition = "CHECK (zdm_n_new > 0)";
    check.after = {"COMMENT ON CONSTRAINT n_check ON public.users IS 'x';"};
    retype.copies.constraints = {check};
    retype.checks = {{0, "CHECK (n > 0)"}};
    retype.triggers = {{"DROP TRIGGER t ON public.users;", "CREATE TRIGGER t;"}};
    const Plan plan = plan_of({act(kUsers, retype)});
    EXPECT_EQ(turning(plan).parameters.at("turn"),
              "ALTER TABLE public.users DROP CONSTRAINT n_check; ALTER TABLE public.users ALTER "
              "COLUMN n DROP DEFAULT; ALTER TABLE public.users RENAME COLUMN n TO zdm_n_old; ALTER "
              "TABLE public.users RENAME COLUMN zdm_n_new TO n; ALTER TABLE public.users ALTER "
              "COLUMN n SET DEFAULT '1'::bigint; ALTER TABLE public.users ALTER COLUMN zdm_n_old "
              "DROP NOT NULL; ALTER TABLE public.users RENAME CONSTRAINT zdm_n_check_copy TO "
              "n_check; COMMENT ON CONSTRAINT n_check ON public.users IS 'x'; DROP TRIGGER t ON "
              "public.users; CREATE TRIGGER t;");
    const auto& undo = turning(plan).undo;
    ASSERT_EQ(undo.size(), 5u);
    EXPECT_EQ(undo[0].kind, StepKind::count);
    EXPECT_EQ(undo[0].parameters.at("violates"), "zdm_n_old IS NULL");
    EXPECT_EQ(undo[1].kind, StepKind::constraint);
    EXPECT_EQ(undo[2].kind, StepKind::validate);
    EXPECT_EQ(undo[3].kind, StepKind::sync);
    EXPECT_EQ(
        undo[3].parameters.at("turn"),
        "ALTER TABLE public.users DROP CONSTRAINT n_check; ALTER TABLE public.users ALTER "
        "COLUMN n DROP DEFAULT; ALTER TABLE public.users RENAME COLUMN n TO zdm_n_new; ALTER "
        "TABLE public.users RENAME COLUMN zdm_n_old TO n; ALTER TABLE public.users ALTER "
        "COLUMN n SET NOT NULL; ALTER TABLE public.users DROP CONSTRAINT "
        "zdm_zdm_n_old_not_null; ALTER TABLE public.users ALTER COLUMN n SET DEFAULT 1; ALTER "
        "TABLE public.users ADD CONSTRAINT n_check CHECK (n > 0) NOT VALID; COMMENT ON "
        "CONSTRAINT n_check ON public.users IS 'x'; DROP TRIGGER t ON public.users; CREATE "
        "TRIGGER t;");
    EXPECT_EQ(undo[4].command, "ALTER TABLE public.users VALIDATE CONSTRAINT n_check;");
    // Names that only the planner knows would be left behind.
    EXPECT_EQ(plan.steps.back().command.find("n_check"), std::string::npos);
}

TEST(PlanRetype, IndexesAndKeysTakeTheirNamesInContract) {
    RetypeColumn retype = wider();
    CopiedIndex index;
    index.name = "n_idx";
    index.schema = "public";
    index.tail = "USING btree (zdm_n_new)";
    retype.copies.indexes = {index};
    CopiedConstraint key;
    key.table = kUsers;
    key.name = "n_fk";
    key.definition = "FOREIGN KEY (zdm_n_new) REFERENCES public.orders (id)";
    key.foreign_key = true;
    key.referenced = kOrders;
    retype.copies.constraints = {key};
    const Plan plan = plan_of({act(kUsers, retype)});
    EXPECT_EQ(plan.steps.back().parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN zdm_n_old; ALTER INDEX public.zdm_n_idx_copy "
              "RENAME TO n_idx; ALTER TABLE public.users RENAME CONSTRAINT zdm_n_fk_copy TO n_fk;");
    EXPECT_EQ(plan.steps.back().locks.size(), 2u);
    EXPECT_EQ(turning(plan).locks.size(), 1u);
}

TEST(PlanRetype, APrimaryKeyGoesOverInTheSwitchWithAWayBack) {
    RetypeColumn retype = wider();
    retype.copies.not_null = true;
    retype.copies.default_text = retype.old_default = "nextval('s'::regclass)";
    retype.copies.sequences = {"public.s"};
    retype.sequence_type = "integer";
    CopiedIndex index;
    index.name = "pkey";
    index.schema = "public";
    index.unique = true;
    index.constraint = "PRIMARY KEY";
    index.tail = "USING btree (zdm_n_new)";
    retype.copies.indexes = {index};
    retype.primaries = {{0, "USING btree (n)", {}, {}, {}}};
    CopiedConstraint key;
    key.table = kOrders;
    key.name = "fk";
    key.definition = "FOREIGN KEY (u) REFERENCES public.users (zdm_n_new)";
    key.foreign_key = key.incoming = true;
    key.referenced = kUsers;
    retype.copies.constraints = {key};
    retype.keys = {{0, "FOREIGN KEY (u) REFERENCES public.users (n)"}};
    const Plan plan = plan_of({act(kUsers, retype)});
    const Step& step = turning(plan);
    EXPECT_EQ(step.parameters.at("turn"),
              "ALTER TABLE public.orders DROP CONSTRAINT fk; ALTER TABLE public.users DROP "
              "CONSTRAINT pkey; ALTER TABLE public.users ALTER COLUMN n DROP DEFAULT; ALTER TABLE "
              "public.users RENAME COLUMN n TO zdm_n_old; ALTER TABLE public.users RENAME COLUMN "
              "zdm_n_new TO n; ALTER TABLE public.users ALTER COLUMN n SET DEFAULT "
              "nextval('s'::regclass); ALTER SEQUENCE public.s AS bigint OWNED BY public.users.n; "
              "ALTER TABLE public.users ADD CONSTRAINT pkey PRIMARY KEY USING INDEX zdm_pkey_copy; "
              "ALTER TABLE public.users ALTER COLUMN zdm_n_old DROP NOT NULL; ALTER TABLE "
              "public.orders RENAME CONSTRAINT zdm_fk_copy TO fk;");
    ASSERT_EQ(step.locks.size(), 3u);
    EXPECT_EQ(step.locks.back().relation, "public.s");
    ASSERT_EQ(step.undo.size(), 5u);
    EXPECT_EQ(
        step.undo[3].parameters.at("turn"),
        "ALTER TABLE public.orders DROP CONSTRAINT fk; ALTER TABLE public.users DROP "
        "CONSTRAINT pkey; ALTER TABLE public.users ALTER COLUMN n DROP DEFAULT; ALTER TABLE "
        "public.users RENAME COLUMN n TO zdm_n_new; ALTER TABLE public.users RENAME COLUMN "
        "zdm_n_old TO n; ALTER TABLE public.users ALTER COLUMN n SET NOT NULL; ALTER TABLE "
        "public.users DROP CONSTRAINT zdm_zdm_n_old_not_null; ALTER TABLE public.users ADD "
        "CONSTRAINT pkey PRIMARY KEY USING INDEX zdm_pkey_old; ALTER TABLE public.users ALTER "
        "COLUMN n SET DEFAULT nextval('s'::regclass); ALTER SEQUENCE public.s AS integer "
        "OWNED BY public.users.n; ALTER TABLE public.orders ADD CONSTRAINT fk FOREIGN KEY (u) "
        "REFERENCES public.users (n) NOT VALID;");
    EXPECT_EQ(step.undo[4].command, "ALTER TABLE public.orders VALIDATE CONSTRAINT fk;");
    EXPECT_EQ(plan.steps.back().parameters.at("then"),
              "ALTER TABLE public.users DROP COLUMN zdm_n_old;");
    const Lines all = lines(plan);
    EXPECT_NE(std::find(all.begin(), all.end(),
                        "migrate index: CREATE UNIQUE INDEX CONCURRENTLY zdm_pkey_old ON "
                        "public.users USING btree (n)"),
              all.end());
}

TEST(PlanRetype, NothingWatchesForOldWriters) {
    const Plan plan = plan_of({act(kUsers, wider())});
    for (const auto& step : plan.steps)
        if (step.kind == StepKind::sync) {
            EXPECT_EQ(step.parameters.count("unseen"), 1u);
        }
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("blind"), "");
    EXPECT_EQ(step_of(plan, StepKind::gate).parameters.at("relations"), "");
}

TEST(PlanRetype, SequencesAreLockedBothWays) {
    RetypeColumn retype = wider();
    retype.copies.sequences = {"public.owned"};
    retype.copies.identity = {"public.s", "GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.s)"};
    const Plan plan = plan_of({act(kUsers, retype)});
    for (const auto& locks : {turning(plan).locks, turning(plan).undo.back().locks}) {
        ASSERT_EQ(locks.size(), 3u);
        EXPECT_EQ(locks[0].relation, "public.users");
        EXPECT_EQ(locks[1].relation, "public.owned");
        EXPECT_EQ(locks[2].relation, "public.s");
    }
}

TEST(PlanRetype, SaysWhatBecomesOfOnConflict) {
    RetypeColumn retype = wider();
    EXPECT_TRUE(plan_of({act(kUsers, retype)}).notes.size() == 1u);
    CopiedIndex index;
    index.name = "n_key";
    index.schema = "public";
    index.unique = true;
    index.tail = "USING btree (zdm_n_new)";
    index.constraint = "UNIQUE";
    retype.copies.indexes = {index};
    const Plan plan = plan_of({act(kUsers, retype)});
    ASSERT_EQ(plan.notes.size(), 2u);
    EXPECT_NE(plan.notes[1].find("one may get 23505"), std::string::npos);
    EXPECT_NE(turning(plan).note.find("ON CONFLICT ON CONSTRAINT n_key"), std::string::npos);
    // One that can be deferred is no arbiter.
    retype.copies.indexes[0].deferrable = " DEFERRABLE";
    EXPECT_EQ(turning(plan_of({act(kUsers, retype)})).note.find("ON CONSTRAINT"),
              std::string::npos);
    retype.copies.indexes[0].deferrable.clear();
    retype.partial = false;
    EXPECT_EQ(turning(plan_of({act(kUsers, retype)})).note.find("ON CONSTRAINT"),
              std::string::npos);
}

TEST(PlanRetype, ListsOfPublicationsFollowTheNameBothWays) {
    RetypeColumn retype = wider();
    retype.copies.publications = {{"p", "DROP FROM p;", "ADD TO p;"}};
    const Plan plan = plan_of({act(kUsers, retype)});
    for (const std::string& turn :
         {turning(plan).parameters.at("turn"), turning(plan).undo.back().parameters.at("turn")}) {
        EXPECT_EQ(turn.substr(0, 13), "DROP FROM p; ");
        EXPECT_EQ(turn.substr(turn.size() - 10), " ADD TO p;");
    }
    EXPECT_EQ(step_of(plan, StepKind::unsync).command.find("FROM p"), std::string::npos);
}

TEST(PlanRetype, OthersBesideItAreRefused) {
    Action view = act(kNoTable, Direct{});
    view.names = {kUsers};
    EXPECT_NE(refusal({view, act(kUsers, wider())}).find("ZD105"), std::string::npos);
    EXPECT_NE(refusal({act(kUsers, wider()), view}).find("ZD105"), std::string::npos);
    EXPECT_NE(refusal({act(kUsers, column("phone")), act(kUsers, wider())}).find("ZD105"),
              std::string::npos);
    EXPECT_EQ(refusal({act(kOrders, column("code")), act(kUsers, wider())}), "");
}

}  // namespace
}  // namespace zdm::plan
