// The sync trigger: BEFORE INSERT OR UPDATE ... FOR EACH ROW EXECUTE FUNCTION zdm.sync(rules).
//
// It runs for each row that an application writes, so the way of a row has no sigsetjmp and no C++
// object: frames hold trivial types, and an ereport may jump over them as over C. Checking the call
// and compiling rules happen once for a query and a session, behind the exception boundary.
#include <cstring>

#include "pg/bridge.hpp"
#include "sync/signs.hpp"
#include "sync/compiled.hpp"
#include "sync/decide.hpp"
#include "sync/moved.hpp"
#include "sync/own_writes.hpp"

#include "pg/executor.hpp"

extern "C" {
#include "utils/expandeddatum.h"
}

namespace zdm::sync {

namespace {

TriggerData* trigger_data(FunctionCallInfo fcinfo) {
    return reinterpret_cast<TriggerData*>(fcinfo->context);
}

// Checks how the function is called, and remembers the trigger's entry for the rest of the query.
Datum enter(FunctionCallInfo fcinfo) {
    constexpr auto kHint =
        "It belongs in CREATE TRIGGER ... BEFORE INSERT OR UPDATE ... FOR EACH ROW; zdm_start "
        "makes "
        "such triggers itself.";
    const int kState = pg::sqlstate("39P01");
    if (!CALLED_AS_TRIGGER(fcinfo))
        throw pg::Error{kState, "ZD701: zdm.sync was not called by a trigger", {}, kHint};
    const TriggerData* const data = trigger_data(fcinfo);
    const TriggerEvent event = data->tg_event;
    if (!TRIGGER_FIRED_BEFORE(event) || !TRIGGER_FIRED_FOR_ROW(event) ||
        !(TRIGGER_FIRED_BY_INSERT(event) || TRIGGER_FIRED_BY_UPDATE(event)))
        throw pg::Error{
            kState, "ZD701: zdm.sync works only in a row trigger before INSERT or UPDATE",
            "Trigger \"" + std::string{data->tg_trigger->tgname} + "\" fires at another time.",
            kHint};
    Entry* const entry =
        pg::call([&] { return find_entry(data->tg_trigger, RelationGetRelid(data->tg_relation)); });
    fcinfo->flinfo->fn_extra = entry;
    return PointerGetDatum(entry);
}

Datum make_set(FunctionCallInfo fcinfo) {
    const TriggerData* const data = trigger_data(fcinfo);
    auto* const entry = static_cast<Entry*>(fcinfo->flinfo->fn_extra);
    // A change of the relation that arrives while compiling makes the set stale at once.
    const std::uint64_t generation = entry->generation;
    try {
        Compiled* const set = compile(data->tg_relation, data->tg_trigger, nullptr);
        set->generation = generation;
        add(entry, set);
        return PointerGetDatum(set);
    } catch (pg::Error& error) {
        if (!error.context.empty()) error.context += '\n';
        error.context += "rules of trigger " + std::string{data->tg_trigger->tgname} +
                         " on table " + RelationGetRelationName(data->tg_relation) +
                         " (zdm migration)";
        throw;
    }
}

// Equal by bytes. An unchanged value that is stored out of line is the same pointer in both rows,
// which saves reading it.
bool same_bytes(const Column& column, Datum a, bool a_null, Datum b, bool b_null) {
    if (a_null || b_null) return a_null && b_null;
    if (column.length == -1) {
        const auto* const x = DatumGetPointer(a);
        const auto* const y = DatumGetPointer(b);
        if (x == y) return true;
        if (VARATT_IS_EXTERNAL_ONDISK(x) && VARATT_IS_EXTERNAL_ONDISK(y) &&
            std::memcmp(x, y, VARSIZE_EXTERNAL(x)) == 0)
            return true;
    }
    return datum_image_eq(a, b, column.by_value, column.length);
}

bool differs(const Column& column, TupleTableSlot* a, TupleTableSlot* b) {
    bool a_null;
    bool b_null;
    const Datum x = slot_getattr(a, column.number, &a_null);
    const Datum y = slot_getattr(b, column.number, &b_null);
    return !same_bytes(column, x, a_null, y, b_null);
}

// One row on its way through the rules; answers the questions of decide() and those like it.
struct Row {
    const Compiled* set;
    HeapTuple tuple;          // as the application wrote it
    TupleTableSlot* written;  // the same
    HeapTuple old_tuple;      // before the UPDATE
    TupleTableSlot* old;
    TupleTableSlot* now;  // with what the rules gave so far; `written` until one gave something
    const bool* followed;
    TupleDesc columns;
    const Bitmapset* named_columns;  // that the UPDATE sets

