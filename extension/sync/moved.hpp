// A row that an UPDATE moves to another partition arrives there as an INSERT. Nobody wrote its
// columns again: what the trigger decided about the UPDATE stands.
#pragma once

#include "sync/compiled.hpp"

struct Bitmapset;
struct HeapTupleData;
struct TupleDescData;

namespace zdm::sync {

// Remembers the row that an UPDATE in a partition leaves, with what the rules gave, if it may move.
// `named`: the columns that the UPDATE sets, null: not known.
void note_updated(const Entry* entry, const Compiled* set, HeapTupleData* row,
                  TupleDescData* columns, const Bitmapset* named);
// Whether a row that is inserted is that row. May ereport, like all that reads values.
bool is_moved(const Entry* entry, const Compiled* set, HeapTupleData* row, TupleDescData* columns);

}  // namespace zdm::sync
