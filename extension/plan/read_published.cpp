// Publications of a table whose columns change: who subscribes finds columns by name.
#include "plan/ask.hpp"
#include "plan/read_rename.hpp"
#include "plan/text.hpp"

#include "pg/bridge.hpp"

namespace zdm::plan {

namespace {

// $1 the table and its partitions.
constexpr auto kOpen =
    "SELECT pg_catalog.quote_ident(p.pubname) FROM pg_catalog.pg_publication p"
    " WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r"
    "  WHERE r.prpubid = p.oid AND r.prrelid = ANY ($1::text[]::oid[]) AND r.prattrs IS NULL)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n JOIN pg_catalog.pg_class c"
    "  ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = ANY ($1::text[]::oid[]))"
    " ORDER BY 1";

// What publications say of the table that name the column. $2 is its number, $3 its name.
constexpr auto kNaming =
    "SELECT pg_catalog.quote_ident(p.pubname), pg_catalog.pg_has_role(p.pubowner, 'USAGE'),"
    " pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.pubowner)), r.oid,"
    " (SELECT pg_catalog.string_agg(CASE WHEN k.n = $2 THEN $3"
    "   ELSE pg_catalog.quote_ident(a.attname) END, ', ' ORDER BY k.n)"
    "  FROM unnest(r.prattrs::int2[]) k (n) JOIN pg_catalog.pg_attribute a"
    "   ON a.attrelid = r.prrelid AND a.attnum = k.n),"
    " pg_catalog.pg_get_expr(r.prqual, r.prrelid),"
    " coalesce($2::int2 = ANY (r.prattrs::int2[]), false),"
    " coalesce(r.prqual::text LIKE '%:varattno ' || $2 || ' %', false)"
    " FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid"
    " WHERE r.prrelid = $1::oid AND EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "  WHERE d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass AND d.objid = r.oid"
    "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"
    "  AND d.refobjsubid = $2) ORDER BY 1";

}  // namespace

std::vector<std::string> RenameReader::partition_oids() const {
    std::vector<std::string> oids;
    for (const auto& partition : table().partitions) oids.push_back(std::to_string(partition.oid));
    return oids;
}

// The table and all below it: changes of a partitioned one are those of its leaves.
std::vector<std::string> RenameReader::tree_oids() const {
    std::vector<std::string> oids = partition_oids();
    oids.push_back(std::to_string(relation().oid));
    return oids;
}

std::vector<std::string> RenameReader::open_publications() const {
    std::vector<std::string> names;
    for (const auto& row : ask(kOpen, {tree_oids()}).rows) names.push_back(row.text(0));
    return names;
}

std::string RenameReader::found_by_all() const {
    const auto found =
        ask("SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = ANY ($1::text[]::oid[]) AND c.relreplident = 'f' AND c.relkind = 'r'"
            " ORDER BY c.oid LIMIT 1",
            {tree_oids()});
    return found.empty() ? std::string{} : found.front().text(0);
}

void RenameReader::note_subscribers() const {
    const std::string old = pg::quote_ident(old_);
    for (const auto& row : naming_publications().rows)
        if (row.flag(6))
            r_.note(at_, row.text(0) + " lists its columns: subscribers get " + old +
                             " until contract and " + pg::quote_ident(new_) +
                             " from then on; they stop there, and go on without loss when the "
                             "column is renamed with them too");
    const std::vector<std::string> names = open_publications();
    if (names.empty()) return;
    r_.note(at_,
            table().qualified + " is published by " + join(names) + ": subscribers need column " +
                pg::quote_ident(new_) +
                " before this migration starts, or they stop applying; from contract on they "
                "get it alone, and stop where " +
                old + " is NOT NULL or in their key" +
                (!found_by_all().empty() ? ", or pass over changes where they find rows without a "
                                           "key,"
                                         : "") +
                " until " + old + " is dropped there");
}

// Those that name the column in their list of columns or their row filter.
pg::Result RenameReader::naming_publications() const {
    return ask(kNaming, {std::int64_t{relation().oid}, number_, pg::quote_ident(old_)});
}

void RenameReader::prepare_publications() const {
    for (const auto& row : naming_publications().rows) {
        if (row.flag(7))
            refuse_piece("the row filter of publication " + row.text(0) + " names it",
                         "The server refuses the plain statement too.",
                         "Take the table out of the publication until the migration is done.");
        if (!row.flag(1))
            refuse_piece(
                "publication " + row.text(0) + " names it, and belongs to role " + row.text(2),
                "Only its owner can change it, at the moment when the columns do.",
                "Run the migration as a role that has the rights of " + row.text(2) +
                    ", or let it take the table out until the migration is done.");
    }
}

void RenameReader::read_publications(RenameColumn& rename) const {
    const std::string& name = table().qualified;
    for (const auto& row : naming_publications().rows) {
        const std::string alter = "ALTER PUBLICATION " + row.text(0);
        std::string add = alter + " ADD TABLE " + name;
        if (!row.is_null(4)) add += " (" + row.text(4) + ")";
        if (!row.is_null(5)) add += " WHERE (" + row.text(5) + ")";
        rename.publications.push_back(
            {row.text(0), alter + " DROP TABLE " + name + ";", add + ";"});
    }
}

}  // namespace zdm::plan
