// What hangs on a column that gets another name or type: constraints, indexes, statistics. They are
// put on the clone where they are not there yet, and read back after the server itself renamed the
// column there. So no text of an expression is ever changed.
#include "pg/bridge.hpp"
#include "plan/ask.hpp"
#include "plan/describe.hpp"
#include "plan/read_rename.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// $1 the table, $2 the number of the column. What servers before 18 don't know is NULL.
constexpr auto kConstraints =
    "SELECT c.conname, c.contype, c.conrelid, c.confrelid,"
    " c.condeferrable AND NOT c.condeferred,"
    " pg_catalog.to_jsonb(c) ->> 'conperiod', pg_catalog.to_jsonb(c) ->> 'conenforced',"
    " 0 = ANY (c.conkey), c.confrelid = $1::oid AND $2::int2 = ANY (c.confkey),"
    " c.contype = 'f' AND (c.confupdtype = 'd' OR c.confdeltype = 'd'), c.convalidated,"
    " c.connoinherit, pg_catalog.obj_description(c.oid, 'pg_constraint'), c.oid, c.coninhcount,"
    " c.confupdtype IN ('c', 'n', 'd') OR c.confdeltype IN ('n', 'd')"
    " FROM pg_catalog.pg_constraint c WHERE c.conparentid = 0"
    " AND ((c.conrelid = $1::oid AND ($2::int2 = ANY (c.conkey)"
    "   OR (c.contype = 'c' AND 0 = ANY (c.conkey))))"
    "  OR (c.contype = 'f' AND c.confrelid = $1::oid AND $2::int2 = ANY (c.confkey)))"
    " ORDER BY c.conname, c.conrelid";

// The last two: the index of the partitioned table that it is a part of, over all levels; whether
// it alone holds rows apart, at once.
constexpr auto kIndexes =
    "SELECT c.relname, i.indisvalid, i.indisclustered, i.indisreplident,"
    " pg_catalog.quote_ident(ts.spcname), pg_catalog.obj_description(c.oid, 'pg_class'),"
    " k.contype, k.condeferrable, pg_catalog.obj_description(k.oid, 'pg_constraint'),"
    " (coalesce(i.indexprs::text, '') || coalesce(i.indpred::text, '')) LIKE '%:varattno 0 %',"
    " i.indexrelid, pg_catalog.quote_ident(n.nspname),"
    " CASE WHEN k.oid IS NOT NULL THEN (SELECT pg_catalog.string_agg("
    "   pg_catalog.quote_ident(pg_catalog.split_part(o, '=', 1)) || ' = ' ||"
    "   pg_catalog.quote_literal(pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)), ', ')"
    "   FROM unnest(c.reloptions) o) END, k.condeferred, $2::int2 = ANY (k.conkey),"
    " CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(i.indexrelid)::oid END,"
    " i.indisunique AND i.indimmediate AND NOT i.indisexclusion"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace"
    " LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = c.oid AND k.conrelid = i.indrelid"
    "  AND k.contype IN ('p', 'u', 'x')"
    " WHERE i.indrelid = $1::oid AND ($2::int2 = ANY (i.indkey::int2[]) OR"
    "  (coalesce(i.indexprs::text, '') || coalesce(i.indpred::text, '')) LIKE '%:varattno 0 %'"
    "  OR EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid"
    "   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid"
    "   AND d.refobjsubid = $2)) ORDER BY c.relname";

// Of the columns of an index, whose name is $2.
constexpr auto kTargets =
    "SELECT 'ALTER INDEX ' || $2 || ' ALTER COLUMN ' || a.attnum || ' SET STATISTICS ' ||"
    " a.attstattarget || ';' FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = $1::oid AND a.attstattarget >= 0 ORDER BY a.attnum";

constexpr auto kStatistics =
    "SELECT s.stxname, pg_catalog.quote_ident(n.nspname), "
    "pg_catalog.pg_get_statisticsobjdef(s.oid),"
    " CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget END,"
    " pg_catalog.obj_description(s.oid, 'pg_statistic_ext'),"
    " pg_catalog.pg_get_userbyid(s.stxowner) = current_user"
    " FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace"
    " WHERE s.stxrelid = $1::oid AND ($2::int2 = ANY (s.stxkeys::int2[]) OR EXISTS"
    "  (SELECT FROM pg_catalog.pg_depend d"
    "   WHERE d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND d.objid = s.oid"
    "   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"
    "   AND d.refobjsubid = $2)) ORDER BY s.stxname";

