// An UPDATE whose rows never wait, without a statement that locks them first.
//
// The executor's own UPDATE waits for whoever has a row locked, so a batch would have to lock its
// rows beforehand, without those that others have (statements.hpp): a second way to each row, and a
// record in the WAL for it. Here the executor plans, checks privileges, finds the rows and computes
// the new ones as always; only its last step is ours: the same calls in the same order
// (ExecModifyTable and ExecUpdate in nodeModifyTable.c of PostgreSQL 15 to 18), except that the
// table is told not to wait.
#pragma once

#include <cstdint>
#include <vector>

#include "backfill/tid.hpp"

struct CachedPlan;

namespace zdm::backfill {

struct Changed {
    std::int64_t rows = 0;
    std::int64_t still = 0;   // of them, match even now
    std::vector<Tid> locked;  // by others, in some way: an UPDATE may have to wait for them, or not
};

// Whether an UPDATE of the relation, which this transaction has locked, comes out the same this
// way. Not with triggers that lock the row (BEFORE, but for our own sync trigger, which lets our
// writes be), that see the statement as a whole, or with rules. Triggers that are not to fire are
// in nobody's way.
bool can_change_directly(std::uint32_t relation, bool fire_triggers);

// Changes rows (sorted, each once) with the plan of an UPDATE of direct_text(). Inside an SPI
// connection. Rows that were changed meanwhile are left alone.
Changed change_directly(CachedPlan* plan, const char* text, const std::vector<Tid>& rows,
                        bool fire_triggers);

}  // namespace zdm::backfill
