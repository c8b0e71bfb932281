#include "pg/executor.hpp"

#include "backfill/row_scan.hpp"

extern "C" {
#include "access/heapam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/predicate.h"
}

namespace zdm::backfill {

namespace {

// As heap_fetch does for one row.
bool is_visible(HeapTuple tuple, Relation relation, Snapshot snapshot, Buffer page) {
    const bool visible = HeapTupleSatisfiesVisibility(tuple, snapshot, page);
    if (visible)
        PredicateLockTID(relation, &tuple->t_self, snapshot, HeapTupleHeaderGetXmin(tuple->t_data));
    HeapCheckForSerializableConflictOut(visible, relation, tuple, page, snapshot);
    return visible;
}

// Finds the rows of the next page. They stay where they are as long as the page is pinned: nobody
// can prune it. False: none is left.
bool read_page(RowScan* rows) {
    Relation relation = rows->scan->ss.ss_currentRelation;
    Snapshot snapshot = rows->scan->ss.ps.state->es_snapshot;
    rows->found_count = rows->next = 0;
    if (rows->read == rows->count) return false;
    const BlockNumber block = ItemPointerGetBlockNumberNoCheck(&rows->places[rows->read]);
    rows->page = ReleaseAndReadBuffer(rows->page, relation, block);
    LockBuffer(rows->page, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(rows->page);
    const OffsetNumber last = PageGetMaxOffsetNumber(page);
    for (; rows->read < rows->count; ++rows->read) {
        const ItemPointerData* const place = &rows->places[rows->read];
        if (ItemPointerGetBlockNumberNoCheck(place) != block) break;
        const OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(place);
        if (offset < FirstOffsetNumber || offset > last) continue;
        const ItemId item = PageGetItemId(page, offset);
        if (!ItemIdIsNormal(item)) continue;
        HeapTupleData* const tuple = &rows->found[rows->found_count];
        tuple->t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
        tuple->t_len = ItemIdGetLength(item);
        tuple->t_self = *place;
        tuple->t_tableOid = RelationGetRelid(relation);
        if (is_visible(tuple, relation, snapshot, rows->page)) ++rows->found_count;
    }
    LockBuffer(rows->page, BUFFER_LOCK_UNLOCK);
    return true;
}

}  // namespace

// As ExecScan does.
TupleTableSlot* next_row(RowScan* rows) {
    PlanState* const plan = &rows->scan->ss.ps;
    TupleTableSlot* const slot = rows->scan->ss.ss_ScanTupleSlot;
    for (;;) {
        while (rows->next == rows->found_count) {
            CHECK_FOR_INTERRUPTS();
            if (!read_page(rows)) return nullptr;
        }
        ExprContext* const context = plan->ps_ExprContext;
        ResetExprContext(context);
        ExecStoreBufferHeapTuple(&rows->found[rows->next++], slot, rows->page);
        context->ecxt_scantuple = slot;
        if (plan->qual != nullptr && !ExecQual(plan->qual, context)) continue;
        return plan->ps_ProjInfo == nullptr ? slot : ExecProject(plan->ps_ProjInfo);
    }
}

void end_rows(RowScan* rows) {
    ExecClearTuple(rows->scan->ss.ss_ScanTupleSlot);
    if (BufferIsValid(rows->page)) ReleaseBuffer(rows->page);
    rows->page = InvalidBuffer;
}

}  // namespace zdm::backfill
