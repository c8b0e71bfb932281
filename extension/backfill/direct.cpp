#include "backfill/direct.hpp"

#include <cstring>

#include "backfill/triggers.hpp"
#include "pg/bridge.hpp"

#include "pg/executor.hpp"

#include "backfill/row_scan.hpp"
#include "pg/compat.hpp"

extern "C" {
#include "executor/instrument.h"
#include "executor/nodeModifyTable.h"
}

namespace zdm::backfill {

namespace {

// One query under way. Trivial: an ereport may jump over it.
struct Update {
    EState* estate;
    ModifyTableState* modify;
    ResultRelInfo* target;
    Relation relation;
    RowScan* rows;
};

// The sync trigger of some migration.
bool is_sync(const Trigger& trigger) {
    const char* const name = get_func_name(trigger.tgfoid);
    return name != nullptr && std::strcmp(name, "sync") == 0 &&
           get_func_namespace(trigger.tgfoid) == get_namespace_oid("zdm", true);
}

bool locks_rows(const TriggerDesc* triggers) {
    for (int i = 0; i < triggers->numtriggers; ++i) {
        const Trigger& trigger = triggers->triggers[i];
        if (TRIGGER_FOR_BEFORE(trigger.tgtype) && TRIGGER_FOR_ROW(trigger.tgtype) &&
            TRIGGER_FOR_UPDATE(trigger.tgtype) && !is_sync(trigger))
            return true;
    }
    return false;
}

// As ExecInitUpdateProjection does for the first row. Old rows are read where the scan has them.
void prepare(const Update& update) {
    auto* const node = reinterpret_cast<ModifyTable*>(update.modify->ps.plan);
    ResultRelInfo* const target = update.target;
    target->ri_newTupleSlot = table_slot_create(update.relation, &update.estate->es_tupleTable);
    if (update.modify->ps.ps_ExprContext == nullptr)
        ExecAssignExprContext(update.estate, &update.modify->ps);
    target->ri_projectNew = ExecBuildUpdateProjection(
        outerPlan(&node->plan)->targetlist, false, linitial_node(List, node->updateColnosLists),
        RelationGetDescr(update.relation), update.modify->ps.ps_ExprContext,
        target->ri_newTupleSlot, &update.modify->ps);
    target->ri_projectNewInfoValid = true;
    if (update.relation->rd_rel->relhasindex) ExecOpenIndices(target, false);
}

// As ExecUpdate does.
TM_Result change_row(const Update& update, TupleTableSlot* planned, ItemPointer place,
                     TupleTableSlot** changed) {
    ResultRelInfo* const target = update.target;
    TupleConstr* const constraints = RelationGetDescr(update.relation)->constr;
    ExprContext* const context = target->ri_projectNew->pi_exprContext;
    context->ecxt_outertuple = planned;
    context->ecxt_scantuple = update.rows->scan->ss.ss_ScanTupleSlot;
    TupleTableSlot* const now = ExecProject(target->ri_projectNew);
    now->tts_tableOid = RelationGetRelid(update.relation);
    if (constraints != nullptr && constraints->has_generated_stored)
        ExecComputeStoredGenerated(target, update.estate, now, CMD_UPDATE);
    ExecMaterializeSlot(now);
    if (update.relation->rd_rel->relispartition)
        ExecPartitionCheck(target, now, update.estate, true);
    if (constraints != nullptr) ExecConstraints(target, now, update.estate);
    pg::compat::UpdatedIndexes indexes{};
    TM_FailureData failure;
    LockTupleMode mode;
    const TM_Result result = table_tuple_update(
        update.relation, place, now, update.estate->es_output_cid, update.estate->es_snapshot,
        update.estate->es_crosscheck_snapshot, false, &failure, &mode, &indexes);
    if (result != TM_Ok) return result;
    List* recheck = NIL;
    if (target->ri_NumIndices > 0)
        recheck = pg::compat::insert_index_entries(target, now, update.estate, indexes);
    ExecARUpdateTriggers(update.estate, target, nullptr, nullptr, place, nullptr, now, recheck,
                         nullptr, false);
    list_free(recheck);
    *changed = now;
    return result;
}

// RETURNING has one column.
bool returned(const Update& update, TupleTableSlot* planned, TupleTableSlot* changed) {
    ProjectionInfo* const returning = update.target->ri_projectReturning;
    returning->pi_exprContext->ecxt_scantuple = changed;
    returning->pi_exprContext->ecxt_outertuple = planned;
    bool null = false;
    const Datum still = slot_getattr(ExecProject(returning), 1, &null);
    return !null && DatumGetBool(still);
}

struct Counts {
    std::int64_t rows;
    std::int64_t still;
    std::size_t locked;
};

// `locked` has room for all rows.
void change_all(const Update& update, Counts* counts, ItemPointerData* locked) {
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        ResetPerTupleExprContext(update.estate);
        ResetExprContext(update.modify->ps.ps_ExprContext);
        TupleTableSlot* const planned = next_row(update.rows);
        if (TupIsNull(planned)) break;
        bool null = false;
        const Datum datum = ExecGetJunkAttribute(planned, update.target->ri_RowIdAttNo, &null);
        if (null) elog(ERROR, "ctid is NULL");
        ItemPointerData place = *reinterpret_cast<ItemPointer>(DatumGetPointer(datum));
        TupleTableSlot* changed = nullptr;
        switch (change_row(update, planned, &place, &changed)) {
        case TM_Ok:
            ++counts->rows;
            if (returned(update, planned, changed)) ++counts->still;
            break;
        case TM_BeingModified: locked[counts->locked++] = place; break;
        // Somebody was faster.
        case TM_Updated:
        case TM_Deleted: break;
        default: elog(ERROR, "unexpected state of a row to be updated");
        }
    }
    end_rows(update.rows);
}

ParamListInfo one_parameter(Datum value, Oid type) {
    ParamListInfo list = makeParamList(1);
    list->params[0] = ParamExternData{value, false, PARAM_FLAG_CONST, type};
    return list;
}

}  // namespace

