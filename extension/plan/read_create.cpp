// CREATE of new things: replayed in the subtransaction, tables and views as temporary ones, so that
// later statements see them.
#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_objects.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "parser/analyze.h"
#include "tcop/utility.h"
}

namespace zdm::plan {

namespace {

struct Definition {
    std::int64_t oid;
    std::string text;
};

// The functions of a name, with their definitions.
std::vector<Definition> functions_named(const std::string& schema, const std::string& name) {
    std::vector<Definition> found;
    const auto rows =
        ask("SELECT p.oid, CASE WHEN p.prokind IN ('f', 'p', 'w') THEN"
            " pg_catalog.pg_get_functiondef(p.oid) ELSE '' END FROM pg_catalog.pg_proc p"
            " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = $1 AND p.proname = $2",
            {schema, name});
    for (const auto& row : rows.rows) found.push_back({row.number(0), row.text(1)});
    return found;
}

// While in scope the bodies of new functions are taken as they are.
class UncheckedBodies {
public:
    UncheckedBodies() {
        level_ = pg::call([] {
            const int level = NewGUCNestLevel();
            set_config_option("check_function_bodies", "off", PGC_USERSET, PGC_S_SESSION,
                              GUC_ACTION_SAVE, true, 0, false);
            return level;
        });
    }
    ~UncheckedBodies() { AtEOXact_GUC(false, level_); }
    UncheckedBodies(const UncheckedBodies&) = delete;
    UncheckedBodies& operator=(const UncheckedBodies&) = delete;

private:
    int level_ = 0;
};

std::string signature(std::int64_t function) {
    return ask("SELECT $1::oid::pg_catalog.regprocedure::text", {function}).front().text(0);
}

}  // namespace

void ObjectReader::create(Node* tree) {
    const auto names_undo = [&](const char* kind, List* names) {
        return std::string{"DROP "} + kind + " " + creation_name(names) + ";";
    };
    switch (nodeTag(tree)) {
    case T_CreateStmt: return create_table(castNode(CreateStmt, tree));
    case T_CreateTableAsStmt: return create_table_as(castNode(CreateTableAsStmt, tree));
    case T_ViewStmt: return create_view(castNode(ViewStmt, tree));
    case T_CreateFunctionStmt: return create_function(castNode(CreateFunctionStmt, tree));
    case T_CreateTrigStmt: return create_trigger(castNode(CreateTrigStmt, tree));
    case T_CreatePolicyStmt: return create_policy(castNode(CreatePolicyStmt, tree));
    case T_CreateStatsStmt: return create_statistics(castNode(CreateStatsStmt, tree));
    case T_CreateSeqStmt: return create_sequence(castNode(CreateSeqStmt, tree));
    case T_CreateEnumStmt:
        return plain(tree, names_undo("TYPE", castNode(CreateEnumStmt, tree)->typeName));
    case T_CreateRangeStmt:
        return plain(tree, names_undo("TYPE", castNode(CreateRangeStmt, tree)->typeName));
    case T_CreateDomainStmt:
        return plain(tree, names_undo("DOMAIN", castNode(CreateDomainStmt, tree)->domainname));
    case T_CompositeTypeStmt: {
        auto* const type = castNode(CompositeTypeStmt, tree)->typevar;
        const Oid schema = pg::call([&] { return RangeVarGetCreationNamespace(type); });
        const char* const name = pg::call([&] { return get_namespace_name(schema); });
        return plain(tree, "DROP TYPE " + pg::quote_qualified(name, type->relname) + ";");
    }
    case T_CreateSchemaStmt: {
        auto* const schema = castNode(CreateSchemaStmt, tree);
        if (schema->schemaElts != NIL || schema->schemaname == nullptr) break;
        return plain(tree, "DROP SCHEMA " + pg::quote_ident(schema->schemaname) + ";");
    }
    case T_CreateExtensionStmt: {
        auto* const extension = castNode(CreateExtensionStmt, tree);
        const char* const name = extension->extname;
        if (extension->if_not_exists &&
            OidIsValid(pg::call([&] { return get_extension_oid(name, true); }))) {
            r_.note(at_, "extension " + pg::quote_ident(name) + " exists already, nothing to do");
            return;
        }
        return plain(tree, "DROP EXTENSION " + pg::quote_ident(name) + ";");
    }
    case T_AlterEnumStmt:
        if (castNode(AlterEnumStmt, tree)->oldVal != nullptr) break;
        return plain(tree, "",
                     "a new value can't be taken back; later statements can use it in a migration "
                     "of their own only");
    default: break;
    }
    const char* const tag = pg::call([&] { return GetCommandTagName(CreateCommandTag(tree)); });
    refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
           std::string{tag} + " is not supported in a migration",
           "zdm does not know how to run it safely.",
           "Run it directly, with a short lock_timeout.");
}

