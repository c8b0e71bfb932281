// ALTER ... RENAME: of a table; what else has a name is refused.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/ask.hpp"
#include "plan/read_objects.hpp"
#include "plan/read_partitions.hpp"

#include "pg/postgres.hpp"

namespace zdm::plan {

namespace {

constexpr auto kColumns =
    "SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

// What a view under the table's name needs to be used by those who may use the table. Both have
// the same kinds of privileges.
constexpr auto kGrants =
    "WITH t AS (SELECT c.oid, c.relowner, c.relacl,"
    "   pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,"
    "   pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) AS owner,"
    "   pg_catalog.has_schema_privilege(c.relowner, n.oid, 'CREATE') AS may_own"
    "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE c.oid = $1::oid),"
    " granted AS (SELECT g.grantee, g.is_grantable, g.privilege_type AS what, 0 AS attnum"
    "   FROM t, pg_catalog.aclexplode(t.relacl) g WHERE g.grantee <> t.relowner"
    "  UNION SELECT g.grantee, g.is_grantable,"
    "    g.privilege_type || ' (' || pg_catalog.quote_ident(a.attname) || ')', a.attnum"
    "   FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped,"
    "    pg_catalog.aclexplode(a.attacl) g WHERE g.grantee <> t.relowner),"
    " line AS (SELECT CASE WHEN g.grantee = 0 THEN 'PUBLIC'"
    "    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS role,"
    "   g.is_grantable, pg_catalog.string_agg(g.what, ', ' ORDER BY g.attnum, g.what) AS what"
    "  FROM granted g GROUP BY g.grantee, g.is_grantable)"
    " SELECT CASE WHEN t.may_own THEN 'ALTER VIEW ' || t.name || ' OWNER TO ' || t.owner || ';'"
    "    ELSE 'GRANT ALL ON ' || t.name || ' TO ' || t.owner || ';' END, 0 AS n, '' AS role, false"
    "  FROM t WHERE pg_catalog.pg_get_userbyid(t.relowner) <> current_user"
    " UNION ALL SELECT 'GRANT ' || l.what || ' ON ' || t.name || ' TO ' || l.role ||"
    "   CASE WHEN l.is_grantable THEN ' WITH GRANT OPTION;' ELSE ';' END, 1, l.role, l.is_grantable"
    "  FROM t, line l ORDER BY 2, 3, 4";

// A type of that name is in the way as well, unless it is an array type, which steps back.
constexpr auto kTaken =
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = $1::oid"
    "   AND relname = $2) THEN 'relation'"
    "  WHEN EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace = $1::oid"
    "   AND t.typname = $2 AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e"
    "    WHERE e.typarray = t.oid)) THEN 'type' END";

// Who may read some columns and not others. Reading a view whose rights are the reader's needs the
// right to all columns that the view names.
constexpr auto kPartialReaders =
    "SELECT pg_catalog.string_agg(DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC'"
    "   ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END, ', ')"
    "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid"
    "   AND NOT a.attisdropped, pg_catalog.aclexplode(a.attacl) g"
    "  WHERE c.oid = $1::oid AND g.privilege_type = 'SELECT' AND CASE WHEN g.grantee = 0 THEN"
    "   NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) r WHERE r.grantee = 0"
    "    AND r.privilege_type = 'SELECT')"
    "   ELSE EXISTS (SELECT FROM pg_catalog.pg_attribute b WHERE b.attrelid = c.oid"
    "    AND b.attnum > 0 AND NOT b.attisdropped"
    "    AND NOT pg_catalog.has_column_privilege(g.grantee, c.oid, b.attnum, 'SELECT')) END";

constexpr auto kReplicated =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid),"
    " EXISTS (SELECT FROM pg_catalog.pg_publication_tables p WHERE p.schemaname = n.nspname"
    "  AND p.tablename = c.relname) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid";

}  // namespace

void ObjectReader::rename(RenameStmt* tree) {
    if (tree->renameType == OBJECT_TABLE) return rename_table(tree);
    refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
           "RENAME of anything but a column or a table is not supported yet",
           "Applications that use the old name would fail at once.",
           tree->renameType == OBJECT_COLUMN
               ? "Add a column with the new name, fill it with an UPDATE, and drop the old one."
               : "Run it directly when nobody uses the old name any more.");
}

