#include "plan/redirect.hpp"

#include <cstring>

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

struct Visit {
    RelationVisitor visit;
    void* context;
};

bool visit_tree(Node* node, void* context) {
    if (node == nullptr) return false;
    auto* const visit = static_cast<Visit*>(context);
    if (IsA(node, RangeVar)) {
        visit->visit(castNode(RangeVar, node), visit->context);
        return false;
    }
    return pg::compat::walk_raw(node, visit_tree, context);
}

void visit_constraint(Constraint* constraint, Visit* visit) {
    if (constraint->pktable != nullptr) visit->visit(constraint->pktable, visit->context);
    visit_tree(constraint->raw_expr, visit);
}

void visit_element(Node* element, Visit* visit) {
    if (element == nullptr) return;
    if (IsA(element, Constraint)) {
        visit_constraint(castNode(Constraint, element), visit);
    } else if (IsA(element, ColumnDef)) {
        auto* const column = castNode(ColumnDef, element);
        for (int i = 0; i < list_length(column->constraints); ++i)
            visit_element(static_cast<Node*>(list_nth(column->constraints, i)), visit);
        visit_tree(column->raw_default, visit);
    } else if (IsA(element, TableLikeClause)) {
        visit->visit(castNode(TableLikeClause, element)->relation, visit->context);
    }
}

void visit_elements(List* elements, Visit* visit) {
    for (int i = 0; i < list_length(elements); ++i)
        visit_element(static_cast<Node*>(list_nth(elements, i)), visit);
}

void visit_each(List* relations, Visit* visit) {
    for (int i = 0; i < list_length(relations); ++i) {
        Node* const node = static_cast<Node*>(list_nth(relations, i));
        if (IsA(node, RangeVar)) visit->visit(castNode(RangeVar, node), visit->context);
    }
}

void visit_alter(AlterTableStmt* alter, Visit* visit) {
    visit->visit(alter->relation, visit->context);
    for (int i = 0; i < list_length(alter->cmds); ++i)
        visit_element(static_cast<AlterTableCmd*>(list_nth(alter->cmds, i))->def, visit);
}

void visit_create(CreateStmt* create, Visit* visit) {
    visit_elements(create->tableElts, visit);
    visit_elements(create->constraints, visit);
    visit_each(create->inhRelations, visit);
}

struct Shorten {
    const Redirections* redirections;
};

bool shorten_tree(Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, ColumnRef)) {
        auto* const column = castNode(ColumnRef, node);
        if (list_length(column->fields) < 3) return false;
        Node* const schema = static_cast<Node*>(linitial(column->fields));
        Node* const table = static_cast<Node*>(lsecond(column->fields));
        if (!IsA(schema, String) || !IsA(table, String)) return false;
        RangeVar* const relation =
            makeRangeVar(pstrdup(strVal(schema)), pstrdup(strVal(table)), column->location);
        if (find_redirection(relation, static_cast<Shorten*>(context)->redirections) != nullptr)
            column->fields = list_delete_first(column->fields);
        return false;
    }
    return pg::compat::walk_raw(node, shorten_tree, context);
}

}  // namespace

void visit_relations(Node* statement, RelationVisitor visitor, void* context) {
    Visit visit{visitor, context};
    switch (nodeTag(statement)) {
    case T_AlterTableStmt: visit_alter(castNode(AlterTableStmt, statement), &visit); break;
    case T_CreateStmt: visit_create(castNode(CreateStmt, statement), &visit); break;
    case T_IndexStmt: visitor(castNode(IndexStmt, statement)->relation, context); break;
    case T_CreateTrigStmt: visitor(castNode(CreateTrigStmt, statement)->relation, context); break;
    case T_CreatePolicyStmt:
        visitor(castNode(CreatePolicyStmt, statement)->table, context);
        visit_tree(castNode(CreatePolicyStmt, statement)->qual, &visit);
        visit_tree(castNode(CreatePolicyStmt, statement)->with_check, &visit);
        break;
    case T_CreateStatsStmt:
        visit_each(castNode(CreateStatsStmt, statement)->relations, &visit);
        break;
    case T_ViewStmt: visit_tree(castNode(ViewStmt, statement)->query, &visit); break;
    case T_CreateTableAsStmt:
        visit_tree(castNode(CreateTableAsStmt, statement)->query, &visit);
        break;
    case T_RenameStmt:
        if (castNode(RenameStmt, statement)->relation != nullptr)
            visitor(castNode(RenameStmt, statement)->relation, context);
        break;
    case T_GrantStmt: visit_each(castNode(GrantStmt, statement)->objects, &visit); break;
    case T_CreateFunctionStmt:
        visit_tree(castNode(CreateFunctionStmt, statement)->sql_body, &visit);
        break;
    case T_InsertStmt:
    case T_UpdateStmt:
    case T_DeleteStmt: visit_tree(statement, &visit); break;
    default: break;
    }
}

