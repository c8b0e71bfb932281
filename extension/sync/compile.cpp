// From the text of a rule to an expression that runs, as a CHECK constraint is made ready:
//   1. the text is parsed alone (one expression, no other clause) and analysed over the relation's
//      columns, as the owner of the relation and under the trigger's search_path, so that it means
//      the same whoever writes;
//   2. the value is coerced to the column's type as INSERT does, the condition to boolean;
//   3. the expressions are planned together, so that one flag says whether a function or type that
//      they use has changed;
//   4. what the trigger could not keep is refused: stored generated columns (not computed yet when
//      it runs), system columns, and for rules kept in step anything that is not immutable.
#include "sync/compiled.hpp"

#include <string>
#include <utility>

#include "pg/bridge.hpp"
#include "pg/door.hpp"

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

// While in scope the settings that decide what SQL text means are pinned: an application's session
// may have others.
class PinnedMeaning {
public:
    explicit PinnedMeaning(const std::string& search_path)
        : level_(pg::call([] { return NewGUCNestLevel(); })) {
        try {
            set("search_path", search_path.c_str());
        } catch (const pg::Error& error) {
            if (error.sqlstate == pg::state::kInvalidParameter) refuse_search_path(error.what());
            throw;
        }
        set("standard_conforming_strings", "on");
        set("transform_null_equals", "off");
        set("array_nulls", "on");
        set("DateStyle", "ISO, MDY");
        set("IntervalStyle", "postgres");
        set("TimeZone", "UTC");
    }
    ~PinnedMeaning() { AtEOXact_GUC(false, level_); }
    PinnedMeaning(const PinnedMeaning&) = delete;
    PinnedMeaning& operator=(const PinnedMeaning&) = delete;

private:
    static void set(const char* name, const char* value) {
        pg::call([&] {
            set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                              false);
        });
    }

    int level_;
};

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

std::string quoted(const char* name) { return "\"" + std::string{name} + "\""; }

// Who is being compiled, for messages.
struct Place {
    Relation relation;
    const ::Trigger* trigger;

    std::string column(const std::string& name) const {
        return "column " + quoted(name.c_str()) + " of table " +
               quoted(RelationGetRelationName(relation));
    }
    std::string rule(std::size_t index, const std::string& expression) const {
        return "Rule " + std::to_string(index + 1) + " of trigger " + quoted(trigger->tgname) +
               " is: " + expression;
    }
    std::string hint() const {
        return "Change the table back, or take the rule away: zdm_rollback(...) undoes the "
               "migration, DROP TRIGGER " +
               std::string{trigger->tgname} + " ON " + RelationGetRelationName(relation) +
               " stops the filling.";
    }
    [[noreturn]] void refuse(int sqlstate, const std::string& message, std::size_t index,
                             const std::string& expression) const {
        throw pg::Error{sqlstate, message, rule(index, expression), hint()};
    }
};

// Whether the error is about what the text says, and not about the session (a cancel, no memory).
bool is_about_text(int sqlstate) {
    const std::string state = pg::sqlstate_text(sqlstate).substr(0, 2);
    return state == "42" || state == "0A" || state == "22" || state == "3F";
}

// The one expression that `text` is, null when it is something else as well.
Node* parse_alone(const char* text) {
    List* const statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
    if (list_length(statements) != 1) return nullptr;
    auto* const select = reinterpret_cast<SelectStmt*>(linitial_node(RawStmt, statements)->stmt);
    if (!IsA(select, SelectStmt) || list_length(select->targetList) != 1 ||
        select->distinctClause != NIL || select->fromClause != NIL ||
        select->whereClause != nullptr || select->groupClause != NIL ||
        select->havingClause != nullptr || select->windowClause != NIL ||
        select->sortClause != NIL || select->limitOffset != nullptr ||
        select->limitCount != nullptr || select->lockingClause != NIL)
        return nullptr;
    auto* const target = linitial_node(ResTarget, select->targetList);
    if (target->name != nullptr || target->indirection != NIL) return nullptr;
    if (IsA(target->val, ColumnRef) &&
        IsA(llast(reinterpret_cast<ColumnRef*>(target->val)->fields), A_Star))
        return nullptr;
    return target->val;
}

// What analysing one text gave.
struct Analysed {
    Node* node;  // null: the text is no single expression, or its type doesn't fit
    Oid type;    // of the expression itself, invalid when it is no single expression
};