    bool is_null(const CompiledRule& rule) const {
        // The null bitmap answers without taking the tuple apart.
        return now == written ? heap_attisnull(tuple, rule.column.number, columns)
                              : now->tts_isnull[rule.column.number - 1];
    }
    bool was_null(const CompiledRule& rule) const {
        return heap_attisnull(old_tuple, rule.column.number, columns);
    }
    bool gave(const CompiledRule& rule) const {
        if (heap_attisnull(tuple, rule.column.number, columns)) return false;
        if (!rule.has_default) return true;
        if (!rule.default_known) return false;
        bool null;
        const Datum value = slot_getattr(written, rule.column.number, &null);
        return !same_bytes(rule.column, value, null, rule.default_value, false);
    }
    bool is_named(const Column& column) const {
        return bms_is_member(column.number - FirstLowInvalidHeapAttributeNumber, named_columns);
    }
    bool named(const CompiledRule& rule) const { return is_named(rule.column); }
    // Whether the application changed the column.
    bool written_anew(const Column& column) const {
        if (set->sole && named_columns != nullptr && !is_named(column)) return false;
        return differs(column, written, old);
    }
    bool rewrote(const CompiledRule& rule) const { return written_anew(rule.column); }
    bool changed(const CompiledRule& rule) const { return differs(rule.column, now, old); }
    bool inputs_changed(const CompiledRule& rule) const {
        // What the application wrote: the new columns that a rule `back` follows are given by
        // rules.
        const bool follows = now != written && rule.part != Part::reverse;
        for (int i = 0; i < rule.input_count; ++i) {
            if (written_anew(rule.inputs[i])) return true;
            if (follows && followed[rule.inputs[i].number - 1]) return true;
        }
        return false;
    }
    bool has(const Column& column) const { return !heap_attisnull(tuple, column.number, columns); }
    bool shows_new(const CompiledRule& rule) const {
        return fed(rule) || (rule.input_count == 0 && !has(rule.column));
    }
    bool fed(const CompiledRule& rule) const {
        for (int i = 0; i < rule.input_count; ++i)
            if (has(rule.inputs[i])) return true;
        return false;
    }
    bool new_given(const CompiledRule& rule) const {
        const CompiledGroup& group = set->groups[rule.group];
        for (int i = 0; i < group.new_count; ++i)
            if (has(group.news[i])) return true;
        return false;
    }
    bool old_given(const CompiledRule& rule) const {
        const CompiledGroup& group = set->groups[rule.group];
        for (int i = 0; i < group.reverse_count; ++i)
            if (gave(set->rules[group.reverse[i]])) return true;
        return false;
    }
    // These two are asked by each rule of a group.
    bool new_changed(const CompiledRule& rule) const {
        CompiledGroup& group = set->groups[rule.group];
        if (group.new_changed < 0) {
            group.new_changed = 0;
            for (int i = 0; i < group.new_count && group.new_changed == 0; ++i)
                group.new_changed = written_anew(group.news[i]);
        }
        return group.new_changed == 1;
    }
    bool old_changed(const CompiledRule& rule) const {
        CompiledGroup& group = set->groups[rule.group];
        if (group.old_changed < 0) {
            group.old_changed = 0;
            for (int i = 0; i < group.reverse_count && group.old_changed == 0; ++i)
                group.old_changed = rewrote(set->rules[group.reverse[i]]);
        }
        return group.old_changed == 1;
    }
};

// What a rule has to do for the row.
Decision decide_part(bool insert, Writes side, const CompiledRule& rule, const Row& row) {
    switch (rule.part) {
    case Part::alone: return decide(insert, rule, row);
    case Part::forward: return decide_forward(insert, side, rule, row);
    case Part::reverse: return decide_reverse(insert, side, rule, row);
    }
    return {};
}

// Which rule an error on an application's row comes from.
struct Where {
    const Compiled* set;
    int rule;
};

extern "C" {
static void describe(void* argument) {
    const auto* const where = static_cast<const Where*>(argument);
    errcontext("rule %d of trigger %s on table %s (zdm migration): %s = %s", where->rule + 1,
               where->set->trigger, where->set->relation, where->set->rules[where->rule].name,
               where->set->rules[where->rule].text);
}
}

// Puts a value into the row. What it points to must live until the row is formed.
void give(Compiled* set, Row* row, const Column& column, Datum value, bool is_null) {
    TupleTableSlot* const given = set->given;
    if (row->now == row->written) {
        const auto count = static_cast<std::size_t>(row->columns->natts);
        slot_getallattrs(row->written);
        ExecClearTuple(given);
        std::memcpy(given->tts_values, row->written->tts_values, count * sizeof(Datum));
        std::memcpy(given->tts_isnull, row->written->tts_isnull, count * sizeof(bool));
        ExecStoreVirtualTuple(given);
        row->now = given;
    }
    given->tts_values[column.number - 1] = value;
    given->tts_isnull[column.number - 1] = is_null;
}

// What a rule gives for the row as it is now; false when its condition says that it is not for it.
// The value must not be changed in place: other rules read it.
bool evaluate(Compiled* set, const CompiledRule& rule, const Row& row, Datum* value,
              bool* is_null) {
    set->context->ecxt_scantuple = row.now;
    if (rule.condition != nullptr) {
        const Datum holds = ExecEvalExprSwitchContext(rule.condition, set->context, is_null);
        if (*is_null || !DatumGetBool(holds)) return false;
    }
    set->settled[rule.first] = true;
    const Datum computed = ExecEvalExprSwitchContext(rule.value, set->context, is_null);
    // A function that gets an expanded array to write to may change it.
    *value = MakeExpandedObjectReadOnly(computed, *is_null, rule.column.length);
    return true;
}

// Whether the row has this value.
bool has_value(const CompiledRule& rule, const Row& row, Datum value, bool is_null) {
    bool now_null;
    const Datum now = slot_getattr(row.now, rule.column.number, &now_null);
    return same_bytes(rule.column, value, is_null, now, now_null);
}

// Evaluates a rule for the row; true when it changed the row.
bool apply(Compiled* set, const CompiledRule& rule, Row* row) {
    Datum value;
    bool is_null;
    if (!evaluate(set, rule, *row, &value, &is_null)) return false;
    if (has_value(rule, *row, value, is_null)) return false;
    give(set, row, rule.column, value, is_null);
    return true;
}

// Whether what the application wrote on both sides differs, with what the rules gave beside it.
bool sides_differ(Compiled* set, const Row& row, Where* where) {
    for (int i = 0; i < set->rule_count; ++i) {
        const CompiledRule& rule = set->rules[i];
        if (!set->compare[i] || set->settled[rule.first]) continue;
        where->rule = i;
        Datum value;
        bool is_null;
        if (evaluate(set, rule, row, &value, &is_null) && !has_value(rule, row, value, is_null))
            return true;
    }
    return false;
}

// The row with what the rules gave, in the current memory context.
HeapTuple form(const Row& row) {
    HeapTuple formed = heap_form_tuple(row.columns, row.now->tts_values, row.now->tts_isnull);
    formed->t_data->t_ctid = row.tuple->t_data->t_ctid;
    formed->t_self = row.tuple->t_self;
    formed->t_tableOid = row.tuple->t_tableOid;
    return formed;
}

// What a row told about the application that wrote it.
struct Signs {
    bool acted;    // it doesn't know a column
    bool wrote;    // it knows one, and wrote it
    bool differs;  // it wrote both sides of a pair, and not the same
};

// Forgets what was found out of the last row about the groups.
void begin_groups(Compiled* set) {
    for (int i = 0; i < set->group_count; ++i) {
        set->groups[i].new_changed = -1;
        set->groups[i].old_changed = -1;
    }
    std::memset(set->compare, 0, static_cast<std::size_t>(set->rule_count));
}

// Makes ready to evaluate rules for a row.
void begin_values(Compiled* set) {
    std::memset(set->settled, 0, static_cast<std::size_t>(set->rule_count));
    std::memset(set->followed, 0, static_cast<std::size_t>(set->column_count));
    // An error may have left the memory of an earlier row.
    ResetExprContext(set->context);
}

// Runs the rules.
HeapTuple fire(const TriggerData* data, Compiled* set, Signs* signs) {
    const bool insert = TRIGGER_FIRED_BY_INSERT(data->tg_event);
    TupleTableSlot* const written = insert ? data->tg_trigslot : data->tg_newslot;
    Row row{set,
            insert ? data->tg_trigtuple : data->tg_newtuple,
            written,
            data->tg_trigtuple,
            data->tg_trigslot,
            written,
            set->followed,
            RelationGetDescr(data->tg_relation),
            data->tg_updatedcols};
    Where where{set, 0};
    ErrorContextCallback context{error_context_stack, describe, &where};
    bool evaluated = false;
    bool compares = false;
    Writes side = Writes::by_row;
    if (set->group_count > 0) {
        side = settings::writes();
        begin_groups(set);
    }

    for (int i = 0; i < set->rule_count; ++i) {
        const CompiledRule& rule = set->rules[i];
        if (!signs->wrote && rule.first == i && rule.part != Part::reverse &&
            rule.mode != Mode::taken)
            signs->wrote = writes(insert, rule, row);
        if (evaluated && set->settled[rule.first]) continue;
        const Decision decision = decide_part(insert, side, rule, row);
        if (decision.compare) compares = set->compare[i] = true;
        if (!decision.compute) continue;
        if (!evaluated) {
            evaluated = true;
            begin_values(set);
            error_context_stack = &context;
        }
        where.rule = i;
        if (!apply(set, rule, &row)) continue;
        if (decision.evidence) signs->acted = true;
        if (decision.evidence || rule.part == Part::reverse)
            set->followed[rule.column.number - 1] = true;
    }
    if (compares) {
        if (!evaluated) {
            evaluated = true;
            begin_values(set);
            error_context_stack = &context;
        }
        signs->differs = sides_differ(set, row, &where);
    }
    if (!evaluated) return row.tuple;
    error_context_stack = context.previous;

    HeapTuple result = row.tuple;
    if (row.now != written) {
        result = form(row);
        ExecClearTuple(set->given);
    }
    ResetExprContext(set->context);
    return result;
}

}  // namespace

}  // namespace zdm::sync

