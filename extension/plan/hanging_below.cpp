#include "plan/hanging_below.hpp"

#include "plan/ask.hpp"

namespace zdm::plan {

namespace {

// $1 the table. Parts of indexes and keys, and checks that are inherited, are the
// table's; NOT NULL, from 18 on a constraint, and what bears a name of the plan, $3, are zdm's to
// change.
// Triggers and defaults are looked at by themselves.
#define ZDM_BELOW(columns)                                                                        \
    "WITH RECURSIVE tree (oid) AS (SELECT inhrelid FROM pg_catalog.pg_inherits"                   \
    "  WHERE inhparent = $1::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i"           \
    "  JOIN tree t ON i.inhparent = t.oid),"                                                      \
    " own (name, relation, what, hash) AS (SELECT DISTINCT a.attname::text, t.oid::text, i.type " \
    "|| ' ' || i.identity,"                                                                       \
    "  pg_catalog.md5(coalesce(CASE WHEN k.oid IS NOT NULL"                                       \
    "   THEN pg_catalog.pg_get_constraintdef(k.oid)"                                              \
    "   WHEN c.oid IS NOT NULL THEN pg_catalog.pg_get_indexdef(c.oid) END, ''))"                  \
    "  FROM tree t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname IN "        \
    "(" columns                                                                                   \
    ")"                                                                                           \
    "  JOIN pg_catalog.pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum"       \
    "   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"                            \
    "  LEFT JOIN pg_catalog.pg_constraint k ON k.oid = d.objid"                                   \
    "   AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"                          \
    "  LEFT JOIN pg_catalog.pg_class c ON c.oid = d.objid AND d.objsubid = 0"                     \
    "   AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"                               \
    "  LEFT JOIN pg_catalog.pg_statistic_ext s ON s.oid = d.objid"                                \
    "   AND d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass"                       \
    "  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i"        \
    "  WHERE (c.relkind IN ('i', 'I') AND NOT c.relispartition OR s.oid IS NOT NULL"              \
    "   OR k.contype <> 'n' AND k.coninhcount = 0 AND k.conparentid = 0"                          \
    "   OR d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,"                           \
    "    'pg_catalog.pg_policy'::pg_catalog.regclass,"                                            \
    "    'pg_catalog.pg_publication_rel'::pg_catalog.regclass))"                                  \
    "  AND NOT pg_catalog.quote_ident(coalesce(k.conname, c.relname, s.stxname, ''))"             \
    "   = ANY (pg_catalog.string_to_array($3, E'\\n')))"

constexpr auto kRead = ZDM_BELOW("$2")
    " SELECT pg_catalog.to_json($2::text)::text || ': ' || coalesce("
    "  pg_catalog.jsonb_object_agg(relation, things), '{}')::text FROM (SELECT relation,"
    "   pg_catalog.jsonb_object_agg(what, hash) AS things FROM own GROUP BY relation) r";

constexpr auto kChanged = ZDM_BELOW("SELECT pg_catalog.jsonb_object_keys($2::jsonb)")
    ", planned (name, relation, what, hash) AS (SELECT n.key, r.key, o.key, o.value"
    "  FROM pg_catalog.jsonb_each($2::jsonb) n CROSS JOIN LATERAL pg_catalog.jsonb_each(n.value) r"
    "  CROSS JOIN LATERAL pg_catalog.jsonb_each_text(r.value) o"
    "  WHERE r.key IN (SELECT oid::text FROM tree))"
    " SELECT DISTINCT what || CASE WHEN p.hash IS NULL THEN ' has come'"
    "  WHEN o.hash IS NULL THEN ' has gone' ELSE ' was changed' END"
    " FROM planned p FULL JOIN own o USING (name, relation, what)"
    " WHERE p.hash IS DISTINCT FROM o.hash ORDER BY 1";

#undef ZDM_BELOW

}  // namespace

std::string read_hanging_below(std::uint32_t table, const std::string& column) {
    return ask(kRead, {std::int64_t{table}, column, std::string{}}).front().text(0);
}

std::vector<std::string> changed_below(std::uint32_t table, const std::string& planned,
                                       const std::string& own) {
    std::vector<std::string> all;
    for (const auto& row : ask(kChanged, {std::int64_t{table}, planned, own}).rows)
        all.push_back(row.text(0));
    return all;
}

}  // namespace zdm::plan
