// RENAME COLUMN of a partitioned table: indexes are copied leaf by leaf.
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

CopiedIndex index_of_all() {
    CopiedIndex index;
    index.name = "users_email";
    index.schema = "public";
    index.tail = "USING btree (mail, id)";
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

const Lines kTakesTheName = {"ALTER TABLE public.users DROP COLUMN mail",
                             "ALTER TABLE public.users RENAME COLUMN email TO mail"};
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
    EXPECT_EQ(then_of(plan), kTakesTheName);
}

TEST(PlanRenamePartitioned, IndexIsBuiltLeafByLeafAndAttached) {
    RenameColumn rename = rename_email();
    rename.indexes = {index_of_all()};
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
    EXPECT_EQ(then_of(plan), kTakesTheName);
}

TEST(PlanRenamePartitioned, AnIndexThatALeafHasAloneIsCopiedThere) {
    RenameColumn rename = rename_email();
    CopiedIndex index = index_of_all();
    index.parts.clear();
    index.partition = kLast;
    rename.indexes = {index};
    const Plan plan = plan_rename(rename);
    EXPECT_EQ(of_kind(plan, StepKind::index),
              (Lines{"CREATE INDEX CONCURRENTLY zdm_users_email_copy ON public.m1 USING btree "
                     "(mail, id)"}));
    EXPECT_EQ(step_of(plan, StepKind::index).relation_oid, 302u);
    EXPECT_EQ(then_of(plan), kTakesTheName);
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