// Analyses `text` over the columns of relation: as a value for `column`, or as a condition (null).
Analysed analyse(Relation relation, const char* text, Form_pg_attribute column) {
    Node* const parsed = parse_alone(text);
    if (parsed == nullptr) return {nullptr, InvalidOid};
    ParseState* const state = make_parsestate(nullptr);
    addNSItemToQuery(
        state,
        addRangeTableEntryForRelation(state, relation, AccessShareLock, nullptr, false, true), true,
        true, true);
    // Of all kinds this one allows least: no subquery, aggregate, window function, set of rows.
    Node* node = transformExpr(state, parsed, EXPR_KIND_TRIGGER_WHEN);
    const Oid type = exprType(node);
    if (column == nullptr)
        node = coerce_to_boolean(state, node, "condition");
    else
        node = coerce_to_target_type(state, node, type, column->atttypid, column->atttypmod,
                                     COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
    if (node != nullptr) assign_expr_collations(state, node);
    free_parsestate(state);
    return {node, type};
}

// analyse(), with errors that name the rule.
Node* analyse_rule(const Place& place, std::size_t index, const Rule& rule, const std::string& text,
                   Form_pg_attribute column) {
    Analysed analysed{};
    try {
        analysed = pg::call([&] { return analyse(place.relation, text.c_str(), column); });
    } catch (const pg::Error& error) {
        if (!is_about_text(error.sqlstate)) throw;
        place.refuse(
            error.sqlstate,
            "ZD705: the rule for " + place.column(rule.column) + " cannot be used: " + error.what(),
            index, text);
    }
    if (analysed.node != nullptr) return analysed.node;
    if (analysed.type == InvalidOid)
        place.refuse(
            pg::state::kSyntaxError,
            "ZD705: the rule for " + place.column(rule.column) + " is not a single expression",
            index, text);
    const auto type_name = [](Oid type, int32 modifier) {
        return std::string{pg::call([&] { return format_type_with_typemod(type, modifier); })};
    };
    place.refuse(pg::sqlstate("42804"),
                 "ZD706: " + place.column(rule.column) + " is of type " +
                     type_name(column->atttypid, column->atttypmod) + " but its rule gives type " +
                     type_name(analysed.type, -1),
                 index, text);
}

Form_pg_attribute find_column(const Place& place, std::size_t index, const Rule& rule) {
    const TupleDesc columns = RelationGetDescr(place.relation);
    for (int i = 0; i < columns->natts; ++i) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (column->attisdropped || rule.column != NameStr(column->attname)) continue;
        if (column->attgenerated != '\0')
            place.refuse(pg::sqlstate("428C9"),
                         "ZD704: " + place.column(rule.column) +
                             " is generated and takes no value from a rule",
                         index, rule.expression);
        return column;
    }
    place.refuse(pg::state::kUndefinedColumn,
                 "ZD703: " + place.column(rule.column) + " does not exist", index, rule.expression);
}

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
    if (rule.mode == Mode::step && pg::call([&] { return contain_mutable_functions(node); }))
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

void set_inputs(CompiledRule& rule, const Bitmapset* read, TupleDesc columns,
                MemoryContext memory) {
    auto* const inputs = static_cast<Column*>(pg::call([&] {
        return MemoryContextAlloc(
            memory, sizeof(Column) * static_cast<std::size_t>(bms_num_members(read) + 1));
    }));
    for (int attno = -1; (attno = bms_next_member(read, attno)) >= 0;)
        if (attno != rule.column.number)
            inputs[rule.input_count++] = to_column(TupleDescAttr(columns, attno - 1));
    rule.inputs = inputs;
}

// The default of the rule's column, as INSERT would write it. Only a plain constant is known:
// nothing is evaluated that the writer did not ask for.
void set_default(CompiledRule& rule, const Place& place, MemoryContext memory) {
    pg::call([&] {
        Node* const given = build_column_default(place.relation, rule.column.number);
        if (given == nullptr) return;
        rule.has_default = true;
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

// What is not about a single rule: memory to evaluate in, names for messages.
void fill_frame(Compiled* set, const Place& place, std::size_t rules) {
    pg::call([&] {
        MemoryContext before = MemoryContextSwitchTo(set->memory);
        set->user = GetUserId();
        set->rule_count = static_cast<int>(rules);
        set->rules = static_cast<CompiledRule*>(palloc0(sizeof(CompiledRule) * rules));
        set->settled = static_cast<bool*>(palloc0(sizeof(bool) * rules));
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

Arguments read_arguments(const ::Trigger* trigger) {
    return parse_arguments({trigger->tgargs, trigger->tgargs + trigger->tgnargs});
}

void fill_rule(const Building& set, const Place& place, const Arguments& arguments,
               std::size_t index, Form_pg_attribute column, Node* value, Node* condition) {
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
    set_inputs(made, inputs, RelationGetDescr(place.relation), set.memory());
    set_default(made, place, set.memory());
    const auto keep = [&](const std::string& text) {
        return pg::call([&] { return MemoryContextStrdup(set.memory(), text.c_str()); });
    };
    made.name = keep(rule.column);
    made.text = keep(rule.expression);
}

}  // namespace

Compiled* compile(Relation relation, const ::Trigger* trigger, List** analysed) {
    const Place place{relation, trigger};
    const Arguments arguments = read_arguments(trigger);
    const PinnedMeaning pinned{arguments.search_path};
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
    for (std::size_t i = 0; i < arguments.rules.size(); ++i) {
        auto* const value = static_cast<Node*>(list_nth(planned, next++));
        auto* const condition = arguments.rules[i].condition.empty()
                                    ? nullptr
                                    : static_cast<Node*>(list_nth(planned, next++));
        fill_rule(set, place, arguments, i, find_column(place, i, arguments.rules[i]), value,
                  condition);
    }
    if (analysed != nullptr) *analysed = nodes;
    return set.finish();
}

void release(Compiled* set) {
    if (set->cached != nullptr) FreeCachedExpression(set->cached);
    MemoryContextDelete(set->memory);
}

}  // namespace zdm::sync
