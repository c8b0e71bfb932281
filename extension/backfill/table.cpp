#include "backfill/table.hpp"

#include "backfill/statements.hpp"
#include "backfill/triggers.hpp"
#include "pg/bridge.hpp"
#include "pg/compat.hpp"
#include "pg/publication.hpp"
#include "pg/spi.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/plancache.h"
#include "utils/relcache.h"
}

namespace zdm::backfill {

namespace {

ItemPointerData item(Tid tid) {
    ItemPointerData pointer;
    ItemPointerSet(&pointer, tid.block, tid.offset);
    return pointer;
}

Tid tid_of(const ItemPointerData& pointer) {
    return {ItemPointerGetBlockNumberNoCheck(&pointer),
            ItemPointerGetOffsetNumberNoCheck(&pointer)};
}

// What open() reads of a relation.
struct Seen {
    bool exists;
    bool heap;
    bool attached;  // to the table, or the table itself
    const char* schema;
    const char* name;
    BlockNumber blocks;
    Oid filenode;
};

// Whether the relation belongs to the table, as a partition, or, where `tree` says so, as a child.
bool is_below(Oid relation, Oid table, bool tree) {
    // One that is being detached has no ancestors any more.
    if (!tree)
        return get_rel_relispartition(relation) &&
               list_member_oid(get_partition_ancestors(relation), table);
    return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)) &&
           typeInheritsFrom(get_rel_type_id(relation), get_rel_type_id(table));
}

Seen see(Oid relation, Oid table, bool tree) {
    Seen s{};
    s.exists = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
    if (!s.exists) return s;
    s.attached = relation == table || is_below(relation, table, tree);
    Relation rel = table_open(relation, NoLock);
    s.heap = rel->rd_rel->relam == HEAP_TABLE_AM_OID;
    s.schema = get_namespace_name(RelationGetNamespace(rel));
    s.name = pstrdup(RelationGetRelationName(rel));
    s.blocks = RelationGetNumberOfBlocks(rel);
    s.filenode = rel->rd_rel->relfilenode;
    table_close(rel, NoLock);
    return s;
}

void set_locally(const char* name, const char* value) {
    set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// Plans a prepared statement now and keeps that plan. The settings that lead the planner to scans
// by tid hold here only: triggers that the statement fires run under their own.
CachedPlan* plan_now(SPIPlanPtr plan) {
    const int level = NewGUCNestLevel();
    set_locally("enable_tidscan", "on");
    // Tiny tables tempt it to read them as a whole, and a batch must not read (and hash) the table
    // of a subquery as a whole where that has an index.
    set_locally("enable_seqscan", "off");
    set_locally("jit", "off");
    CachedPlan* cached = SPI_plan_get_cached_plan(plan);
    AtEOXact_GUC(false, level);
    return cached;
}

// The first statement of a planned query.
PlannedStmt* statement_of(CachedPlan* cached) {
    return linitial_node(PlannedStmt, cached->stmt_list);
}

// The part of a change's plan that changes rows.
ModifyTable* modify_of(PlannedStmt* statement) {
    if (IsA(statement->planTree, ModifyTable))
        return reinterpret_cast<ModifyTable*>(statement->planTree);
    ListCell* cell = nullptr;
    foreach (cell, statement->subplans) {
        auto* plan = static_cast<Plan*>(lfirst(cell));
        if (plan != nullptr && IsA(plan, ModifyTable)) return reinterpret_cast<ModifyTable*>(plan);
    }
    return nullptr;
}

// Whether an UPDATE sets columns of such indexes of the relation (or a generated column of one
// may follow).
bool sets_columns_of(IndexAttrBitmapKind kind, Oid relation, ModifyTable* modify) {
    Relation rel = table_open(relation, NoLock);
    Bitmapset* keys = RelationGetIndexAttrBitmap(rel, kind);
    bool found = false;
    ListCell* cell = nullptr;
    foreach (cell, modify->updateColnosLists) {
        ListCell* column = nullptr;
        foreach (column, static_cast<List*>(lfirst(cell)))
            found |= bms_is_member(lfirst_int(column) - FirstLowInvalidHeapAttributeNumber, keys);
    }
    TupleDesc shape = RelationGetDescr(rel);
    for (int i = 0; i < shape->natts; ++i) {
        Form_pg_attribute attribute = TupleDescAttr(shape, i);
        if (!attribute->attisdropped && attribute->attgenerated != '\0')
            found |= bms_is_member(attribute->attnum - FirstLowInvalidHeapAttributeNumber, keys);
    }
    bms_free(keys);
    table_close(rel, NoLock);
    return found;
}

// Where a survey's rows go: their places, and no copies of them.
struct Places {
    DestReceiver receiver;
    ItemPointerData* items;
    std::size_t count;
    std::size_t room;
};

bool receive(TupleTableSlot* slot, DestReceiver* self) {
    auto* const places = reinterpret_cast<Places*>(self);
    if (places->count == places->room) {
        places->room = places->room == 0 ? 1024 : 2 * places->room;
        const Size bytes = places->room * sizeof(ItemPointerData);
        places->items = static_cast<ItemPointerData*>(
            places->items == nullptr ? MemoryContextAlloc(CurTransactionContext, bytes)
                                     : repalloc(places->items, bytes));
    }
    bool null = false;
    const Datum place = slot_getattr(slot, 1, &null);
    places->items[places->count++] = *reinterpret_cast<ItemPointer>(DatumGetPointer(place));
    return true;
}

DestReceiver receiver() {
    DestReceiver made{};
    made.receiveSlot = receive;
    made.rStartup = [](DestReceiver*, int, TupleDesc) {};
    made.rShutdown = [](DestReceiver*) {};
    made.rDestroy = [](DestReceiver*) {};
    made.mydest = DestTuplestore;  // DestNone means that nobody wants the rows
    return made;
}

[[noreturn]] void bad_plan(const std::string& what) {
    throw pg::Error{pg::state::kInternal,
                    "ZD999: unexpected plan for the " + what + " of a backfill",
                    {},
                    "Look for planner settings of this role or database (enable_tidscan); if there "
                    "are none, please report this."};
}

}  // namespace

