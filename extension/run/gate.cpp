#include "run/gate.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "run/options.hpp"
#include "run/steps.hpp"
#include "settings.hpp"
#include "sync/install.hpp"

namespace zdm::run {

namespace {

// Who asked for contract, as remember_caller() keeps it.
struct Caller {
    std::int64_t pid = 0;
    std::string since;  // seconds since the epoch; a pid alone may be another process by now
    std::optional<std::int64_t> small_bytes;
    std::optional<std::int64_t> quiet_ms;
};

Caller caller_of(std::int64_t migration) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT result ->> 'caller_pid', result ->> 'caller_since', result ->> 'small_table',"
        "       result ->> 'quiet_period'"
        "  FROM zdm.step WHERE migration_id = $1 AND kind = 'gate'",
        {migration});
    Caller caller;
    if (found.empty()) return caller;
    caller.pid = found.front().number(0);
    caller.since = found.front().text(1);
    if (!found.front().is_null(2)) caller.small_bytes = found.front().number(2);
    if (!found.front().is_null(3)) caller.quiet_ms = found.front().number(3);
    return caller;
}

// The command line calls itself zdm; whoever takes that name hides himself only. Workers are told
// by their type, which nobody can take.
void count_others(const Caller& caller, Evidence& evidence) {
    const pg::Door door;
    const auto found = pg::query(
        "SELECT count(*) FILTER (WHERE a.backend_type = 'client backend'),"
        "       count(*) FILTER (WHERE a.backend_type <> 'client backend')"
        "         + (SELECT count(*) FROM pg_prepared_xacts p"
        "             WHERE p.database = current_database())"
        "  FROM pg_stat_activity a WHERE a.datname = current_database()"
        "   AND a.backend_type NOT IN ('zdm', 'autovacuum worker', 'parallel worker')"
        "   AND a.pid <> pg_backend_pid() AND a.application_name IS DISTINCT FROM 'zdm'"
        "   AND NOT (a.pid = $1 AND extract(epoch FROM a.backend_start)::text = $2)",
        {caller.pid, caller.since});
    evidence.other_sessions = static_cast<int>(found.front().number(0));
    evidence.other_processes = static_cast<int>(found.front().number(1));
}

// Size of the largest table that the removals to come touch. What a view or function reads can't
// be told, and children have rows as well: for these it is the largest table of all.
std::int64_t removal_bytes(std::int64_t migration) {
    const pg::Door door;
    const auto touched = pg::query(
        "SELECT coalesce(max(pg_table_size(c.oid)), 0),"
        "       bool_or(coalesce(s.relation_oid, 0) = 0 OR c.relkind NOT IN ('r', 'm')"
        "               OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid))"
        "  FROM zdm.step s LEFT JOIN pg_class c ON c.oid = s.relation_oid"
        " WHERE s.migration_id = $1 AND s.removal AND s.phase = 'contract' AND s.state <> 'done'",
        {migration});
    if (!touched.front().flag(1)) return touched.front().number(0);
    return pg::query(
               "SELECT coalesce(max(pg_table_size(c.oid)), 0)"
               "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
               " WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'"
               "   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'zdm')")
        .front()
        .number(0);
}

std::int64_t epoch_now() {
    return pg::query(
               "SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp()))::bigint")
        .front()
        .number(0);
}

// Nobody asks what is written to a child that inherits no more.
bool is_still_below(const catalog::StoredStep& stored) {
    return stored.step.parameters.count("child") == 0 ||
           steps::standing_of(stored) == steps::Standing::open;
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
    const Caller caller = caller_of(migration.id);
    const std::chrono::milliseconds quiet{
        caller.quiet_ms.value_or(settings::quiet_period().count())};
    evidence.quiet_seconds = quiet_period(migration.options, quiet).count();
    count_others(caller, evidence);
    evidence.small_bytes = caller.small_bytes.value_or(settings::small_table_bytes());
    for (const auto& stored : catalog::load_steps(migration.id)) {
        if (stored.step.kind == plan::StepKind::sync && stored.state == catalog::StepState::done &&
            stored.step.parameters.count("unseen") == 0 && is_still_below(stored)) {
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
    if (!evidence.blind.empty()) evidence.removal_bytes = removal_bytes(migration.id);
    return evidence;
}

std::optional<pg::Error> gate_error(const catalog::Migration& migration, const Verdict& verdict) {
    const std::string name = pg::quote_literal(migration.name);
    switch (verdict.state) {
    case GateState::open: return std::nullopt;
    case GateState::shut:
        return pg::Error{
            pg::state::kNotInPrerequisiteState,
            "ZD401: the gate of migration \"" + migration.name + "\" is shut", verdict.reason,
            "Stop or upgrade the old application, then call zdm_contract(" + name +
                ") again; or zdm_contract(" + name + ", force => true, reason => '...')."};
    case GateState::blind:
        return pg::Error{pg::state::kNotInPrerequisiteState,
                         "ZD402: the gate of migration \"" + migration.name + "\" is blind",
                         verdict.reason,
                         "Make sure yourself, then call zdm_contract(" + name +
                             ", force => true, reason => '...')."};
    }
    return std::nullopt;
}

void require_open_gate(const catalog::Migration& migration) {
    pg::Transaction transaction;
    const auto error = gate_error(migration, judge(read_evidence(migration)));
    transaction.commit();
    if (error) throw pg::Error{*error};
}

void record_excuse(const catalog::Migration& migration, const Verdict& verdict) {
    if (verdict.state == GateState::open && !verdict.excused.empty())
        catalog::add_event(migration.id, "gate", std::nullopt, verdict.excused);
}

void remember_caller(std::int64_t migration) {
    const pg::Door door;
    pg::query(
        "UPDATE zdm.step s SET result = s.result || jsonb_build_object('caller_pid', a.pid,"
        "    'caller_since', extract(epoch FROM a.backend_start)::text, 'small_table', $2,"
        "    'quiet_period', $3)"
        "  FROM pg_stat_activity a"
        " WHERE a.pid = pg_backend_pid() AND s.migration_id = $1 AND s.kind = 'gate'",
        {migration, settings::small_table_bytes(),
         static_cast<std::int64_t>(settings::quiet_period().count())});
}

}  // namespace zdm::run
