// What the engine sees of heap pages themselves.
#include "backfill/table.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/freespace.h"
#include "storage/procarray.h"
#include "utils/rel.h"
}

namespace zdm::backfill {

namespace {

PageFacts facts_of(Page page) {
    PageFacts facts;
    std::int64_t bytes = 0;
    const OffsetNumber last = PageGetMaxOffsetNumber(page);
    for (OffsetNumber offset = FirstOffsetNumber; offset <= last; ++offset) {
        const ItemId item = PageGetItemId(page, offset);
        if (!ItemIdIsNormal(item)) continue;
        ++facts.rows;
        bytes += MAXALIGN(ItemIdGetLength(item)) + sizeof(ItemIdData);
    }
    if (facts.rows > 0) facts.row_bytes = static_cast<int>(bytes / facts.rows);
    facts.free = static_cast<int>(PageGetHeapFreeSpace(page));
    return facts;
}

// Adds what became of a row that this transaction changed.
void add_change(Relation relation, Tid row, ChangeSample* sample) {
    Buffer buffer = ReadBuffer(relation, row.block);
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const ItemId item = PageGetItemId(page, row.offset);
    if (row.offset <= PageGetMaxOffsetNumber(page) && ItemIdIsNormal(item)) {
        auto* const old = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
        const bool ours = (old->t_infomask & HEAP_XMAX_INVALID) == 0 &&
                          (old->t_infomask & HEAP_XMAX_IS_MULTI) == 0 &&
                          TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmax(old));
        if (ours) {
            ++sample->rows;
            if (HeapTupleHeaderIsHotUpdated(old)) {
                ++sample->hot;
                const ItemId now = PageGetItemId(page, ItemPointerGetOffsetNumber(&old->t_ctid));
                if (ItemIdIsNormal(now))
                    sample->growth += static_cast<int>(MAXALIGN(ItemIdGetLength(now))) -
                                      static_cast<int>(MAXALIGN(ItemIdGetLength(item)));
            }
        }
    }
    UnlockReleaseBuffer(buffer);
}

}  // namespace

std::vector<PageFacts> Table::look(const std::vector<Tid>& rows) {
    std::vector<PageFacts> pages;
    std::vector<std::uint32_t> blocks;
    for (const Tid row : rows)
        if (blocks.empty() || blocks.back() != row.block) blocks.push_back(row.block);
    pages.resize(blocks.size());
    pg::call([&] {
        Relation relation = table_open(leaf_.relation, NoLock);
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            Buffer buffer = ReadBuffer(relation, blocks[i]);
            heap_page_prune_opt(relation, buffer);
            LockBuffer(buffer, BUFFER_LOCK_SHARE);
            pages[i] = facts_of(BufferGetPage(buffer));
            UnlockReleaseBuffer(buffer);
        }
        table_close(relation, NoLock);
    });
    return pages;
}

ChangeSample Table::sample(const std::vector<Tid>& rows) {
    ChangeSample sample;
    pg::call([&] {
        Relation relation = table_open(leaf_.relation, NoLock);
        for (const Tid row : rows) add_change(relation, row, &sample);
        table_close(relation, NoLock);
    });
    return sample;
}

void Table::share_free_space(Pages pages) {
    pg::call([&] {
        Relation relation = table_open(leaf_.relation, NoLock);
        const BlockNumber end = std::min(pages.end, RelationGetNumberOfBlocks(relation));
        for (BlockNumber block = pages.first; block < end; ++block) {
            Buffer buffer = ReadBuffer(relation, block);
            heap_page_prune_opt(relation, buffer);
            LockBuffer(buffer, BUFFER_LOCK_SHARE);
            const Size free = PageGetHeapFreeSpace(BufferGetPage(buffer));
            UnlockReleaseBuffer(buffer);
            RecordPageWithFreeSpace(relation, block, free);
        }
        if (pages.first < end) FreeSpaceMapVacuumRange(relation, pages.first, end);
        table_close(relation, NoLock);
    });
}

std::uint32_t Table::horizon() {
    return pg::call([&] {
        Relation relation = table_open(leaf_.relation, NoLock);
        const TransactionId xid = GetOldestNonRemovableTransactionId(relation);
        table_close(relation, NoLock);
        return xid;
    });
}

bool precedes(std::uint32_t xid, std::uint32_t other) { return TransactionIdPrecedes(xid, other); }

std::uint32_t transaction_id() { return GetTopTransactionIdIfAny(); }

}  // namespace zdm::backfill
