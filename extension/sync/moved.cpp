#include "sync/moved.hpp"

#include "pg/executor.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/datum.h"
}

namespace zdm::sync {

namespace {

// The last row that an UPDATE in a partition left. Both halves of a move belong to one command.
struct Last {
    Oid table;
    Oid partition;
    TimestampTz transaction;
    CommandId command;
    std::uint32_t values;
};
Last last = {InvalidOid, InvalidOid, 0, 0, 0};

// Of the columns that rules give, in the order of the rules: columns may stand in another order in
// another partition.
std::uint32_t hash_values(const Compiled* set, HeapTuple row, TupleDesc columns) {
    std::uint32_t hash = 0;
    for (int i = 0; i < set->rule_count; ++i) {
        const Column& column = set->rules[i].column;
        bool null;
        const Datum value = heap_getattr(row, column.number, columns, &null);
        const std::uint32_t one =
            null ? 0 : datum_image_hash(value, column.by_value, column.length) | 1U;
        hash = hash * 31 + one;
    }
    return hash;
}

bool is_partition(const Entry* entry) { return entry->watched != entry->key.relation; }

bool may_move(const Compiled* set, const Bitmapset* named) {
    return set->moves_anyhow || named == nullptr || bms_overlap(named, set->key);
}

}  // namespace

void note_updated(const Entry* entry, const Compiled* set, HeapTuple row, TupleDesc columns,
                  const Bitmapset* named) {
    if (!is_partition(entry)) return;
    last.table = InvalidOid;
    if (!may_move(set, named)) return;
    last = {entry->watched, entry->key.relation, GetCurrentTransactionStartTimestamp(),
            GetCurrentCommandId(false), hash_values(set, row, columns)};
}

bool is_moved(const Entry* entry, const Compiled* set, HeapTuple row, TupleDesc columns) {
    if (!is_partition(entry) || last.table != entry->watched ||
        last.partition == entry->key.relation)
        return false;
    if (last.transaction != GetCurrentTransactionStartTimestamp() ||
        last.command != GetCurrentCommandId(false))
        return false;
    return last.values == hash_values(set, row, columns);
}

}  // namespace zdm::sync
