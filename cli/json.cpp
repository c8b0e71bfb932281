#include "cli/json.hpp"

namespace zdm::cli {

namespace {

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

Json to_json(const Target& target) {
    return {{"role", target.role},
            {"host", target.host},
            {"port", target.port},
            {"database", target.database}};
}

Json to_json(const Migration& m) {
    Json out = {{"id", m.id},
                {"name", m.name},
                {"state", m.state},
                {"activity", m.activity},
                {"upto", m.upto},
                {"transition", m.transition},
                {"switches", m.switches},
                {"paused", m.paused},
                {"pause_reason", or_null(m.pause_reason)},
                {"worker_pid", or_null(m.worker_pid)},
                {"waiting_for", or_null(m.waiting_for)},
                {"owner", m.owner},
                {"steps", m.steps},
                {"steps_done", m.steps_done},
                {"point_of_no_return", or_null(m.point_of_no_return)},
                {"removal_started", m.removal_started},
                {"created_at", or_null(m.created_at)},
                {"started_at", or_null(m.started_at)},
                {"ready_at", or_null(m.ready_at)},
                {"switched_at", or_null(m.switched_at)},
                {"finished_at", or_null(m.finished_at)},
                {"seconds", or_null(m.seconds)},
                {"failure", nullptr},
                {"forced", nullptr},
                {"differing_writes", or_null(m.differing_writes)},
                {"differences_accepted_by", or_null(m.differences_accepted_by)}};
    if (m.state == "failed")
        out["failure"] = {{"state", or_null(m.failed_state)}, {"step", or_null(m.failed_step)},
                          {"sqlstate", or_null(m.sqlstate)},  {"message", or_null(m.message)},
                          {"detail", or_null(m.detail)},      {"hint", or_null(m.hint)}};
    if (!m.forced_reason.empty())
        out["forced"] = {{"by", m.forced_by}, {"reason", m.forced_reason}};
    return out;
}

Json to_json(const Step& s) {
    Json out = {{"step", s.step},          {"phase", s.phase},
                {"kind", s.kind},          {"relation", or_null(s.relation)},
                {"command", s.command},    {"lock", or_null(s.lock)},
                {"scans", s.scans},        {"rewrites", s.rewrites},
                {"rows", or_null(s.rows)}, {"bytes", or_null(s.bytes)},
                {"note", s.note},          {"undo", or_null(s.undo)},
                {"removal", s.removal},    {"line", or_null(s.line)}};
    if (!s.state.empty()) {
        out["state"] = s.state;
        out["seconds"] = or_null(s.seconds);
    }
    return out;
}

Json to_json(const Progress& p) {
    return {{"step", p.step},
            {"kind", p.kind},
            {"relation", or_null(p.relation)},
            {"percent", p.percent},
            {"rows_done", p.rows_done},
            {"rows_estimate", or_null(p.rows_estimate)},
            {"rows_per_second", or_null(p.rows_per_second)},
            {"eta_seconds", or_null(p.eta_seconds)},
            {"throttled", or_null(p.throttled)},
            {"throttled_seconds", p.throttled_seconds},
            {"wal_bytes", or_null(p.wal_bytes)}};
}

Json to_json(const Signal& s) {
    return {{"signal", s.signal},         {"value", or_null(s.value)}, {"limit", or_null(s.limit)},
            {"unit", or_null(s.unit)},    {"tripped", s.tripped},      {"since", or_null(s.since)},
            {"reason", or_null(s.reason)}};
}

Json to_json(const Usage& u) {
    return {{"kind", u.kind},
            {"relation", or_null(u.relation)},
            {"object", or_null(u.object)},
            {"used_by", or_null(u.used_by)},
            {"role", or_null(u.role)},
            {"sessions", or_null(u.sessions)},
            {"last_used", or_null(u.last_used)},
            {"blocks", u.blocks},
            {"message", u.message}};
}

Json to_json(const Event& e) {
    return {{"id", e.id},     {"migration", e.migration}, {"at", e.at},
            {"kind", e.kind}, {"step", or_null(e.step)},  {"message", e.message}};
}

Json to_json(const Failure& f) {
    return {{"schema", "zdm.error/1"},
            {"code", or_null(f.code)},
            {"sqlstate", or_null(f.sqlstate)},
            {"message", f.what()},
            {"detail", or_null(f.detail)},
            {"hint", or_null(f.hint)},
            {"line", f.spot.line > 0 ? Json(f.spot.line) : Json(nullptr)},
            {"column", f.spot.column > 0 ? Json(f.spot.column) : Json(nullptr)},
            {"exit_code", code(f.exit)}};
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace zdm::cli
