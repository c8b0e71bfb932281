// DROP of what is there: in contract, so the rehearsal only checks that it would work.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_objects.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "nodes/makefuncs.h"
}

namespace zdm::plan {

namespace {

const char* keyword(ObjectType type) {
    switch (type) {
    case OBJECT_VIEW: return "VIEW";
    case OBJECT_MATVIEW: return "MATERIALIZED VIEW";
    case OBJECT_SEQUENCE: return "SEQUENCE";
    case OBJECT_FUNCTION: return "FUNCTION";
    case OBJECT_PROCEDURE: return "PROCEDURE";
    case OBJECT_ROUTINE: return "ROUTINE";
    case OBJECT_AGGREGATE: return "AGGREGATE";
    case OBJECT_TYPE: return "TYPE";
    case OBJECT_DOMAIN: return "DOMAIN";
    case OBJECT_SCHEMA: return "SCHEMA";
    case OBJECT_EXTENSION: return "EXTENSION";
    case OBJECT_STATISTIC_EXT: return "STATISTICS";
    default: return nullptr;
    }
}

// What would stop a DROP RESTRICT, without columns that the clones no longer have.
constexpr auto kUsers =
    "SELECT d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass, d.objid, a.attname,"
    " CASE WHEN w.ev_class IS NOT NULL THEN"
    "  pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)"
    "  ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END"
    " FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_attribute a"
    " ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND a.attrelid = d.objid"
    " AND a.attnum = d.objsubid AND d.objsubid <> 0"
    " LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::"
    "pg_catalog.regclass AND w.oid = d.objid"
    " WHERE d.refclassid = $1::oid AND d.refobjid = $2::oid AND d.deptype = 'n'"
    " AND w.ev_class IS DISTINCT FROM $2::oid ORDER BY 4";

}  // namespace

void ObjectReader::drop(DropStmt* tree) {
    if (tree->behavior == DROP_CASCADE)
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported, "DROP ... CASCADE is not supported",
               "It drops what the file does not name.",
               "Name what must go, each in a statement of its own.");
    for (int i = 0; i < list_length(tree->objects); ++i) {
        Node* const object = static_cast<Node*>(list_nth(tree->objects, i));
        switch (tree->removeType) {
        case OBJECT_TABLE: drop_table(castNode(List, object), tree); break;
        case OBJECT_TRIGGER:
        case OBJECT_POLICY: drop_on_table(castNode(List, object), tree); break;
        default: drop_other(object, tree); break;
        }
    }
}

void ObjectReader::drop_table(List* names, const DropStmt* tree) {
    RangeVar* const name = pg::call([&] { return makeRangeVarFromNameList(names); });
    name->location = statement_.start;
    const auto found = r_.target(name, tree->missing_ok);
    if (!found) return;
    const Table& table = r_.clones_.table(*found);
    const Relation& relation = r_.clones_.relation(*found);
    if (table.made_here())
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               table.qualified + " is made and dropped in one migration", {},
               "Take both statements out.");
    const auto users = dependents(relation.oid, "");
    if (!users.empty())
        refuse(at_, "ZD110", pg::sqlstate("2BP01"),
               "other objects depend on table " + table.qualified, join(users, "; ") + ".",
               "Change or drop them first, in a migration of their own.");
    DropTable drop;
    const auto keys =
        ask("SELECT pg_catalog.quote_ident(conname) FROM pg_catalog.pg_constraint WHERE conrelid = "
            "$1::oid AND contype = 'f' AND confrelid <> conrelid ORDER BY conname",
            {std::int64_t{relation.oid}});
    for (const auto& row : keys.rows) drop.foreign_keys.push_back(row.text(0));
    DropStmt* const single = pg::call([&] {
        DropStmt* const made = makeNode(DropStmt);
        made->removeType = OBJECT_TABLE;
        made->behavior = DROP_RESTRICT;
        made->objects = list_make1(list_make2(makeString(pstrdup("pg_temp")),
                                              makeString(pstrdup(relation.clone_name.c_str()))));
        return made;
    });
    Action action = start(*found);
    action.seen = r_.replay(reinterpret_cast<Node*>(single));
    r_.clones_.forget(*found);
    action.detail = drop;
    r_.add(std::move(action));
}

