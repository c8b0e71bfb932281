#include "plan/ask.hpp"
#include "plan/expression.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/fmgroids.h"
#include "utils/ruleutils.h"
}

namespace zdm::plan {

namespace {

Node* planned(Node* expression) {
    return reinterpret_cast<Node*>(
        expression_planner(reinterpret_cast<Expr*>(copyObjectImpl(expression))));
}

void flatten(Node* condition, List** parts) {
    if (condition == nullptr) return;
    if (is_andclause(condition)) {
        List* const arguments = castNode(BoolExpr, condition)->args;
        for (int i = 0; i < list_length(arguments); ++i)
            flatten(static_cast<Node*>(list_nth(arguments, i)), parts);
        return;
    }
    *parts = lappend(*parts, condition);
}

// Puts what an UPDATE assigns in the place of the columns.
Node* substitute(Node* node, void* context) {
    if (node == nullptr) return nullptr;
    if (IsA(node, Var)) {
        const auto* const column = castNode(Var, node);
        const List* const targets = static_cast<Query*>(context)->targetList;
        for (int i = 0; i < list_length(targets); ++i) {
            auto* const target = static_cast<TargetEntry*>(list_nth(targets, i));
            if (!target->resjunk && column->varlevelsup == 0 && column->varno == 1 &&
                column->varattno == target->resno)
                return static_cast<Node*>(copyObjectImpl(target->expr));
        }
        return node;
    }
    return pg::compat::mutate(node, substitute, context);
}

bool find_subquery(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, SubLink) || IsA(node, Query)) return true;
    return pg::compat::walk(node, find_subquery, context);
}

bool find_clone(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, Query)) {
        Query* const query = castNode(Query, node);
        for (int i = 0; i < list_length(query->rtable); ++i) {
            auto* const entry = static_cast<RangeTblEntry*>(list_nth(query->rtable, i));
            if (entry->rtekind == RTE_RELATION &&
                get_rel_persistence(entry->relid) == RELPERSISTENCE_TEMP)
                return true;
        }
        return pg::compat::walk_query(query, find_clone, context);
    }
    return pg::compat::walk(node, find_clone, context);
}

struct Functions {
    List* oids;
};

bool note_function(Oid function, void* context) {
    auto* const functions = static_cast<Functions*>(context);
    functions->oids = list_append_unique_oid(functions->oids, function);
    return false;
}

bool find_functions(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, Query))
        return pg::compat::walk_query(castNode(Query, node), find_functions, context);
    check_functions_in_node(node, note_function, context);
    return pg::compat::walk(node, find_functions, context);
}

// The first part of an expression that can raise an error, in words.
struct Failure {
    const char* what;
};

const char* cast_text(Node* from, Node* to) {
    return psprintf("the cast from %s to %s", format_type_be(exprType(from)),
                    format_type_with_typemod(exprType(to), exprTypmod(to)));
}

// Casts that are not made implicitly lose something, or refuse it.
const char* failing_cast(FuncExpr* call) {
    if (call->funcformat == COERCE_EXPLICIT_CALL || call->funcformat == COERCE_SQL_SYNTAX ||
        list_length(call->args) == 0)
        return nullptr;
    auto* const from = static_cast<Node*>(linitial(call->args));
    // The same type again: a length or a precision.
    if (exprType(from) == call->funcresulttype) {
        switch (call->funcresulttype) {
        case VARCHAROID:
        case BPCHAROID:
        case BITOID:
        case VARBITOID:
            // An explicit cast cuts it off.
            if (call->funcformat == COERCE_EXPLICIT_CAST) return nullptr;
            [[fallthrough]];
        case NUMERICOID:
            return psprintf("a value that does not fit %s",
                            format_type_with_typemod(call->funcresulttype,
                                                     exprTypmod(reinterpret_cast<Node*>(call))));
        default: return nullptr;
        }
    }
    const Oid type = exprType(from);
    if (can_coerce_type(1, &type, &call->funcresulttype, COERCION_IMPLICIT)) return nullptr;
    return cast_text(from, reinterpret_cast<Node*>(call));
}

