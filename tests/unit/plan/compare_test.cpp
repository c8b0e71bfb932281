// What must agree before old columns go.
#include "facts.hpp"

namespace zdm::plan {
namespace {

Following follows(const std::string& name, const std::string& expression,
                  std::vector<std::string> reads) {
    return {name, "text", expression, {}, std::move(reads)};
}

Going goes(const std::string& name) { return {name, given(name, {}, {}), false, {}, {}, {}}; }

Going back(const std::string& name, const std::string& expression, std::vector<std::string> reads) {
    return {name, given(name, {}, {}), true, "text", expression, std::move(reads)};
}

std::string ne(const std::string& name, const std::string& expression) {
    return "pg_catalog.record_image_ne(ROW(" + name + "), ROW((" + expression + ")::text))";
}

TEST(PlanCompare, NothingThatGoesIsReadByNothing) {
    EXPECT_EQ(compare({follows("b", "a", {"a"})}, {}).differs, "");
    EXPECT_EQ(compare({follows("b", "a", {"a"})}, {goes("c")}).differs, "");
    EXPECT_EQ(compare({}, {goes("a")}).differs, "");
}

TEST(PlanCompare, RenamedColumnMustBeTheSame) {
    const auto found = compare({follows("b", "a", {"a"})}, {back("a", "b", {"b"})});
    EXPECT_EQ(found.differs, ne("b", "a"));
    EXPECT_EQ(found.olds, (std::vector<std::string>{"a"}));
    EXPECT_EQ(found.news, (std::vector<std::string>{"b"}));
}

TEST(PlanCompare, ColumnThatNothingGivesBackCountsWhereItHasAnything) {
    EXPECT_EQ(compare({follows("b", "f(a)", {"a"})}, {goes("a")}).differs,
              "(" + ne("b", "f(a)") + " AND (b IS NULL OR a IS NOT NULL))");
    Following rule = follows("b", "f(a)", {"a", "z"});
    rule.condition = "z > 0";
    Going old{"a", given("a", "'new'::text", "text"), false, {}, {}, {}};
    EXPECT_EQ(compare({rule}, {old}).differs, "(((z > 0) AND " + ne("b", "f(a)") +
                                                  ") AND (b IS NULL OR (a IS NOT NULL AND " +
                                                  ne("a", "'new'::text") + ")))");
}

TEST(PlanCompare, ValueThatDoesNotFitTheOldColumnIsNoDifference) {
    EXPECT_EQ(compare({follows("b", "up(a)", {"a"})}, {back("a", "down(b)", {"b"})}).differs,
              "(" + ne("b", "up(a)") + " AND " + ne("a", "down(b)") + ")");
    Going unknown = back("a", "down(b)", {"b"});
    unknown.type.clear();
    EXPECT_EQ(compare({follows("b", "up(a)", {"a"})}, {unknown}).differs, ne("b", "up(a)"));
}

TEST(PlanCompare, SplitAndMergeAreOneComparisonEach) {
    const auto split = compare({follows("f", "l(n)", {"n"}), follows("l", "r(n)", {"n"})},
                               {back("n", "f || l", {"f", "l"})});
    EXPECT_EQ(split.differs, "((" + ne("f", "l(n)") + " OR " + ne("l", "r(n)") + ") AND " +
                                 ne("n", "f || l") + ")");
    EXPECT_EQ(split.news, (std::vector<std::string>{"f", "l"}));
    const auto merge = compare({follows("n", "f || l", {"f", "l"})},
                               {back("f", "l(n)", {"n"}), back("l", "r(n)", {"n"})});
    EXPECT_EQ(merge.differs, "(" + ne("n", "f || l") + " AND (" + ne("f", "l(n)") + " OR " +
                                 ne("l", "r(n)") + "))");
    EXPECT_EQ(merge.olds, (std::vector<std::string>{"f", "l"}));
}

TEST(PlanCompare, ComparisonsOfATableAreOneCondition) {
    const auto two = compare({follows("b", "a", {"a"}), follows("d", "c", {"c"})},
                             {back("a", "b", {"b"}), back("c", "d", {"d"})});
    EXPECT_EQ(two.differs, "(" + ne("b", "a") + " OR " + ne("d", "c") + ")");
    EXPECT_EQ(two.olds, (std::vector<std::string>{"a", "c"}));
}

TEST(PlanCompare, GoingBackLosesWhatTheOldColumnsDoNotGive) {
    EXPECT_EQ(
        compare({follows("b", "a", {"a"}), follows("z", "x", {"x"})}, {back("a", "b", {"b"})}).lost,
        "(b IS NOT NULL AND " + ne("b", "a") + ")");
    EXPECT_EQ(compare({follows("b", "up(a)", {"a"}), follows("d", "c", {"c"})},
                      {back("a", "down(b)", {"b"}), goes("c")})
                  .lost,
              "((b IS NOT NULL AND " + ne("b", "up(a)") + ") OR (d IS NOT NULL AND " +
                  ne("d", "c") + "))");
}

// A rule of the user's own may give what the rule of the new column can't take.
TEST(PlanCompare, OfForeignValuesTheRuleOfTheNewColumnIsAskedLast) {
    Going old = back("a", "down(b)", {"b"});
    old.foreign = true;
    const auto found = compare({follows("b", "up(a)", {"a"})}, {old});
    EXPECT_EQ(found.differs,
              "CASE WHEN " + ne("a", "down(b)") + " THEN " + ne("b", "up(a)") + " ELSE false END");
    EXPECT_EQ(found.lost, "CASE WHEN b IS NOT NULL AND (a IS NULL OR " + ne("a", "down(b)") +
                              ") THEN " + ne("b", "up(a)") + " ELSE false END");
    old.foreign = false;
    EXPECT_EQ(compare({follows("b", "up(a)", {"a"})}, {old}).differs.find("CASE"),
              std::string::npos);
}

TEST(PlanCompare, ValuesAreShownByName) {
    EXPECT_EQ(
        shown({"a", "\"B's\""}),
        "pg_catalog.jsonb_build_object('a', pg_catalog.left(a::pg_catalog.text, 1000), 'B''s', "
        "pg_catalog.left(\"B's\"::pg_catalog.text, 1000))");
    EXPECT_NE(
        shown(std::vector<std::string>(41, "a")).find(") OPERATOR(pg_catalog.||) pg_catalog."),
        std::string::npos);
}

TEST(PlanVerify, ComesAfterTheGateAndBeforeAllThatEnforcesOrRemoves) {
    Assignment phone = value("phone", "lower(tel)");
    phone.type = "text";
    phone.reads = {"tel"};
    DropColumn drop;
    drop.column = "tel";
    drop.given = "tel IS NOT NULL";
    const Plan plan = plan_of(
        {act(kUsers, column("phone", true)), act(kUsers, update({phone})), act(kUsers, drop)});
    std::vector<StepKind> contract;
    for (const auto& step : plan.steps)
        if (step.phase == Phase::contract) contract.push_back(step.kind);
    EXPECT_EQ(contract[0], StepKind::gate);
    EXPECT_EQ(contract[1], StepKind::verify);
    EXPECT_EQ(contract[2], StepKind::count);
    const Step& verify = step_of(plan, StepKind::verify);
    EXPECT_EQ(verify.parameters.at("differs"),
              "(" + ne("phone", "lower(tel)") + " AND (phone IS NULL OR tel IS NOT NULL))");
    EXPECT_EQ(verify.command, "SELECT ctid, tel, phone FROM ONLY public.users WHERE " +
                                  verify.parameters.at("differs"));
    EXPECT_EQ(verify.parameters.at("old"), "tel");
    EXPECT_EQ(verify.parameters.at("new"), "phone");
    EXPECT_EQ(verify.note,
              "rows in which phone is not what tel gives stop contract before anything is removed");
    EXPECT_FALSE(verify.removal);
    EXPECT_TRUE(verify.undo.empty());
    EXPECT_EQ(verify.lock, LockMode::access_share);
}

TEST(PlanVerify, ColumnsThatStayAreNotCompared) {
    Assignment phone = value("phone", "lower(tel)");
    phone.reads = {"tel"};
    for (const auto& step :
         plan_of({act(kUsers, column("phone", true)), act(kUsers, update({phone}))}).steps)
        EXPECT_NE(step.kind, StepKind::verify);
}

}  // namespace
}  // namespace zdm::plan