SavedPlan::~SavedPlan() { forget(); }

void SavedPlan::forget() {
    if (plan_ != nullptr) SPI_freeplan(plan_);
    plan_ = nullptr;
}

void SavedPlan::make(const std::string& text, std::vector<unsigned> types) {
    forget();
    plan_ = pg::call([&] {
        SPIPlanPtr plan = SPI_prepare_cursor(text.c_str(), static_cast<int>(types.size()),
                                             types.data(), CURSOR_OPT_GENERIC_PLAN);
        if (plan == nullptr || SPI_keepplan(plan) != 0)
            elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
        return plan;
    });
}

pg::Error gone(const std::string& name, const std::string& what) {
    return pg::Error{pg::state::kUndefinedTable, "ZD204: table " + name + " " + what,
                     "Somebody else changed it while the migration was running.",
                     "Put it back and call zdm_resume, or take the migration back with "
                     "zdm_rollback."};
}

Gone::Gone(const Task& task, const Leaf& leaf, const std::string& what)
    : pg::Error(gone(leaf.name, what)),
      what_happened((leaf.name.empty() ? "a " + task.called() : task.called() + leaf.name + " ") +
                    what) {}

Table::Table(const Task& task) : task_(task), leaf_(task.whole()) {}

void Table::aim(const Leaf& leaf) {
    if (leaf.relation == leaf_.relation && leaf.name == leaf_.name) return;
    leaf_ = leaf;
    survey_.forget();
    change_.forget();
    direct_.forget();
    key_columns_ = indexed_columns_ = false;
}

std::string Table::named() const { return named_as(leaf_.name, task_.name); }

bool Table::open(bool for_change) {
    const Oid relation = leaf_.relation;
    const LOCKMODE mode = for_change ? RowExclusiveLock : AccessShareLock;
    // Joining the queue could make applications wait behind us, and us for long.
    if (!pg::call([&] { return ConditionalLockRelationOid(relation, mode); })) return false;
    const Oid table = task_.relation;
    const bool tree = task_.tree;
    const Seen seen = pg::call([&] { return see(relation, table, tree); });
    if (!seen.exists && is_whole()) throw gone(task_.name, "was dropped");
    if (!seen.exists) throw Gone{task_, leaf_, "was dropped"};
    if (!seen.attached) throw Gone{task_, leaf_, task_.left()};
    const std::string now = pg::quote_qualified(seen.schema, seen.name);
    if (now != leaf_.name && is_whole()) throw gone(task_.name, "is called " + now + " now");
    aim({relation, now});
    if (!seen.heap)
        throw pg::Error{pg::state::kFeatureNotSupported,
                        "ZD204: table " + leaf_.name + " is not stored as a heap",
                        "Backfills go over the pages of a heap.",
                        "Write the UPDATE for it yourself."};
    if (for_change) check_published();
    blocks_ = seen.blocks;
    filenode_ = seen.filenode;
    return true;
}

