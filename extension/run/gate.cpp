#include "run/gate.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/options.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

namespace zdm::run {

namespace {

int other_sessions() {
    const pg::Door door;
    return static_cast<int>(
        pg::query("SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database()"
                  "   AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()"
                  "   AND a.application_name <> 'zdm'")
            .front()
            .number(0));
}

std::int64_t epoch_now() {
    return pg::query(
               "SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp()))::bigint")
        .front()
        .number(0);
}

// Since when the sync trigger of the step is there.
std::int64_t finished_at(std::int64_t migration, int step) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT floor(extract(epoch FROM finished_at))::bigint FROM zdm.step"
        " WHERE migration_id = $1 AND step = $2",
        {migration, static_cast<std::int64_t>(step)});
    return found.empty() ? 0 : found.front().number(0);
}

}  // namespace

Evidence read_evidence(const catalog::Migration& migration) {
    Evidence evidence;
    evidence.now = epoch_now();
    evidence.quiet_seconds = quiet_period(migration.options, settings::quiet_period()).count();
    evidence.other_sessions = other_sessions();
    for (const auto& stored : catalog::load_steps(migration.id)) {
        if (stored.step.kind == plan::StepKind::sync && stored.state == catalog::StepState::done) {
            Evidence::Sync sync;
            sync.relation = stored.step.relation;
            sync.watched_since = finished_at(migration.id, stored.number);
            sync.readable = sync::has_evidence(stored.step.relation_oid);
            if (sync.readable) sync.last_acted = sync::last_acted(stored.step.relation_oid);
            evidence.syncs.push_back(sync);
        }
        if (stored.step.kind == plan::StepKind::gate) {
            const auto blind = stored.step.parameters.find("blind");
            if (blind != stored.step.parameters.end()) evidence.blind = blind->second;
        }
    }
    return evidence;
}

std::optional<pg::Error> gate_error(const catalog::Migration& migration) {
    const Verdict verdict = judge(read_evidence(migration));
    const std::string name = pg::quote_literal(migration.name);
    switch (verdict.state) {
    case GateState::open: return std::nullopt;
    case GateState::shut:
        return pg::Error{pg::state::kNotInPrerequisiteState,
                         "ZD401: the gate of migration \"" + migration.name + "\" is shut",
                         verdict.reason + " Nothing was changed.",
                         "Stop or upgrade the old application, then call zdm_contract(" + name +
                             ") again; or zdm_contract(" + name +
                             ", force => true, reason => '...')."};
    case GateState::blind:
        return pg::Error{pg::state::kNotInPrerequisiteState,
                         "ZD402: the gate of migration \"" + migration.name + "\" is blind",
                         verdict.reason + " Nothing was changed.",
                         "Make sure yourself, then call zdm_contract(" + name +
                             ", force => true, reason => '...')."};
    }
    return std::nullopt;
}

void require_open_gate(const catalog::Migration& migration) {
    pg::Transaction transaction;
    const auto error = gate_error(migration);
    transaction.commit();
    if (error) throw pg::Error{*error};
}

}  // namespace zdm::run