// Triggers and policies, which belong to a table. Clones have none of the original's.
void ObjectReader::drop_on_table(List* names, const DropStmt* tree) {
    const bool trigger = tree->removeType == OBJECT_TRIGGER;
    const std::string name{strVal(llast(names))};
    RangeVar* const relation = pg::call([&] {
        return makeRangeVarFromNameList(list_truncate(list_copy(names), list_length(names) - 1));
    });
    relation->location = statement_.start;
    const auto found = r_.target(relation, tree->missing_ok);
    if (!found) return;
    const Table& table = r_.clones_.table(*found);
    const std::string what = trigger ? "trigger " : "policy ";
    const auto old = ask(
        trigger ? "SELECT pg_catalog.pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger WHERE "
                  "tgrelid = $1::oid AND tgname = $2 AND NOT tgisinternal"
                : "SELECT '' FROM pg_catalog.pg_policy WHERE polrelid = $1::oid AND polname = $2",
        {std::int64_t{r_.clones_.relation(*found).oid}, name});
    if (old.empty()) {
        if (!tree->missing_ok)
            refuse(at_, "ZD005", pg::state::kUndefinedObject,
                   what + "\"" + name + "\" for table " + table.qualified + " does not exist");
        r_.note(at_, what + pg::quote_ident(name) + " does not exist, nothing to do");
        return;
    }
    Direct direct;
    direct.command = std::string{"DROP "} + (trigger ? "TRIGGER " : "POLICY ") +
                     pg::quote_ident(name) + " ON " + table.qualified + ";";
    if (trigger) direct.undo = old.front().text(0) + ";";
    direct.note = "the old version relies on it until here";
    direct.what = what + pg::quote_ident(name);
    direct.removal = true;
    direct.pinned = true;
    Action action = start(*found);
    action.seen.locks = {{*found, LockMode::access_exclusive}};
    add(std::move(action), direct);
}

void ObjectReader::drop_other(Node* object, const DropStmt* tree) {
    const ObjectType type = tree->removeType;
    if (keyword(type) == nullptr)
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               "this kind of DROP is not supported in a migration", {},
               "Run it directly, with a short lock_timeout.");
    ObjectAddress address{};
    pg::call([&] {
        ::Relation relation = nullptr;
        address = get_object_address(type, object, &relation, AccessShareLock, tree->missing_ok);
        if (OidIsValid(address.objectId))
            check_object_ownership(GetUserId(), type, address, object, relation);
        if (relation != nullptr) relation_close(relation, AccessShareLock);
    });
    if (!OidIsValid(address.objectId)) {
        r_.note(at_, "nothing to drop: it does not exist");
        return;
    }
    const auto named =
        ask("SELECT pg_catalog.pg_describe_object($1::oid, $2::oid, 0), i.identity FROM "
            "pg_catalog.pg_identify_object($1::oid, $2::oid, 0) i",
            {std::int64_t{address.classId}, std::int64_t{address.objectId}});
    const std::string what = named.front().text(0);
    const std::string identity = named.front().text(1);
    std::vector<std::string> users;
    for (const auto& row :
         ask(kUsers, {std::int64_t{address.classId}, std::int64_t{address.objectId}}).rows) {
        const auto table = r_.clones_.find(static_cast<std::uint32_t>(row.number(1)));
        if (row.flag(0) && table != kNoTable && !row.is_null(2) &&
            !describe_column(r_.clones_.relation(table).clone, row.text(2)))
            continue;
        users.push_back(row.text(3));
    }
    if (!users.empty())
        refuse(at_, "ZD110", pg::sqlstate("2BP01"), "other objects depend on " + what,
               join(users, "; ") + ".", "Change or drop them first.");
    Direct direct;
    direct.command = std::string{"DROP "} + keyword(type) + " " + identity + ";";
    direct.note = "the old version relies on it until here";
    direct.what = what;
    direct.removal = true;
    direct.pinned = true;
    add(start(), direct);
}

}  // namespace zdm::plan