// A publication may have been made while the migration runs.
void Table::check_published() const {
    try {
        pg::check_replica_identity(leaf_.relation, task_.set_clause.empty());
    } catch (const pg::Error& error) {
        throw pg::Error{error.sqlstate, std::string{"ZD209: "} + error.what(), error.detail,
                        "Give " + leaf_.name +
                            " a replica identity that fits (ALTER TABLE ... REPLICA IDENTITY), or "
                            "take it out of the publication; then call zdm_resume, or go back with "
                            "zdm_rollback."};
    }
}

void Table::make_survey() {
    if (!survey_.made()) survey_.make(survey_text(named(), task_.predicate), {TIDOID, TIDOID});
    const bool good = pg::call([&] {
        CachedPlan* cached = plan_now(survey_.get());
        const bool by_tid = IsA(statement_of(cached)->planTree, TidRangeScan);
        ReleaseCachedPlan(cached, CurrentResourceOwner);
        return by_tid;
    });
    if (!good) bad_plan("survey");
}

void Table::make_change() {
    const bool fresh = !change_.made();
    if (fresh)
        change_.make(change_text(named(), task_.set_clause, task_.predicate, key_columns_),
                     {TIDARRAYOID});
    bool keys = false;
    bool indexed = false;
    const bool good = pg::call([&] {
        CachedPlan* cached = plan_now(change_.get());
        ModifyTable* modify = modify_of(statement_of(cached));
        const bool by_tid = modify != nullptr && IsA(outerPlan(&modify->plan), TidScan);
        keys = by_tid && sets_columns_of(INDEX_ATTR_BITMAP_KEY, leaf_.relation, modify);
        indexed = by_tid && sets_columns_of(pg::compat::kHotColumns, leaf_.relation, modify);
        ReleaseCachedPlan(cached, CurrentResourceOwner);
        return by_tid;
    });
    if (!good) bad_plan("change");
    indexed_columns_ = indexed;
    if (keys == key_columns_ || task_.set_clause.empty()) return;
    key_columns_ = keys;
    change_.forget();
    make_change();
}

std::vector<Tid> Table::survey(Tid from, Tid end, std::int64_t most) {
    pg::Spi spi;
    make_survey();
    ItemPointerData first = item(from);
    ItemPointerData last = item(end);
    Datum values[] = {PointerGetDatum(&first), PointerGetDatum(&last)};
    const Places found = pg::call([&] {
        Places places{receiver(), nullptr, 0, 0};
        ParamListInfo parameters = makeParamList(2);
        for (int i = 0; i < 2; ++i)
            parameters->params[i] = ParamExternData{values[i], false, PARAM_FLAG_CONST, TIDOID};
        SPIExecuteOptions options{};
        options.params = parameters;
        options.tcount = static_cast<uint64>(most);
        options.dest = &places.receiver;
        const int code = SPI_execute_plan_extended(survey_.get(), &options);
        if (code != SPI_OK_SELECT) elog(ERROR, "survey: %s", SPI_result_code_string(code));
        return places;
    });
    std::vector<Tid> rows;
    rows.reserve(found.count);
    for (std::size_t i = 0; i < found.count; ++i) rows.push_back(tid_of(found.items[i]));
    spi.finish();
    return rows;
}

std::optional<Changed> Table::change_without_locks(const std::vector<Tid>& rows) {
    if (task_.set_clause.empty() || !can_change_directly(leaf_.relation, task_.fire_triggers))
        return std::nullopt;
    const std::string text = direct_text(named(), task_.set_clause, task_.predicate);
    if (!direct_.made()) direct_.make(text, {TIDARRAYOID});
    bool indexed = false;
    CachedPlan* const cached = pg::call([&]() -> CachedPlan* {
        CachedPlan* plan = plan_now(direct_.get());
        ModifyTable* modify =
            list_length(plan->stmt_list) == 1 ? modify_of(statement_of(plan)) : nullptr;
        if (modify != nullptr && IsA(outerPlan(&modify->plan), TidScan)) {
            indexed = sets_columns_of(pg::compat::kHotColumns, leaf_.relation, modify);
            return plan;
        }
        ReleaseCachedPlan(plan, CurrentResourceOwner);
        return nullptr;
    });
    if (cached == nullptr) return std::nullopt;
    indexed_columns_ = indexed;
    Changed changed = change_directly(cached, text.c_str(), rows, task_.fire_triggers);
    pg::call([&] { ReleaseCachedPlan(cached, CurrentResourceOwner); });
    return changed;
}