bool find_failure(Node* node, void* context) {
    if (node == nullptr) return false;
    auto* const failure = static_cast<Failure*>(context);
    switch (nodeTag(node)) {
    case T_CoerceViaIO: {
        auto* const cast = castNode(CoerceViaIO, node);
        if (TypeCategory(cast->resulttype) != TYPCATEGORY_STRING)
            failure->what = cast_text(reinterpret_cast<Node*>(cast->arg), node);
        break;
    }
    case T_CoerceToDomain:
        failure->what = psprintf("a value that %s does not allow", format_type_be(exprType(node)));
        break;
    case T_FuncExpr: failure->what = failing_cast(castNode(FuncExpr, node)); break;
    case T_OpExpr: {
        const char* const name = get_opname(castNode(OpExpr, node)->opno);
        if (name != nullptr && (strcmp(name, "/") == 0 || strcmp(name, "%") == 0))
            failure->what = "a division by zero";
        break;
    }
    default: break;
    }
    return failure->what != nullptr || pg::compat::walk(node, find_failure, context);
}

// Functions of extensions that give a value for every call without a NULL. Their OIDs differ.
bool makes_value(Oid function) {
    constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
        {"uuid-ossp", "uuid_generate_v1"}, {"uuid-ossp", "uuid_generate_v1mc"},
        {"uuid-ossp", "uuid_generate_v4"}, {"pgcrypto", "gen_random_uuid"},
        {"pgcrypto", "gen_random_bytes"},
    };
    const char* const extension = pg::call([&]() -> const char* {
        const Oid oid = getExtensionOfObject(ProcedureRelationId, function);
        return OidIsValid(oid) ? get_extension_name(oid) : nullptr;
    });
    if (extension == nullptr) return false;
    const char* const name = pg::call([&] { return get_func_name(function); });
    return std::any_of(std::begin(kKnown), std::end(kKnown), [&](const auto& known) {
        return known.first == extension && known.second == name;
    });
}

// Functions that give a value for every call, or for every call without a NULL.
bool gives_a_value(Oid function) {
    switch (function) {
    case F_NOW:
    case F_CLOCK_TIMESTAMP:
    case F_STATEMENT_TIMESTAMP:
    case F_TRANSACTION_TIMESTAMP:
    case F_GEN_RANDOM_UUID:
    case F_NEXTVAL:
    case pg::compat::kRandom:
    case F_TIMEOFDAY:
    case F_TXID_CURRENT:
    case F_CONCAT:
    case F_MD5_TEXT:
    case F_ENCODE:
    case F_LPAD_TEXT_INT4_TEXT:
    case F_DATE_TIMESTAMPTZ:
    case F_TIMESTAMP_TIMESTAMPTZ:
    case F_TIMEZONE_TEXT_TIMESTAMPTZ:
    case F_TIMESTAMPTZ_PL_INTERVAL:
    case F_TIMESTAMPTZ_MI_INTERVAL:
    case F_MUL_D_INTERVAL:
    case F_INTERVAL_MUL:
    case F_FLOAT8PL:
    case F_FLOAT8MI:
    case F_FLOAT8MUL:
    case F_FLOAT8_INT4:
    case F_FLOAT8_INT8:
    case F_FLOAT8_NUMERIC:
    case F_FLOOR_FLOAT8:
    case F_CEIL_FLOAT8:
    case F_TRUNC_FLOAT8:
    case F_ROUND_FLOAT8:
    case F_INT2_FLOAT8:
    case F_INT4_FLOAT8:
    case F_INT8_FLOAT8:
    case F_NUMERIC_FLOAT8:
    case F_ROUND_NUMERIC:
    case F_ROUND_NUMERIC_INT4:
    case F_TEXTCAT:
    case F_LOWER_TEXT:
    case F_UPPER_TEXT:
    case F_INITCAP:
    case F_BTRIM_TEXT:
    case F_BTRIM_TEXT_TEXT:
    case F_LTRIM_TEXT:
    case F_LTRIM_TEXT_TEXT:
    case F_RTRIM_TEXT:
    case F_RTRIM_TEXT_TEXT:
    case F_SPLIT_PART:
    case F_REPLACE:
    case F_TRANSLATE:
    case F_LEFT:
    case F_RIGHT:
    case pg::compat::kReverseText:
    case F_SUBSTR_TEXT_INT4:
    case F_SUBSTR_TEXT_INT4_INT4:
    case F_SUBSTRING_TEXT_INT4:
    case F_SUBSTRING_TEXT_INT4_INT4:
    case F_LENGTH_TEXT:
    case F_STRPOS:
    case F_VARCHAR_VARCHAR_INT4_BOOL:
    case F_BPCHAR_BPCHAR_INT4_BOOL:
    case F_NUMERIC_NUMERIC_INT4:
    case F_INT4_INT2:
    case F_INT8_INT4:
    case F_INT4_INT8:
    case F_INT2_INT4:
    case F_INT2_INT8:
    case F_INT4_NUMERIC:
    case F_INT8_NUMERIC:
    case F_INT4PL:
    case F_INT4MI:
    case F_INT4MUL:
    case F_INT8PL:
    case F_INT8MI:
    case F_INT8MUL:
    case F_NUMERIC_INT4:
    case F_NUMERIC_INT8:
    case F_NUMERIC_ADD:
    case F_NUMERIC_SUB:
    case F_NUMERIC_MUL: return true;
    default: return pg::compat::makes_uuid(function) || makes_value(function);
    }
}

}  // namespace

