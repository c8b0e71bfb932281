// Statements that zdm runs as they are written, those that it ignores, and those that it refuses.
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
#include "commands/defrem.h"
#include "parser/parse_type.h"
}

namespace zdm::plan {

namespace {

struct Refusal {
    NodeTag tag;
    const char* what;
    const char* why;
    const char* instead;
};

// What can't be part of a migration, and what to do.
const Refusal kRefusals[] = {
    {T_SelectStmt, "SELECT", "A migration changes; what it would return goes nowhere.",
     "Take it out, and query with psql."},
    {T_VariableSetStmt, "SET", "Each step runs in a transaction of its own, maybe days later.",
     "Set it in your session before zdm_create: search_path, TimeZone and the like are stored."},
    {T_VariableShowStmt, "SHOW", "", "Take it out."},
    {T_DoStmt, "DO", "zdm can't see what the code would lock or change.",
     "Write the statements that it would run, or run it directly."},
    {T_CallStmt, "CALL", "zdm can't see what the procedure would lock or change.",
     "Run it directly."},
    {T_ExecuteStmt, "EXECUTE", "", "Write the statement itself."},
    {T_PrepareStmt, "PREPARE", "", "Write the statement itself."},
    {T_CopyStmt, "COPY", "The rows are not in the file.", "Run it directly with psql."},
    {T_TruncateStmt, "TRUNCATE", "It blocks reads and writes and can't be taken back.",
     "DELETE FROM the table: zdm does it in batches."},
    {T_LockStmt, "LOCK", "zdm takes the locks that each step needs, with a timeout.",
     "Take it out."},
    {T_ClusterStmt, "CLUSTER", "It rewrites the table under a lock that blocks reads and writes.",
     "Use pg_repack, or run it in a maintenance window."},
    {T_ReindexStmt, "REINDEX", "It is maintenance, not a change of the schema.",
     "Run REINDEX CONCURRENTLY directly."},
    {T_RefreshMatViewStmt, "REFRESH MATERIALIZED VIEW",
     "It is maintenance, not a change of the schema.",
     "Run REFRESH MATERIALIZED VIEW CONCURRENTLY directly."},
    {T_MergeStmt, "MERGE", "It joins, and can't run in batches of single rows.",
     "Write an UPDATE, DELETE or INSERT."},
    {T_ExplainStmt, "EXPLAIN", "", "Take it out."},
};

[[noreturn]] void refuse_statement(Place at, const Refusal& refusal) {
    refuse(at, "ZD101", pg::state::kFeatureNotSupported,
           std::string{refusal.what} + " is not supported in a migration", refusal.why,
           refusal.instead);
}

bool names_columns(const GrantStmt* tree) {
    for (int i = 0; i < list_length(tree->privileges); ++i)
        if (castNode(AccessPriv, list_nth(tree->privileges, i))->cols != NIL) return true;
    return false;
}

std::string text_of(const char* sql, const std::vector<pg::Value>& parameters) {
    const auto found = ask(sql, parameters);
    return found.empty() ? std::string{} : found.front().text(0);
}

}  // namespace

void read_object(Rehearsal& rehearsal, const Statement& statement, Node* tree) {
    ObjectReader{rehearsal, statement}.read(tree);
}

void ObjectReader::read(Node* tree) {
    switch (nodeTag(tree)) {
    case T_TransactionStmt: return transaction(castNode(TransactionStmt, tree));
    case T_VacuumStmt: return vacuum(castNode(VacuumStmt, tree));
    case T_AlterSeqStmt: return sequence(castNode(AlterSeqStmt, tree));
    case T_RenameStmt: return rename(castNode(RenameStmt, tree));
    case T_GrantStmt: return grant(castNode(GrantStmt, tree));
    case T_CommentStmt: return comment(castNode(CommentStmt, tree));
    case T_DropStmt: return drop(castNode(DropStmt, tree));
    default: break;
    }
    for (const auto& refusal : kRefusals)
        if (nodeTag(tree) == refusal.tag) refuse_statement(at_, refusal);
    create(tree);
}

Action ObjectReader::start(std::size_t table) const {
    Action action = r_.start(statement_, statement_.start, statement_.end);
    action.table = table;
    return action;
}

Direct ObjectReader::as_written(const std::string& undo, const std::string& note) const {
    Direct direct;
    direct.command = r_.source_.slice(statement_.start, statement_.end) + ";";
    direct.undo = undo;
    direct.note = note;
    return direct;
}

void ObjectReader::add(Action action, Direct direct) {
    action.detail = std::move(direct);
    r_.add(std::move(action));
}

void ObjectReader::plain(Node* tree, const std::string& undo, const std::string& note) {
    Action action = start();
    action.seen = r_.replay(tree);
    add(std::move(action), as_written(undo, note));
}

std::string ObjectReader::creation_name(List* names) const {
    char* name = nullptr;
    const char* const schema = pg::call(
        [&] { return get_namespace_name(QualifiedNameGetCreationNamespace(names, &name)); });
    return pg::quote_qualified(schema, name);
}

void ObjectReader::transaction(const TransactionStmt* tree) {
    switch (tree->kind) {
    case TRANS_STMT_BEGIN:
    case TRANS_STMT_START:
    case TRANS_STMT_COMMIT:
        r_.note(at_, r_.source_.slice(statement_.start, statement_.end) +
                         " is ignored: each step runs in a transaction of its own");
        return;
    default:
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               "this transaction command is not supported in a migration",
               "Each step runs in a transaction of its own.", "Take it out.");
    }
}

