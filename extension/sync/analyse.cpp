// From the text of a rule to an analysed expression over the columns of its relation.
#include "sync/analyse.hpp"

#include "pg/bridge.hpp"

#include "pg/executor.hpp"

namespace zdm::sync {

namespace {

std::string quoted(const char* name) { return "\"" + std::string{name} + "\""; }

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

}  // namespace

std::string Place::column(const std::string& name) const {
    return "column " + quoted(name.c_str()) + " of table " +
           quoted(RelationGetRelationName(relation));
}

std::string Place::rule(std::size_t index, const std::string& expression) const {
    return "Rule " + std::to_string(index + 1) + " of trigger " + quoted(trigger->tgname) +
           " is: " + expression;
}

std::string Place::hint() const {
    return "Change the table back, or take the rule away: zdm_rollback(...) undoes the "
           "migration, DROP TRIGGER " +
           std::string{trigger->tgname} + " ON " + RelationGetRelationName(relation) +
           " stops the filling.";
}

void Place::refuse(int sqlstate, const std::string& message, std::size_t index,
                   const std::string& expression) const {
    throw pg::Error{sqlstate, message, rule(index, expression), hint()};
}

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

}  // namespace zdm::sync