// Of one column or expression there is one kind only, which has no word.
constexpr auto kStatisticsText =
    "SELECT CASE WHEN k.kinds IS NULL THEN '' ELSE '(' || k.kinds || ') ' END || 'ON ' ||"
    " pg_catalog.pg_get_statisticsobjdef_columns(s.oid) FROM pg_catalog.pg_statistic_ext s"
    " CROSS JOIN LATERAL (SELECT pg_catalog.string_agg(CASE x WHEN 'd' THEN 'ndistinct'"
    "  WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv' END, ', ') AS kinds"
    "  FROM unnest(s.stxkind) x) k WHERE s.stxrelid = $1::oid AND s.stxname = $2";

}  // namespace

std::string comment_on(const std::string& target, const std::string& text) {
    return "COMMENT ON " + target + " IS " + pg::quote_literal(text) + ";";
}

pg::Result RenameReader::indexes_on(std::uint32_t oid, std::int64_t number) {
    return ask(kIndexes, {std::int64_t{oid}, number});
}

pg::Result RenameReader::constraints_on(std::uint32_t oid, std::int64_t number) {
    return ask(kConstraints, {std::int64_t{oid}, number});
}

std::uint32_t RenameReader::clone_index(const std::string& name) const {
    const std::uint32_t found = find_index(relation().clone, name);
    if (found == 0)
        refuse_piece(
            "an earlier statement of this migration changes index " + pg::quote_ident(name), {},
            "Rename in a migration of its own.");
    return found;
}

// Clones of indexes are in the default tablespace, and those of constraints have no storage
// parameters; the copies shall be as the originals are.
void RenameReader::prepare_indexes() {
    for (const auto& row : indexes_on(relation().oid, number_).rows) {
        if (row.is_null(4) && row.is_null(12)) continue;
        // What the server says of such a key has neither.
        if (table().partitioned && !row.is_null(6) && !retype_) continue;
        if (table().partitioned && !row.is_null(6))
            refuse_piece("constraint " + pg::quote_ident(row.text(0)) +
                             " has storage parameters or a tablespace of its own",
                         "That is not supported yet for keys of partitioned tables.",
                         "Drop it before, and add it again after.");
        clone_index(row.text(0));
        const std::string alter = "ALTER INDEX pg_temp." + pg::quote_ident(row.text(0)) + " SET ";
        if (!row.is_null(4)) run_own(alter + "TABLESPACE " + row.text(4));
        if (!row.is_null(12)) run_own(alter + "(" + row.text(12) + ")");
    }
}

void RenameReader::prepare_statistics() {
    for (const auto& row : ask(kStatistics, {std::int64_t{relation().oid}, number_}).rows) {
        if (!row.flag(5))
            refuse_piece("statistics " + row.text(1) + "." + pg::quote_ident(row.text(0)) +
                             " belong to another role",
                         {}, "Make them your own: ALTER STATISTICS ... OWNER TO ...;");
        // Another column that changes may have been read before.
        if (!ask(kStatisticsText, {std::int64_t{relation().clone}, row.text(0)}).empty()) continue;
        const std::string sql = row.text(2);
        Node* const tree = parse_own(sql);
        pg::call([&] {
            castNode(CreateStatsStmt, tree)->defnames = list_make2(
                makeString(pstrdup("pg_temp")), makeString(pstrdup(row.text(0).c_str())));
        });
        r_.redirect_names(tree);
        run_utility(tree, sql);
    }
}

// One that an earlier statement of the file made or dropped is not among them.
std::size_t RenameReader::table_of(std::uint32_t oid, const std::string& constraint) const {
    const std::size_t index = r_.clones_.find(oid);
    if (index == kNoTable || r_.clones_.relation(index).clone == 0)
        refuse_piece("foreign key " + constraint + " leads to a table that zdm can't change", {},
                     "Drop it before, and add it again after.");
    return index;
}

// Of a rename: by these names other statements of the file would be about them.
void RenameReader::name_constraints(RenameColumn& rename) const {
    for (const auto& row : constraints_on(relation().oid, number_).rows) {
        const std::string name = pg::quote_ident(row.text(0));
        if (row.flag(7))
            refuse_piece("constraint " + name + " reads the row as a whole",
                         "A row has both columns until contract.", "Let it name its columns.");
        const std::size_t owner = r_.clones_.find(static_cast<std::uint32_t>(row.number(2)));
        if (owner == kNoTable) continue;
        CopiedConstraint constraint;
        constraint.table = owner;
        constraint.name = name;
        rename.constraints.push_back(std::move(constraint));
    }
}

