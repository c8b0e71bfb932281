// The SQL that zdm_rollback with keep prints.
#include "run/clean_up.hpp"

#include <gtest/gtest.h>

namespace zdm::run {

namespace {

using catalog::StepState;
using catalog::StoredStep;
using plan::StepKind;

plan::Undo part(StepKind kind, const std::string& command, int statements = 1) {
    return {kind, command, {{"statements", std::to_string(statements)}, {"index", "public.i"}}, {}};
}

StoredStep step(StepKind kind, StepState state, std::vector<plan::Undo> undo) {
    StoredStep stored;
    stored.state = state;
    stored.step.kind = kind;
    stored.undo.assign(undo.size(), StepState::pending);
    stored.step.undo = std::move(undo);
    return stored;
}

std::string sql(const std::vector<StoredStep>& steps) {
    return clean_up_sql(steps, std::chrono::milliseconds{80});
}

}  // namespace

TEST(CleanUp, LastStepFirstWithADeadlineOnlyWhereItBlocks) {
    EXPECT_EQ(sql({step(StepKind::ddl, StepState::done, {part(StepKind::ddl, "A;")}),
                   step(StepKind::ddl, StepState::pending, {part(StepKind::ddl, "NEVER;")}),
                   step(StepKind::backfill, StepState::done, {}),
                   step(StepKind::index, StepState::running, {part(StepKind::drop_index, "B")}),
                   step(StepKind::ddl, StepState::running, {part(StepKind::ddl, "NEVER;")}),
                   step(StepKind::unsync, StepState::done, {part(StepKind::sync, "C")})}),
              "SET lock_timeout = '80ms';\nC;\nSET lock_timeout = 0;\nB;\nSET lock_timeout = "
              "'80ms';\nA;\n");
    EXPECT_EQ(sql({}), "");
}

TEST(CleanUp, PartsOfAnUndo) {
    StoredStep stored =
        step(StepKind::ddl, StepState::done,
             {part(StepKind::count, "NEVER"), part(StepKind::constraint, "ADD"),
              part(StepKind::validate, "VALIDATE"), part(StepKind::ddl, "A; B;", 2)});
    EXPECT_EQ(sql({stored}),
              "SET lock_timeout = '80ms';\nADD;\nSET lock_timeout = 0;\nVALIDATE;\nSET "
              "lock_timeout = '80ms';\nBEGIN; A; B; COMMIT;\n");
    // What a rollback did before it was stopped with keep need not be done again.
    stored.undo = {StepState::done, StepState::done, StepState::done, StepState::pending};
    EXPECT_EQ(sql({stored}), "SET lock_timeout = '80ms';\nBEGIN; A; B; COMMIT;\n");
    stored.undo[3] = StepState::done;
    EXPECT_EQ(sql({stored}), "");
}

TEST(CleanUp, DropsWhatAnInterruptedBuildLeft) {
    StoredStep stored = step(StepKind::ddl, StepState::done, {part(StepKind::index, "BUILD")});
    EXPECT_EQ(sql({stored}), "BUILD;\n");
    stored.undo[0] = StepState::running;
    EXPECT_EQ(sql({stored}), "DROP INDEX CONCURRENTLY IF EXISTS public.i;\nBUILD;\n");
}

}  // namespace zdm::run
