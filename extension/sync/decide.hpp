// Who wrote, and what follows from it: the decision of one rule about one row. Pure, and inline
// because it runs for every row that an application writes. Nothing here may need a destructor: the
// questions asked of the row can end in an ereport.
#pragma once

#include "settings.hpp"
#include "sync/rule.hpp"

namespace zdm::sync {

struct Decision {
    bool compute = false;   // evaluate the rule for this row
    bool evidence = false;  // if that changes the row, an application was at work that doesn't know
                            // the column
    bool compare = false;   // both sides are as the application wrote them: whether the value of
                            // the rule is the same is worth counting
};

// What `rule` has to do for the row, when it is in no group. Row answers:
//   is_null(rule)         the column is NULL, with what earlier rules gave
//   was_null(rule)        it was NULL before the UPDATE
//   changed(rule)         it differs from before the UPDATE, by bytes
//   inputs_changed(rule)  the application changed an input, or one of an earlier rule
//                         that gave this one an input
//   gave(rule)            an INSERT gave the column a value that is not its default
//   fed(rule)             what the rule reads is not all NULL
// Asked in the order of their cost, and only when the answer matters.
template <typename Row, typename RuleLike>
inline Decision decide(bool insert, const RuleLike& rule, const Row& row) {
    // Nobody names the other column: its value stands for this one's. The rule's condition says
    // whether there is one.
    if (rule.mode == Mode::taken) return {insert && !row.gave(rule) && row.fed(rule)};
    if (row.is_null(rule)) {
        // An INSERT without the column, or an UPDATE that took the value away.
        if (insert || !row.was_null(rule)) return {true, true};
        // A row that the backfill has not reached: that it is written again says nothing about the
        // writer, unless he changed what the column follows.
        return {true, rule.mode == Mode::step && row.inputs_changed(rule)};
    }
    if (insert || rule.mode == Mode::once) return {};
    if (!row.inputs_changed(rule)) return {};
    // Whoever sets the column himself knows it, and his value stays.
    if (row.changed(rule)) return {};
    return {true, true};
}

// The same for a rule of a group that gives a new column. Row also answers, about the group and the
// row as the application wrote it:
//   new_given(rule)    an INSERT gave a new column a value
//   old_given(rule)    it gave an old column a value that is not its default
//   new_changed(rule)  an UPDATE changed a new column, by bytes
//   old_changed(rule)  it changed an old one
//   rewrote(rule)      it changed the rule's own
template <typename Row, typename RuleLike>
inline Decision decide_forward(bool insert, Writes side, const RuleLike& rule, const Row& row) {
    if (insert) {
        if (side == Writes::old_side) return {true, true};
        if (side == Writes::new_side) return {};
        if (!row.is_null(rule)) return {false, false, row.old_given(rule)};
        // Of a new application, which left this column of several empty: the others tell what the
        // old ones are, not the other way round.
        if (row.new_given(rule) && !row.old_given(rule)) return {};
        return {true, true};
    }
    if (row.new_changed(rule)) {
        const bool both = row.old_changed(rule);
        if (both && side != Writes::by_row)
            return side == Writes::old_side ? Decision{true, true} : Decision{};
        // A new column that was taken to NULL too: its NULL is carried over by the others.
        if (row.rewrote(rule)) return {false, false, both};
    }
    if (row.inputs_changed(rule)) return {true, true};
    // A row that the backfill has not reached.
    return {row.is_null(rule), false};
}

// The same for a rule that gives an old column. Row also answers, likewise:
//   gave(rule)           an INSERT gave the column a value that is not its default
//   shows_new(rule)      an INSERT gave a new column that the rule reads a value; when it reads
//                        none: the column is NULL
//   inputs_changed(rule) an UPDATE changed a new column that the rule reads
template <typename Row, typename RuleLike>
inline Decision decide_reverse(bool insert, Writes side, const RuleLike& rule, const Row& row) {
    if (insert) {
        if (side != Writes::by_row) return {side == Writes::new_side};
        return {row.shows_new(rule) && !row.gave(rule)};
    }
    if (!row.new_changed(rule)) return {};
    if (side != Writes::by_row && row.old_changed(rule)) return {side == Writes::new_side};
    return {row.inputs_changed(rule) && !row.rewrote(rule)};
}

// Whether the application wrote the rule's column itself, so that it would miss it. Row answers,
// about the row as the application wrote it:
//   gave(rule)     an INSERT gave the column a value that is not its default
//   named(rule)    an UPDATE sets the column
//   rewrote(rule)  it differs from before the UPDATE, by bytes
template <typename Row, typename RuleLike>
inline bool writes(bool insert, const RuleLike& rule, const Row& row) {
    if (insert) return row.gave(rule);
    return row.named(rule) && row.rewrote(rule);
}

}  // namespace zdm::sync
