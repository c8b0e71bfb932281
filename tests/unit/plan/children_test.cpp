// What is done to a table and all that inherit from it.
#include "facts.hpp"

namespace zdm::plan {

namespace {

Partition child(std::uint32_t oid, const std::string& name) {
    Partition made;
    made.oid = oid;
    made.qualified = "public." + name;
    made.rows = 10;
    made.bytes = 100;
    return made;
}

Facts with_children() {
    Facts facts = shop();
    Table& users = facts.tables[kUsers];
    users.has_children = true;
    users.partitions = {child(301, "a"), child(302, "b")};
    return facts;
}

Action on_all(Detail detail, LockMode mode = LockMode::access_exclusive) {
    Action action = act(kUsers, std::move(detail), mode);
    action.seen.locks[0].partitions = mode;
    return action;
}

std::vector<std::string> locked(const std::vector<LockNeed>& locks) {
    std::vector<std::string> names;
    for (const auto& need : locks)
        names.push_back(std::string{to_text(need.mode)} + " " + need.relation);
    return names;
}

std::string tree_of(const std::map<std::string, std::string>& parameters) {
    const auto found = parameters.find("tree");
    return found == parameters.end() ? "no" : found->second;
}

const Lines kAllExclusive = {"ACCESS EXCLUSIVE public.users", "ACCESS EXCLUSIVE public.a",
                             "ACCESS EXCLUSIVE public.b"};

Plan filled() {
    const Update fill = update({value("phone", "'unknown'::text")});
    return plan_of({on_all(column("phone", true)), act(kUsers, fill, LockMode::row_exclusive)},
                   with_children());
}

}  // namespace

TEST(Children, TheTableIsLockedFirstThenAllChildren) {
    const Step step = step_of(plan_of({on_all(column("phone"))}, with_children()), StepKind::ddl);
    EXPECT_EQ(locked(step.locks), kAllExclusive);
    EXPECT_EQ(step.parameters.at("partitions"), "public.a\npublic.b");
    ASSERT_EQ(step.undo.size(), 1U);
    EXPECT_EQ(locked(step.undo[0].locks), kAllExclusive);
}

TEST(Children, EachTableHasATriggerOfItsOwn) {
    const Plan plan = filled();
    const Lines relations = {"public.users", "public.a", "public.b"};
    for (int i = 0; i < 3; ++i) {
        const auto& relation = relations[static_cast<std::size_t>(i)];
        const Step& sync = step_of(plan, StepKind::sync, i);
        EXPECT_EQ(sync.relation, relation);
        EXPECT_NE(sync.command.find(" ON " + relation + " FOR EACH ROW"), std::string::npos);
        EXPECT_EQ(locked(sync.locks), Lines{"SHARE ROW EXCLUSIVE " + relation});
        EXPECT_EQ(sync.parameters.at("columns"), "phone");
        ASSERT_EQ(sync.undo.size(), 1U);
        EXPECT_EQ(sync.undo[0].command, "DROP TRIGGER zz_zdm_sync ON " + relation);
        EXPECT_EQ(locked(sync.undo[0].locks), Lines{"ACCESS EXCLUSIVE " + relation});
        const Step& unsync = step_of(plan, StepKind::unsync, i);
        EXPECT_EQ(unsync.command, "DROP TRIGGER zz_zdm_sync ON " + relation);
        EXPECT_EQ(locked(unsync.locks), Lines{"ACCESS EXCLUSIVE " + relation});
        ASSERT_EQ(unsync.undo.size(), 1U);
        EXPECT_EQ(unsync.undo[0].command, sync.command);
    }
}

TEST(Children, ATriggerOfAChildKnowsWhoseItIs) {
    const Plan plan = filled();
    const Step& sync = step_of(plan, StepKind::sync, 1);
    EXPECT_EQ(sync.relation_oid, 301U);
    EXPECT_EQ(sync.parameters.at("table"), "public.users");
    EXPECT_EQ(sync.parameters.at("child"), "yes");
    EXPECT_EQ(step_of(plan, StepKind::sync).parameters.count("table"), 0U);
    // It goes from one that inherits no more as well.
    const Step& unsync = step_of(plan, StepKind::unsync, 1);
    EXPECT_EQ(unsync.parameters.count("table"), 0U);
    EXPECT_EQ(unsync.parameters.at("may_be_gone"), "yes");
}

TEST(Children, RowsOfAllAreFilledProvedAndCounted) {
    const Plan plan = filled();
    for (const StepKind kind : {StepKind::backfill, StepKind::last_pass, StepKind::count}) {
        const Step& step = step_of(plan, kind);
        EXPECT_EQ(tree_of(step.parameters), "yes");
        EXPECT_EQ(step.command.find("ONLY"), std::string::npos) << step.command;
    }
    EXPECT_EQ(step_of(plan, StepKind::backfill).rows, 1000020);
    EXPECT_EQ(step_of(plan, StepKind::backfill).bytes, 100000200);
    EXPECT_NE(step_of(plan, StepKind::backfill).note.find("table by table"), std::string::npos);
    EXPECT_EQ(locked(step_of(plan, StepKind::constraint).locks), kAllExclusive);
}

TEST(Children, EachIsAnalysed) {
    const Step step = step_of(filled(), StepKind::analyze);
    EXPECT_EQ(step.command, "ANALYZE public.users (phone)");
    EXPECT_EQ(step.parameters.at("columns"), "phone");
    EXPECT_EQ(tree_of(step.parameters), "yes");
}

TEST(Children, ACheckCountsInAllOfThemUnlessTheyDoNotInheritIt) {
    AddCheck add;
    add.name = "c";
    add.expression = "v > 0";
    add.definition = "CHECK (v > 0)";
    EXPECT_EQ(tree_of(step_of(plan_of({on_all(add)}, with_children()), StepKind::count).parameters),
              "yes");
    add.no_inherit = true;
    const Step alone = step_of(plan_of({act(kUsers, add)}, with_children()), StepKind::count);
    EXPECT_EQ(tree_of(alone.parameters), "no");
    EXPECT_EQ(alone.command, "SELECT count(*) FROM ONLY public.users WHERE (v > 0) IS FALSE");
}

TEST(Children, AForeignKeyIsOfTheTableAlone) {
    AddForeignKey add;
    add.name = "fk";
    add.violates = "bad";
    add.referenced = kOrders;
    const Step count =
        step_of(plan_of({act(kUsers, add, LockMode::share_row_exclusive)}, with_children()),
                StepKind::count);
    EXPECT_EQ(count.command, "SELECT count(*) FROM ONLY public.users WHERE bad");
    EXPECT_EQ(tree_of(count.parameters), "no");
}

TEST(Children, ValidateLooksWhereTheConstraintIs) {
    Validate validate;
    validate.name = "c";
    validate.violates = "bad";
    const auto count = [&] {
        return step_of(plan_of({on_all(validate)}, with_children()), StepKind::count);
    };
    EXPECT_EQ(tree_of(count().parameters), "yes");
    validate.alone = true;
    EXPECT_EQ(tree_of(count().parameters), "no");
}

TEST(Children, GoingBackCountsInAllOfThem) {
    const Plan plan = plan_of({on_all(DropNotNull{"name"})}, with_children());
    const auto& undo = step_of(plan, StepKind::ddl).undo;
    ASSERT_GE(undo.size(), 2U);
    EXPECT_EQ(undo[0].command, "SELECT count(*) FROM public.users WHERE name IS NULL");
    EXPECT_EQ(tree_of(undo[0].parameters), "yes");
    EXPECT_EQ(locked(undo[1].locks), kAllExclusive);
}

TEST(Children, AForeignKeyComesBackAlone) {
    DropConstraint drop;
    drop.name = "fk";
    drop.kind = ConstraintKind::foreign_key;
    drop.violates = "bad";
    drop.alone = true;
    const Plan plan = plan_of({act(kUsers, drop)}, with_children());
    const auto& undo = step_of(plan, StepKind::ddl).undo;
    ASSERT_FALSE(undo.empty());
    EXPECT_EQ(undo[0].command, "SELECT count(*) FROM ONLY public.users WHERE bad");
    EXPECT_EQ(tree_of(undo[0].parameters), "no");
}

TEST(Children, AConstraintTakesNoNameThatIsDroppedInTheSameFile) {
    DropConstraint drop;
    drop.name = "c";
    AddCheck add;
    add.name = "c";
    EXPECT_NE(refusal({on_all(drop), on_all(add)}, with_children()).find("ZD105"),
              std::string::npos);
    EXPECT_EQ(refusal({on_all(drop), on_all(add)}), "");
}

TEST(Children, RowsOfAllAreDeletedAndCompared) {
    EXPECT_EQ(tree_of(step_of(plan_of({act(kUsers, Delete{"id = 1"})}, with_children()),
                              StepKind::delete_rows)
                          .parameters),
              "yes");
    Assignment carried = value("phone", "upper(name)");
    carried.reads = {"name"};
    DropColumn drop;
    drop.column = "name";
    drop.given = "name IS NOT NULL";
    const Plan plan = plan_of(
        {on_all(column("phone")), act(kUsers, update({carried})), on_all(drop)}, with_children());
    EXPECT_EQ(tree_of(step_of(plan, StepKind::verify).parameters), "yes");
}

}  // namespace zdm::plan
