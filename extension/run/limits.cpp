#include "run/limits.hpp"

#include "catalog/migration.hpp"
#include "pg/error.hpp"
#include "pressure/hours.hpp"
#include "pressure/owner_sql.hpp"
#include "run/control.hpp"
#include "run/options.hpp"
#include "run/session.hpp"
#include "settings.hpp"

namespace zdm::run {

namespace {

// What only the server can say about a value that looks right; it raises what is wrong with it.
std::string ask_server(const std::string& option, const std::string& value) {
    if (value.empty()) return {};
    if (option == "pressure_query") return pressure::wrong_with_query(value);
    if (option == "allowed_hours") pressure::minute_in(pressure::hours_from(value)->zone);
    return {};
}

// Of the step that runs, or will run first.
std::uint32_t filled_relation(std::int64_t id) {
    for (const auto& stored : catalog::load_steps(id)) {
        const auto kind = stored.step.kind;
        const bool fills = kind == plan::StepKind::backfill || kind == plan::StepKind::delete_rows;
        if (fills && stored.state != catalog::StepState::done) return stored.step.relation_oid;
    }
    return 0;
}

}  // namespace

pressure::Limits default_limits() {
    pressure::Limits limits;
    limits.replica_lag = static_cast<double>(settings::max_replica_lag().count()) / 1000;
    limits.replica_lag_bytes = static_cast<double>(settings::max_replica_lag_bytes());
    limits.slot_wal = static_cast<double>(settings::max_slot_wal_bytes());
    limits.archive_backlog = settings::max_archive_backlog();
    limits.lock_waiters = settings::max_lock_waiters();
    limits.requested_checkpoints = settings::max_requested_checkpoints();
    limits.active_sessions = settings::max_active_sessions();
    limits.dead_tuples = settings::max_dead_tuples();
    limits.min_free_disk = static_cast<double>(settings::min_free_disk_bytes());
    limits.allowed_hours = settings::allowed_hours();
    return limits;
}

void require_option(const std::string& option, const std::optional<std::string>& value) {
    std::string hint;
    std::string wrong = check_option(option, value, hint);
    std::string detail;
    if (wrong.empty() && value) {
        try {
            detail = ask_server(option, *value);
        } catch (const pg::Error& error) {
            // The transaction ends with what is thrown below.
            if (error.sqlstate == pg::state::kQueryCanceled) throw;
            detail = error.what();
        }
        if (!detail.empty()) wrong = "\"" + *value + "\" is no value for " + option;
    }
    if (!wrong.empty())
        throw pg::Error{pg::state::kInvalidParameter, "ZD601: " + wrong, detail, hint};
}

std::vector<pressure::Monitor::Shown> look_at_pressure(const std::optional<std::string>& name) {
    backfill::Options options;
    options.limits = default_limits();
    pressure::Subject subject;
    if (name) {
        const auto migration = visible_migration(*name, false);
        options = apply_options(migration.options, options);
        subject.migration = migration.id;
        subject.relation = filled_relation(migration.id);
        subject.owner = migration.owner;
        subject.enter = [settings = migration.settings] { set_local_settings(settings); };
    }
    pressure::Monitor monitor{subject};
    monitor.read(0, options.limits);
    return monitor.all();
}

}  // namespace zdm::run
