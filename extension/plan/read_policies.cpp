// Policies that name a column which is renamed: contract alters them, so that who they are for and
// what is said about them stays. The clone carries their conditions.
#include "plan/ask.hpp"
#include "plan/read_rename.hpp"
#include "plan/replay.hpp"

#include "pg/bridge.hpp"
#include "pg/transaction.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

// $2 the number of the column. A row as a whole has a column more until contract.
constexpr auto kPolicies =
    "SELECT p.oid, pg_catalog.quote_ident(p.polname),"
    " pg_catalog.pg_get_expr(p.polqual, p.polrelid),"
    " pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), t.tree LIKE '%:varattno 0 %',"
    " t.tree LIKE '%:relid ' || $1 || ' %', d.names FROM pg_catalog.pg_policy p"
    " CROSS JOIN LATERAL (SELECT coalesce(p.polqual::text, '') || coalesce(p.polwithcheck::text,"
    "  '') AS tree) t CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d"
    "  WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid"
    "  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = p.polrelid"
    "  AND d.refobjsubid = $2) AS names) d WHERE p.polrelid = $1::oid ORDER BY p.polname";

std::string using_of(const pg::Row& row) { return "zdm_using_" + row.text(0); }
std::string check_of(const pg::Row& row) { return "zdm_check_" + row.text(0); }

}  // namespace

void RenameReader::carry(const std::string& name, const std::string& condition) const {
    // The condition may call the table by its name.
    r_.clones_.bring_forward(table_);
    if (relation().clone_name != relation().name)
        refuse_piece(
            "a temporary table of this session has the name of the table, and conditions "
            "over it can't be read beside that",
            {}, "Drop the temporary table, or use another session.");
    const std::string sql =
        "CREATE POLICY " + name + " ON " + clone_name(relation()) + " USING (" + condition + ")";
    try {
        pg::Subtransaction attempt;
        const PinnedText pinned;
        run_own(sql);
        attempt.commit();
    } catch (const pg::Error& error) {
        refuse_piece(
            "an earlier statement of this migration changes what a condition over it reads",
            std::string{error.what()} + ".", "Rename in a migration of its own.");
    }
}

std::string RenameReader::carried(const std::string& name) const {
    const auto found =
        ask("SELECT pg_catalog.pg_get_expr(polqual, polrelid) FROM pg_catalog.pg_policy"
            " WHERE polrelid = $1::oid AND polname = $2",
            {std::int64_t{relation().clone}, name});
    run_own("DROP POLICY " + name + " ON " + clone_name(relation()));
    return found.front().text(0);
}

void RenameReader::prepare_policies() const {
    for (const auto& row : ask(kPolicies, {std::int64_t{relation().oid}, number_}).rows) {
        if (row.flag(4))
            refuse_piece("policy " + row.text(1) + " reads a row as a whole",
                         "A row has both columns until contract.", "Let it name its columns.");
        if (!row.flag(6)) continue;
        if (row.flag(5))
            refuse_piece("policy " + row.text(1) + " reads the table itself in a subquery", {},
                         "Drop the policy before, and make it again when the migration is done.");
        if (!row.is_null(2)) carry(using_of(row), row.text(2));
        if (!row.is_null(3)) carry(check_of(row), row.text(3));
    }
}

void RenameReader::read_policies(RenameColumn& rename) const {
    for (const auto& row : ask(kPolicies, {std::int64_t{relation().oid}, number_}).rows) {
        if (!row.flag(6)) continue;
        std::string command = "ALTER POLICY " + row.text(1) + " ON " + table().qualified;
        if (!row.is_null(2)) command += " USING (" + carried(using_of(row)) + ")";
        if (!row.is_null(3)) command += " WITH CHECK (" + carried(check_of(row)) + ")";
        rename.policies.push_back({row.text(1), command + ";"});
    }
}

}  // namespace zdm::plan
