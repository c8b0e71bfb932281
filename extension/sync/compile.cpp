// From the text of a rule to an expression that runs, as a CHECK constraint is made ready:
//   1. the text is parsed alone (one expression, no other clause) and analysed over the relation's
//      columns, as the owner of the relation and under the trigger's search_path, so that it means
//      the same whoever writes;
//   2. the value is coerced to the column's type as INSERT does, the condition to boolean;
//   3. the expressions are planned together, so that one flag says whether a function or type that
//      they use has changed;
//   4. what the trigger could not keep is refused: stored generated columns (not computed yet when
//      it runs), system columns, and for rules kept in step anything that is not immutable.
#include "sync/analyse.hpp"
#include "sync/compiled.hpp"
#include "sync/pairs.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "pg/bridge.hpp"
#include "pg/door.hpp"

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

// While in scope names are looked up with the rights of the relation's owner: a writer needs none
// on the schemas of what the rule uses. No function of a rule runs meanwhile.
struct AsOwner : pg::AsUser {
    explicit AsOwner(Relation relation)
        : AsUser{relation->rd_rel->relowner, SECURITY_RESTRICTED_OPERATION} {}
};

// Memory of a set under construction.
class Building {
public:
    Building() {
        memory_ = pg::call([] {
            return AllocSetContextCreate(TopMemoryContext, "zdm sync rules", ALLOCSET_SMALL_SIZES);
        });
        set_ = static_cast<Compiled*>(
            pg::call([this] { return MemoryContextAllocZero(memory_, sizeof(Compiled)); }));
        set_->memory = memory_;
    }
    ~Building() {
        if (set_ != nullptr) release(set_);
    }
    Building(const Building&) = delete;
    Building& operator=(const Building&) = delete;

    Compiled* operator->() const { return set_; }
    MemoryContext memory() const { return memory_; }
    Compiled* finish() { return std::exchange(set_, nullptr); }

private:
    MemoryContext memory_;
    Compiled* set_ = nullptr;
};

Column to_column(Form_pg_attribute column) {
    return Column{column->attnum, column->attlen, column->attbyval};
}

// Adds the columns that a planned expression reads to `inputs`, refusing those that have no value
// in a BEFORE trigger. A reference to the whole row (0 for attno) reads all.
Bitmapset* add_inputs(const Place& place, std::size_t index, const std::string& text, Node* node,
                      Bitmapset* inputs) {
    Bitmapset* const read = pg::call([&] {
        Bitmapset* found = nullptr;
        pull_varattnos(node, 1, &found);
        return found;
    });
    const auto reads = [&](int attno) {
        return bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, read);
    };
    for (int attno = FirstLowInvalidHeapAttributeNumber + 1; attno < 0; ++attno)
        if (reads(attno))
            place.refuse(pg::state::kFeatureNotSupported,
                         "ZD708: a rule cannot read system columns", index, text);
    const TupleDesc columns = RelationGetDescr(place.relation);
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped || !(reads(0) || reads(i + 1))) continue;
        if (column->attgenerated != '\0')
            place.refuse(pg::state::kFeatureNotSupported,
                         "ZD708: a rule cannot read the generated " +
                             place.column(NameStr(column->attname)) +
                             ", which is computed after it",
                         index, text);
        inputs = pg::call([&] { return bms_add_member(inputs, i + 1); });
    }
    return inputs;
}

// Checks one planned expression of a rule and gives what to evaluate.
ExprState* prepare(const Place& place, std::size_t index, const Rule& rule, const std::string& text,
                   Node* node, MemoryContext memory) {
    if (rule.mode != Mode::once && pg::call([&] { return contain_mutable_functions(node); }))
        place.refuse(
            pg::sqlstate("42P17"),
            "ZD707: the rule that keeps " + place.column(rule.column) + " in step is not immutable",
            index, text);
    return pg::call([&] {
        MemoryContext before = MemoryContextSwitchTo(memory);
        ExprState* const state = ExecInitExpr(reinterpret_cast<Expr*>(node), nullptr);
        MemoryContextSwitchTo(before);
        return state;
    });
}

// Whether a default is a constant, though of another type than the column. Nothing is evaluated
// that the writer did not ask for, but casts of the server itself.
bool is_cast_constant(const Node* node) {
    while (true) {
        if (IsA(node, Const)) return true;
        if (IsA(node, RelabelType)) {
            node = reinterpret_cast<const Node*>(reinterpret_cast<const RelabelType*>(node)->arg);
            continue;
        }
        if (!IsA(node, FuncExpr)) return false;
        const auto* const function = reinterpret_cast<const FuncExpr*>(node);
        if (function->funcformat == COERCE_EXPLICIT_CALL ||
            function->funcid >= FirstNormalObjectId || function->args == NIL)
            return false;
        node = static_cast<const Node*>(linitial(function->args));
    }
}

