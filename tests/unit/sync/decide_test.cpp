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
    bool input_there = false;
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
    bool fed(const ModeOnly&) const { return input_there; }
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

// The same for the rules of a group; what nobody may ask fails the test.
struct FakePairRow {
    bool null = false;
    bool new_side = false;  // INSERT: given, UPDATE: changed
    bool old_side = false;
    bool own_changed = false;
    bool input_changed = false;
    bool shown = false;
    bool own_given = false;
    bool insert = false;
    mutable int asked = 0;

    bool in_insert(bool answer) const {
        EXPECT_TRUE(insert) << "an UPDATE has no row to tell that by";
        ++asked;
        return answer;
    }
    bool in_update(bool answer) const {
        EXPECT_FALSE(insert) << "an INSERT has no row to compare with";
        ++asked;
        return answer;
    }
    bool is_null(const ModeOnly&) const { return null; }
    bool new_given(const ModeOnly&) const { return in_insert(new_side); }
    bool old_given(const ModeOnly&) const { return in_insert(old_side); }
    bool shows_new(const ModeOnly&) const { return in_insert(shown); }
    bool gave(const ModeOnly&) const { return in_insert(own_given); }
    bool new_changed(const ModeOnly&) const { return in_update(new_side); }
    bool old_changed(const ModeOnly&) const { return in_update(old_side); }
    bool rewrote(const ModeOnly&) const { return in_update(own_changed); }
    bool inputs_changed(const ModeOnly&) const { return in_update(input_changed); }
};

constexpr Decision kLeave{};
constexpr Decision kAct{true, true, false};  // compute, and it is evidence
constexpr Decision kCompute{true, false, false};
constexpr Decision kCompare{false, false, true};
constexpr Writes kAll[] = {Writes::by_row, Writes::old_side, Writes::new_side};

void expect(const Decision& decision, const Decision& expected) {
    EXPECT_EQ(decision.compute, expected.compute);
    EXPECT_EQ(decision.evidence, expected.evidence);
    EXPECT_EQ(decision.compare, expected.compare);
}

void expect_forward(bool insert, Writes side, FakePairRow row, const Decision& expected) {
    row.insert = insert;
    expect(decide_forward(insert, side, ModeOnly{Mode::step}, row), expected);
}

