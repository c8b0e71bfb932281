#include "sync/decide.hpp"

#include <gtest/gtest.h>

namespace zdm::sync {
namespace {

struct ModeOnly {
    Mode mode;
};

// A row of which the test says everything, and that remembers what was asked.
struct FakeRow {
    bool null = false;
    bool null_before = false;
    bool column_changed = false;
    bool input_changed = false;
    bool given = false;
    bool in_set_list = false;
    bool different = false;
    mutable int comparisons = 0;

    bool is_null(const ModeOnly&) const { return null; }
    bool was_null(const ModeOnly&) const { return null_before; }
    bool changed(const ModeOnly&) const {
        ++comparisons;
        return column_changed;
    }
    bool inputs_changed(const ModeOnly&) const {
        ++comparisons;
        return input_changed;
    }
    bool gave(const ModeOnly&) const { return given; }
    bool named(const ModeOnly&) const { return in_set_list; }
    bool rewrote(const ModeOnly&) const {
        ++comparisons;
        return different;
    }
};

constexpr bool kInsert = true;
constexpr bool kUpdate = false;

void expect(bool insert, Mode mode, const FakeRow& row, bool compute, bool evidence) {
    const Decision decision = decide(insert, ModeOnly{mode}, row);
    EXPECT_EQ(decision.compute, compute);
    EXPECT_EQ(decision.evidence, evidence);
}

TEST(SyncWrites, AnInsertThatGivesTheColumn) {
    EXPECT_TRUE(writes(kInsert, ModeOnly{Mode::once}, FakeRow{.given = true}));
    EXPECT_FALSE(writes(kInsert, ModeOnly{Mode::once}, FakeRow{}));
    EXPECT_FALSE(
        writes(kInsert, ModeOnly{Mode::once}, FakeRow{.in_set_list = true, .different = true}));
}

TEST(SyncWrites, AnUpdateThatSetsTheColumnToSomethingElse) {
    const auto said = [](bool named, bool different) {
        return writes(kUpdate, ModeOnly{Mode::step},
                      FakeRow{.given = true, .in_set_list = named, .different = different});
    };
    EXPECT_TRUE(said(true, true));
    EXPECT_FALSE(said(true, false));
    EXPECT_FALSE(said(false, true));
}

TEST(SyncWrites, AnUpdateOfOtherColumnsComparesNothing) {
    const FakeRow row{.different = true};
    EXPECT_FALSE(writes(kUpdate, ModeOnly{Mode::once}, row));
    EXPECT_EQ(row.comparisons, 0);
}

TEST(SyncDecide, InsertWithoutTheColumnIsFilledAndIsEvidence) {
    expect(kInsert, Mode::once, {.null = true}, true, true);
    expect(kInsert, Mode::step, {.null = true}, true, true);
}

TEST(SyncDecide, InsertWithTheColumnStays) {
    for (const Mode mode : {Mode::once, Mode::step}) {
        const FakeRow row{};
        expect(kInsert, mode, row, false, false);
        EXPECT_EQ(row.comparisons, 0) << "an INSERT has no row to compare with";
    }
}

TEST(SyncDecide, RowThatTheBackfillHasNotReachedIsFilledWithoutEvidence) {
    expect(kUpdate, Mode::once, {.null = true, .null_before = true}, true, false);
    expect(kUpdate, Mode::step, {.null = true, .null_before = true}, true, false);
    // `once` has no inputs that could tell.
    expect(kUpdate, Mode::once, {.null = true, .null_before = true, .input_changed = true}, true,
           false);
}

TEST(SyncDecide, ChangedInputsOfAnUnfilledRowAreEvidence) {
    expect(kUpdate, Mode::step, {.null = true, .null_before = true, .input_changed = true}, true,
           true);
}

TEST(SyncDecide, TakingTheValueAwayIsFilledAndIsEvidence) {
    expect(kUpdate, Mode::once, {.null = true, .column_changed = true}, true, true);
    expect(kUpdate, Mode::step, {.null = true, .column_changed = true}, true, true);
}

TEST(SyncDecide, FilledOnceStays) {
    const FakeRow row{.input_changed = true};
    expect(kUpdate, Mode::once, row, false, false);
    EXPECT_EQ(row.comparisons, 0) << "the null bit must be all that `once` looks at";
}

TEST(SyncDecide, InStepFollowsItsInputs) {
    expect(kUpdate, Mode::step, {.input_changed = true}, true, true);
}

TEST(SyncDecide, WhoeverSetsTheColumnWins) {
    expect(kUpdate, Mode::step, {.column_changed = true, .input_changed = true}, false, false);
    expect(kUpdate, Mode::step, {.column_changed = true}, false, false);
}

TEST(SyncDecide, NothingChangedCostsOneComparison) {
    const FakeRow row{};
    expect(kUpdate, Mode::step, row, false, false);
    EXPECT_EQ(row.comparisons, 1);
}

}  // namespace
}  // namespace zdm::sync