ObjectReader::Home ObjectReader::move_to_temp(RangeVar* relation) const {
    if (relation->relpersistence == RELPERSISTENCE_TEMP)
        refuse(at_, "ZD106", pg::state::kWrongObjectType,
               "a migration can't make temporary relations",
               "Its steps run in sessions of their own, which end.", "Leave TEMPORARY out.");
    Home home;
    Oid schema = InvalidOid;
    const char* const name = pg::call([&] {
        schema = RangeVarGetCreationNamespace(relation);
        return get_namespace_name(schema);
    });
    home.schema = name;
    home.name = relation->relname;
    if (!ask("SELECT pg_catalog.has_schema_privilege($1::oid, 'CREATE')", {std::int64_t{schema}})
             .front()
             .flag(0))
        refuse(at_, "ZD107", pg::state::kInsufficientPrivilege,
               "permission denied for schema " + pg::quote_ident(home.schema), {},
               "Its owner must GRANT CREATE on it.");
    home.existing = pg::call([&] { return get_relname_relid(relation->relname, schema); });
    r_.clones_.make_room(home.schema);
    const std::string moved = r_.clones_.free_name(home.name);
    pg::call([&] {
        relation->schemaname = pstrdup("pg_temp");
        relation->relname = pstrdup(moved.c_str());
        relation->relpersistence = RELPERSISTENCE_TEMP;
    });
    return home;
}

void ObjectReader::refuse_existing(const Home& home) const {
    if (home.existing != 0)
        refuse(at_, "ZD005", pg::sqlstate("42P07"), "relation \"" + home.name + "\" already exists",
               {},
               "What is dropped in a migration is there until contract: make it under another "
               "name, or in a later migration.");
}

std::size_t ObjectReader::adopt(const RangeVar* relation, const Home& home) {
    const Oid clone = pg::call([&] { return RangeVarGetRelid(relation, NoLock, false); });
    return r_.clones_.adopt(clone, home.schema, home.name);
}

void ObjectReader::create_table(CreateStmt* tree) {
    if (tree->partspec != nullptr || tree->partbound != nullptr || tree->inhRelations != NIL)
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               "partitioned tables, partitions and inheritance are not supported yet", {},
               "Run the statement directly, with a short lock_timeout.");
    const Home home = move_to_temp(tree->relation);
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    const std::string qualified = pg::quote_qualified(home.schema, home.name);
    if (home.existing != 0 && tree->if_not_exists) {
        r_.note(at_, "table " + qualified + " exists already, nothing to do");
        return;
    }
    refuse_existing(home);
    Seen seen = r_.replay(reinterpret_cast<Node*>(tree));
    const std::size_t table = adopt(tree->relation, home);
    // A foreign key can rest only on what is there in expand.
    const auto early =
        ask("SELECT k.relname FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class k"
            " ON k.oid = c.conindid WHERE c.conrelid = $1::oid AND c.contype = 'f'",
            {std::int64_t{r_.clones_.relation(table).clone}});
    for (const auto& row : early.rows)
        for (const auto& action : r_.facts_.actions)
            if (const auto* unique = std::get_if<AddUnique>(&action.detail))
                if (unquoted(unique->name) == row.text(0))
                    refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
                           "this foreign key rests on " + unique->name +
                               ", which this migration makes in contract",
                           {}, "Make the table in a later migration.");
    Action action = start(table);
    action.seen = std::move(seen);
    add(std::move(action), as_written("DROP TABLE " + qualified + ";"));
}

