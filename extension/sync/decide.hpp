// Who wrote, and what follows from it: the decision of one rule about one row. Pure, and inline
// because it runs for every row that an application writes. Nothing here may need a destructor: the
// questions asked of the row can end in an ereport.
#pragma once

#include "sync/rule.hpp"

namespace zdm::sync {

struct Decision {
    bool compute = false;   // evaluate the rule for this row
    bool evidence = false;  // if that changes the row, an application was at work that doesn't know
                            // the column
};

// What `rule` has to do for the row. Row answers:
//   is_null(rule)         the column is NULL, with what earlier rules gave
//   was_null(rule)        it was NULL before the UPDATE
//   changed(rule)         it differs from before the UPDATE, by bytes
//   inputs_changed(rule)  the application changed an input, or one that an earlier rule gave
//   because
//                         the application changed its inputs
// Asked in the order of their cost, and only when the answer matters.
template <typename Row, typename RuleLike>
inline Decision decide(bool insert, const RuleLike& rule, const Row& row) {
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