void ObjectReader::vacuum(const VacuumStmt* tree) {
    refuse(
        at_, "ZD101", pg::state::kFeatureNotSupported,
        std::string{tree->is_vacuumcmd ? "VACUUM" : "ANALYZE"} + " is not supported in a migration",
        tree->is_vacuumcmd
            ? "VACUUM FULL rewrites the table under a lock that blocks reads and writes; a "
              "plain VACUUM is maintenance."
            : "zdm analyzes what it fills.",
        tree->is_vacuumcmd ? "Run VACUUM directly; instead of VACUUM FULL use pg_repack."
                           : "Take it out.");
}

// Written beside a change of type by those who know that the server forgets it; zdm does not.
void ObjectReader::sequence(const AlterSeqStmt* tree) const {
    const Oid found = pg::call([&] { return RangeVarGetRelid(tree->sequence, NoLock, true); });
    const std::string name = text_of(
        "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = $1::oid",
        {std::int64_t{found}});
    const std::string type = pg::call([&]() -> std::string {
        if (list_length(tree->options) != 1) return {};
        auto* const option = castNode(DefElem, linitial(tree->options));
        if (std::string_view{option->defname} != "as") return {};
        return format_type_be(typenameTypeId(nullptr, defGetTypeName(option)));
    });
    for (const auto& action : r_.actions()) {
        const auto* const retype = std::get_if<RetypeColumn>(&action.detail);
        if (retype == nullptr || !retype->changes_sequence(name, type)) continue;
        r_.note(at_, name + " gets its new type in the switch, with " + retype->copies.column +
                         " of " + r_.clones_.table(action.table).qualified);
        return;
    }
    refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
           "ALTER SEQUENCE is not supported in a migration",
           "Where the type of a serial or identity column changes, that of its sequence changes "
           "with it.",
           "Leave it out there, or write AS and the new type after the ALTER TABLE; else run it "
           "directly, with a short lock_timeout.");
}

void ObjectReader::grant(GrantStmt* tree) {
    const bool whole_schema = tree->targtype != ACL_TARGET_OBJECT;
    Action action = start();
    if (tree->objtype == OBJECT_TABLE && !whole_schema)
        for (int i = 0; i < list_length(tree->objects); ++i) {
            auto* const relation = castNode(RangeVar, list_nth(tree->objects, i));
            const auto found = r_.find(relation);
            if (found && r_.clones_.relation(*found).clone != 0) r_.check_owner(*found, at_);
        }
    // A new column gets the privileges that columns have now; those on the whole table it has.
    if (!names_columns(tree)) action.names.clear();
    // All relations of a schema have no clones; the statement is simple enough to run unrehearsed.
    if (!whole_schema) {
        r_.redirect_names(reinterpret_cast<Node*>(tree));
        action.seen = r_.replay(reinterpret_cast<Node*>(tree));
        action.seen.locks.clear();
    }
    Direct direct = as_written("", "rollback leaves the privileges");
    if (!tree->is_grant) {
        direct.removal = true;
        direct.note = "takes privileges away that the old version may need";
        direct.what = "the privileges";
    }
    add(std::move(action), direct);
}

