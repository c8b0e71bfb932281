#include "facts.hpp"

namespace zdm::plan {
namespace {

CreateIndex index(bool is_unique = false) {
    CreateIndex create;
    create.name = "i";
    create.schema = "public";
    create.unique = is_unique;
    create.tail = "USING btree (code)";
    create.columns = {"code"};
    return create;
}

Direct direct(const std::string& command) {
    Direct statement;
    statement.command = command;
    return statement;
}

Action fill() { return act(kOrders, update({value("code", "1")})); }

TEST(PlanIndexes, IndexIsBuiltBesideApplications) {
    const Plan plan = plan_of({act(kOrders, index())});
    EXPECT_EQ(lines(plan), Lines{"expand index: CREATE INDEX CONCURRENTLY i ON public.orders USING "
                                 "btree (code)"});
    EXPECT_EQ(undo_sql(plan.steps[0]), "DROP INDEX CONCURRENTLY IF EXISTS public.i;");
    EXPECT_TRUE(plan.steps[0].locks.empty());
    EXPECT_FALSE(plan.transition);
}

TEST(PlanIndexes, SmallTableIsIndexedAtOnce) {
    Facts facts = shop();
    facts.tables[kOrders].small = true;
    const Plan plan = plan_of({act(kOrders, index(true))}, facts);
    EXPECT_EQ(lines(plan),
              Lines{"expand ddl: CREATE UNIQUE INDEX i ON public.orders USING btree (code);"});
    EXPECT_EQ(plan.steps[0].lock, LockMode::share);
    // Later phases may find a table that has grown.
    EXPECT_EQ(step_of(plan_of({act(kOrders, column("code")), fill(), act(kOrders, index())}, facts),
                      StepKind::index)
                  .phase,
              Phase::migrate);
}

TEST(PlanIndexes, IndexOfAFilledColumnWaitsForTheBackfill) {
    const Plan plan = plan_of({act(kOrders, column("code")), fill(), act(kOrders, index())});
    EXPECT_EQ(lines(plan)[3],
              "migrate index: CREATE INDEX CONCURRENTLY i ON public.orders USING btree (code)");
    EXPECT_EQ(lines(plan)[4], "migrate analyze: ANALYZE public.orders (code)");
}

TEST(PlanIndexes, UniqueIndexOverChangedRowsWaitsForContract) {
    EXPECT_EQ(step_of(plan_of({act(kOrders, column("code")), fill(), act(kOrders, index(true))}),
                      StepKind::index)
                  .phase,
              Phase::contract);
    EXPECT_EQ(
        step_of(plan_of({act(kOrders, Delete{"true"}), act(kOrders, index(true))}), StepKind::index)
            .phase,
        Phase::contract);
    EXPECT_EQ(step_of(plan_of({act(kOrders, index(true))}), StepKind::index).phase, Phase::expand);
}

TEST(PlanIndexes, DropIsARemovalInContract) {
    const Plan plan = plan_of({act(kOrders, DropIndex{"i", "public", false})});
    EXPECT_EQ(lines(plan), (Lines{"contract gate: zdm_contract gate",
                                  "contract drop_index: DROP INDEX CONCURRENTLY public.i"}));
    EXPECT_TRUE(plan.steps[1].removal);
    EXPECT_NE(refusal({act(kOrders, DropIndex{"i", "public", true})}).find("ZD105"),
              std::string::npos);
}

TEST(PlanIndexes, IndexMadeAgainTakesTheName) {
    const Plan plan =
        plan_of({act(kOrders, DropIndex{"i", "public", false}), act(kOrders, index())});
    EXPECT_EQ(
        lines(plan),
        (Lines{"expand index: CREATE INDEX CONCURRENTLY zdm_i_new ON public.orders USING btree "
               "(code)",
               "contract gate: zdm_contract gate",
               "contract drop_index: DROP INDEX CONCURRENTLY public.i",
               "contract ddl: ALTER INDEX public.zdm_i_new RENAME TO i;"}));
}

TEST(PlanObjects, TableGoesWithItsForeignKeysOneByOne) {
    const Plan plan = plan_of({act(kOrders, DropTable{{"a", "b"}})});
    EXPECT_EQ(lines(plan), (Lines{"contract gate: zdm_contract gate",
                                  "contract ddl: ALTER TABLE public.orders DROP CONSTRAINT a;",
                                  "contract ddl: ALTER TABLE public.orders DROP CONSTRAINT b;",
                                  "contract ddl: DROP TABLE public.orders;"}));
    for (std::size_t i = 1; i < plan.steps.size(); ++i) EXPECT_TRUE(plan.steps[i].removal);
    EXPECT_EQ(plan.steps[0].parameters.at("blind"), "who still uses public.orders");
    EXPECT_NE(plan.steps[0].note.find("can't see"), std::string::npos);
}

TEST(PlanObjects, PlainStatementsRunAsWrittenInExpand) {
    const Plan plan = plan_of({act(kNoTable, direct("CREATE SCHEMA app;"))});
    EXPECT_EQ(lines(plan), Lines{"expand ddl: CREATE SCHEMA app;"});
    EXPECT_EQ(plan.steps[0].parameters.at("path"), "user");
    EXPECT_TRUE(plan.relations.empty());
}

TEST(PlanObjects, ScanOrRewriteUnderALockIsRefusedUnlessAccepted) {
    Action action = act(kOrders, direct("ALTER TABLE ..."));
    action.seen.scans = true;
    EXPECT_NE(refusal({action}).find("scan public.orders"), std::string::npos);
    action.seen.rewrites = true;
    EXPECT_NE(refusal({action}).find("rewrite public.orders"), std::string::npos);
    action.accept_locks = true;
    const Plan plan = plan_of({action});
    EXPECT_TRUE(plan.steps[0].rewrites);
    EXPECT_NE(plan.steps[0].note.find("as written"), std::string::npos);
    // Nobody else uses a table that the migration makes.
    Action fresh = act(kItems, direct("CREATE INDEX ..."));
    fresh.seen.scans = true;
    EXPECT_FALSE(plan_of({fresh}).steps[0].scans);
}

TEST(PlanObjects, SlotsOfStatementsAsWritten) {
    Direct removal = direct("DROP VIEW v;");
    removal.removal = true;
    removal.what = "view v";
    Plan plan = plan_of({act(kNoTable, removal)});
    EXPECT_TRUE(plan.transition);
    EXPECT_TRUE(plan.steps[1].removal);
    EXPECT_EQ(plan.steps[0].parameters.at("blind"), "who still uses view v");
    removal.undo = "CREATE VIEW v ...;";
    plan = plan_of({act(kNoTable, removal)});
    EXPECT_FALSE(plan.steps[1].removal);

    Direct later = direct("COMMENT ...;");
    later.later = true;
    EXPECT_EQ(plan_of({act(kOrders, later)}).steps[0].phase, Phase::contract);
    Direct enforcing = direct("ALTER ...;");
    enforcing.enforces = true;
    EXPECT_EQ(plan_of({act(kOrders, enforcing)}).steps[0].phase, Phase::contract);
    Direct data = direct("UPDATE ...;");
    data.data = data.removal = true;
    EXPECT_EQ(plan_of({act(kOrders, data)}).steps[0].phase, Phase::migrate);
}

TEST(PlanObjects, PhaseIsAsTheUserSays) {
    const auto phase_of_step = [](Phase phase, bool removal) {
        Direct statement = direct("X;");
        statement.removal = removal;
        Action action = act(kNoTable, statement);
        action.phase = phase;
        return plan_of({action}).steps.back().phase;
    };
    EXPECT_EQ(phase_of_step(Phase::expand, false), Phase::expand);
    EXPECT_EQ(phase_of_step(Phase::migrate, false), Phase::migrate);
    EXPECT_EQ(phase_of_step(Phase::contract, false), Phase::contract);
    EXPECT_EQ(phase_of_step(Phase::contract, true), Phase::contract);
    Action action = act(kOrders, index());
    action.phase = Phase::contract;
    EXPECT_NE(refusal({action}).find("ZD105"), std::string::npos);
}

TEST(PlanNotes, NotesOfTheFileAreKept) {
    Facts facts = shop();
    facts.notes = {"BEGIN is ignored"};
    EXPECT_EQ(plan_of({}, facts).notes, Lines{"BEGIN is ignored"});
}

}  // namespace
}  // namespace zdm::plan