bool can_change_directly(std::uint32_t relation, bool fire_triggers) {
#ifdef USE_ASSERT_CHECKING
    // heap_update asserts there that nobody asks it not to wait and meets a locked row, which
    // works.
    static_cast<void>(relation);
    static_cast<void>(fire_triggers);
    return false;
#else
    return pg::call([&] {
        Relation rel = table_open(relation, NoLock);
        const TriggerDesc* const triggers = rel->trigdesc;
        bool can = rel->rd_rules == nullptr && !rel->rd_rel->relrowsecurity;
        if (triggers != nullptr && fire_triggers)
            can = can && !triggers->trig_update_before_statement &&
                  !triggers->trig_update_after_statement && !triggers->trig_update_old_table &&
                  !triggers->trig_update_new_table && !triggers->trig_update_instead_row &&
                  !locks_rows(triggers);
        table_close(rel, NoLock);
        return can;
    });
#endif
}

Changed change_directly(CachedPlan* plan, const char* text, const std::vector<Tid>& rows,
                        bool fire_triggers) {
    std::vector<ItemPointerData> places(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        ItemPointerSet(&places[i], rows[i].block, rows[i].offset);
    std::vector<ItemPointerData> locked(rows.size());
    Counts counts{};
    pg::call([&] {
        // The rows are read without the plan's scan, which alone asks for the parameter.
        const Datum none = PointerGetDatum(construct_empty_array(TIDOID));
        PushActiveSnapshot(GetTransactionSnapshot());
        QueryDesc* const query = CreateQueryDesc(
            linitial_node(PlannedStmt, plan->stmt_list), text, GetActiveSnapshot(), InvalidSnapshot,
            None_Receiver, one_parameter(none, TIDARRAYOID), nullptr, 0);
        ExecutorStart(query, 0);
        EState* const estate = query->estate;
        MemoryContext before = MemoryContextSwitchTo(estate->es_query_cxt);
        auto* const modify = castNode(ModifyTableState, query->planstate);
        auto* const scan = static_cast<RowScan*>(palloc0(sizeof(RowScan)));
        scan->scan = castNode(TidScanState, outerPlanState(&modify->ps));
        scan->places = places.data();
        scan->count = places.size();
        const Update update{estate, modify, modify->resultRelInfo,
                            modify->resultRelInfo->ri_RelationDesc, scan};
        if (!fire_triggers) silence_user_triggers(update.target);
        prepare(update);
        // As ExecutorRun does, for those who count what statements cost.
        if (query->totaltime != nullptr) InstrStartNode(query->totaltime);
        change_all(update, &counts, locked.data());
        if (query->totaltime != nullptr)
            InstrStopNode(query->totaltime, static_cast<double>(counts.rows));
        pg::compat::set_processed(estate, static_cast<uint64>(counts.rows));
        MemoryContextSwitchTo(before);
        ExecutorFinish(query);
        ExecutorEnd(query);
        FreeQueryDesc(query);
        PopActiveSnapshot();
        // What comes next sees it.
        CommandCounterIncrement();
    });
    Changed changed{counts.rows, counts.still, {}};
    changed.locked.reserve(counts.locked);
    for (std::size_t i = 0; i < counts.locked; ++i)
        changed.locked.push_back({ItemPointerGetBlockNumberNoCheck(&locked[i]),
                                  ItemPointerGetOffsetNumberNoCheck(&locked[i])});
    return changed;
}

}  // namespace zdm::backfill