Changed Table::change_by_statement(const std::vector<Tid>& rows) {
    Changed changed;
    if (rows.empty()) return changed;
    make_change();
    if (!task_.fire_triggers) return change_without_triggers(rows);
    std::vector<ItemPointerData> places;
    std::vector<Datum> datums;
    places.reserve(rows.size());
    for (const Tid row : rows) places.push_back(item(row));
    for (auto& place : places) datums.push_back(PointerGetDatum(&place));
    pg::call([&] {
        Datum array =
            PointerGetDatum(construct_array(datums.data(), static_cast<int>(datums.size()), TIDOID,
                                            sizeof(ItemPointerData), false, TYPALIGN_SHORT));
        const int code = SPI_execute_plan(change_.get(), &array, nullptr, false, 0);
        if (code != SPI_OK_SELECT) elog(ERROR, "change: %s", SPI_result_code_string(code));
        bool null = false;
        const auto number = [&](int column) {
            return DatumGetInt64(
                SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &null));
        };
        changed.rows = number(1);
        changed.still = number(2);
    });
    return changed;
}

Changed Table::change_without_triggers(const std::vector<Tid>& rows) {
    CachedPlan* const plan = pg::call([&] { return plan_now(change_.get()); });
    const std::string text = change_text(named(), task_.set_clause, task_.predicate, key_columns_);
    Changed changed = change_silently(plan, text.c_str(), rows);
    pg::call([&] { ReleaseCachedPlan(plan, CurrentResourceOwner); });
    return changed;
}

std::int64_t Table::change(const std::vector<Tid>& rows) {
    if (rows.empty()) return 0;
    pg::Spi spi;
    const auto direct = change_without_locks(rows);
    // Whoever has a row locked may be in nobody's way: a statement tells.
    const Changed rest = change_by_statement(direct ? direct->locked : rows);
    spi.finish();
    const Changed first = direct.value_or(Changed{});
    if (first.still + rest.still > 0) throw does_not_converge(first.still + rest.still);
    return first.rows + rest.rows;
}

pg::Error Table::does_not_converge(std::int64_t rows) const {
    return pg::Error{
        pg::state::kNotInPrerequisiteState,
        "ZD206: rows of " + leaf_.name + " still match after they were filled",
        std::to_string(rows) +
            " rows of a batch do; the batch was taken back. Either a trigger of "
            "the table takes the change back, or the SET clause gives values "
            "that match WHERE.",
        "Look at the triggers of " + leaf_.name + ", then call zdm_resume, or zdm_rollback."};
}

void Table::check_constraints() { pg::query("SET CONSTRAINTS ALL IMMEDIATE"); }

std::string Table::describe(Tid row) {
    const std::string key = key_of(row);
    return to_text(row) + (is_whole() ? "" : " of " + leaf_.name) + (key.empty() ? "" : ", " + key);
}

std::string key_sql(std::uint32_t relation) {
    const auto columns = pg::query(
        "SELECT pg_catalog.quote_ident(a.attname), a.attname"
        "  FROM pg_catalog.pg_index i"
        "  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid"
        "   AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey)"
        " WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND i.indisprimary"
        " ORDER BY pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum)",
        {std::int64_t{relation}});
    if (columns.empty()) return {};
    std::string list;
    for (const auto& column : columns.rows)
        list += ", pg_catalog.concat(" + pg::quote_literal(column.text(1) + " = ") + ", " +
                column.text(0) + ")";
    return "pg_catalog.concat_ws(', '" + list + ")";
}

std::string Table::key_of(Tid row) {
    const std::string key_text = key_sql(leaf_.relation);
    if (key_text.empty()) return {};
    const std::string sql = "SELECT " + key_text + " FROM ONLY " + leaf_.name +
                            " WHERE ctid OPERATOR(pg_catalog.=) $1::pg_catalog.tid";
    const auto key = pg::query(sql.c_str(), {to_text(row)});
    return key.empty() ? std::string{} : key.front().text(0);
}

}  // namespace zdm::backfill
