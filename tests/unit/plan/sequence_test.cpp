// Volatile defaults, serial and identity columns: what ADD COLUMN would rewrite the table for.
#include "facts.hpp"

namespace zdm::plan {
namespace {

AddColumn with_default(bool not_null, const std::string& value = "gen_random_uuid()") {
    AddColumn add = column("token", not_null);
    add.definition = "uuid";
    add.default_text = value;
    add.late_default = true;
    return add;
}

AddColumn numbered(const std::string& identity = {}) {
    AddColumn add = with_default(true, "nextval('public.users_no_seq'::regclass)");
    add.column = "no";
    add.definition = "integer";
    add.sequence = {
        "public.users_no_seq", "CREATE SEQUENCE public.users_no_seq AS integer;", {}, identity};
    return add;
}

constexpr auto kIdentity = "GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.users_no_seq)";

Action fill_of(const AddColumn& add) {
    Assignment assignment = value(add.column, add.default_text);
    assignment.immutable = false;
    assignment.is_volatile = assignment.of_default = assignment.marked = true;
    Update statement = update({assignment});
    statement.where = add.column + " IS NULL";
    return act(kUsers, statement);
}

std::vector<Action> adding(const AddColumn& add) { return {act(kUsers, add), fill_of(add)}; }

// The steps of a column without those that prove NOT NULL.
Lines first_of(const Plan& plan, std::size_t count) {
    const Lines all = lines(plan);
    return {all.begin(), all.begin() + static_cast<Lines::difference_type>(count)};
}

TEST(PlanSequence, VolatileDefaultComesApartAndRowsOfBeforeGetItInBatches) {
    const Plan plan = plan_of(adding(with_default(false)));
    EXPECT_EQ(
        lines(plan),
        (Lines{"expand ddl: ALTER TABLE public.users ADD COLUMN token uuid;",
               "expand ddl: ALTER TABLE public.users ALTER COLUMN token SET DEFAULT "
               "gen_random_uuid();",
               "migrate backfill: UPDATE public.users SET token = gen_random_uuid() WHERE "
               "token IS NULL",
               "migrate last_pass: SELECT count(*) FROM ONLY public.users WHERE token IS NULL",
               "migrate analyze: ANALYZE public.users (token)"}));
    EXPECT_FALSE(plan.transition);
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.users DROP COLUMN token;");
    EXPECT_EQ(undo_sql(plan.steps[1]), "ALTER TABLE public.users ALTER COLUMN token DROP DEFAULT;");
    EXPECT_NE(plan.steps[1].note.find("would rewrite"), std::string::npos);
    ASSERT_EQ(plan.notes.size(), 1u);
    EXPECT_NE(plan.notes[0].find("public.users.token: rows that applications write"),
              std::string::npos);
}

TEST(PlanSequence, NobodyWroteTheFillSoTriggersStaySilent) {
    const Plan plan = plan_of(adding(with_default(false)));
    EXPECT_EQ(step_of(plan, StepKind::backfill).parameters.at("fire_triggers"), "no");
    EXPECT_EQ(step_of(plan, StepKind::last_pass).parameters.at("fire_triggers"), "no");
    EXPECT_FALSE(step_of(plan, StepKind::backfill).removal);
}

TEST(PlanSequence, NotNullOfAVolatileDefaultIsProvenInContract) {
    const Plan plan = plan_of(adding(with_default(true)));
    EXPECT_TRUE(plan.transition);
    EXPECT_EQ(plan.steps[0].command, "ALTER TABLE public.users ADD COLUMN token uuid;");
    EXPECT_NE(step_of(plan, StepKind::sync).command.find("'token', 'once', 'gen_random_uuid()'"),
              std::string::npos);
    EXPECT_EQ(step_of(plan, StepKind::count).parameters.at("violates"), "token IS NULL");
    EXPECT_EQ(lines(plan).back(), "contract unsync: DROP TRIGGER zz_zdm_sync ON public.users");
}

TEST(PlanSequence, VolatileDefaultThatMayBeNullIsRefused) {
    std::vector<Action> actions = adding(with_default(true));
    std::get<Update>(actions[1].detail).assignments[0].never_null = false;
    const std::string message = refusal(actions);
    EXPECT_NE(message.find("ZD103"), std::string::npos);
    EXPECT_NE(message.find("the default of token is volatile and may be NULL"), std::string::npos);
}

TEST(PlanSequence, ValueOfTheUsersOwnTakesThePlaceOfAVolatileDefault) {
    Assignment up = value("token", "uuid(name)");
    up.reads = {"name"};
    const Plan plan = plan_of({act(kUsers, with_default(true)), act(kUsers, update({up}))});
    // The trigger gives new rows their value, so the default would be in its way.
    EXPECT_NE(step_of(plan, StepKind::sync).command.find("'step', 'uuid(name)'"),
              std::string::npos);
    const Lines all = lines(plan);
    EXPECT_EQ(std::count_if(all.begin(), all.end(),
                            [](const std::string& line) {
                                return line.find(
                                           "contract ddl: ALTER TABLE public.users ALTER "
                                           "COLUMN token SET DEFAULT") == 0;
                            }),
              1);
    EXPECT_EQ(step_of(plan, StepKind::backfill).parameters.count("fire_triggers"), 0u);
}

TEST(PlanSequence, TypeThatRewritesTheTableIsStillRefused) {
    std::vector<Action> actions = adding(with_default(false));
    actions[0].seen.rewrites = true;
    EXPECT_NE(refusal(actions).find("ZD105"), std::string::npos);
}

TEST(PlanSequence, SerialColumnBringsItsSequence) {
    const Plan plan = plan_of(adding(numbered()));
    EXPECT_EQ(first_of(plan, 2),
              (Lines{"expand ddl: CREATE SEQUENCE public.users_no_seq AS integer; ALTER TABLE "
                     "public.users ADD COLUMN no integer; ALTER SEQUENCE public.users_no_seq OWNED "
                     "BY public.users.no;",
                     "expand ddl: ALTER TABLE public.users ALTER COLUMN no SET DEFAULT "
                     "nextval('public.users_no_seq'::regclass);"}));
    EXPECT_EQ(plan.steps[0].parameters.at("statements"), "3");
    EXPECT_EQ(undo_sql(plan.steps[0]), "ALTER TABLE public.users DROP COLUMN no;");
    ASSERT_EQ(plan.notes.size(), 2u);
    EXPECT_NE(plan.notes[1].find("need USAGE on public.users_no_seq"), std::string::npos);
    for (const auto& line : lines(plan)) EXPECT_EQ(line.find("IDENTITY"), std::string::npos);
}

TEST(PlanSequence, SequenceGoesToTheOwnerOfTheTable) {
    AddColumn add = numbered();
    add.sequence.owner = "shop";
    const Plan plan = plan_of(adding(add));
    EXPECT_NE(plan.steps[0].command.find("ALTER SEQUENCE public.users_no_seq OWNER TO shop; ALTER "
                                         "SEQUENCE public.users_no_seq OWNED BY"),
              std::string::npos);
    EXPECT_EQ(plan.steps[0].parameters.at("statements"), "4");
}

TEST(PlanSequence, IdentityTakesOverWhenTheColumnIsNotNull) {
    const Plan plan = plan_of(adding(numbered(kIdentity)));
    EXPECT_NE(plan.steps[0].command.find("GRANT USAGE ON SEQUENCE public.users_no_seq TO PUBLIC;"),
              std::string::npos);
    const auto identity = std::find_if(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
        return step.command.find("AS IDENTITY") != std::string::npos;
    });
    ASSERT_NE(identity, plan.steps.end());
    // The trigger depends on the sequence that goes, and NOT NULL is there before it is dropped.
    EXPECT_EQ((identity - 1)->kind, StepKind::unsync);
    EXPECT_NE((identity - 2)->command.find("SET NOT NULL"), std::string::npos);
    EXPECT_EQ(identity->phase, Phase::contract);
    EXPECT_FALSE(identity->scans);
    EXPECT_FALSE(identity->removal);
    EXPECT_EQ(identity->parameters.at("statements"), "5");
    const std::string& command = identity->command;
    EXPECT_NE(command.find("FROM public.users_no_seq; ALTER TABLE public.users ALTER COLUMN no "
                           "DROP DEFAULT; DROP SEQUENCE public.users_no_seq; ALTER TABLE "
                           "public.users ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY "
                           "(SEQUENCE NAME public.users_no_seq); SELECT pg_catalog.setval("),
              std::string::npos);
    // What is drawn between reading and giving the value would be drawn twice.
    ASSERT_EQ(identity->locks.size(), 2u);
    EXPECT_EQ(identity->locks[0].relation, "public.users");
    EXPECT_EQ(identity->locks[1].relation, "public.users_no_seq");
    EXPECT_EQ(identity->locks[1].mode, LockMode::access_exclusive);
}

TEST(PlanSequence, IdentityGoesBackToTheDefaultThatItHad) {
    const Plan plan = plan_of(adding(numbered(kIdentity)));
    for (const auto& step : plan.steps) {
        if (step.command.find("AS IDENTITY") == std::string::npos) continue;
        ASSERT_EQ(step.undo.size(), 1u);
        const Undo& back = step.undo[0];
        EXPECT_NE(
            back.command.find(
                "FROM public.users_no_seq; ALTER TABLE public.users ALTER COLUMN no DROP IDENTITY; "
                "CREATE SEQUENCE public.users_no_seq AS integer; ALTER SEQUENCE "
                "public.users_no_seq OWNED BY public.users.no; GRANT USAGE ON SEQUENCE "
                "public.users_no_seq TO PUBLIC; ALTER TABLE public.users ALTER COLUMN no SET "
                "DEFAULT nextval('public.users_no_seq'::regclass); SELECT pg_catalog.setval("),
            std::string::npos);
        EXPECT_EQ(back.parameters.at("statements"), "7");
        EXPECT_EQ(back.locks.size(), 2u);
    }
    ASSERT_EQ(plan.notes.size(), 2u);
    EXPECT_NE(plan.notes[1].find("a plain column with a default"), std::string::npos);
}

}  // namespace
}  // namespace zdm::plan