void ObjectReader::create_table_as(CreateTableAsStmt* tree) {
    const bool materialized = tree->objtype == OBJECT_MATVIEW;
    const Home home = move_to_temp(tree->into->rel);
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    const std::string qualified = pg::quote_qualified(home.schema, home.name);
    if (home.existing != 0 && tree->if_not_exists) {
        r_.note(at_, "relation " + qualified + " exists already, nothing to do");
        return;
    }
    refuse_existing(home);
    const char* const text = r_.source_.text().c_str();
    Node* const utility = pg::call([&] {
        // Nothing is read, and a materialized view can't be temporary.
        tree->into->skipData = true;
        tree->objtype = OBJECT_TABLE;
        RawStmt* const raw = makeNode(RawStmt);
        raw->stmt = reinterpret_cast<Node*>(tree);
        raw->stmt_location = statement_.start;
        return parse_analyze_fixedparams(raw, text, nullptr, 0, nullptr)->utilityStmt;
    });
    Seen seen = r_.replay(utility);
    const std::size_t table = adopt(tree->into->rel, home);
    Action action = start(table);
    action.seen = std::move(seen);
    add(std::move(action),
        as_written(std::string{"DROP "} + (materialized ? "MATERIALIZED VIEW " : "TABLE ") +
                       qualified + ";",
                   "copies the rows of that moment in one transaction, which holds back the "
                   "clean-up of dead rows while it runs"));
}

void ObjectReader::create_view(ViewStmt* tree) {
    const Home home = move_to_temp(tree->view);
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    const std::string qualified = pg::quote_qualified(home.schema, home.name);
    std::string undo = "DROP VIEW " + qualified + ";";
    std::string note;
    if (home.existing != 0) {
        if (!tree->replace) refuse_existing(home);
        const auto old =
            ask("SELECT c.relkind, pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM "
                "pg_catalog.pg_class c WHERE c.oid = $1::oid",
                {std::int64_t{home.existing}});
        if (old.front().text(0) != "v")
            refuse(at_, "ZD106", pg::state::kWrongObjectType, qualified + " is not a view");
        if (!old.front().flag(1))
            refuse(at_, "ZD107", pg::state::kInsufficientPrivilege,
                   "must be owner of view " + qualified, {},
                   "Run the migration as the owner of the view, or as a member of that role.");
        const std::string definition =
            ask("SELECT pg_catalog.pg_get_viewdef($1::oid)", {std::int64_t{home.existing}})
                .front()
                .text(0);
        const std::string before = "CREATE OR REPLACE VIEW pg_temp." +
                                   pg::quote_ident(tree->view->relname) + " AS " + definition;
        run_own(before);
        undo = "CREATE OR REPLACE VIEW " + qualified + " AS " + definition;
        r_.replay(reinterpret_cast<Node*>(tree));
        // The old definition comes back only when it has as many columns.
        try {
            pg::Subtransaction attempt;
            run_own(before);
        } catch (const pg::Error&) {
            undo.clear();
            note = "rollback leaves the new definition, which has more columns";
        }
        Direct direct = as_written(undo, note);
        direct.lock = LockMode::access_exclusive;
        add(start(), direct);
        return;
    }
    r_.replay(reinterpret_cast<Node*>(tree));
    const std::size_t view = adopt(tree->view, home);
    add(start(view), as_written(undo));
}

void ObjectReader::create_function(CreateFunctionStmt* tree) {
    char* raw_name = nullptr;
    const char* const schema = pg::call([&] {
        return get_namespace_name(QualifiedNameGetCreationNamespace(tree->funcname, &raw_name));
    });
    const auto before = functions_named(schema, raw_name);
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    Node* const again = pg::call([&] { return static_cast<Node*>(copyObjectImpl(tree)); });
    try {
        pg::Subtransaction attempt;
        run_utility(reinterpret_cast<Node*>(tree), r_.source_.text());
        attempt.commit();
    } catch (const pg::Error& error) {
        // A body that names a table with its schema is checked against the original, which does
        // not have the migration's columns yet.
        if (error.sqlstate != pg::state::kUndefinedColumn &&
            error.sqlstate != pg::state::kUndefinedTable)
            throw;
        const UncheckedBodies unchecked;
        run_utility(again, r_.source_.text());
    }
    std::string undo;
    for (const auto& after : functions_named(schema, raw_name)) {
        const auto same = std::find_if(before.begin(), before.end(),
                                       [&](const Definition& old) { return old.oid == after.oid; });
        if (same == before.end())
            undo = std::string{"DROP "} + (tree->is_procedure ? "PROCEDURE " : "FUNCTION ") +
                   signature(after.oid) + ";";
        else if (same->text != after.text)
            undo = same->text + ";";
    }
    add(start(), as_written(undo));
}