// The default of the rule's column, as INSERT would write it. Only a constant is known.
void set_default(CompiledRule& rule, const Place& place, MemoryContext memory) {
    pg::call([&] {
        Node* given = build_column_default(place.relation, rule.column.number);
        if (given == nullptr) return;
        rule.has_default = true;
        // These columns have their own defaults, from which what an application wrote must be told.
        const bool told = rule.mode == Mode::back || rule.mode == Mode::taken;
        if (told && is_cast_constant(given) && !contain_mutable_functions(given))
            given = eval_const_expressions(nullptr, given);
        if (!IsA(given, Const)) return;
        const Const* const constant = reinterpret_cast<Const*>(given);
        rule.has_default = !constant->constisnull;
        if (constant->constisnull) return;
        MemoryContext before = MemoryContextSwitchTo(memory);
        rule.default_value =
            datumCopy(constant->constvalue, constant->constbyval, constant->constlen);
        MemoryContextSwitchTo(before);
        rule.default_known = true;
    });
}

// Whether no other trigger changes a row that is updated; one that is disabled may be enabled for a
// session.
bool is_sole(Relation relation) {
    const TriggerDesc* const triggers = relation->trigdesc;
    int changing = 0;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
        const std::int16_t type = triggers->triggers[i].tgtype;
        if (TRIGGER_FOR_ROW(type) && TRIGGER_FOR_BEFORE(type) && TRIGGER_FOR_UPDATE(type))
            ++changing;
    }
    return changing <= 1;
}

// What is not about a single rule: memory to evaluate in, names for messages.
void fill_frame(Compiled* set, const Place& place, std::size_t rules) {
    pg::call([&] {
        MemoryContext before = MemoryContextSwitchTo(set->memory);
        set->user = GetUserId();
        set->sole = is_sole(place.relation);
        set->rule_count = static_cast<int>(rules);
        set->rules = static_cast<CompiledRule*>(palloc0(sizeof(CompiledRule) * rules));
        set->settled = static_cast<bool*>(palloc0(sizeof(bool) * rules));
        set->compare = static_cast<bool*>(palloc0(sizeof(bool) * rules));
        set->column_count = RelationGetDescr(place.relation)->natts;
        set->followed =
            static_cast<bool*>(palloc0(sizeof(bool) * static_cast<std::size_t>(set->column_count)));
        set->context = CreateStandaloneExprContext();
        // A copy, because a slot would pin the relation's own for this query only.
        set->given = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(place.relation)),
                                              &TTSOpsVirtual);
        set->trigger = pstrdup(place.trigger->tgname);
        set->relation = pstrdup(RelationGetRelationName(place.relation));
        MemoryContextSwitchTo(before);
    });
}

// By which columns rows leave a partition. What other triggers set nobody tells.
void set_key(Compiled* set, const Place& place) {
    if (!place.relation->rd_rel->relispartition) return;
    pg::call([&] {
        List* const bounds = RelationGetPartitionQual(place.relation);
        MemoryContext before = MemoryContextSwitchTo(set->memory);
        Bitmapset* key = nullptr;
        pull_varattnos(reinterpret_cast<Node*>(bounds), 1, &key);
        set->key = key;
        MemoryContextSwitchTo(before);
        set->moves_anyhow = !set->sole;
        for (int i = 0; i < set->rule_count; ++i)
            if (bms_is_member(set->rules[i].column.number - FirstLowInvalidHeapAttributeNumber,
                              key))
                set->moves_anyhow = true;
    });
}

pg::PinnedMeaning pin(const std::string& search_path) {
    try {
        return pg::PinnedMeaning{search_path};
    } catch (const pg::Error& error) {
        if (error.sqlstate == pg::state::kInvalidParameter) refuse_search_path(error.what());
        throw;
    }
}

Arguments read_arguments(const ::Trigger* trigger) {
    return parse_arguments({trigger->tgargs, trigger->tgargs + trigger->tgnargs});
}

// Prepares one rule; gives the columns that it reads, without its own.
std::vector<int> fill_rule(const Building& set, const Place& place, const Arguments& arguments,
                           std::size_t index, Form_pg_attribute column, Node* value,
                           Node* condition) {
    const Rule& rule = arguments.rules[index];
    CompiledRule& made = set->rules[index];
    made.column = to_column(column);
    made.mode = rule.mode;
    made.first = static_cast<int>(index);
    for (std::size_t before = 0; before < index; ++before)
        if (arguments.rules[before].column == rule.column) {
            made.first = static_cast<int>(before);
            break;
        }
    Bitmapset* inputs = add_inputs(place, index, rule.expression, value, nullptr);
    made.value = prepare(place, index, rule, rule.expression, value, set.memory());
    if (condition != nullptr) {
        inputs = add_inputs(place, index, rule.condition, condition, inputs);
        made.condition = prepare(place, index, rule, rule.condition, condition, set.memory());
    }
    set_default(made, place, set.memory());
    const auto keep = [&](const std::string& text) {
        return pg::call([&] { return MemoryContextStrdup(set.memory(), text.c_str()); });
    };
    made.name = keep(rule.column);
    made.text = keep(rule.expression);

    std::vector<int> read;
    for (int attno = -1; (attno = bms_next_member(inputs, attno)) >= 0;)
        if (attno != made.column.number) read.push_back(attno);
    return read;
}

