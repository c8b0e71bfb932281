// zdm doctor: whether this server, database and role are fit for migrations, and what to do if not.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/quantity.hpp"
#include "cli/failure.hpp"

namespace zdm::cli {

namespace {

enum class Level { ok, warn, fail };

struct Finding {
    Level level;
    std::string check;
    std::string text;
    std::string hint;
};

using Findings = std::vector<Finding>;

std::string_view word(Level level) {
    switch (level) {
    case Level::ok: return "ok";
    case Level::warn: return "warn";
    case Level::fail: return "fail";
    }
    return "?";
}

void check_extension(Session& session, Findings& findings) {
    const auto& client = session.client();
    const auto loaded = session.call("zdm_version", "", {}).front().text("result");
    const auto& installed = client.extension_version();
    findings.push_back({Level::ok, "extension", "zdm " + installed + " is installed", {}});
    if (loaded != installed)
        findings.push_back(
            {Level::fail, "extension",
             fmt::format("the library is {}, the extension is {}", loaded, installed),
             "ALTER EXTENSION zdm UPDATE, and reconnect"});
    if (installed != ZDM_VERSION)
        findings.push_back(
            {Level::warn, "program",
             fmt::format("this program is {}, the extension is {}", ZDM_VERSION, installed),
             "Install the program of the same version."});
    const auto on = session.client()
                        .query("SELECT coalesce(current_setting('zdm.enabled', true), 'on') AS v")
                        .front()
                        .text("v");
    if (on == "off")
        findings.push_back({Level::fail, "zdm.enabled", "zdm is switched off: no migration runs",
                            "Set zdm.enabled = on and reload."});
}

void check_role(Session& session, Findings& findings) {
    const auto row =
        session.client()
            .query(
                "SELECT r.rolname, r.rolcanlogin, r.rolsuper,"
                " has_database_privilege(current_database(), 'CREATE') AS may_create,"
                " (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                "   WHERE c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')"
                "     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
                "     AND n.nspname <> 'zdm') AS tables"
                " FROM pg_roles r WHERE r.rolname = current_user")
            .front();
    const auto role = row.text("rolname");
    findings.push_back(
        {Level::ok,
         "role",
         fmt::format(
             "tables that {} can migrate: {} (its own, and those of roles that it is a member of)",
             role, row.text("tables")),
         {}});
    if (!row.is_true("rolcanlogin"))
        findings.push_back(
            {session.client().server_version() >= 170000 ? Level::warn : Level::fail, "role",
             role + " cannot log in, and workers connect as it",
             "ALTER ROLE … LOGIN, or connect as a login role that is a member of it."});
    if (row.is_true("rolsuper"))
        findings.push_back(
            {Level::warn, "role", role + " is a superuser",
             "Better use the role that owns the tables: zdm then can do no more than "
             "that role can."});
}

void check_workers(Session& session, Findings& findings) {
    const auto row =
        session.client()
            .query(
                "SELECT current_setting('max_worker_processes')::int AS slots,"
                " count(*) FILTER (WHERE a.backend_type NOT IN ('client backend', 'autovacuum "
                "launcher',"
                "  'autovacuum worker', 'background writer', 'checkpointer', 'walwriter', "
                "'walsender',"
                "  'walreceiver', 'startup', 'archiver', 'logger', 'slotsync worker', 'io worker',"
                "  'walsummarizer', 'standalone backend')) AS used,"
                " pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all FROM pg_stat_activity a")
            .front();
    const auto slots = row.integer("slots").value_or(0);
    const auto left = slots - row.integer("used").value_or(0);
    const auto text = fmt::format(
        "{} of {} background worker slots are free{}", left, slots,
        row.is_true("sees_all") ? "" : ", or less: this role does not see all processes");
    if (left < 1)
        findings.push_back(
            {Level::fail, "workers", text,
             "Raise max_worker_processes and restart the server, or wait for others."});
    else
        findings.push_back({left < 3 ? Level::warn : Level::ok, "workers", text,
                            left < 3
                                ? "Each running migration needs one; CREATE INDEX and queries may "
                                  "use some too."
                                : ""});
}

void check_replication(Session& session, Findings& findings) {
    const auto row =
        session.client()
            .query(
                "SELECT current_setting('wal_level') AS wal_level, pg_is_in_recovery() AS standby,"
                " (SELECT count(*) FROM pg_stat_replication) AS standbys,"
                " (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS idle_slots,"
                " (SELECT count(*) FROM pg_publication) AS publications")
            .front();
    if (row.is_true("standby")) {
        findings.push_back(
            {Level::fail, "replication", "this server is a standby", "Connect to the primary."});
        return;
    }
    findings.push_back({Level::ok,
                        "replication",
                        fmt::format("wal_level {}, {} standbys connected", row.text("wal_level"),
                                    row.text("standbys")),
                        {}});
    if (row.text("idle_slots") != "0")
        findings.push_back(
            {Level::warn, "replication",
             row.text("idle_slots") + " replication slots are not in use and keep WAL",
             "Backfills write WAL: see pg_replication_slots, drop what is dead."});
    if (row.text("publications") != "0")
        findings.push_back({Level::warn, "replication",
                            row.text("publications") +
                                " publications: subscribers need a new column "
                                "before it is added here",
                            "Add columns of published tables on the subscribers first."});
}

void check_event_triggers(Session& session, Findings& findings) {
    const auto rows = session.client().query(
        "SELECT string_agg(quote_ident(e.evtname), ', ' ORDER BY e.evtname) AS names"
        " FROM pg_event_trigger e WHERE e.evtenabled <> 'D' AND e.evtname <> 'zdm_guard_drop'");
    const auto names = rows.front().text("names");
    if (!names.empty())
        findings.push_back({Level::warn, "event triggers", "enabled: " + names,
                            "They fire for zdm's DDL too; one that fails makes a step fail."});
}

void check_migrations(Session& session, Findings& findings) {
    for (const auto& m : session.migrations()) {
        if (m.state == "failed")
            findings.push_back({Level::warn, "migration", m.name + " failed: " + m.message,
                                "zdm status " + shell_word(m.name)});
        else if (m.stopped())
            findings.push_back({Level::warn, "migration", m.name + " is stopped: no worker runs it",
                                "zdm resume " + shell_word(m.name)});
    }
}

struct DoctorOptions {};

Exit run_doctor(const DoctorOptions&, Session& session) {
    auto& client = session.any_client();
    Findings findings;
    const auto version = client.server_version();
    findings.push_back({Level::ok,
                        "server",
                        fmt::format("PostgreSQL {}.{} as {}", version / 10000, version % 10000,
                                    client.target().text()),
                        {}});
    // Without these two there is nothing more to look at: they end the command.
    session.client();
    check_extension(session, findings);
    check_role(session, findings);
    check_workers(session, findings);
    check_replication(session, findings);
    check_event_triggers(session, findings);
    check_migrations(session, findings);
    bool failed = false;
    auto& console = session.console();
    auto list = Json::array();
    std::string text;
    for (const auto& f : findings) {
        failed = failed || f.level == Level::fail;
        list.push_back({{"level", word(f.level)},
                        {"check", f.check},
                        {"text", f.text},
                        {"hint", f.hint.empty() ? Json(nullptr) : Json(f.hint)}});
        const auto style = f.level == Level::ok     ? Style::good
                           : f.level == Level::warn ? Style::warning
                                                    : Style::bad;
        text +=
            session.out().paint(style, fmt::format("{:<4}", word(f.level))) + "  " + f.text + "\n";
        if (!f.hint.empty()) text += "      " + f.hint + "\n";
    }
    const auto exit = failed ? Exit::usage : Exit::done;
    if (console.json())
        console.result(dump({{"schema", "zdm.doctor/1"},
                             {"target", to_json(client.target())},
                             {"findings", list},
                             {"exit_code", code(exit)}}));
    else
        console.result(text);
    return exit;
}

void declare(Command&, DoctorOptions&) {}

}  // namespace

Definition doctor_command() {
    return define<DoctorOptions>(
        "doctor", "Check whether server, database and role are fit for zdm", declare, run_doctor);
}

}  // namespace zdm::cli
