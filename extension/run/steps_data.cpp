// Data: batched UPDATE and DELETE, the pass that proves them complete, statistics.
#include "backfill/engine.hpp"
#include "backfill/leaves.hpp"
#include "pg/fault.hpp"
#include "pg/transaction.hpp"
#include "run/crew.hpp"
#include "run/session.hpp"
#include "run/steps.hpp"

#include "pg/bridge.hpp"

#include "pg/postgres.hpp"

namespace zdm::run::steps {

using catalog::StepState;
using catalog::StoredStep;

namespace {

bool is_partitioned(std::uint32_t relation) {
    pg::Transaction transaction;
    const bool partitioned =
        pg::call([&] { return get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE; });
    transaction.commit();
    return partitioned;
}

// In the caller's transaction.
void analyze(const std::string& command) {
    set_local("lock_timeout", "5000");
    set_local("deadlock_timeout", "100");
    run_statements(command);
}

// A table with children has statistics of all of them, and each child has its own. From 18 on
// ANALYZE goes through children by itself, in a transaction for each.
bool analyze_children(const Context& context, const StoredStep& stored) {
    const auto columns = stored.step.parameters.find("columns");
    if (columns == stored.step.parameters.end()) return false;
    const auto task = task_of(context, stored);
    std::vector<backfill::Listed> tables;
    {
        pg::Transaction transaction;
        tables = backfill::list_leaves(task);
        transaction.commit();
    }
    for (const auto& listed : tables)
        if (listed.leaf.relation != task.relation)
            run_alone("ANALYZE " + listed.leaf.name + " (" + columns->second + ")");
    return true;
}

}  // namespace

void run_backfill(Context& context, const StoredStep& stored) {
    // Nothing differs, or nobody allowed it.
    const bool idle = stored.step.parameters.count("accepted") != 0 &&
                      context.migration().differences_accepted_by.empty();
    if (!idle) {
        Crew crew{context, stored.number};
        if (backfill::run_backfill(task_of(context, stored), context) == backfill::Outcome::stopped)
            throw Stopped{};
    }
    context.show_waiting(std::nullopt);
    mark(context, stored, StepState::done);
}

void run_last_pass(Context& context, const StoredStep& stored) {
    const auto pass = backfill::run_last_pass(task_of(context, stored), context);
    if (pass.outcome == backfill::Outcome::stopped) throw Stopped{};
    context.show_waiting(std::nullopt);
    {
        pg::Transaction transaction;
        catalog::add_result(context.migration().id, stored.number,
                            {{"rows_filled", std::to_string(pass.rows_filled)},
                             {"rows_left", std::to_string(pass.rows_left)}});
        if (pass.rows_left > 0)
            catalog::add_event(context.migration().id, "left", stored.number,
                               std::to_string(pass.rows_left) +
                                   " rows were written after the range was fixed and still match");
        transaction.commit();
    }
    mark(context, stored, StepState::done);
}

// With its partitions or children a table is analysed in a transaction for each, so that no
// snapshot is held for long. To do it again does no harm.
void run_analyze(Context& context, const StoredStep& stored) {
    if (is_partitioned(stored.step.relation_oid) || analyze_children(context, stored)) {
        run_alone(stored.step.command);
        mark(context, stored, StepState::done);
        return;
    }
    pg::Transaction transaction;
    analyze(stored.step.command);
    set_mark(context, stored, StepState::done);
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    transaction.commit();
}

}  // namespace zdm::run::steps