std::string Expressions::text(Node* expression) const {
    if (expression == nullptr) return {};
    const PinnedText pinned;
    const char* const name = name_.c_str();
    return pg::call([&] {
        return deparse_expression(expression, deparse_context_for(name, relation_), false, false);
    });
}

std::vector<std::string> Expressions::columns(Node* expression, const std::string& but) const {
    std::vector<std::string> names;
    List* const variables = pg::call([&] { return pull_vars_of_level(expression, 0); });
    const auto add = [&](int number) {
        const char* const raw =
            pg::call([&] { return get_attname(relation_, static_cast<AttrNumber>(number), true); });
        if (raw == nullptr) return;
        const std::string name = pg::quote_ident(raw);
        if (name != but && std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    };
    for (int i = 0; i < list_length(variables); ++i) {
        const auto* const variable = static_cast<Var*>(list_nth(variables, i));
        if (variable->varattno != 0) {
            add(variable->varattno);
            continue;
        }
        // The whole row.
        for (int number = 1; number <= MaxHeapAttributeNumber; ++number) add(number);
    }
    return names;
}

bool Expressions::not_null_column(int number) const {
    const char* const name =
        pg::call([&] { return get_attname(relation_, static_cast<AttrNumber>(number), true); });
    return name != nullptr &&
           std::find(not_null_.begin(), not_null_.end(), name) != not_null_.end();
}

bool Expressions::never_null(Node* expression) const {
    const auto all = [&](List* arguments) {
        for (int i = 0; i < list_length(arguments); ++i)
            if (!never_null(static_cast<Node*>(list_nth(arguments, i)))) return false;
        return true;
    };
    switch (nodeTag(expression)) {
    case T_Const: return !castNode(Const, expression)->constisnull;
    case T_Var: return not_null_column(castNode(Var, expression)->varattno);
    case T_RelabelType:
        return never_null(reinterpret_cast<Node*>(castNode(RelabelType, expression)->arg));
    case T_CoerceToDomain:
        return never_null(reinterpret_cast<Node*>(castNode(CoerceToDomain, expression)->arg));
    case T_CoerceViaIO:
        return never_null(reinterpret_cast<Node*>(castNode(CoerceViaIO, expression)->arg));
    case T_CoalesceExpr: {
        List* const arguments = castNode(CoalesceExpr, expression)->args;
        for (int i = 0; i < list_length(arguments); ++i)
            if (never_null(static_cast<Node*>(list_nth(arguments, i)))) return true;
        return false;
    }
    case T_NullTest:
    case T_BooleanTest:
    case T_NextValueExpr:
    case T_SQLValueFunction: return true;
    case T_ArrayExpr: return true;
    case T_CaseExpr: {
        const auto* const choice = castNode(CaseExpr, expression);
        for (int i = 0; i < list_length(choice->args); ++i)
            if (!never_null(reinterpret_cast<Node*>(
                    static_cast<CaseWhen*>(list_nth(choice->args, i))->result)))
                return false;
        return choice->defresult != nullptr &&
               never_null(reinterpret_cast<Node*>(choice->defresult));
    }
    case T_FuncExpr:
        return gives_a_value(castNode(FuncExpr, expression)->funcid) &&
               all(castNode(FuncExpr, expression)->args);
    case T_OpExpr: {
        auto* const operation = castNode(OpExpr, expression);
        return gives_a_value(get_opcode(operation->opno)) && all(operation->args);
    }
    default: return false;
    }
}

std::string Expressions::not_public(Node* expression) const {
    Functions functions{NIL};
    pg::call([&] { find_functions(expression, &functions); });
    std::vector<std::string> oids;
    for (int i = 0; i < list_length(functions.oids); ++i)
        oids.push_back(std::to_string(list_nth_oid(functions.oids, i)));
    if (oids.empty()) return {};
    const auto hidden =
        ask("SELECT p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p"
            " WHERE p.oid = ANY ($1::text[]::oid[])"
            " AND NOT pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')",
            {oids});
    return hidden.empty() ? std::string{} : "function " + hidden.front().text(0);
}

bool is_immutable(Node* expression) {
    return expression == nullptr ||
           !pg::call([&] { return contain_mutable_functions(planned(expression)); });
}

bool is_volatile(Node* expression) {
    return pg::call([&] { return contain_volatile_functions(planned(expression)); });
}

bool has_subquery(Node* expression) {
    return pg::call([&] { return find_subquery(expression, nullptr); });
}

bool reads_clone(Node* expression) {
    return pg::call([&] { return find_clone(expression, nullptr); });
}

std::string may_fail(Node* expression) {
    Failure failure{nullptr};
    pg::call([&] { find_failure(expression, &failure); });
    return failure.what == nullptr ? std::string{} : failure.what;
}

List* conjuncts(Node* condition) {
    return pg::call([&] {
        List* parts = NIL;
        flatten(condition, &parts);
        return parts;
    });
}

int null_test_column(Node* conjunct) {
    if (!IsA(conjunct, NullTest)) return 0;
    const auto* const test = castNode(NullTest, conjunct);
    if (test->nulltesttype != IS_NULL || test->argisrow || !IsA(test->arg, Var)) return 0;
    const auto* const column = reinterpret_cast<const Var*>(test->arg);
    return column->varlevelsup == 0 && column->varno == 1 ? column->varattno : 0;
}

bool false_after(Node* condition, Query* update) {
    if (condition == nullptr || has_subquery(condition)) return false;
    for (int i = 0; i < list_length(update->targetList); ++i)
        if (has_subquery(reinterpret_cast<Node*>(
                static_cast<TargetEntry*>(list_nth(update->targetList, i))->expr)))
            return false;
    return pg::call([&] {
        Node* const after = substitute(static_cast<Node*>(copyObjectImpl(condition)), update);
        Node* const folded = eval_const_expressions(nullptr, after);
        if (!IsA(folded, Const)) return false;
        const auto* const value = castNode(Const, folded);
        return value->constisnull || !DatumGetBool(value->constvalue);
    });
}

}  // namespace zdm::plan