void ObjectReader::create_trigger(CreateTrigStmt* tree) {
    const auto table = r_.target(tree->relation, false).value();
    const std::string name{tree->trigname};
    if (tree->constrrel != nullptr)
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               "a constraint trigger with FROM is not supported", {}, "Run it directly.");
    std::string undo =
        "DROP TRIGGER " + pg::quote_ident(name) + " ON " + r_.clones_.table(table).qualified + ";";
    const auto old = ask(
        "SELECT pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = "
        "$1::oid AND t.tgname = $2",
        {std::int64_t{r_.clones_.relation(table).oid}, name});
    if (!old.empty()) {
        if (!tree->replace)
            refuse(at_, "ZD005", pg::state::kDuplicateObject,
                   "trigger \"" + name + "\" for relation " + r_.clones_.table(table).qualified +
                       " already exists",
                   {}, "Use CREATE OR REPLACE TRIGGER.");
        undo += " " + old.front().text(0) + ";";
    }
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    tree->relation->alias = nullptr;
    Action action = start(table);
    action.seen = r_.replay(reinterpret_cast<Node*>(tree));
    add(std::move(action), as_written(undo, "fires for the rows of backfills, too"));
}

void ObjectReader::create_policy(CreatePolicyStmt* tree) {
    const auto table = r_.target(tree->table, false).value();
    const std::string name{tree->policy_name};
    if (!ask("SELECT FROM pg_catalog.pg_policy WHERE polrelid = $1::oid AND polname = $2",
             {std::int64_t{r_.clones_.relation(table).oid}, name})
             .empty())
        refuse(at_, "ZD005", pg::state::kDuplicateObject,
               "policy \"" + name + "\" for table " + r_.clones_.table(table).qualified +
                   " already exists");
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    tree->table->alias = nullptr;
    Action action = start(table);
    action.seen = r_.replay(reinterpret_cast<Node*>(tree));
    add(std::move(action), as_written("DROP POLICY " + pg::quote_ident(name) + " ON " +
                                      r_.clones_.table(table).qualified + ";"));
}

void ObjectReader::create_statistics(CreateStatsStmt* tree) {
    if (list_length(tree->relations) != 1 || !IsA(linitial(tree->relations), RangeVar))
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               "CREATE STATISTICS must name one table");
    auto* const relation = castNode(RangeVar, linitial(tree->relations));
    const auto table = r_.target(relation, false).value();
    r_.redirect_names(reinterpret_cast<Node*>(tree));
    relation->alias = nullptr;
    Action action = start(table);
    action.seen = r_.replay(reinterpret_cast<Node*>(tree));
    const auto made =
        ask("SELECT n.nspname, s.stxname FROM pg_catalog.pg_statistic_ext s JOIN "
            "pg_catalog.pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1::oid "
            "ORDER BY s.oid DESC LIMIT 1",
            {std::int64_t{r_.clones_.relation(table).clone}});
    std::string undo;
    if (!made.empty())
        undo = "DROP STATISTICS " +
               pg::quote_qualified(made.front().text(0), made.front().text(1)) + ";";
    Direct direct = as_written(undo);
    direct.same_locks = true;
    add(std::move(action), direct);
}

void ObjectReader::create_sequence(CreateSeqStmt* tree) {
    if (tree->sequence->relpersistence == RELPERSISTENCE_TEMP)
        refuse(at_, "ZD106", pg::state::kWrongObjectType,
               "a migration can't make temporary relations", {}, "Leave TEMPORARY out.");
    // The owning column may be one that this migration makes; the sequence itself is real.
    pg::call([&] {
        List* kept = NIL;
        for (int i = 0; i < list_length(tree->options); ++i) {
            auto* const option = static_cast<DefElem*>(list_nth(tree->options, i));
            if (std::string_view{option->defname} != "owned_by") kept = lappend(kept, option);
        }
        tree->options = kept;
    });
    const char* const schema =
        pg::call([&] { return get_namespace_name(RangeVarGetCreationNamespace(tree->sequence)); });
    plain(reinterpret_cast<Node*>(tree),
          "DROP SEQUENCE " + pg::quote_qualified(schema, tree->sequence->relname) + ";");
}

}  // namespace zdm::plan
