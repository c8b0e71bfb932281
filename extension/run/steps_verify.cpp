// Old and new columns compared, before anything is removed.
#include "backfill/engine.hpp"
#include "pg/fault.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/differences.hpp"
#include "run/steps.hpp"

namespace zdm::run::steps {

void run_verify(Context& context, const catalog::StoredStep& stored) {
    const auto& migration = context.migration();
    const auto found =
        backfill::count_matches(task_of(context, stored, "differs"), context, "verify");
    if (found.outcome == backfill::Outcome::stopped) throw Stopped{};
    const Differences differences{stored.step.relation, stored.step.parameters.at("old"),
                                  stored.step.parameters.at("new"), found.rows, found.examples};
    // Who accepts them while they are compared has done so in time.
    if (found.rows > 0) context.stop_if_asked();
    const std::string& accepted = migration.differences_accepted_by;
    if (found.rows > 0 && accepted.empty())
        throw refusal(pg::quote_literal(migration.name), differences);
    context.show_waiting(std::nullopt);
    pg::Transaction transaction;
    catalog::add_result(migration.id, stored.number,
                        {{"rows_different", std::to_string(found.rows)}});
    if (found.rows > 0)
        catalog::add_event(migration.id, "differences", stored.number,
                           accepted + " accepted that " + describe(differences));
    set_mark(context, stored, catalog::StepState::done);
    ZDM_FAULT(fault_name(context, stored) + ":before_commit");
    transaction.commit();
}

}  // namespace zdm::run::steps
