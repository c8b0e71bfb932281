#include "plan/ask.hpp"
#include "plan/planner.hpp"

#include "pg/bridge.hpp"
#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "plan/rehearsal.hpp"
#include "plan/rules.hpp"
#include "plan/source.hpp"

#include "pg/compat.hpp"

namespace zdm::plan {

namespace {

[[noreturn]] void refuse_clause(const char* clause, const std::string& why) {
    refuse({}, "ZD001", pg::state::kSyntaxError, std::string{clause} + ": " + why, {},
           "Give what stands after SET, e.g. phone = 'unknown', and what stands after WHERE, e.g. "
           "phone IS NULL.");
}

List* parse_clause(const char* clause, const std::string& text, RawParseMode mode) {
    try {
        return pg::call([&] { return raw_parser(text.c_str(), mode); });
    } catch (const pg::Error& error) {
        refuse_clause(clause, error.what());
    }
}

// The clause alone, behind a name that stands for any table, must be one plain UPDATE.
void check_set(const std::string& set_clause) {
    List* const trees = parse_clause("set clause", "UPDATE t SET " + set_clause, RAW_PARSE_DEFAULT);
    if (list_length(trees) == 1) {
        Node* const tree = static_cast<RawStmt*>(linitial(trees))->stmt;
        if (IsA(tree, UpdateStmt)) {
            const auto* const update = castNode(UpdateStmt, tree);
            if (update->whereClause == nullptr && update->fromClause == NIL &&
                update->withClause == nullptr && !pg::compat::has_returning(update))
                return;
        }
    }
    refuse_clause("set clause", "it must be assignments and nothing else");
}

void check_where(const std::string& where_clause) {
    List* const trees = parse_clause("where clause", where_clause, RAW_PARSE_PLPGSQL_EXPR);
    if (list_length(trees) == 1) {
        Node* const tree = static_cast<RawStmt*>(linitial(trees))->stmt;
        if (IsA(tree, SelectStmt)) {
            const auto* const select = castNode(SelectStmt, tree);
            const bool plain = list_length(select->targetList) == 1 && select->fromClause == NIL &&
                               select->whereClause == nullptr && select->groupClause == NIL &&
                               select->havingClause == nullptr && select->windowClause == NIL &&
                               select->sortClause == NIL && select->limitOffset == nullptr &&
                               select->limitCount == nullptr && select->lockingClause == NIL &&
                               select->withClause == nullptr && select->distinctClause == NIL &&
                               select->op == SETOP_NONE;
            if (plain && static_cast<ResTarget*>(linitial(select->targetList))->name == nullptr)
                return;
        }
    }
    refuse_clause("where clause", "it must be one condition and nothing else");
}

// BEGIN and COMMIT alone are left out, and then nothing is left.
void refuse_empty(const Source& source) {
    for (const auto& statement : source.statements())
        if (!IsA(statement.tree->stmt, TransactionStmt)) return;
    refuse({}, "ZD002", pg::state::kInvalidParameter, "there is no SQL statement in this file",
           "BEGIN and COMMIT are left out: each step runs in a transaction of its own.",
           "Write the statements that change the schema, e.g. ALTER TABLE ...;");
}

// Who subscribes to all tables stops at one that he lacks, and zdm's own are among them.
void note_subscribers_of_all(Facts& facts) {
    const auto all =
        ask("SELECT pg_catalog.string_agg(pg_catalog.quote_ident(pubname), ', ' ORDER BY pubname)"
            " FROM pg_catalog.pg_publication WHERE puballtables");
    if (!all.front().is_null(0))
        facts.notes.push_back(
            all.front().text(0) +
            " publishes all tables, zdm's own too: subscribers need CREATE EXTENSION zdm before "
            "zdm_create, or they stop applying");
}

Plan plan_of(const Source& source, std::int64_t small_table_bytes) {
    Facts facts = Rehearsal{source, small_table_bytes}.run();
    note_subscribers_of_all(facts);
    return make_steps(facts);
}

}  // namespace

Plan make_plan(const std::string& sql, const PlanOptions& options) {
    const Source source{sql};
    refuse_empty(source);
    return plan_of(source, options.small_table_bytes);
}

Plan make_backfill_plan(std::uint32_t relation, const std::string& set_clause,
                        const std::optional<std::string>& where_clause) {
    check_set(set_clause);
    if (where_clause) check_where(*where_clause);
    const auto found =
        ask("SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
            " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = $1::oid",
            {std::int64_t{relation}});
    if (found.empty()) refuse({}, "ZD005", pg::state::kUndefinedTable, "this table does not exist");
    // Both parts are whole by themselves; a comment at their end must not reach further.
    std::string sql = "UPDATE " + found.front().text(0) + " SET " + set_clause + "\n";
    if (where_clause) sql += "WHERE (" + *where_clause + "\n)";
    const Source source{sql};
    return plan_of(source, 0);
}

}  // namespace zdm::plan