void expect_reverse(bool insert, Writes side, FakePairRow row, const Decision& expected) {
    row.insert = insert;
    expect(decide_reverse(insert, side, ModeOnly{Mode::back}, row), expected);
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

TEST(SyncDecide, TakesWhatAnInsertPutIntoTheOtherColumn) {
    expect(kInsert, Mode::taken, {.input_there = true}, true, false);
    expect(kInsert, Mode::taken, {.null = true, .input_there = true}, true, false);
    expect(kInsert, Mode::taken, {.null = true}, false, false);
    expect(kInsert, Mode::taken, {.given = true, .input_there = true}, false, false);
    expect(kUpdate, Mode::taken, {.null = true, .input_changed = true, .input_there = true}, false,
           false);
}

TEST(SyncDecide, NothingChangedCostsOneComparison) {
    const FakeRow row{};
    expect(kUpdate, Mode::step, row, false, false);
    EXPECT_EQ(row.comparisons, 1);
}

// A renamed column, seen by the rule that gives the new one.

TEST(SyncForward, InsertOfAnOldApplication) {
    expect_forward(kInsert, Writes::by_row, {.null = true, .old_side = true}, kAct);
    // Nobody gave a value: the old column's default is the value.
    expect_forward(kInsert, Writes::by_row, {.null = true}, kAct);
}

TEST(SyncForward, InsertOfANewApplication) {
    expect_forward(kInsert, Writes::by_row, {.new_side = true}, kLeave);
}

TEST(SyncForward, InsertOfBothSidesStaysAndIsCompared) {
    expect_forward(kInsert, Writes::by_row, {.new_side = true, .old_side = true}, kCompare);
}

TEST(SyncForward, InsertOfANewApplicationThatLeftOneOfSeveralEmpty) {
    expect_forward(kInsert, Writes::by_row, {.null = true, .new_side = true}, kLeave);
    // With the old column given as well, it is the one that knows.
    expect_forward(kInsert, Writes::by_row, {.null = true, .new_side = true, .old_side = true},
                   kAct);
}

TEST(SyncForward, InsertWithTheSideSaid) {
    for (const bool null : {false, true})
        for (const bool news : {false, true})
            for (const bool olds : {false, true}) {
                const FakePairRow row{.null = null, .new_side = news, .old_side = olds};
                expect_forward(kInsert, Writes::old_side, row, kAct);
                expect_forward(kInsert, Writes::new_side, row, kLeave);
            }
}

TEST(SyncForward, UpdateOfTheOldColumn) {
    for (const Writes side : kAll) {
        expect_forward(kUpdate, side, {.old_side = true, .input_changed = true}, kAct);
        // The row was not filled, but its writer doesn't know the new column all the same.
        expect_forward(kUpdate, side, {.null = true, .old_side = true, .input_changed = true},
                       kAct);
    }
}

TEST(SyncForward, UpdateOfTheNewColumn) {
    for (const Writes side : kAll) {
        expect_forward(kUpdate, side, {.new_side = true, .own_changed = true}, kLeave);
        // To NULL: that is carried over to the old column, and not filled again.
        expect_forward(kUpdate, side, {.null = true, .new_side = true, .own_changed = true},
                       kLeave);
    }
}

TEST(SyncForward, UpdateOfOtherColumnsFillsWhatTheBackfillHasNotReached) {
    for (const Writes side : kAll) {
        expect_forward(kUpdate, side, {.null = true}, kCompute);
        expect_forward(kUpdate, side, {}, kLeave);
    }
}

TEST(SyncForward, UpdateOfOtherColumnsComparesEachColumnOnce) {
    const FakePairRow row{};
    decide_forward(kUpdate, Writes::by_row, ModeOnly{Mode::step}, row);
    EXPECT_EQ(row.asked, 2) << "the new side and the inputs";
}

TEST(SyncForward, UpdateOfBothSides) {
    const FakePairRow row{
        .new_side = true, .old_side = true, .own_changed = true, .input_changed = true};
    expect_forward(kUpdate, Writes::by_row, row, kCompare);
    expect_forward(kUpdate, Writes::old_side, row, kAct);
    expect_forward(kUpdate, Writes::new_side, row, kLeave);
}

TEST(SyncForward, UpdateOfBothSidesWithOneOfSeveralNewColumns) {
    // The old column changed, this one did not, another of its group did.
    const FakePairRow row{.new_side = true, .old_side = true, .input_changed = true};
    expect_forward(kUpdate, Writes::by_row, row, kAct);
    expect_forward(kUpdate, Writes::old_side, row, kAct);
    expect_forward(kUpdate, Writes::new_side, row, kLeave);
    // Only another of its group.
    for (const Writes side : kAll) {
        expect_forward(kUpdate, side, {.new_side = true}, kLeave);
        expect_forward(kUpdate, side, {.null = true, .new_side = true}, kCompute);
    }
}

// The same, seen by the rule that gives the old one.

TEST(SyncReverse, InsertOfANewApplication) {
    expect_reverse(kInsert, Writes::by_row, {.shown = true}, kCompute);
}

TEST(SyncReverse, InsertOfAnOldApplication) {
    expect_reverse(kInsert, Writes::by_row, {.own_given = true}, kLeave);
    expect_reverse(kInsert, Writes::by_row, {}, kLeave);
}

TEST(SyncReverse, InsertOfBothSidesStays) {
    expect_reverse(kInsert, Writes::by_row, {.shown = true, .own_given = true}, kLeave);
}

TEST(SyncReverse, InsertWithTheSideSaid) {
    for (const bool shown : {false, true})
        for (const bool given : {false, true}) {
            const FakePairRow row{.shown = shown, .own_given = given};
            expect_reverse(kInsert, Writes::old_side, row, kLeave);
            expect_reverse(kInsert, Writes::new_side, row, kCompute);
        }
}

TEST(SyncReverse, UpdateOfTheNewColumn) {
    for (const Writes side : kAll)
        expect_reverse(kUpdate, side, {.new_side = true, .input_changed = true}, kCompute);
}

TEST(SyncReverse, UpdateOfTheOldColumn) {
    for (const Writes side : kAll)
        expect_reverse(kUpdate, side, {.old_side = true, .own_changed = true}, kLeave);
}

TEST(SyncReverse, UpdateOfOtherColumnsComparesNothingMore) {
    const FakePairRow row{};
    expect(decide_reverse(kUpdate, Writes::by_row, ModeOnly{Mode::back}, row), kLeave);
    EXPECT_EQ(row.asked, 1) << "the new side, which the rules before have asked for";
}

TEST(SyncReverse, UpdateOfBothSides) {
    const FakePairRow row{
        .new_side = true, .old_side = true, .own_changed = true, .input_changed = true};
    expect_reverse(kUpdate, Writes::by_row, row, kLeave);
    expect_reverse(kUpdate, Writes::old_side, row, kLeave);
    expect_reverse(kUpdate, Writes::new_side, row, kCompute);
}

TEST(SyncReverse, UpdateOfBothSidesWithOneOfSeveralOldColumns) {
    // The new column changed, this old one did not, another of its group did.
    const FakePairRow row{.new_side = true, .old_side = true, .input_changed = true};
    expect_reverse(kUpdate, Writes::by_row, row, kCompute);
    expect_reverse(kUpdate, Writes::old_side, row, kLeave);
    expect_reverse(kUpdate, Writes::new_side, row, kCompute);
    // A new column changed that this one does not follow.
    for (const Writes side : kAll) expect_reverse(kUpdate, side, {.new_side = true}, kLeave);
}

}  // namespace
}  // namespace zdm::sync