namespace {

const Redirection* find_made(const char* schema, const char* name,
                             const Redirections* redirections) {
    for (std::size_t i = 0; schema != nullptr && i < redirections->count; ++i) {
        const Redirection* const item = &redirections->items[i];
        if (item->original == InvalidOid && std::strcmp(schema, item->schema) == 0 &&
            std::strcmp(name, item->name) == 0)
            return item;
    }
    return nullptr;
}

const Redirection* find_known(Oid oid, const Redirections* redirections) {
    for (std::size_t i = 0; OidIsValid(oid) && i < redirections->count; ++i)
        if (oid == redirections->items[i].original || oid == redirections->items[i].clone)
            return &redirections->items[i];
    return nullptr;
}

}  // namespace

Resolved resolve(RangeVar* relation, const Redirections* redirections) {
    Resolved found{InvalidOid, nullptr};
    if (relation->schemaname != nullptr) {
        found.oid = RangeVarGetRelid(relation, NoLock, true);
        found.item = OidIsValid(found.oid)
                         ? find_known(found.oid, redirections)
                         : find_made(relation->schemaname, relation->relname, redirections);
        return found;
    }
    // The clones stand before everything else in the path; they must not hide what a name means.
    List* const path = fetch_search_path(false);
    for (int i = 0; i < list_length(path); ++i) {
        const Oid schema = list_nth_oid(path, i);
        if (isTempNamespace(schema)) continue;
        found.oid = get_relname_relid(relation->relname, schema);
        found.item = OidIsValid(found.oid)
                         ? find_known(found.oid, redirections)
                         : find_made(get_namespace_name(schema), relation->relname, redirections);
        if (OidIsValid(found.oid) || found.item != nullptr) return found;
    }
    found.oid = RangeVarGetRelid(relation, NoLock, true);
    found.item = find_known(found.oid, redirections);
    // A clone that is not meant: its original is not in the path.
    if (found.item != nullptr && found.oid == found.item->clone) return {InvalidOid, nullptr};
    return found;
}

const Redirection* find_redirection(RangeVar* relation, const Redirections* redirections) {
    return resolve(relation, redirections).item;
}

void redirect(RangeVar* relation, const Redirections* redirections) {
    const Resolved found = resolve(relation, redirections);
    if (found.item == nullptr) {
        if (OidIsValid(found.oid) && relation->schemaname == nullptr)
            relation->schemaname = get_namespace_name(get_rel_namespace(found.oid));
        return;
    }
    if (relation->alias == nullptr && std::strcmp(relation->relname, found.item->clone_name) != 0)
        relation->alias = makeAlias(relation->relname, NIL);
    relation->schemaname = pstrdup("pg_temp");
    relation->relname = pstrdup(found.item->clone_name);
}

void redirect_all(Node* statement, const Redirections* redirections) {
    shorten_columns(statement, redirections);
    visit_relations(
        statement,
        [](RangeVar* relation, void* context) {
            redirect(relation, static_cast<const Redirections*>(context));
        },
        const_cast<Redirections*>(redirections));
}

void shorten_columns(Node* statement, const Redirections* redirections) {
    switch (nodeTag(statement)) {
    case T_InsertStmt:
    case T_UpdateStmt:
    case T_DeleteStmt: break;
    default: return;
    }
    Shorten context{redirections};
    shorten_tree(statement, &context);
}

}  // namespace zdm::plan
