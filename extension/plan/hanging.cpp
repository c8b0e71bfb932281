#include "plan/hanging.hpp"

#include "plan/ask.hpp"

namespace zdm::plan {

namespace {

// $1 the table. NOT NULL, from 18 on a constraint, and what bears a private name are zdm's to
// change.
#define ZDM_HANGING                                                                                \
    "hanging (column_name, what, hash) AS (SELECT DISTINCT a.attname::text,"                       \
    " i.type || ' ' || i.identity, pg_catalog.md5(coalesce(CASE"                                   \
    "  WHEN w.oid IS NOT NULL THEN pg_catalog.pg_get_viewdef(w.ev_class) ||"                       \
    "   coalesce(v.reloptions::text, '')"                                                          \
    "  WHEN k.oid IS NOT NULL THEN pg_catalog.pg_get_constraintdef(k.oid)"                         \
    "  WHEN c.relkind = 'S' THEN '' WHEN c.oid IS NOT NULL THEN pg_catalog.pg_get_indexdef(c.oid)" \
    "  WHEN p.oid IS NOT NULL THEN coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') "   \
    "|| "                                                                                          \
    "   ' ' || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')"                   \
    "  WHEN r.oid IS NOT NULL THEN coalesce(pg_catalog.pg_get_expr(r.prqual, r.prrelid), '') ||"   \
    "   coalesce((SELECT pg_catalog.string_agg(l.attname, ' ' ORDER BY l.attname)"                 \
    "    FROM pg_catalog.pg_attribute l WHERE l.attrelid = r.prrelid"                              \
    "    AND l.attnum = ANY (r.prattrs::int2[])), '')"                                             \
    "  ELSE pg_catalog.pg_get_statisticsobjdef(d.objid) END, ''))"                                 \
    " FROM pg_catalog.pg_attribute a"                                                              \
    " JOIN pg_catalog.pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum"         \
    "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"                              \
    " LEFT JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid"                                        \
    "  AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"                               \
    " LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class"                                       \
    " LEFT JOIN pg_catalog.pg_constraint k ON k.oid = d.objid"                                     \
    "  AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"                            \
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = d.objid AND d.objsubid = 0"                       \
    "  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"                                 \
    "  AND c.relkind IN ('i', 'I', 'S')"                                                           \
    " LEFT JOIN pg_catalog.pg_policy p ON p.oid = d.objid"                                         \
    "  AND d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass"                                \
    " LEFT JOIN pg_catalog.pg_statistic_ext t ON t.oid = d.objid"                                  \
    "  AND d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass"                         \
    " LEFT JOIN pg_catalog.pg_publication_rel r ON r.oid = d.objid"                                \
    "  AND d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass"                       \
    " CROSS JOIN LATERAL pg_catalog.pg_identify_object("                                           \
    "  CASE WHEN w.oid IS NULL THEN d.classid"                                                     \
    "   ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END, coalesce(w.ev_class, d.objid), 0) i"  \
    " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped"                          \
    " AND (coalesce(w.oid, c.oid, p.oid, r.oid, t.oid) IS NOT NULL OR k.contype <> 'n')"           \
    " AND NOT pg_catalog.starts_with("                                                             \
    "  coalesce(k.conname, c.relname, t.stxname, ''), 'zdm_'))"

constexpr auto kRead =
    "WITH " ZDM_HANGING
    " SELECT pg_catalog.to_json($2::text)::text || ': ' ||"
    "  coalesce(pg_catalog.jsonb_object_agg(what, hash), '{}')::text FROM hanging"
    " WHERE column_name = $2 AND what NOT IN (SELECT i.type || ' ' || i.identity"
    "  FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL pg_catalog.pg_identify_object("
    "   'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 0) i"
    "  WHERE k.conrelid = $1::oid AND pg_catalog.quote_ident(k.conname) = ANY ($3))";

constexpr auto kChanged = "WITH " ZDM_HANGING
                          ", planned (column_name, what, hash) AS (SELECT c.key, o.key, o.value"
                          "  FROM pg_catalog.jsonb_each($2::jsonb) c"
                          "  CROSS JOIN LATERAL pg_catalog.jsonb_each_text(c.value) o)"
                          ", now_there AS (SELECT * FROM hanging"
                          "  WHERE column_name IN (SELECT pg_catalog.jsonb_object_keys($2::jsonb)))"
                          " SELECT DISTINCT what || CASE WHEN p.hash IS NULL THEN ' has come'"
                          "  WHEN h.hash IS NULL THEN ' has gone' ELSE ' was changed' END"
                          " FROM planned p FULL JOIN now_there h USING (column_name, what)"
                          " WHERE p.hash IS DISTINCT FROM h.hash ORDER BY 1";

#undef ZDM_HANGING

// $1 and all below it.
#define ZDM_TREE                                                           \
    "WITH RECURSIVE tree (oid) AS (SELECT $1::oid UNION SELECT i.inhrelid" \
    "  FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.oid)"

// $2: new columns of $1 and the tables below it, each with the one that takes its name. What
// somebody gave to the new one alone; below, also what he hung on it there. (Parts of indexes, and
// constraints that are inherited, are the table's.)
constexpr auto kGiven = ZDM_TREE
    ","
    " renamed AS (SELECT a.*, o.attname AS other, o.attacl AS other_acl,"
    "  a.attrelid <> $1::oid AS below, CASE WHEN a.attrelid <> $1::oid"
    "   THEN ' of ' || a.attrelid::pg_catalog.regclass ELSE '' END AS of_table"
    "  FROM tree t CROSS JOIN pg_catalog.jsonb_each_text($2::jsonb) j"
    "  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = j.key"
    "  JOIN pg_catalog.pg_attribute o ON o.attrelid = t.oid AND o.attname = j.value)"
    " SELECT 'the default of ' || attname || of_table || ' has come' FROM renamed WHERE atthasdef"
    " UNION ALL SELECT 'the NOT NULL of ' || attname || of_table || ' has come' FROM renamed"
    "  WHERE attnotnull"
    " UNION ALL SELECT 'privileges on ' || attname || of_table || ' are more than those on ' ||"
    "  other FROM renamed WHERE EXISTS (SELECT x::text FROM unnest(attacl) x"
    "  EXCEPT SELECT y::text FROM unnest(other_acl) y)"
    " UNION ALL SELECT DISTINCT i.type || ' ' || i.identity || ' has come' FROM renamed a"
    "  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "   AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum"
    "  LEFT JOIN pg_catalog.pg_class c ON c.oid = d.objid AND d.objsubid = 0"
    "   AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  LEFT JOIN pg_catalog.pg_constraint k ON k.oid = d.objid"
    "   AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    "  LEFT JOIN pg_catalog.pg_statistic_ext s ON s.oid = d.objid"
    "   AND d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass"
    "  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i"
    "  WHERE a.below AND (c.relkind IN ('i', 'I', 'S') AND NOT c.relispartition"
    "   OR k.contype <> 'n' AND k.coninhcount = 0 AND k.conparentid = 0 OR s.oid IS NOT NULL"
    "   OR d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,"
    "    'pg_catalog.pg_policy'::pg_catalog.regclass))"
    "  AND NOT pg_catalog.starts_with(coalesce(c.relname, k.conname, s.stxname, ''), 'zdm_')"
    " ORDER BY 1";

// $2: triggers of $1, each with how it must be; of a partitioned table its parts are as it is.
constexpr auto kTriggers = ZDM_TREE
    " SELECT 'trigger ' || j.key || ' was changed' FROM pg_catalog.jsonb_each_text($2::jsonb) j"
    " LEFT JOIN pg_catalog.pg_trigger g ON g.tgrelid = $1::oid"
    "  AND pg_catalog.quote_ident(g.tgname) = j.key WHERE j.value IS DISTINCT FROM"
    "  pg_catalog.pg_get_triggerdef(g.oid) || E'\\n' || g.tgenabled::text || E'\\n' ||"
    "   coalesce(pg_catalog.obj_description(g.oid, 'pg_trigger'), '')"
    " OR EXISTS (SELECT FROM tree t JOIN pg_catalog.pg_trigger p ON p.tgrelid = t.oid"
    "  WHERE p.tgname = g.tgname AND p.tgparentid <> 0 AND (p.tgenabled <> g.tgenabled"
    "   OR pg_catalog.obj_description(p.oid, 'pg_trigger') IS NOT NULL)) ORDER BY 1";

#undef ZDM_TREE

std::vector<std::string> texts(const pg::Result& found) {
    std::vector<std::string> all;
    for (const auto& row : found.rows) all.push_back(row.text(0));
    return all;
}

}  // namespace

std::string read_hanging(std::uint32_t relation, const std::string& column,
                         const std::vector<std::string>& without) {
    return ask(kRead, {std::int64_t{relation}, column, without}).front().text(0);
}

std::vector<std::string> changed_since(std::uint32_t relation, const std::string& object) {
    return texts(ask(kChanged, {std::int64_t{relation}, object}));
}

std::string hangs_nothing(const std::string& column) {
    return ask("SELECT pg_catalog.to_json($1::text)::text || ': {}'", {column}).front().text(0);
}

std::string json_member(const std::string& name, const std::string& value) {
    return ask("SELECT pg_catalog.to_json($1::text)::text || ': ' ||"
               " pg_catalog.to_json($2::text)::text",
               {name, value})
        .front()
        .text(0);
}

std::vector<std::string> changed_triggers(std::uint32_t relation, const std::string& object) {
    return texts(ask(kTriggers, {std::int64_t{relation}, object}));
}

std::vector<std::string> given_to(std::uint32_t relation, const std::string& object) {
    return texts(ask(kGiven, {std::int64_t{relation}, object}));
}

}  // namespace zdm::plan