extern "C" {

PG_FUNCTION_INFO_V1(zdm_sync);

Datum zdm_sync(PG_FUNCTION_ARGS) {
    using namespace zdm::sync;
    auto* entry = static_cast<Entry*>(fcinfo->flinfo->fn_extra);
    if (entry == nullptr)
        entry = reinterpret_cast<Entry*>(DatumGetPointer(zdm::pg::boundary(fcinfo, enter)));
    const TriggerData* const data = trigger_data(fcinfo);
    HeapTuple row =
        TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
    if (is_own_write(entry->watched)) return PointerGetDatum(row);

    Compiled* set = take(entry);
    if (set == nullptr)
        set = reinterpret_cast<Compiled*>(DatumGetPointer(zdm::pg::boundary(fcinfo, make_set)));
    Signs signs{false, false, false};
    const TupleDesc columns = RelationGetDescr(data->tg_relation);
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    if (update || !is_moved(entry, set, row, columns)) row = fire(data, set, &signs);
    if (update) note_updated(entry, set, row, columns, data->tg_updatedcols);
    give_back(set);
    if (signs.acted) note(Sign::acted, entry->watched, &entry->last_acted);
    if (signs.wrote) note(Sign::wrote, entry->watched, &entry->last_wrote);
    if (signs.differs) count_difference(entry);
    return PointerGetDatum(row);
}
}
