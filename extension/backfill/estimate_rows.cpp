// What a SET clause would make of some rows: their new values are computed, put into a row as the
// server would put them, and measured. Nothing is stored.
#include <algorithm>
#include <cmath>

#include "backfill/estimate.hpp"
#include "backfill/statements.hpp"
#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/compat.hpp"

extern "C" {
#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
}

namespace zdm::backfill {

namespace {

// A column of the SET clause.
struct Target {
    int number = 0;       // attnum
    std::string value;    // its expression, cast to the column's type
    int fixed_bytes = 0;  // of the type, 0 when they vary
    bool blocks = false;  // a change of it can't be HOT
    bool evaluated = true;
};

// Columns of the table in order, as a SELECT list can name them.
struct Shape {
    std::vector<std::string> columns;
    std::vector<Target> targets;
};

struct RowSeen {
    int growth;
    int bytes;
    int beside;
    bool blocked;
};

Shape shape_of(const Leaf& leaf, const std::vector<Assigned>& assigned) {
    const pg::PinnedPath pinned;
    Shape shape;
    // Virtual generated columns (PostgreSQL 18) have no place in a row.
    const auto found = pg::query(
        "SELECT CASE WHEN a.attisdropped OR a.attgenerated = 'v' THEN 'NULL'"
        "            ELSE quote_ident(a.attname) END,"
        "       a.attnum, format_type(a.atttypid, a.atttypmod), greatest(a.attlen, 0)"
        "  FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 ORDER BY a.attnum",
        {std::int64_t{leaf.relation}});
    for (const auto& row : found.rows) {
        shape.columns.push_back(row.text(0));
        for (const auto& a : assigned) {
            if (row.text(0) != a.column) continue;
            Target target;
            target.number = static_cast<int>(row.number(1));
            target.value = "CAST((" + a.expression + "\n) AS " + row.text(2) + ")";
            target.fixed_bytes = static_cast<int>(row.number(3));
            shape.targets.push_back(target);
        }
    }
    return shape;
}

// Marks the targets that keep a change from being HOT. True when a generated column of an index may
// follow any of them.
bool mark_blocking(const Leaf& leaf, std::vector<Target>& targets) {
    return pg::call([&] {
        Relation rel = table_open(leaf.relation, NoLock);
        Bitmapset* keys = RelationGetIndexAttrBitmap(rel, pg::compat::kHotColumns);
        const auto in_index = [&](int number) {
            return bms_is_member(number - FirstLowInvalidHeapAttributeNumber, keys);
        };
        for (auto& target : targets) target.blocks = in_index(target.number);
        bool generated = false;
        TupleDesc shape = RelationGetDescr(rel);
        for (int i = 0; i < shape->natts; ++i) {
            Form_pg_attribute attribute = TupleDescAttr(shape, i);
            if (!attribute->attisdropped && attribute->attgenerated != '\0')
                generated |= in_index(attribute->attnum);
        }
        table_close(rel, NoLock);
        return generated;
    });
}

// The length of a row version as it lies on its page, 0 when it is gone.
int length_on_page(Relation rel, ItemPointer place) {
    Buffer buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(place));
    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const OffsetNumber offset = ItemPointerGetOffsetNumber(place);
    int length = 0;
    if (offset <= PageGetMaxOffsetNumber(page)) {
        const ItemId item = PageGetItemId(page, offset);
        if (ItemIdIsNormal(item)) length = static_cast<int>(ItemIdGetLength(item));
    }
    UnlockReleaseBuffer(buffer);
    return length;
}

// A row under construction.
struct Draft {
    TupleDesc shape;
    Datum* values;
    bool* nulls;
};

HeapTuple form(const Draft& draft) {
    return heap_form_tuple(draft.shape, draft.values, draft.nulls);
}

// The widest value that could still be made smaller or moved out; -1: none.
int widest(const Draft& draft, bool compressible_only, const bool* stuck) {
    int found = -1;
    Size size = MAXALIGN(TOAST_POINTER_SIZE);
    for (int i = 0; i < draft.shape->natts; ++i) {
        Form_pg_attribute attribute = TupleDescAttr(draft.shape, i);
        if (draft.nulls[i] || attribute->attlen != -1) continue;
        const bool extended = attribute->attstorage == TYPSTORAGE_EXTENDED;
        if (!extended && attribute->attstorage != TYPSTORAGE_EXTERNAL) continue;
        void* const value = DatumGetPointer(draft.values[i]);
        if (VARATT_IS_EXTERNAL(value)) continue;
        if (compressible_only && (stuck[i] || !extended || VARATT_IS_COMPRESSED(value))) continue;
        if (VARSIZE_ANY(value) <= size) continue;
        found = i;
        size = VARSIZE_ANY(value);
    }
    return found;
}

// Makes a row that is too long shorter as the server does: compresses the widest values, then moves
// them out. Gives the bytes that lie beside it.
int shorten(Relation rel, const Draft& draft) {
    const Size goal = RelationGetToastTupleTarget(rel, TOAST_TUPLE_TARGET);
    bool* const stuck = static_cast<bool*>(palloc0(sizeof(bool) * draft.shape->natts));
    int beside = 0;
    for (bool compress = true; form(draft)->t_len > goal;) {
        const int i = widest(draft, compress, stuck);
        if (i < 0 && !compress) break;
        if (i < 0) {
            compress = false;
            continue;
        }
        if (compress) {
            Form_pg_attribute attribute = TupleDescAttr(draft.shape, i);
            const char method = CompressionMethodIsValid(attribute->attcompression)
                                    ? attribute->attcompression
                                    : static_cast<char>(default_toast_compression);
            const Datum smaller = toast_compress_datum(draft.values[i], method);
            if (DatumGetPointer(smaller) != nullptr)
                draft.values[i] = smaller;
            else
                stuck[i] = true;
            if (VARSIZE_ANY(DatumGetPointer(draft.values[i])) <= goal) continue;
        }
        const int size = static_cast<int>(VARSIZE_ANY(DatumGetPointer(draft.values[i])));
        // Each chunk is a row of its own, with a header, two numbers and a line pointer.
        beside += size + (size / static_cast<int>(TOAST_MAX_CHUNK_SIZE) + 1) * 44;
        auto* const pointer = static_cast<char*>(palloc0(TOAST_POINTER_SIZE));
        SET_VARTAG_EXTERNAL(pointer, VARTAG_ONDISK);
        draft.values[i] = PointerGetDatum(pointer);
    }
    return beside;
}

// One row of the result: ctid, all columns, the values of the targets that were evaluated.
RowSeen measure(Relation rel, HeapTuple found, TupleDesc result, const Target* targets, int count) {
    TupleDesc shape = RelationGetDescr(rel);
    const auto columns = static_cast<Size>(shape->natts);
    Draft draft{shape, static_cast<Datum*>(palloc(sizeof(Datum) * columns)),
                static_cast<bool*>(palloc(sizeof(bool) * columns))};
    bool null = false;
    for (int i = 0; i < shape->natts; ++i)
        draft.values[i] = SPI_getbinval(found, result, i + 2, &draft.nulls[i]);
    HeapTuple old = form(draft);
    auto* const place =
        reinterpret_cast<ItemPointer>(DatumGetPointer(SPI_getbinval(found, result, 1, &null)));
    const int before = length_on_page(rel, place);

    int next = shape->natts + 2;
    for (int t = 0; t < count; ++t) {
        if (!targets[t].evaluated) continue;
        const int i = targets[t].number - 1;
        draft.values[i] = SPI_getbinval(found, result, next++, &draft.nulls[i]);
        Form_pg_attribute attribute = TupleDescAttr(shape, i);
        if (draft.nulls[i] || attribute->attlen != -1) continue;
        // A copy of another column's value is one of its own.
        auto* const value = reinterpret_cast<varlena*>(DatumGetPointer(draft.values[i]));
        if (VARATT_IS_EXTERNAL(value))
            draft.values[i] = PointerGetDatum(detoast_external_attr(value));
    }
    HeapTuple now = form(draft);
    RowSeen seen{0, 0, 0, false};
    for (int t = 0; t < count; ++t) {
        if (!targets[t].blocks || !targets[t].evaluated) continue;
        Form_pg_attribute attribute = TupleDescAttr(shape, targets[t].number - 1);
        bool was_null = false;
        bool is_null = false;
        const Datum was = heap_getattr(old, targets[t].number, shape, &was_null);
        const Datum is = heap_getattr(now, targets[t].number, shape, &is_null);
        if (was_null != is_null ||
            (!is_null && !datumIsEqual(was, is, attribute->attbyval, attribute->attlen)))
            seen.blocked = true;
    }
    if (now->t_len > TOAST_TUPLE_THRESHOLD && OidIsValid(rel->rd_rel->reltoastrelid)) {
        seen.beside = shorten(rel, draft);
        now = form(draft);
    }
    seen.bytes = static_cast<int>(MAXALIGN(now->t_len));
    seen.growth =
        seen.bytes - static_cast<int>(MAXALIGN(before > 0 ? before : static_cast<int>(old->t_len)));
    return seen;
}

std::vector<RowSeen> measure_rows(const Task& task, const Leaf& leaf, const Shape& shape,
                                  const std::vector<Tid>& rows) {
    std::string list = "ctid";
    for (const auto& column : shape.columns) list += ", " + column;
    for (const auto& target : shape.targets)
        if (target.evaluated) list += ", " + target.value;
    const std::string sql = "SELECT " + list + " FROM ONLY " + named_as(leaf.name, task.name) +
                            " WHERE ctid OPERATOR(pg_catalog.=) ANY ($1)";
    std::vector<RowSeen> seen(rows.size());
    std::size_t count = 0;
    const ReadOnly guard;
    pg::Spi spi;
    SavedPlan plan;
    pg::call([] {
        set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                          true, 0, false);
        set_config_option("enable_tidscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
                          true, 0, false);
    });
    plan.make(sql, {TIDARRAYOID});
    std::vector<ItemPointerData> places(rows.size());
    std::vector<Datum> datums;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        ItemPointerSet(&places[i], rows[i].block, rows[i].offset);
        datums.push_back(PointerGetDatum(&places[i]));
    }
    pg::call([&] {
        Datum array =
            PointerGetDatum(construct_array(datums.data(), static_cast<int>(datums.size()), TIDOID,
                                            sizeof(ItemPointerData), false, TYPALIGN_SHORT));
        const int code = SPI_execute_plan(plan.get(), &array, nullptr, false, 0);
        if (code != SPI_OK_SELECT) elog(ERROR, "sample: %s", SPI_result_code_string(code));
        Relation rel = table_open(leaf.relation, NoLock);
        for (; count < SPI_processed && count < seen.size(); ++count)
            seen[count] = measure(rel, SPI_tuptable->vals[count], SPI_tuptable->tupdesc,
                                  shape.targets.data(), static_cast<int>(shape.targets.size()));
        table_close(rel, NoLock);
    });
    plan.forget();
    spi.finish();
    seen.resize(count);
    return seen;
}