void ObjectReader::check_new_name(std::size_t table, const std::string& name) const {
    const Relation& relation = r_.clones_.relation(table);
    const auto schema = std::int64_t{relation.schema_oid};
    const auto taken = ask(kTaken, {schema, name});
    if (!taken.front().is_null(0))
        refuse(at_, "ZD005", pg::sqlstate("42P07"),
               taken.front().text(0) + " \"" + name + "\" already exists", {},
               "Choose another name, or drop what has it in a migration before.");
    const bool may =
        ask("SELECT pg_catalog.has_schema_privilege($1::oid, 'CREATE')", {schema}).front().flag(0);
    if (!may)
        refuse(at_, "ZD107", pg::state::kInsufficientPrivilege,
               "the role may not create anything in schema " + pg::quote_ident(relation.schema),
               "A new name, and the view under the old one, need that.",
               "GRANT CREATE ON SCHEMA " + pg::quote_ident(relation.schema) + " TO ...;");
}

// Whether a view can stand in for the table.
void ObjectReader::check_stand_in(std::size_t table) const {
    const std::string& qualified = r_.clones_.table(table).qualified;
    if (r_.clones_.table(table).has_children)
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported, "tables inherit from " + qualified,
               "A view stands under the old name until contract, and takes ONLY " + qualified +
                   " for all of them.",
               "Write -- zdm: direct right before the statement to rename it at once.");
    const auto oid = std::int64_t{r_.clones_.relation(table).oid};
    if (ask(kColumns, {oid}).empty())
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               qualified + " has no column, and no view can stand in for it", {},
               "Write -- zdm: direct right before the statement to rename it at once.");
    const std::string readers = ask(kPartialReaders, {oid}).front().text(0);
    if (!readers.empty())
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               "roles that may read only some columns of " + qualified +
                   " could read none under the old name",
               "A view stands there until contract, and reading it needs the right to all of its "
               "columns: " +
                   readers + ".",
               "GRANT SELECT on the whole table to them; or write -- zdm: direct right before the "
               "statement to rename it at once.");
}

void ObjectReader::rename_table(RenameStmt* tree) {
    const auto found = r_.target(tree->relation, tree->missing_ok, Rehearsal::Use::name);
    if (!found) return;
    // Their migrations must not run meanwhile.
    if (r_.clones_.table(*found).is_tree()) list_partitions(r_.clones_, *found);
    const Table& table = r_.clones_.table(*found);
    const Relation& relation = r_.clones_.relation(*found);
    const std::string name{tree->newname};
    if (table.made_here())
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               table.qualified + " is made and renamed in one migration", {},
               "Make it under its last name.");
    if (const Statement* const other = r_.also_naming(statement_, *found, name))
        refuse(r_.source_.place(other->start), "ZD105", pg::state::kFeatureNotSupported,
               "this statement names " + table.qualified + " or its new name, and line " +
                   std::to_string(at_.line) + " renames it",
               "Its name changes between the phases of the migration.",
               "Rename it in a migration of its own, before or after this one.");
    check_new_name(*found, name);
    const auto oid = std::int64_t{relation.oid};
    const auto replicated = ask(kReplicated, {oid});
    if (replicated.front().flag(0))
        refuse(at_, "ZD105", pg::state::kFeatureNotSupported,
               "a subscription writes to " + table.qualified + ", and finds it by its name",
               "It would stop at the view that stands under the old name until contract.",
               "Rename the table on both sides directly, while the subscription is disabled.");
    if (!statement_.directives.direct) check_stand_in(*found);
    RenameTable rename;
    rename.name = pg::quote_ident(name);
    rename.qualified = pg::quote_qualified(relation.schema, name);
    rename.published = replicated.front().flag(1);
    for (const auto& row : ask(kColumns, {oid}).rows) rename.columns.push_back(row.text(0));
    for (const auto& row : ask(kGrants, {oid}).rows) rename.grants.push_back(row.text(0));
    Action action = start(*found);
    action.seen.locks = {{*found, LockMode::access_exclusive}};
    action.detail = std::move(rename);
    r_.add(std::move(action));
}

}  // namespace zdm::plan
