#include "plan/hanging.hpp"

#include "plan/ask.hpp"
#include "plan/text.hpp"

namespace zdm::plan {

namespace {

// A column a: what depends on it, as d, and what that is. Of a view its only rule counts, of a
// generated column its expression.
#define ZDM_DEPENDING                                                                      \
    " JOIN pg_catalog.pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum" \
    "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"                      \
    " LEFT JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid"                                \
    "  AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"                       \
    " LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND w.rulename = '_RETURN'"    \
    " LEFT JOIN pg_catalog.pg_constraint k ON k.oid = d.objid"                             \
    "  AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"                    \
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = d.objid AND d.objsubid = 0"               \
    "  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"                         \
    "  AND c.relkind IN ('i', 'I', 'S')"                                                   \
    " LEFT JOIN pg_catalog.pg_policy p ON p.oid = d.objid"                                 \
    "  AND d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass"                        \
    " LEFT JOIN pg_catalog.pg_statistic_ext t ON t.oid = d.objid"                          \
    "  AND d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass"                 \
    " LEFT JOIN pg_catalog.pg_publication_rel r ON r.oid = d.objid"                        \
    "  AND d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass"               \
    " LEFT JOIN pg_catalog.pg_proc q ON q.oid = d.objid"                                   \
    "  AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass"                          \
    " LEFT JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid"                                \
    "  AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"                       \
    "  AND (f.adrelid <> a.attrelid OR f.adnum <> a.attnum)"

// Each in words; asked last, of what is left.
#define ZDM_WHAT                                                 \
    "(SELECT i.type || ' ' || i.identity"                        \
    " FROM pg_catalog.pg_identify_object("                       \
    "  CASE WHEN v.oid IS NULL AND f.oid IS NULL THEN d.classid" \
    "   ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,"    \
    "  coalesce(v.oid, f.adrelid, d.objid), coalesce(f.adnum, 0)) i)"

// $3: the names that the plan gave, which nobody else can have taken in the same schema.
#define ZDM_IS_OWN                                                          \
    "pg_catalog.quote_ident(coalesce(k.conname, c.relname, t.stxname, ''))" \
    " = ANY (pg_catalog.string_to_array($3, E'\\n'))"

// $1 the table. NOT NULL, from 18 on a constraint, and what the plan has named are zdm's to change.
#define ZDM_HANGING                                                                                \
    "hanging (column_name, what, hash) AS (SELECT DISTINCT a.attname::text, " ZDM_WHAT             \
    ", pg_catalog.md5(coalesce(CASE"                                                               \
    "  WHEN w.oid IS NOT NULL THEN pg_catalog.pg_get_ruledef(w.oid) ||"                            \
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
    "  WHEN t.oid IS NOT NULL THEN pg_catalog.pg_get_statisticsobjdef(t.oid) END, ''))"            \
    " FROM pg_catalog.pg_attribute a" ZDM_DEPENDING                                                \
    " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped"                          \
    " AND (coalesce(w.oid, c.oid, p.oid, r.oid, t.oid, q.oid, f.oid) IS NOT NULL"                  \
    "  OR k.contype <> 'n') AND NOT " ZDM_IS_OWN ")"

constexpr auto kRead =
    "WITH " ZDM_HANGING
    " SELECT pg_catalog.to_json($2::text)::text || ': ' ||"
    "  coalesce(pg_catalog.jsonb_object_agg(what, hash), '{}')::text FROM hanging"
    " WHERE column_name = $2";

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

// What a column s says by itself, without what it leaves unsaid: the new column of a rename gets
// all of it from the old one. Some minor versions keep a number of their own in
// attoptions.
#define ZDM_SAYS                                                                                \
    "pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("                               \
    " 'storage', (SELECT nullif(s.attstorage, y.typstorage) FROM pg_catalog.pg_type y"          \
    "  WHERE y.oid = s.atttypid),"                                                              \
    " 'compression', nullif(s.attcompression::text, ''),"                                       \
    " 'statistics target', nullif(s.attstattarget, -1),"                                        \
    " 'list of options', (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o)"                     \
    "  FROM unnest(s.attoptions) o WHERE pg_catalog.split_part(o, '=', 1) <> 'pg_attver'),"     \
    " 'comment', (SELECT e.description FROM pg_catalog.pg_description e"                        \
    "  WHERE e.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass"                           \
    "  AND e.objoid = s.attrelid AND e.objsubid = s.attnum),"                                   \
    " 'security label', (SELECT pg_catalog.string_agg(l.provider || ' ' || l.label, ', '"       \
    "   ORDER BY l.provider) FROM pg_catalog.pg_seclabel l"                                     \
    "  WHERE l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass"                           \
    "  AND l.objoid = s.attrelid AND l.objsubid = s.attnum),"                                   \
    " 'list of privileges', (SELECT pg_catalog.string_agg(DISTINCT CASE x.grantee"              \
    "  WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee))" \
    "  END || ' ' || x.privilege_type || CASE WHEN x.is_grantable THEN ' *' ELSE '' END, ', ')" \
    "  FROM pg_catalog.aclexplode(s.attacl) x)))"

// $2 the new column, $3 the old one, whose settings it gets. Those of a table below are there when
// it says anything, or the table does: what is not there came meanwhile, or says nothing.
constexpr auto kPlace =
    ZDM_TREE ", saying AS (SELECT s.attrelid, " ZDM_SAYS
             " AS said FROM tree t"
             "  JOIN pg_catalog.pg_attribute s ON s.attrelid = t.oid AND s.attname = $3)"
             " SELECT pg_catalog.to_json($2::text)::text || ': ' || pg_catalog.jsonb_build_object("
             "  'column', $3::text, 'settings', w.said, 'below', (SELECT coalesce("
             "   pg_catalog.jsonb_object_agg(s.attrelid::pg_catalog.regclass::text, s.said), '{}')"
             "   FROM saying s WHERE s.attrelid <> w.attrelid"
             "   AND (s.said <> w.said OR w.said <> '{}')))::text"
             " FROM saying w WHERE w.attrelid = $1::oid";

// $2: new columns of $1 and the tables below it, each with its place (kPlace). $4: the triggers of
// $1 that the migration changes. What somebody gave to the new column alone, or hung on it. (Parts
// of indexes and triggers, and what is inherited, are the table's.)
constexpr auto kGiven = ZDM_TREE
    // What is there for each table below is long, and must not go along in each row.
    ", place AS MATERIALIZED (SELECT key, value ->> 'column' AS other,"
    "  value -> 'settings' AS planned FROM pg_catalog.jsonb_each($2::jsonb))"
    ", place_below AS MATERIALIZED (SELECT j.key, b.key AS relation, b.value AS planned"
    "  FROM pg_catalog.jsonb_each($2::jsonb) j"
    "  CROSS JOIN LATERAL pg_catalog.jsonb_each(j.value -> 'below') b)"
    ", saying AS (SELECT s.attrelid, s.attnum, " ZDM_SAYS
    " AS said FROM tree t"
    "  CROSS JOIN place j JOIN pg_catalog.pg_attribute s"
    "   ON s.attrelid = t.oid AND s.attname IN (j.key, j.other))"
    ", renamed AS (SELECT a.*, pg_catalog.quote_ident(a.attname) AS name,"
    "  pg_catalog.quote_ident(o.attname) AS other, a.attrelid <> $1::oid AS below,"
    "  CASE WHEN a.attrelid <> $1::oid"
    "   THEN ' of ' || a.attrelid::pg_catalog.regclass ELSE '' END AS of_table,"
    "  EXISTS (SELECT FROM pg_catalog.aclexplode(a.attacl) x WHERE NOT EXISTS (SELECT"
    "   FROM pg_catalog.aclexplode(o.attacl) y WHERE y.grantee = x.grantee"
    "   AND y.privilege_type = x.privilege_type AND y.is_grantable >= x.is_grantable)) AS more,"
    "  m.said AS mine, n.said AS others, j.planned, b.planned AS planned_here"
    "  FROM place j CROSS JOIN tree t"
    "  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = j.key"
    "  JOIN pg_catalog.pg_attribute o ON o.attrelid = t.oid AND o.attname = j.other"
    "  JOIN saying m ON m.attrelid = t.oid AND m.attnum = a.attnum"
    "  JOIN saying n ON n.attrelid = t.oid AND n.attnum = o.attnum"
    "  LEFT JOIN place_below b"
    "   ON b.key = j.key AND b.relation = a.attrelid::pg_catalog.regclass::text)"
    " SELECT 'the default of ' || name || of_table || ' has come' FROM renamed WHERE atthasdef"
    " UNION SELECT 'the NOT NULL of ' || name || of_table || ' has come' FROM renamed"
    "  WHERE attnotnull"
    " UNION SELECT 'privileges on ' || name || of_table || ' are more than those on ' || other"
    "  FROM renamed WHERE more"
    " UNION SELECT 'the ' || key || ' of ' || name || of_table || ' was changed and is not that"
    " of ' || other FROM renamed CROSS JOIN LATERAL pg_catalog.jsonb_object_keys("
    "  mine || others || coalesce(planned_here, planned)) key"
    "  WHERE mine -> key IS DISTINCT FROM others -> key"
    "  AND mine -> key IS DISTINCT FROM coalesce(planned_here, planned) -> key"
    "  AND (mine -> key IS NOT NULL OR planned_here IS NOT NULL OR NOT below)"
    "  AND NOT (more AND key = 'list of privileges')"
    " UNION SELECT " ZDM_WHAT " || ' has come' FROM renamed a" ZDM_DEPENDING
    "  LEFT JOIN pg_catalog.pg_trigger g ON g.oid = d.objid"
    "   AND d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass"
    "  LEFT JOIN pg_catalog.pg_attribute e ON e.attrelid = f.adrelid AND e.attnum = f.adnum"
    "  WHERE NOT " ZDM_IS_OWN
    "  AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.oid IS NULL)"
    "  AND coalesce(e.attinhcount, 0) = 0 AND c.relispartition IS NOT TRUE"
    "  AND (k.contype = 'n' OR k.coninhcount > 0 OR k.conparentid <> 0) IS NOT TRUE"
    "  AND (g.tgisinternal OR g.tgparentid <> 0 OR g.tgname = 'zz_zdm_sync' OR NOT a.below"
    "   AND pg_catalog.jsonb_exists($4::jsonb, pg_catalog.quote_ident(g.tgname))) IS NOT TRUE"
    " ORDER BY 1";

#undef ZDM_SAYS
#undef ZDM_IS_OWN
#undef ZDM_WHAT
#undef ZDM_DEPENDING

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

}  // namespace

std::string read_hanging(std::uint32_t relation, const std::string& column,
                         const std::vector<std::string>& without) {
    return ask(kRead, {std::int64_t{relation}, column, join(without, "\n")}).front().text(0);
}

std::string read_place(std::uint32_t relation, const std::string& renamed,
                       const std::string& column) {
    return ask(kPlace, {std::int64_t{relation}, renamed, column}).front().text(0);
}

std::string json_member(const std::string& name, const std::string& value) {
    return ask("SELECT pg_catalog.to_json($1::text)::text || ': ' ||"
               " pg_catalog.to_json($2::text)::text",
               {name, value})
        .front()
        .text(0);
}

std::vector<std::string> changed_since(std::uint32_t relation, const Parameters& parameters) {
    const auto value = [&](const char* name, const char* missing) {
        const auto found = parameters.find(name);
        return found == parameters.end() ? std::string{missing} : found->second;
    };
    const std::string own = value("own", "");
    const std::string triggers = value("triggers", "{}");
    std::vector<std::string> changed;
    const auto add = [&](const pg::Result& found) {
        for (const auto& row : found.rows) changed.push_back(row.text(0));
    };
    const std::int64_t table = relation;
    if (parameters.count("hanging") != 0)
        add(ask(kChanged, {table, parameters.at("hanging"), own}));
    if (parameters.count("places") != 0)
        add(ask(kGiven, {table, parameters.at("places"), own, triggers}));
    if (parameters.count("triggers") != 0) add(ask(kTriggers, {table, triggers}));
    return changed;
}

}  // namespace zdm::plan