// An array in the memory of the set.
template <typename T>
T* allocate(const Building& set, std::size_t count) {
    return static_cast<T*>(
        pg::call([&] { return MemoryContextAllocZero(set.memory(), sizeof(T) * (count + 1)); }));
}

const Column* keep_columns(const Building& set, const Place& place,
                           const std::vector<int>& numbers) {
    auto* const columns = allocate<Column>(set, numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i)
        columns[i] = to_column(TupleDescAttr(RelationGetDescr(place.relation), numbers[i] - 1));
    return columns;
}

void set_inputs(const Building& set, const Place& place, CompiledRule& rule,
                const std::vector<int>& numbers) {
    rule.inputs = keep_columns(set, place, numbers);
    rule.input_count = static_cast<int>(numbers.size());
}

// Ties the rules of a group together. What an old column follows is the new columns alone: of
// others that its rule reads nobody can tell which application changed them.
void fill_group(const Building& set, const Place& place, int index, const Group& group,
                const std::vector<Reads>& rules) {
    CompiledGroup& made = set->groups[index];
    made.news = keep_columns(set, place, group.news);
    made.new_count = static_cast<int>(group.news.size());
    auto* const reverse = allocate<int>(set, group.reverse.size());
    std::copy(group.reverse.begin(), group.reverse.end(), reverse);
    made.reverse = reverse;
    made.reverse_count = static_cast<int>(group.reverse.size());

    for (const int number : group.forward) {
        set->rules[number].part = Part::forward;
        set->rules[number].group = index;
    }
    for (const int number : group.reverse) {
        CompiledRule& rule = set->rules[number];
        rule.part = Part::reverse;
        rule.group = index;
        std::vector<int> follows;
        for (const int input : rules[static_cast<std::size_t>(number)].inputs)
            if (std::binary_search(group.news.begin(), group.news.end(), input))
                follows.push_back(input);
        set_inputs(set, place, rule, follows);
    }
}

void fill_groups(const Building& set, const Place& place, const std::vector<Reads>& rules) {
    for (std::size_t i = 0; i < rules.size(); ++i)
        set_inputs(set, place, set->rules[i], rules[i].inputs);
    const std::vector<Group> groups = find_groups(rules);
    set->groups = allocate<CompiledGroup>(set, groups.size());
    set->group_count = static_cast<int>(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i)
        fill_group(set, place, static_cast<int>(i), groups[i], rules);
}

}  // namespace

Compiled* compile(Relation relation, const ::Trigger* trigger, List** analysed) {
    const Place place{relation, trigger};
    const Arguments arguments = read_arguments(trigger);
    const pg::PinnedMeaning pinned = pin(arguments.search_path);
    Building set;
    fill_frame(set.operator->(), place, arguments.rules.size());

    // Values and conditions, in the order of the rules.
    List* nodes = NIL;
    {
        const AsOwner owner{relation};
        for (std::size_t i = 0; i < arguments.rules.size(); ++i) {
            const Rule& rule = arguments.rules[i];
            Form_pg_attribute column = find_column(place, i, rule);
            Node* const value = analyse_rule(place, i, rule, rule.expression, column);
            Node* const condition = rule.condition.empty()
                                        ? nullptr
                                        : analyse_rule(place, i, rule, rule.condition, nullptr);
            nodes = pg::call([&] {
                List* const more = lappend(nodes, value);
                return condition == nullptr ? more : lappend(more, condition);
            });
        }
    }

    set->cached = pg::call([&] { return GetCachedExpression(reinterpret_cast<Node*>(nodes)); });
    const auto* const planned = reinterpret_cast<const List*>(set->cached->expr);
    int next = 0;
    std::vector<Reads> reads;
    for (std::size_t i = 0; i < arguments.rules.size(); ++i) {
        auto* const value = static_cast<Node*>(list_nth(planned, next++));
        auto* const condition = arguments.rules[i].condition.empty()
                                    ? nullptr
                                    : static_cast<Node*>(list_nth(planned, next++));
        auto inputs = fill_rule(set, place, arguments, i, find_column(place, i, arguments.rules[i]),
                                value, condition);
        reads.push_back({arguments.rules[i].mode, set->rules[i].column.number, std::move(inputs)});
    }
    fill_groups(set, place, reads);
    set_key(set.operator->(), place);
    if (analysed != nullptr) *analysed = nodes;
    return set.finish();
}

void release(Compiled* set) {
    if (set->cached != nullptr) FreeCachedExpression(set->cached);
    MemoryContextDelete(set->memory);
}

}  // namespace zdm::sync