void RenameReader::read_constraints(RenameColumn& rename, Seen& seen) {
    for (const auto& row : constraints_on(relation().oid, number_).rows)
        read_constraint(rename, seen, row);
    read_checks(rename);
    r_.clones_.bring_forward(table_);
}

void RenameReader::read_not_null(RenameColumn& rename, const pg::Row& row) const {
    const std::string name = pg::quote_ident(row.text(0));
    if (!row.flag(10) || row.flag(11))
        refuse_piece(
            "constraint " + name + " is NOT NULL " + (row.flag(10) ? "NO INHERIT" : "NOT VALID"),
            {}, "Validate it, or make it a plain NOT NULL, first.");
    rename.not_null_name = name;
    if (!row.is_null(12))
        rename.not_null_after = {
            comment_on("CONSTRAINT " + name + " ON " + table().qualified, row.text(12))};
}

void RenameReader::read_constraint(RenameColumn& rename, Seen& seen, const pg::Row& row) {
    const std::string name = pg::quote_ident(row.text(0));
    const char type = row.text(1).front();
    if (row.text(5) == "true")
        refuse_piece("constraint " + name + " is over time (WITHOUT OVERLAPS, PERIOD)",
                     "Its index can't be built beside writes.",
                     "Drop it before, and add it again after.");
    if (type == 'n') return read_not_null(rename, row);
    if (type == 'u' || type == 'p' || type == 'x') return;
    if (type == 'f' && row.flag(8) && table().partitioned && row.number(2) == row.number(3))
        refuse_piece("foreign key " + name + " of the partitioned table refers to it",
                     "Until the switch the new column has no key that it could refer to, and then "
                     "it would be checked under the lock.",
                     "Drop the foreign key before, and add it again after.");
    if (type != 'c' && type != 'f')
        refuse_piece("constraint " + name + " is of a kind that zdm does not know", {},
                     "Drop it before, and add it again after.");
    if (row.flag(7))
        refuse_piece("constraint " + name + " reads the row as a whole",
                     "A row has both columns until contract.", "Let it name its columns.");
    if (row.text(6) == "false")
        refuse_piece("constraint " + name + " is NOT ENFORCED", {},
                     "Drop it before, and add it again after.");
    if (row.flag(9) && !rename.default_text.empty())
        refuse_piece("foreign key " + name + " has an action SET DEFAULT",
                     "The new column has no default until contract.",
                     "Drop it before, and add it again after.");
    CopiedConstraint copy;
    copy.table = table_of(static_cast<std::uint32_t>(row.number(2)), name);
    const Relation& owner = r_.clones_.relation(copy.table);
    if (copy.table != table_) {
        r_.check_owner(copy.table, at_);
        if (owner.kind == RELKIND_PARTITIONED_TABLE || owner.partition || owner.inherits)
            refuse_piece("foreign key " + name + " of " + r_.clones_.table(copy.table).qualified +
                             " refers to it, which is partitioned or inherits",
                         {}, "Drop it before, and add it again after.");
    }
    copy.name = name;
    if (type == 'f') {
        copy.foreign_key = true;
        copy.referenced = table_of(static_cast<std::uint32_t>(row.number(3)), name);
        copy.incoming = row.flag(8);
        copy.writes = row.flag(15);
        copy.late = copy.incoming && table().partitioned;
        if (table().partitioned && !copy.incoming) read_foreign_key_parts(copy, row);
        for (const std::size_t peer : {copy.table, copy.referenced})
            if (peer != table_) seen.locks.push_back({peer, LockMode::access_exclusive});
    }
    r_.clones_.bring_forward(copy.table);
    const auto clone = find_constraint(r_.clones_.relation(copy.table).clone, row.text(0));
    if (clone == 0)
        refuse_piece("an earlier statement of this migration changes constraint " + name, {},
                     "Rename in a migration of its own.");
    const ConstraintFacts facts = describe_constraint(r_.clones_, clone);
    copy.definition = facts.definition;
    copy.valid = row.flag(10);
    // An application that defers the constraint by its name doesn't know that of the copy. Both
    // columns are equal, so the copy has nothing to say before the constraint has.
    if (type == 'f' && row.flag(4)) {
        copy.definition += " INITIALLY DEFERRED";
        copy.after.push_back("ALTER TABLE " + r_.clones_.table(copy.table).qualified +
                             " ALTER CONSTRAINT " + name + " DEFERRABLE INITIALLY IMMEDIATE;");
    }
    if (!row.is_null(12))
        copy.after.push_back(comment_on(
            "CONSTRAINT " + name + " ON " + r_.clones_.table(copy.table).qualified, row.text(12)));
    rename.constraints.push_back(std::move(copy));
}