// The mean of a sample of rows, give or take: 2.6 standard errors.
template <typename F>
Range mean_of(const std::vector<RowSeen>& seen, F value) {
    const auto n = static_cast<double>(seen.size());
    if (seen.empty()) return {};
    double mean = 0;
    double squares = 0;
    for (const auto& row : seen) mean += value(row) / n;
    for (const auto& row : seen) squares += (value(row) - mean) * (value(row) - mean);
    const double error = n > 1 ? 2.6 * std::sqrt(squares / (n - 1) / n) : 0.5 * std::abs(mean);
    return {mean - error, mean + error};
}

// What can be said of values that were not computed.
void widen(const Shape& shape, Look& look) {
    for (const auto& target : shape.targets) {
        if (target.evaluated) continue;
        // A width that varies: some words at most.
        look.change.growth.high += target.fixed_bytes > 0 ? target.fixed_bytes + 8 : 128;
        if (target.blocks) look.change.not_hot.high = 1;
    }
}

}  // namespace

void look_at_rows(const Task& task, const Leaf& leaf, const std::vector<Assigned>& assigned,
                  const std::vector<Tid>& rows, Look& look) {
    Shape shape = shape_of(leaf, assigned);
    const bool generated = mark_blocking(leaf, shape.targets);
    look.indexed = generated;
    for (auto& target : shape.targets) {
        look.indexed = look.indexed || target.blocks;
        target.evaluated =
            !is_volatile("SELECT " + target.value + " FROM ONLY " + named_as(leaf.name, task.name));
    }
    if (std::any_of(shape.targets.begin(), shape.targets.end(),
                    [](const Target& target) { return !target.evaluated; }))
        look.notes.push_back(
            "SET calls a volatile function, which is not done for an estimate: how much longer "
            "rows get is a guess.");
    std::vector<RowSeen> seen;
    const auto not_computed = [&] {
        for (auto& target : shape.targets) target.evaluated = false;
    };
    if (rows.empty()) {
        not_computed();
    } else {
        try {
            seen = measure_rows(task, leaf, shape, rows);
        } catch (const pg::Error& error) {
            look.notes.push_back(why_not("SET", error));
            not_computed();
        }
    }
    RowChange& change = look.change;
    change.growth = mean_of(seen, [](const RowSeen& row) { return row.growth; });
    change.toast = mean_of(seen, [](const RowSeen& row) { return row.beside; });
    change.toast.low = std::max(0.0, change.toast.low);
    change.not_hot = mean_of(seen, [](const RowSeen& row) { return row.blocked ? 1 : 0; });
    change.not_hot = {std::clamp(change.not_hot.low, 0.0, 1.0),
                      std::clamp(change.not_hot.high, 0.0, 1.0)};
    if (generated) change.not_hot.high = 1;
    if (!seen.empty()) {
        const Range bytes = mean_of(seen, [](const RowSeen& row) { return row.bytes; });
        change.row_bytes = (bytes.low + bytes.high) / 2;
    } else {
        double all = 0;
        double count = 0;
        for (const auto& page : look.sample) {
            all += static_cast<double>(page.facts.row_bytes) * page.facts.rows;
            count += page.facts.rows;
        }
        if (count > 0) change.row_bytes = all / count;
    }
    widen(shape, look);
}

}  // namespace zdm::backfill
