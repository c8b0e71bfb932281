#include "cli/model.hpp"

#include <array>

namespace zdm::cli {

const char* const kSelectMigrations =
    "SELECT m.id, m.name, m.state, m.activity, m.upto, m.transition, m.switches, m.paused, "
    "m.pause_reason,"
    " m.worker_pid, m.waiting_for, m.owner, m.steps, m.steps_done, m.point_of_no_return,"
    " m.removal_started, m.failed_state, m.failed_step, m.sqlstate, m.message, m.detail, m.hint,"
    " m.forced_reason, m.forced_by,"
    " extract(epoch FROM clock_timestamp() - m.waiting_since)::float8 AS waiting_seconds,"
    " to_char(m.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS created_at,"
    " to_char(m.started_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS started_at,"
    " to_char(m.ready_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS ready_at,"
    " to_char(m.switched_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS switched_at,"
    " to_char(m.finished_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS finished_at,"
    " extract(epoch FROM coalesce(m.finished_at, clock_timestamp()) - m.started_at)::float8"
    "   AS seconds"
    " FROM zdm.migrations m";

const char* const kSelectSteps =
    "SELECT s.step, s.phase, s.kind, s.relation, s.command, s.undo, s.lock, s.scans, s.rewrites,"
    " s.rows, s.bytes, s.note, s.removal, s.line, s.state,"
    " extract(epoch FROM coalesce(s.finished_at, clock_timestamp()) - s.started_at)::float8"
    "   AS seconds"
    " FROM zdm.steps s";

const char* const kSelectProgress =
    "SELECT p.step, p.kind, p.relation, p.percent, p.rows_done, p.rows_estimate, p.rows_per_second,"
    " extract(epoch FROM p.eta)::float8 AS eta_seconds, p.throttled, p.throttled_seconds,"
    " p.wal_bytes FROM zdm.progress p";

const char* const kSelectPressure =
    "SELECT p.signal, p.value, p.\"limit\", p.unit, p.tripped, p.reason,"
    " to_char(p.since, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS since,"
    " extract(epoch FROM clock_timestamp() - p.since)::float8 AS seconds FROM zdm.pressure p";

const char* const kSelectEvents =
    "SELECT e.id, e.migration, to_char(e.at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS at, e.kind, e.step,"
    " e.message FROM zdm.events e";
const char* const kUsageColumns =
    "u.kind, u.relation, u.object, u.used_by, u.role, u.sessions,"
    " to_char(u.last_used, 'YYYY-MM-DD\"T\"HH24:MI:SSOF') AS last_used, u.blocks, u.message";

namespace {

constexpr std::array<std::string_view, 9> kWay = {"planned",   "expanding",   "expanded",
                                                  "migrating", "ready",       "switching",
                                                  "switched",  "contracting", "done"};

bool starts(std::string_view text, std::string_view with) {
    return text.substr(0, with.size()) == with;
}

}  // namespace

bool Migration::at_rest() const {
    return paused || state == "done" || state == "rolled_back" || state == "failed" ||
           state == "planned" || starts(activity, "waiting");
}

bool Migration::can_contract() const {
    return state == (switches ? "switched" : "ready") && at_rest();
}

bool Migration::stopped() const { return starts(activity, "stopped"); }

std::optional<int> rank_of(std::string_view state) {
    for (std::size_t i = 0; i < kWay.size(); ++i)
        if (kWay[i] == state) return static_cast<int>(i);
    return std::nullopt;
}

bool has_reached(std::string_view state, std::string_view wanted) {
    const auto is = rank_of(state);
    const auto should = rank_of(wanted);
    if (!is || !should) return state == wanted;
    return *is >= *should;
}

std::string reachable(const Migration& migration, const std::string& state) {
    return state == "switched" && !migration.switches ? "ready" : state;
}

Migration migration_from(const Row& row) {
    Migration m;
    m.id = row.integer("id").value_or(0);
    m.name = row.text("name");
    m.state = row.text("state");
    m.activity = row.text("activity");
    m.upto = row.text("upto");
    m.transition = row.is_true("transition");
    m.switches = row.is_true("switches");
    m.paused = row.is_true("paused");
    m.pause_reason = row.text("pause_reason");
    m.worker_pid = row.integer("worker_pid");
    m.waiting_for = row.text("waiting_for");
    m.waiting_seconds = row.number("waiting_seconds");
    m.owner = row.text("owner");
    m.steps = row.integer("steps").value_or(0);
    m.steps_done = row.integer("steps_done").value_or(0);
    m.point_of_no_return = row.integer("point_of_no_return");
    m.removal_started = row.is_true("removal_started");
    m.failed_state = row.text("failed_state");
    m.failed_step = row.integer("failed_step");
    m.sqlstate = row.text("sqlstate");
    m.message = row.text("message");
    m.detail = row.text("detail");
    m.hint = row.text("hint");
    m.forced_reason = row.text("forced_reason");
    m.forced_by = row.text("forced_by");
    m.created_at = row.text("created_at");
    m.started_at = row.text("started_at");
    m.ready_at = row.text("ready_at");
    m.switched_at = row.text("switched_at");
    m.finished_at = row.text("finished_at");
    m.seconds = row.number("seconds");
    return m;
}

Step planned_step_from(const Row& row) {
    Step s;
    s.step = row.integer("step").value_or(0);
    s.phase = row.text("phase");
    s.kind = row.text("kind");
    s.relation = row.text("relation");
    s.command = row.text("command");
    s.undo = row.text("undo");
    s.lock = row.text("lock");
    s.scans = row.is_true("scans");
    s.rewrites = row.is_true("rewrites");
    s.rows = row.integer("rows");
    s.bytes = row.integer("bytes");
    s.note = row.text("note");
    s.removal = row.is_true("removal");
    s.line = row.integer("line");
    return s;
}

Step step_from(const Row& row) {
    Step s = planned_step_from(row);
    s.state = row.text("state");
    s.seconds = row.number("seconds");
    return s;
}

Progress progress_from(const Row& row) {
    Progress p;
    p.step = row.integer("step").value_or(0);
    p.kind = row.text("kind");
    p.relation = row.text("relation");
    p.percent = row.number("percent").value_or(0);
    p.rows_done = row.integer("rows_done").value_or(0);
    p.rows_estimate = row.integer("rows_estimate");
    p.rows_per_second = row.number("rows_per_second");
    p.eta_seconds = row.number("eta_seconds");
    p.throttled = row.text("throttled");
    p.throttled_seconds = row.number("throttled_seconds").value_or(0);
    p.wal_bytes = row.integer("wal_bytes");
    return p;
}

Signal signal_from(const Row& row) {
    Signal s;
    s.signal = row.text("signal");
    s.value = row.number("value");
    s.limit = row.number("limit");
    s.unit = row.text("unit");
    s.tripped = row.is_true("tripped");
    s.since = row.text("since");
    s.seconds = row.number("seconds");
    s.reason = row.text("reason");
    return s;
}

Usage usage_from(const Row& row) {
    Usage u;
    u.kind = row.text("kind");
    u.relation = row.text("relation");
    u.object = row.text("object");
    u.used_by = row.text("used_by");
    u.role = row.text("role");
    u.sessions = row.integer("sessions");
    u.last_used = row.text("last_used");
    u.blocks = row.is_true("blocks");
    u.message = row.text("message");
    return u;
}

Event event_from(const Row& row) {
    Event e;
    e.id = row.integer("id").value_or(0);
    e.migration = row.text("migration");
    e.at = row.text("at");
    e.kind = row.text("kind");
    e.step = row.integer("step");
    e.message = row.text("message");
    return e;
}

}  // namespace zdm::cli
