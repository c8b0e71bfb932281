// What a step's undo takes away: the server's parser reads it, the catalogs say which object each
// name is. No lock is taken on tables, since nothing is done to them here.
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/usage.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/index.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_trigger.h"
#include "commands/policy.h"
#include "parser/parser.h"
}

namespace zdm::run {

namespace {

Oid find_relation(RangeVar* name) {
    return pg::call([&] { return RangeVarGetRelid(name, NoLock, true); });
}

// A table's index or constraint is about the table.
std::uint32_t table_of(Oid relation) {
    const Oid table = pg::call([&] {
        const char kind = get_rel_relkind(relation);
        return kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX
                   ? IndexGetRelation(relation, true)
                   : relation;
    });
    return table;
}

void add(std::vector<Taken>& taken, Oid class_id, Oid object, int sub, Oid relation,
         bool restored = false) {
    if (OidIsValid(object)) taken.push_back({class_id, object, sub, relation, restored});
}

// A column of a table, and of the tables that have it from that one.
constexpr auto kColumns =
    "WITH RECURSIVE tree(oid) AS (SELECT $1::oid UNION SELECT i.inhrelid FROM tree t"
    "  JOIN pg_inherits i ON i.inhparent = t.oid"
    "  JOIN pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = $2"
    "   AND NOT a.attisdropped AND a.attinhcount = 1 AND NOT a.attislocal)"
    " SELECT a.attrelid, a.attnum FROM tree t JOIN pg_attribute a ON a.attrelid = t.oid"
    "  AND a.attname = $2 AND NOT a.attisdropped ORDER BY t.oid <> $1::oid, t.oid";

// A trigger of a table, and what its partitions have of it.
constexpr auto kTriggers =
    "WITH RECURSIVE tree(oid, relation) AS (SELECT g.oid, g.tgrelid FROM pg_trigger g"
    "  WHERE g.tgrelid = $1::oid AND g.tgname = $2 UNION ALL SELECT g.oid, g.tgrelid FROM tree t"
    "  JOIN pg_trigger g ON g.tgparentid = t.oid) SELECT oid, relation FROM tree"
    " ORDER BY relation <> $1::oid, relation";

void read_alter(const AlterTableStmt* statement, std::vector<Taken>& taken) {
    if (statement->objtype != OBJECT_TABLE) return;
    const Oid table = find_relation(statement->relation);
    if (!OidIsValid(table)) return;
    ListCell* cell;
    foreach (cell, statement->cmds) {
        auto* const command = static_cast<AlterTableCmd*>(lfirst(cell));
        if (command->subtype == AT_DropColumn || command->subtype == AT_ColumnDefault) {
            const auto columns =
                pg::query(kColumns, {static_cast<std::int64_t>(table), std::string{command->name}});
            for (const auto& row : columns.rows) {
                const auto relation = static_cast<Oid>(row.number(0));
                add(taken, RelationRelationId, relation, static_cast<int>(row.number(1)), relation,
                    command->subtype == AT_ColumnDefault);
            }
        } else if (command->subtype == AT_DropConstraint) {
            add(taken, ConstraintRelationId,
                pg::call([&] { return get_relation_constraint_oid(table, command->name, true); }),
                0, table);
        }
    }
}

// Names as (table's name parts, name): of a trigger or a policy.
void read_on_table(ObjectType type, List* names, std::vector<Taken>& taken) {
    const char* const name = pg::call([&] { return strVal(llast(names)); });
    const Oid table = pg::call([&] {
        List* const parts = list_truncate(list_copy(names), list_length(names) - 1);
        return RangeVarGetRelid(makeRangeVarFromNameList(parts), NoLock, true);
    });
    if (!OidIsValid(table)) return;
    if (type == OBJECT_POLICY)
        return add(taken, PolicyRelationId,
                   pg::call([&] { return get_relation_policy_oid(table, name, true); }), 0, table);
    for (const auto& row :
         pg::query(kTriggers, {static_cast<std::int64_t>(table), std::string{name}}).rows)
        add(taken, TriggerRelationId, static_cast<Oid>(row.number(0)), 0,
            static_cast<Oid>(row.number(1)));
}

// Of all other kinds: what the server itself would drop. It may refuse a name that means something
// else by now; then there is nothing of ours to take away.
void read_other(ObjectType type, Node* object, bool restored, std::vector<Taken>& taken) {
    try {
        pg::Subtransaction attempt;
        const ObjectAddress found = pg::call([&] {
            Relation relation = nullptr;
            const ObjectAddress address =
                get_object_address(type, object, &relation, AccessShareLock, true);
            if (relation != nullptr) table_close(relation, NoLock);
            return address;
        });
        attempt.commit();
        add(taken, found.classId, found.objectId, found.objectSubId, InvalidOid, restored);
    } catch (const pg::Error& error) {
        if (error.sqlstate == pg::state::kQueryCanceled) throw;
    }
}

void read_drop(const DropStmt* statement, std::vector<Taken>& taken) {
    ListCell* cell;
    foreach (cell, statement->objects) {
        auto* const object = static_cast<Node*>(lfirst(cell));
        switch (statement->removeType) {
        case OBJECT_TABLE:
        case OBJECT_INDEX:
        case OBJECT_VIEW:
        case OBJECT_MATVIEW:
        case OBJECT_SEQUENCE: {
            RangeVar* const name =
                pg::call([&] { return makeRangeVarFromNameList(reinterpret_cast<List*>(object)); });
            const Oid relation = find_relation(name);
            if (OidIsValid(relation))
                add(taken, RelationRelationId, relation, 0, table_of(relation));
            break;
        }
        case OBJECT_TRIGGER:
        case OBJECT_POLICY:
            read_on_table(statement->removeType, reinterpret_cast<List*>(object), taken);
            break;
        default: read_other(statement->removeType, object, false, taken);
        }
    }
}

// CREATE OR REPLACE FUNCTION.
void read_function(const CreateFunctionStmt* statement, std::vector<Taken>& taken) {
    Node* const name = pg::call([&] {
        auto* const named = makeNode(ObjectWithArgs);
        named->objname = statement->funcname;
        named->objfuncargs = statement->parameters;
        ListCell* cell;
        foreach (cell, statement->parameters) {
            auto* const parameter = static_cast<FunctionParameter*>(lfirst(cell));
            if (parameter->mode != FUNC_PARAM_OUT && parameter->mode != FUNC_PARAM_TABLE)
                named->objargs = lappend(named->objargs, parameter->argType);
        }
        return reinterpret_cast<Node*>(named);
    });
    read_other(OBJECT_ROUTINE, name, true, taken);
}

}  // namespace

std::vector<Taken> taken_by(const std::string& sql) {
    const char* const text = sql.c_str();
    List* const trees = pg::call([&] { return raw_parser(text, RAW_PARSE_DEFAULT); });
    std::vector<Taken> taken;
    ListCell* cell;
    foreach (cell, trees) {
        Node* const tree = static_cast<RawStmt*>(lfirst(cell))->stmt;
        if (IsA(tree, AlterTableStmt))
            read_alter(reinterpret_cast<AlterTableStmt*>(tree), taken);
        else if (IsA(tree, DropStmt))
            read_drop(reinterpret_cast<DropStmt*>(tree), taken);
        else if (IsA(tree, ViewStmt))
            add(taken, RelationRelationId, find_relation(reinterpret_cast<ViewStmt*>(tree)->view),
                0, InvalidOid, true);
        else if (IsA(tree, CreateFunctionStmt))
            read_function(reinterpret_cast<CreateFunctionStmt*>(tree), taken);
    }
    return taken;
}

}  // namespace zdm::run