void RenameReader::check_index(const pg::Row& row) const {
    const std::string qualified = row.text(11) + "." + pg::quote_ident(row.text(0));
    if (!row.flag(1))
        refuse_piece("index " + qualified + " is not valid", "A build of it was interrupted.",
                     "DROP INDEX CONCURRENTLY " + qualified + "; first.");
    if (row.flag(9))
        refuse_piece("index " + qualified + " reads the row as a whole",
                     "A row has both columns until contract.", "Let it name its columns.");
}

Statements RenameReader::belongings(const pg::Row& row, const std::string& relation) const {
    Statements all;
    const std::string name = pg::quote_ident(row.text(0));
    const std::string qualified = row.text(11) + "." + name;
    if (!row.is_null(8))
        all.push_back(comment_on("CONSTRAINT " + name + " ON " + relation, row.text(8)));
    if (!row.is_null(5)) all.push_back(comment_on("INDEX " + qualified, row.text(5)));
    for (const auto& target : ask(kTargets, {row.number(10), qualified}).rows)
        all.push_back(target.text(0));
    const std::string alter = "ALTER TABLE " + relation + " ";
    if (row.flag(2)) all.push_back(alter + "CLUSTER ON " + name + ";");
    if (row.flag(3)) all.push_back(alter + "REPLICA IDENTITY USING INDEX " + name + ";");
    return all;
}

void RenameReader::read_indexes(RenameColumn& rename) {
    for (const auto& row : indexes_on(relation().oid, number_).rows) {
        check_index(row);
        const IndexFacts facts = describe_index(clone_index(row.text(0)));
        CopiedIndex copy;
        copy.name = pg::quote_ident(row.text(0));
        copy.schema = row.text(11);
        copy.unique = retype_ ? facts.unique : row.flag(16);
        copy.tail = facts.tail;
        if (retype_ && !row.is_null(6)) read_key(copy, row);
        copy.after = belongings(row, table().qualified);
        copy.replica_identity = row.flag(3);
        rename.indexes.push_back(std::move(copy));
    }
    if (table().is_tree()) read_parts(rename);
}

// The copy of one that may be broken for a while, or that no index alone enforces, is made while
// the new column is empty, and so refuses nothing.
void RenameReader::read_key(CopiedIndex& copy, const pg::Row& row) const {
    const char type = row.text(6).front();
    const std::string what = "constraint " + copy.name;
    copy.constraint = type == 'p' ? "PRIMARY KEY" : type == 'u' ? "UNIQUE" : "EXCLUDE";
    const auto refuse_it = [&](const std::string& is, const std::string& why) {
        refuse_piece(what + is, why, "Drop it before, and add it again after.");
    };
    if (type == 'x') {
        refuse_it(" excludes", "Whether it says the same of the new type is not known.");
    } else if (row.flag(7)) {
        if (type == 'p')
            refuse_it(" is a DEFERRABLE primary key",
                      "Until the switch there would be two, and a UNIQUE can't become one.");
        copy.deferrable = row.flag(13) ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
    }
    if (table().partitioned) {
        const auto facts =
            describe_constraint(r_.clones_, find_constraint(relation().clone, row.text(0)));
        copy.definition = facts.definition;
        copy.columns = facts.columns;
    }
    if (!copy.is_early()) return;
    if (!row.flag(14) || copy.tail.find("NULLS NOT DISTINCT") != std::string::npos)
        refuse_it(" also holds rows apart whose new column is NULL",
                  "Its copy is made before that is filled, and would refuse them.");
}

void RenameReader::read_statistics(RenameColumn& rename) const {
    for (const auto& row : ask(kStatistics, {std::int64_t{relation().oid}, number_}).rows) {
        CopiedStatistics copy;
        copy.name = pg::quote_ident(row.text(0));
        copy.schema = row.text(1);
        const auto text = ask(kStatisticsText, {std::int64_t{relation().clone}, row.text(0)});
        copy.tail = text.front().text(0) + " FROM " + table().qualified;
        copy.target = row.text(3);
        if (!row.is_null(4))
            copy.after.push_back(
                comment_on("STATISTICS " + copy.schema + "." + copy.name, row.text(4)));
        rename.statistics.push_back(std::move(copy));
    }
}

}  // namespace zdm::plan
