#include "backfill/triggers.hpp"

#include "pg/bridge.hpp"

#include "pg/executor.hpp"

#include "pg/compat.hpp"

namespace zdm::backfill {

namespace {

// Takes the one row that the statement gives.
struct Counter {
    DestReceiver receiver;
    std::int64_t rows;
    std::int64_t still;
};

bool receive(TupleTableSlot* slot, DestReceiver* self) {
    auto* const counter = reinterpret_cast<Counter*>(self);
    slot_getallattrs(slot);
    counter->rows = DatumGetInt64(slot->tts_values[0]);
    counter->still = DatumGetInt64(slot->tts_values[1]);
    return true;
}

void start_up(DestReceiver*, int, TupleDesc) {}
void end(DestReceiver*) {}

ParamListInfo rows_parameter(std::vector<ItemPointerData>& places, std::vector<Datum>& datums) {
    for (std::size_t i = 0; i < places.size(); ++i) datums[i] = PointerGetDatum(&places[i]);
    ArrayType* const array = construct_array(datums.data(), static_cast<int>(datums.size()), TIDOID,
                                             sizeof(ItemPointerData), false, TYPALIGN_SHORT);
    ParamListInfo list = makeParamList(1);
    list->params[0] = ParamExternData{PointerGetDatum(array), false, PARAM_FLAG_CONST, TIDARRAYOID};
    return list;
}

}  // namespace

// The descriptor is the executor's own copy. Its flags say what kinds of triggers there are: all of
// the server's own are AFTER … FOR EACH ROW.
void silence_user_triggers(ResultRelInfo* target) {
    TriggerDesc* const triggers = target->ri_TrigDesc;
    if (triggers == nullptr) return;
    for (int i = 0; i < triggers->numtriggers; ++i)
        if (!triggers->triggers[i].tgisinternal) triggers->triggers[i].tgenabled = TRIGGER_DISABLED;
    triggers->trig_update_before_row = false;
    triggers->trig_update_instead_row = false;
    triggers->trig_update_before_statement = false;
    triggers->trig_update_after_statement = false;
    triggers->trig_update_old_table = false;
    triggers->trig_update_new_table = false;
    triggers->trig_delete_before_row = false;
    triggers->trig_delete_instead_row = false;
    triggers->trig_delete_before_statement = false;
    triggers->trig_delete_after_statement = false;
    triggers->trig_delete_old_table = false;
}

Changed change_silently(CachedPlan* plan, const char* text, const std::vector<Tid>& rows) {
    std::vector<ItemPointerData> places(rows.size());
    std::vector<Datum> datums(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        ItemPointerSet(&places[i], rows[i].block, rows[i].offset);
    Counter counter{{receive, start_up, end, end, DestNone}, 0, 0};
    pg::call([&] {
        PushActiveSnapshot(GetTransactionSnapshot());
        QueryDesc* const query = CreateQueryDesc(
            linitial_node(PlannedStmt, plan->stmt_list), text, GetActiveSnapshot(), InvalidSnapshot,
            &counter.receiver, rows_parameter(places, datums), nullptr, 0);
        ExecutorStart(query, 0);
        ListCell* cell = nullptr;
        foreach (cell, query->estate->es_opened_result_relations)
            silence_user_triggers(static_cast<ResultRelInfo*>(lfirst(cell)));
        // Nobody would read the rows that it collects for them.
        foreach (cell, query->estate->es_auxmodifytables)
            static_cast<ModifyTableState*>(lfirst(cell))->mt_transition_capture = nullptr;
        pg::compat::run_executor(query);
        ExecutorFinish(query);
        ExecutorEnd(query);
        FreeQueryDesc(query);
        PopActiveSnapshot();
        CommandCounterIncrement();
    });
    return {counter.rows, counter.still, {}};
}

}  // namespace zdm::backfill
