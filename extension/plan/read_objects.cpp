// Statements that zdm runs as they are written, those that it ignores, and those that it refuses.
#include "pg/bridge.hpp"
#include "pg/spi.hpp"
#include "plan/describe.hpp"
#include "plan/rehearsal.hpp"
#include "plan/replay.hpp"
#include "plan/text.hpp"

#include "pg/compat.hpp"
extern "C" {
#include "tcop/utility.h"
}

namespace zdm::plan {

namespace {

struct Refusal {
    NodeTag tag;
    const char* what;
    const char* why;
    const char* instead;
};

// What can't be part of a migration, and what to do.
const Refusal kRefusals[] = {
    {T_SelectStmt, "SELECT", "A migration changes; what it would return goes nowhere.",
     "Take it out, and query with psql."},
    {T_VariableSetStmt, "SET", "Each step runs in a transaction of its own, maybe days later.",
     "Set it in your session before zdm_create: search_path, TimeZone and the like are stored."},
    {T_VariableShowStmt, "SHOW", "", "Take it out."},
    {T_DoStmt, "DO", "zdm can't see what the code would lock or change.",
     "Write the statements that it would run, or run it directly."},
    {T_CallStmt, "CALL", "zdm can't see what the procedure would lock or change.",
     "Run it directly."},
    {T_ExecuteStmt, "EXECUTE", "", "Write the statement itself."},
    {T_PrepareStmt, "PREPARE", "", "Write the statement itself."},
    {T_CopyStmt, "COPY", "The rows are not in the file.", "Run it directly with psql."},
    {T_TruncateStmt, "TRUNCATE", "It blocks reads and writes and can't be taken back.",
     "DELETE FROM the table: zdm does it in batches."},
    {T_LockStmt, "LOCK", "zdm takes the locks that each step needs, with a timeout.",
     "Take it out."},
    {T_ClusterStmt, "CLUSTER", "It rewrites the table under a lock that blocks reads and writes.",
     "Use pg_repack, or run it in a maintenance window."},
    {T_ReindexStmt, "REINDEX", "It is maintenance, not a change of the schema.",
     "Run REINDEX CONCURRENTLY directly."},
    {T_RefreshMatViewStmt, "REFRESH MATERIALIZED VIEW",
     "It is maintenance, not a change of the schema.",
     "Run REFRESH MATERIALIZED VIEW CONCURRENTLY directly."},
    {T_MergeStmt, "MERGE", "It joins, and can't run in batches of single rows.",
     "Write an UPDATE, DELETE or INSERT."},
    {T_ExplainStmt, "EXPLAIN", "", "Take it out."},
};

[[noreturn]] void refuse_statement(Place at, const Refusal& refusal) {
    refuse(at, "ZD101", pg::state::kFeatureNotSupported,
           std::string{refusal.what} + " is not supported in a migration", refusal.why,
           refusal.instead);
}

void refuse_rename(Place at, const RenameStmt* rename) {
    const bool table = rename->renameType == OBJECT_TABLE;
    refuse(at, "ZD105", pg::state::kFeatureNotSupported, "RENAME is not supported yet",
           "Applications that use the old name would fail at once.",
           table ? "Keep the name, or create a view under the new one."
                 : "Add a column with the new name, fill it with an UPDATE, and drop the old one.");
}

}  // namespace

class ObjectReader {
public:
    ObjectReader(Rehearsal& rehearsal, const Statement& statement)
        : r_(rehearsal), statement_(statement), at_(rehearsal.source_.place(statement.start)) {}

    void read(Node* tree) {
        switch (nodeTag(tree)) {
        case T_TransactionStmt: return transaction(castNode(TransactionStmt, tree));
        case T_VacuumStmt: return vacuum(castNode(VacuumStmt, tree));
        case T_RenameStmt: return refuse_rename(at_, castNode(RenameStmt, tree));
        default: break;
        }
        for (const auto& refusal : kRefusals)
            if (nodeTag(tree) == refusal.tag) refuse_statement(at_, refusal);
        const std::string tag = pg::call([&] { return CreateCommandName(tree); });
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               tag + " is not supported in a migration", "zdm does not know how to run it safely.",
               "Run it directly, with a short lock_timeout.");
    }

private:
    void transaction(const TransactionStmt* tree) {
        switch (tree->kind) {
        case TRANS_STMT_BEGIN:
        case TRANS_STMT_START:
        case TRANS_STMT_COMMIT:
            r_.note(at_, r_.source_.slice(statement_.start, statement_.end) +
                             " is ignored: each step runs in a transaction of its own");
            return;
        default:
            refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
                   "this transaction command is not supported in a migration",
                   "Each step runs in a transaction of its own.", "Take it out.");
        }
    }

    void vacuum(const VacuumStmt* tree) {
        refuse(at_, "ZD101", pg::state::kFeatureNotSupported,
               std::string{tree->is_vacuumcmd ? "VACUUM" : "ANALYZE"} +
                   " is not supported in a migration",
               tree->is_vacuumcmd
                   ? "VACUUM FULL rewrites the table under a lock that blocks reads and writes; a "
                     "plain VACUUM is maintenance."
                   : "zdm analyzes what it fills.",
               tree->is_vacuumcmd ? "Run VACUUM directly; instead of VACUUM FULL use pg_repack."
                                  : "Take it out.");
    }

    Rehearsal& r_;
    const Statement& statement_;
    Place at_;
};

void read_object(Rehearsal& rehearsal, const Statement& statement, Node* tree) {
    ObjectReader{rehearsal, statement}.read(tree);
}

}  // namespace zdm::plan
