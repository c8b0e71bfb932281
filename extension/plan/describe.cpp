#include "plan/ask.hpp"
#include "plan/describe.hpp"

#include <algorithm>

#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/text.hpp"

#include "pg/postgres.hpp"
extern "C" {
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/ruleutils.h"
}

namespace zdm::plan {

namespace {

constexpr auto kConstraint =
    "SELECT pg_catalog.quote_ident(c.conname), c.contype,"
    " pg_catalog.pg_get_expr(c.conbin, c.conrelid), pg_catalog.pg_get_constraintdef(c.oid),"
    " c.condeferrable, c.condeferred, c.connoinherit, c.convalidated, c.confrelid, c.confmatchtype,"
    " c.confupdtype, c.confdeltype, c.conindid, c.conrelid FROM pg_catalog.pg_constraint c"
    " WHERE c.oid = $1::oid";

constexpr auto kKey =
    "SELECT pg_catalog.quote_ident(a.attname), a.attnotnull, pg_catalog.quote_ident(f.attname),"
    " 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')',"
    " CASE WHEN f.attcollation <> 0 AND f.attcollation <> a.attcollation THEN ' COLLATE ' ||"
    "  pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(cl.collname)"
    "  ELSE '' END, k.attnum = ANY (c.confdelsetcols)"
    " FROM pg_catalog.pg_constraint c"
    " CROSS JOIN LATERAL unnest(c.conkey, c.confkey, c.conpfeqop)"
    "  WITH ORDINALITY AS k(attnum, refnum, op, n)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum"
    " LEFT JOIN pg_catalog.pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.refnum"
    " LEFT JOIN pg_catalog.pg_operator o ON o.oid = k.op"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " LEFT JOIN pg_catalog.pg_collation cl ON cl.oid = f.attcollation"
    " LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = cl.collnamespace"
    " WHERE c.oid = $1::oid ORDER BY k.n";

constexpr auto kIndex =
    "SELECT pg_catalog.quote_ident(c.relname), pg_catalog.quote_ident(n.nspname), i.indisunique,"
    " pg_catalog.quote_ident(t.relname),"
    " CASE WHEN t.relpersistence = 't' THEN 'pg_temp' ELSE pg_catalog.quote_ident(tn.nspname) END"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_class t ON t.oid = i.indrelid"
    " JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace WHERE i.indexrelid = $1::oid";

// Keys, INCLUDE, and what expressions and predicate read.
constexpr auto kIndexColumns =
    "SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid"
    " WHERE i.indexrelid = $1::oid AND a.attnum > 0 AND (a.attnum = ANY (i.indkey::int2[])"
    "  OR EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid"
    "   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid"
    "   AND d.refobjsubid = a.attnum)) ORDER BY a.attnum";

constexpr auto kColumn =
    "SELECT pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod) ||"
    "  CASE WHEN a.attcompression <> '' THEN ' COMPRESSION ' || CASE a.attcompression"
    "   WHEN 'p' THEN 'pglz' ELSE 'lz4' END ELSE '' END ||"
    "  CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN"
    "   (SELECT ' COLLATE ' || pg_catalog.quote_ident(n.nspname) || '.' ||"
    "     pg_catalog.quote_ident(c.collname) FROM pg_catalog.pg_collation c"
    "     JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation)"
    "   ELSE '' END,"
    " pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attnotnull,"
    " a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', a.attidentity <> '',"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary"
    "  AND a.attnum = ANY (i.indkey::int2[])),"
    " pg_catalog.format_type(a.atttypid, a.atttypmod)"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped";

// $1 the table, $2 the column's name.
constexpr auto kConstrainedDomain =
    "WITH RECURSIVE base AS (SELECT t.oid, t.typtype, t.typbasetype, t.typnotnull"
    "   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    "   WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped"
    "  UNION ALL SELECT d.oid, d.typtype, d.typbasetype, d.typnotnull FROM base"
    "   JOIN pg_catalog.pg_type d ON d.oid = base.typbasetype WHERE base.typtype = 'd')"
    " SELECT FROM base WHERE base.typtype = 'd' AND (base.typnotnull OR EXISTS"
    "  (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = base.oid)) LIMIT 1";

constexpr auto kDependents =
    "SELECT DISTINCT CASE WHEN w.ev_class IS NOT NULL THEN"
    "  pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)"
    "  ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END"
    " FROM pg_catalog.pg_depend d"
    " LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::"
    "pg_catalog.regclass AND w.oid = d.objid"
    " LEFT JOIN pg_catalog.pg_trigger g ON d.classid = 'pg_catalog.pg_trigger'::"
    "pg_catalog.regclass AND g.oid = d.objid"
    " LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::"
    "pg_catalog.regclass AND p.oid = d.objid"
    " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"
    " AND d.deptype = 'n' AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,"
    "  'pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,"
    "  'pg_catalog.pg_proc'::pg_catalog.regclass)"
    " AND ($2 = '' OR d.refobjsubid = (SELECT a.attnum FROM pg_catalog.pg_attribute a"
    "  WHERE a.attrelid = $1::oid AND a.attname = $2))"
    " AND ($2 <> '' OR (g.tgrelid IS DISTINCT FROM $1::oid AND p.polrelid IS DISTINCT FROM "
    "$1::oid)) ORDER BY 1 LIMIT 5";

std::vector<std::uint32_t> oids(const char* sql, std::uint32_t relation) {
    std::vector<std::uint32_t> found;
    for (const auto& row : ask(sql, {std::int64_t{relation}}).rows)
        found.push_back(static_cast<std::uint32_t>(row.number(0)));
    return found;
}

const char* action_text(char action) {
    switch (action) {
    case 'r': return "RESTRICT";
    case 'c': return "CASCADE";
    case 'n': return "SET NULL";
    case 'd': return "SET DEFAULT";
    default: return "NO ACTION";
    }
}

// How a foreign key reads and which rows break it, from its catalog row.
void describe_foreign_key(const Clones& clones, const pg::Row& row, const pg::Result& key,
                          ConstraintFacts& facts) {
    facts.referenced = clones.find(static_cast<std::uint32_t>(row.number(8)));
    if (facts.referenced == kNoTable) return;
    const Table& referenced = clones.table(facts.referenced);
    const auto own = clones.find(static_cast<std::uint32_t>(row.number(13)));
    const std::string& outer = clones.table(own).name;
    // Any alias but the name by which the rows of the table itself are called.
    const std::string alias = outer == "zdm_r" ? "zdm_s" : "zdm_r";

    std::vector<std::string> columns, references, matches, given, missing, set;
    for (const auto& part : key.rows) {
        columns.push_back(part.text(0));
        references.push_back(part.text(2));
        matches.push_back(alias + "." + part.text(2) + " " + part.text(3) + " " + outer + "." +
                          part.text(0) + part.text(4));
        given.push_back(part.text(0) + " IS NOT NULL");
        missing.push_back(part.text(0) + " IS NULL");
        if (part.flag(5)) set.push_back(part.text(0));
    }
    facts.referenced_columns = references;
    const bool full = row.text(9) == "f";
    facts.definition = "FOREIGN KEY (" + join(columns) + ") REFERENCES " + referenced.qualified +
                       " (" + join(references) + ")";
    if (full) facts.definition += " MATCH FULL";
    if (row.text(10) != "a")
        facts.definition += std::string{" ON UPDATE "} + action_text(row.text(10).front());
    if (row.text(11) != "a")
        facts.definition += std::string{" ON DELETE "} + action_text(row.text(11).front());
    if (!set.empty()) facts.definition += " (" + join(set) + ")";
    facts.definition += facts.suffix;

    const std::string orphan =
        "NOT EXISTS (SELECT FROM " + std::string{referenced.partitioned ? "" : "ONLY "} +
        referenced.qualified + " " + alias + " WHERE " + join(matches, " AND ") + ")";
    facts.violates = full && columns.size() > 1 ? "NOT (" + join(missing, " AND ") + ") AND (" +
                                                      join(missing, " OR ") + " OR " + orphan + ")"
                                                : join(given, " AND ") + " AND " + orphan;
}

}  // namespace

// Without NOT NULL, which comes along with a primary key on 18, and what foreign keys have for each
// partition that they refer to.
std::vector<std::uint32_t> constraints_of(std::uint32_t relation) {
    return oids(
        "SELECT oid FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype <> 'n'"
        " AND conparentid = 0",
        relation);
}

std::vector<std::uint32_t> indexes_of(std::uint32_t relation) {
    return oids("SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid = $1::oid", relation);
}

std::uint32_t added(const std::vector<std::uint32_t>& before,
                    const std::vector<std::uint32_t>& after) {
    for (const auto oid : after)
        if (std::find(before.begin(), before.end(), oid) == before.end()) return oid;
    return 0;
}

std::uint32_t find_constraint(std::uint32_t relation, const std::string& name) {
    const auto found =
        ask("SELECT oid FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND conname = $2",
            {std::int64_t{relation}, name});
    return found.empty() ? 0 : static_cast<std::uint32_t>(found.front().number(0));
}

std::uint32_t find_index(std::uint32_t relation, const std::string& name) {
    const auto found =
        ask("SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c"
            " ON c.oid = i.indexrelid WHERE i.indrelid = $1::oid AND c.relname = $2",
            {std::int64_t{relation}, name});
    return found.empty() ? 0 : static_cast<std::uint32_t>(found.front().number(0));
}

ConstraintFacts describe_constraint(const Clones& clones, std::uint32_t constraint) {
    const auto found = ask(kConstraint, {std::int64_t{constraint}});
    const pg::Row& row = found.front();
    const auto key = ask(kKey, {std::int64_t{constraint}});
    ConstraintFacts facts;
    facts.oid = constraint;
    facts.name = row.text(0);
    facts.type = row.text(1).front();
    facts.expression = row.text(2);
    facts.valid = row.flag(7);
    facts.no_inherit = row.flag(6);
    facts.index = static_cast<std::uint32_t>(row.number(12));
    if (row.flag(4)) facts.suffix = row.flag(5) ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
    for (const auto& part : key.rows) {
        facts.columns.push_back(part.text(0));
        if (!part.flag(1)) facts.nullable.push_back(part.text(0));
    }
    if (facts.type == 'c') {
        facts.definition =
            "CHECK " + parenthesised(facts.expression) + (row.flag(6) ? " NO INHERIT" : "");
        facts.violates = parenthesised(facts.expression) + " IS FALSE";
    } else if (facts.type == 'f') {
        describe_foreign_key(clones, row, key, facts);
    } else {
        facts.definition = row.text(3);
    }
    return facts;
}

IndexFacts describe_index(std::uint32_t index) {
    const PinnedText pinned;
    const auto found = ask(kIndex, {std::int64_t{index}});
    const pg::Row& row = found.front();
    IndexFacts facts;
    facts.name = row.text(0);
    facts.schema = row.text(1);
    facts.unique = row.flag(2);
    char* const text = pg::call([&] { return pg_get_indexdef_string(index); });
    const std::string definition{text};
    const std::string head = std::string{"CREATE "} + (facts.unique ? "UNIQUE " : "") + "INDEX " +
                             facts.name + " ON " + row.text(4) + "." + row.text(3) + " ";
    if (definition.compare(0, head.size(), head) != 0)
        throw pg::Error{pg::state::kInternal, "ZD999: unexpected definition: " + definition};
    facts.tail = definition.substr(head.size());
    for (const auto& column : ask(kIndexColumns, {std::int64_t{index}}).rows)
        facts.columns.push_back(column.text(0));
    return facts;
}

std::optional<ColumnFacts> describe_column(std::uint32_t relation, const std::string& column) {
    const auto found = ask(kColumn, {std::int64_t{relation}, column});
    if (found.empty()) return std::nullopt;
    const pg::Row& row = found.front();
    ColumnFacts facts;
    facts.name = row.text(0);
    facts.definition = row.text(1);
    facts.default_text = row.text(2);
    facts.not_null = row.flag(3);
    facts.has_default = row.flag(4);
    facts.generated = row.flag(5);
    facts.identity = row.flag(6);
    facts.in_primary_key = row.flag(7);
    facts.type = row.text(8);
    return facts;
}

bool has_constant_default(std::uint32_t relation, const std::string& column) {
    const char* const name = column.c_str();
    return pg::call([&] {
        ::Relation const opened = table_open(relation, AccessShareLock);
        Node* const value = build_column_default(opened, get_attnum(relation, name));
        table_close(opened, NoLock);
        return value != nullptr && !contain_mutable_functions(value);
    });
}

bool has_constrained_domain(std::uint32_t relation, const std::string& column) {
    return !ask(kConstrainedDomain, {std::int64_t{relation}, column}).empty();
}

std::vector<std::string> dependents(std::uint32_t relation, const std::string& column) {
    std::vector<std::string> found;
    for (const auto& row : ask(kDependents, {std::int64_t{relation}, column}).rows)
        found.push_back(row.text(0));
    return found;
}

}  // namespace zdm::plan
