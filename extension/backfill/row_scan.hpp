// Reads rows at known places page by page: what a scan by tid gives, but each page is found, pinned
// and locked once for all of its rows instead of once for each.
//
// Include it last, after pg/executor.hpp, whose types it uses.
#pragma once

#include <cstddef>

namespace zdm::backfill {

// Trivial: an ereport may jump over it. What it holds belongs to the resource owner.
struct RowScan {
    TidScanState* scan;             // whose slot, condition and projection it uses
    const ItemPointerData* places;  // sorted, each once
    std::size_t count;

    std::size_t read = 0;  // places that were looked up
    Buffer page = InvalidBuffer;
    HeapTupleData found[MaxHeapTuplesPerPage];  // on that page, visible to the snapshot
    int found_count = 0;
    int next = 0;
};

// The next row that is visible and meets the condition, as the scan's plan projects it; null at the
// end. Its old version is in the scan's slot. Raises.
TupleTableSlot* next_row(RowScan* rows);
// Lets go of the last page. Raises.
void end_rows(RowScan* rows);

}  // namespace zdm::backfill
