// CREATE INDEX on a partitioned table.
#include "facts.hpp"

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
    if (leaf) made.rows = oid;
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

CreateIndex index_on(bool unique = false) {
    CreateIndex index;
    index.name = "i";
    index.schema = "public";
    index.unique = unique;
    index.tail = "USING btree (code)";
    index.columns = {"code"};
    index.partitions = {{kFirst, "a_code_idx", "public"},
                        {kMiddle, "m_code_idx", "public"},
                        {kLast, "m1_code_idx", "other"}};
    return index;
}

Plan plan_with(const CreateIndex& index) {
    return plan_of({act(kUsers, index, LockMode::share)}, partitioned());
}

}  // namespace

TEST(PartitionIndex, ParentsFirstThenEachLeafThenTheyAreAttached) {
    EXPECT_EQ(
        lines(plan_with(index_on())),
        (Lines{"expand ddl: CREATE INDEX i ON ONLY public.users USING btree (code);"
               " CREATE INDEX m_code_idx ON ONLY public.m USING btree (code);"
               " ALTER INDEX public.i ATTACH PARTITION public.m_code_idx;",
               "expand index: CREATE INDEX CONCURRENTLY a_code_idx ON public.a USING btree (code)",
               "expand index: CREATE INDEX CONCURRENTLY m1_code_idx ON public.m1 USING btree "
               "(code)",
               "expand attach: ALTER INDEX public.i ATTACH PARTITION public.a_code_idx",
               "expand attach: ALTER INDEX public.m_code_idx ATTACH PARTITION other.m1_code_idx",
               "expand whole_index: SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = "
               "'public.i'::pg_catalog.regclass"}));
}

TEST(PartitionIndex, LocksOfTheParentsAreSharedAndInTheirOrder) {
    const Plan plan = plan_with(index_on());
    const Step& parents = step_of(plan, StepKind::ddl);
    ASSERT_EQ(parents.locks.size(), 2U);
    EXPECT_EQ(parents.locks[0].relation, "public.users");
    EXPECT_EQ(parents.locks[1].relation, "public.m");
    EXPECT_EQ(parents.locks[1].mode, LockMode::share);
    EXPECT_EQ(parents.lock, LockMode::share);
    EXPECT_FALSE(parents.scans);
    EXPECT_EQ(parents.parameters.at("statements"), "3");
}

TEST(PartitionIndex, ALeafIsBuiltAsAnyTable) {
    const Step build = step_of(plan_with(index_on()), StepKind::index, 1);
    EXPECT_EQ(build.relation, "public.m1");
    EXPECT_EQ(build.relation_oid, 302U);
    EXPECT_EQ(build.rows, 302);
    EXPECT_TRUE(build.scans);
    EXPECT_EQ(build.lock, LockMode::share_update_exclusive);
    EXPECT_EQ(build.parameters.at("index"), "other.m1_code_idx");
    EXPECT_EQ(build.parameters.at("table"), "public.users");
    EXPECT_EQ(build.parameters.at("root"), "public.i");
    EXPECT_EQ(undo_sql(build), "DROP INDEX CONCURRENTLY IF EXISTS other.m1_code_idx;");
}

TEST(PartitionIndex, AttachingLocksTheIndexAlone) {
    const Step attach = step_of(plan_with(index_on()), StepKind::attach);
    ASSERT_EQ(attach.locks.size(), 1U);
    EXPECT_EQ(attach.locks[0].relation, "public.a_code_idx");
    EXPECT_EQ(attach.locks[0].mode, LockMode::access_exclusive);
    EXPECT_EQ(attach.relation, "public.a");
    EXPECT_EQ(attach.rows, std::nullopt);
}

// The first that is attached is the last to be taken back: by then none of the others is needed.
TEST(PartitionIndex, GoingBackDropsTheIndexOfTheTableOnce) {
    const Plan plan = plan_with(index_on());
    const std::string drop = "DROP INDEX IF EXISTS public.i;";
    EXPECT_EQ(undo_sql(step_of(plan, StepKind::attach, 0)), drop);
    EXPECT_EQ(undo_sql(step_of(plan, StepKind::attach, 1)), "");
    const Step parents = step_of(plan, StepKind::ddl);
    ASSERT_EQ(parents.undo.size(), 1U);
    EXPECT_EQ(undo_sql(parents), drop);
    EXPECT_EQ(parents.undo[0].parameters.at("gone"), "public.i");
    ASSERT_EQ(parents.undo[0].locks.size(), 4U);
    EXPECT_EQ(parents.undo[0].locks[0].relation, "public.users");
    EXPECT_EQ(parents.undo[0].locks[3].relation, "public.m1");
    EXPECT_EQ(parents.undo[0].locks[3].mode, LockMode::access_exclusive);
}

TEST(PartitionIndex, WithoutPartitionsThereIsNothingToAttach) {
    Facts facts = partitioned();
    facts.tables[kUsers].partitions.clear();
    CreateIndex index = index_on(true);
    index.partitions.clear();
    EXPECT_EQ(lines(plan_of({act(kUsers, index, LockMode::share)}, facts)),
              (Lines{"expand ddl: CREATE UNIQUE INDEX i ON ONLY public.users USING btree (code);",
                     "expand whole_index: SELECT indisvalid FROM pg_catalog.pg_index WHERE "
                     "indexrelid = 'public.i'::pg_catalog.regclass"}));
}

TEST(PartitionIndex, ForeignTablesAreSaid) {
    CreateIndex index = index_on();
    index.partitions.erase(index.partitions.begin());
    index.foreign = {"public.a"};
    const Step parents = step_of(plan_with(index), StepKind::ddl);
    EXPECT_NE(parents.note.find("a foreign table has no index: public.a"), std::string::npos);
}

TEST(PartitionIndex, AUniqueOneOverRowsThatChangeComesInContract) {
    Update fill = update({value("code", "1")});
    fill.assignments[0].marked = true;
    const Plan plan = plan_of(
        {act(kUsers, fill, LockMode::row_exclusive), act(kUsers, index_on(true), LockMode::share)},
        partitioned());
    EXPECT_EQ(step_of(plan, StepKind::attach).phase, Phase::contract);
    EXPECT_EQ(step_of(plan, StepKind::whole_index).phase, Phase::contract);
    EXPECT_EQ(step_of(plan, StepKind::index).phase, Phase::contract);
}

TEST(PartitionIndex, TheMigrationOwnsAllPartitions) {
    const Plan plan = plan_with(index_on());
    EXPECT_EQ(plan.relations, (std::vector<std::uint32_t>{200, 300, 301, 302}));
}

}  // namespace zdm::plan