// What a comment on a table or a part of one is on, and what stands there now. Points the statement
// at the clone.
std::optional<ObjectReader::Commented> ObjectReader::commented(CommentStmt* tree, Action& action) {
    const bool part = tree->objtype == OBJECT_COLUMN || tree->objtype == OBJECT_TABCONSTRAINT;
    const bool index = tree->objtype == OBJECT_INDEX;
    List* const names = castNode(List, tree->object);
    const std::string member = part ? strVal(llast(names)) : "";
    RangeVar* const relation = pg::call([&] {
        return makeRangeVarFromNameList(
            part ? list_truncate(list_copy(names), list_length(names) - 1) : names);
    });
    const std::size_t table =
        index ? r_.find_by_index(relation) : r_.find(relation).value_or(kNoTable);
    if (table == kNoTable || r_.clones_.relation(table).clone == 0) return std::nullopt;
    r_.check_owner(table, at_);
    r_.clones_.bring_forward(table);
    action.table = table;
    const Relation& clone = r_.clones_.relation(table);
    const std::string& qualified = r_.clones_.table(table).qualified;
    const auto oid = std::int64_t{clone.oid};
    pg::call([&] {
        const char* const name = index ? relation->relname : clone.clone_name.c_str();
        List* moved = list_make2(makeString(pstrdup("pg_temp")), makeString(pstrdup(name)));
        if (part) moved = lappend(moved, llast(names));
        tree->object = reinterpret_cast<Node*>(moved);
    });
    Commented on;
    if (tree->objtype == OBJECT_COLUMN) {
        on.target = "COLUMN " + qualified + "." + pg::quote_ident(member);
        on.before = text_of(
            "SELECT pg_catalog.col_description(attrelid, attnum) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = $1::oid AND attname = $2",
            {oid, member});
    } else if (tree->objtype == OBJECT_TABCONSTRAINT) {
        on.target = "CONSTRAINT " + pg::quote_ident(member) + " ON " + qualified;
        const auto constraint = find_constraint(clone.oid, member);
        on.made_here = constraint == 0 && clone.oid != 0;
        on.before = text_of("SELECT pg_catalog.obj_description($1::oid, 'pg_constraint')",
                            {std::int64_t{constraint}});
    } else if (index) {
        on.target = "INDEX " + pg::quote_qualified(clone.schema, relation->relname);
        const auto there =
            ask("SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c"
                " JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
                " WHERE i.indrelid = $1::oid AND c.relname = $2",
                {oid, std::string{relation->relname}});
        on.made_here = there.empty() && clone.oid != 0;
        if (!there.empty()) on.before = there.front().text(0);
    } else {
        on.target = std::string{clone.view ? "VIEW " : "TABLE "} + qualified;
        on.before = text_of("SELECT pg_catalog.obj_description($1::oid, 'pg_class')", {oid});
    }
    return on;
}

void ObjectReader::comment(CommentStmt* tree) {
    Action action = start();
    std::optional<Commented> on;
    bool relation = false;
    switch (tree->objtype) {
    case OBJECT_TABLE:
    case OBJECT_VIEW:
    case OBJECT_MATVIEW:
    case OBJECT_COLUMN:
    case OBJECT_TABCONSTRAINT:
    case OBJECT_INDEX:
        relation = true;
        on = commented(tree, action);
        break;
    default: break;
    }
    Direct direct = as_written("", "rollback leaves the comment");
    // A materialized view of this migration is rehearsed as a table.
    const bool stands_in = on && tree->objtype == OBJECT_MATVIEW;
    if (on ? !stands_in : !relation) {
        action.seen = r_.replay(reinterpret_cast<Node*>(tree));
        action.seen.scans = false;
    } else if (!on) {
        // An original has no clone (a view, say): the comment is not rehearsed on it.
        check_ownership(tree->objtype, tree->object);
    }
    if (on) {
        direct.note.clear();
        direct.later = on->made_here;
        direct.same_locks = true;
        if (!on->made_here && !r_.clones_.table(action.table).made_here())
            direct.undo = "COMMENT ON " + on->target + " IS " +
                          (on->before.empty() ? "NULL" : pg::quote_literal(on->before)) + ";";
    }
    add(std::move(action), direct);
}

void ObjectReader::check_ownership(int object_type, Node* object) const {
    const auto type = static_cast<ObjectType>(object_type);
    pg::call([&] {
        ::Relation relation = nullptr;
        const ObjectAddress address =
            get_object_address(type, object, &relation, AccessShareLock, false);
        check_object_ownership(GetUserId(), type, address, object, relation);
        if (relation != nullptr) relation_close(relation, AccessShareLock);
    });
}

}  // namespace zdm::plan
