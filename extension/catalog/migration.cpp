#include "catalog/migration.hpp"
#include "catalog/undo.hpp"

#include <charconv>

#include "pg/door.hpp"
#include "pg/spi.hpp"

#include "pg/bridge.hpp"

namespace zdm::catalog {

namespace {

using pg::Value;

// A statement through the door.
pg::Result through_door(const char* sql, const std::vector<Value>& parameters = {}) {
    const pg::Door door;
    return pg::query(sql, parameters);
}

Value optional_text(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return *text;
}

std::vector<std::string> oid_texts(const std::vector<std::uint32_t>& oids) {
    std::vector<std::string> texts;
    for (const auto oid : oids) texts.push_back(std::to_string(oid));
    return texts;
}

constexpr auto kColumns =
    "SELECT m.id, m.name, m.sql, m.checksum, m.owner::oid, m.login::oid, m.owner::text, m.state,"
    "       m.upto, m.transition, m.paused, m.keep, m.forced_reason IS NOT NULL, m.failed_state,"
    "       m.system_identifier = (SELECT c.system_identifier FROM pg_control_system() c)"
    "   AND m.database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = "
    "current_database()),"
    "       m.differences_accepted_by,"
    "       EXISTS (SELECT FROM zdm.step s WHERE s.migration_id = m.id AND s.phase = 'switch')"
    "  FROM zdm.migration m ";

Migration migration_from(const pg::Row& row) {
    Migration m;
    m.id = row.number(0);
    m.name = row.text(1);
    m.sql = row.text(2);
    m.checksum = row.text(3);
    m.owner = static_cast<std::uint32_t>(row.number(4));
    m.login = static_cast<std::uint32_t>(row.number(5));
    m.owner_name = row.text(6);
    m.state = state_from(row.text(7)).value_or(State::failed);
    m.upto = upto_from(row.text(8)).value_or(Upto::ready);
    m.transition = row.flag(9);
    m.paused = row.flag(10);
    m.keep = row.flag(11);
    m.forced = row.flag(12);
    if (!row.is_null(13)) m.failed_state = state_from(row.text(13));
    m.same_database = row.flag(14);
    m.differences_accepted_by = row.text(15);
    m.switches = row.flag(16);
    return m;
}

// Key and value lines of one of the migration's jsonb objects of strings.
pg::Kept read_settings{
    "SELECT s.key, s.value FROM zdm.migration m, jsonb_each_text(m.settings) s WHERE m.id = $1"};
pg::Kept read_options{
    "SELECT o.key, o.value FROM zdm.migration m, jsonb_each_text(m.options) o WHERE m.id = $1"};

TextMap read_map(pg::Kept& statement, std::int64_t id) {
    TextMap map;
    for (const auto& row : pg::query(statement, {id}).rows) map[row.text(0)] = row.text(1);
    return map;
}

std::optional<Migration> migration_of(const pg::Result& found) {
    if (found.empty()) return std::nullopt;
    Migration m = migration_from(found.front());
    m.settings = read_map(read_settings, m.id);
    m.options = read_map(read_options, m.id);
    return m;
}

std::optional<Migration> find(const std::string& condition, const Value& key) {
    const pg::Door door;
    return migration_of(pg::query((kColumns + condition).c_str(), {key}));
}

Value text_or_null(const std::string& text) {
    if (text.empty()) return std::nullopt;
    return text;
}

void insert_step(pg::Spi& spi, std::int64_t id, std::int64_t number, const plan::Step& step) {
    TextMap parameters = step.parameters;
    parameters["locks"] = lock_lines(step.locks);
    spi.run(
        "INSERT INTO zdm.step (migration_id, step, phase, kind, relation, relation_oid, command,"
        "    lock, scans, rewrites, rows, bytes, note, removal, line, parameters)"
        " VALUES ($1, $2, $3, $4, $5, $6::oid, $7, $8, $9, $10, $11::text::bigint,"
        "    $12::text::bigint, $13, $14, $15, jsonb_object($16, $17))",
        {id, number, std::string{plan::to_text(step.phase)}, std::string{plan::to_text(step.kind)},
         text_or_null(step.relation), static_cast<std::int64_t>(step.relation_oid), step.command,
         text_or_null(std::string{plan::to_text(step.lock)}), step.scans, step.rewrites,
         step.rows ? Value{std::to_string(*step.rows)} : Value{std::nullopt},
         step.bytes ? Value{std::to_string(*step.bytes)} : Value{std::nullopt}, step.note,
         step.removal, static_cast<std::int64_t>(step.line), keys_of(parameters),
         values_of(parameters)});
    insert_undo(spi, id, number, step.undo);
}

StoredStep step_from(const pg::Row& row) {
    StoredStep stored;
    stored.number = static_cast<int>(row.number(0));
    stored.state = step_state_from(row.text(1)).value_or(StepState::pending);
    plan::Step& step = stored.step;
    step.phase = plan::phase_from(row.text(2)).value_or(plan::Phase::contract);
    step.kind = plan::kind_from(row.text(3)).value_or(plan::StepKind::ddl);
    step.relation = row.text(4);
    step.relation_oid = static_cast<std::uint32_t>(row.number(5));
    step.command = row.text(6);
    step.lock = plan::lock_from(row.text(7)).value_or(plan::LockMode::none);
    step.note = row.text(8);
    step.removal = row.flag(9);
    step.line = static_cast<int>(row.number(10));
    if (!row.is_null(11)) step.rows = row.number(11);
    if (!row.is_null(12)) step.bytes = row.number(12);
    return stored;
}

}  // namespace

std::optional<Migration> find_migration(const std::string& name) {
    return find("WHERE m.name = $1", name);
}

// A worker looks for what it is told ten times a second.
std::optional<Migration> find_migration(std::int64_t id) {
    static const std::string sql = std::string{kColumns} + "WHERE m.id = $1";
    static pg::Kept by_id{sql.c_str()};
    const pg::Door door;
    return migration_of(pg::query(by_id, {id}));
}

std::optional<Migration> lock_migration(const std::string& name) {
    return find("WHERE m.name = $1 FOR UPDATE OF m", name);
}

std::optional<Migration> lock_migration(std::int64_t id) {
    return find("WHERE m.id = $1 FOR UPDATE OF m", id);
}

bool hold_migration(std::int64_t id) {
    return !through_door("SELECT FROM zdm.migration WHERE id = $1 FOR KEY SHARE SKIP LOCKED", {id})
                .empty();
}

std::vector<std::string> live_owners(const std::vector<std::uint32_t>& relations,
                                     std::int64_t except) {
    const pg::Door door;
    pg::LatestSnapshot latest;
    pg::Spi spi;
    const auto found = spi.run(
        "SELECT name FROM zdm.migration"
        " WHERE state NOT IN ('planned', 'done', 'rolled_back') AND id <> $2"
        // A migration of a table owns also what became its partition, or child, since then.
        "   AND relations && ARRAY(WITH RECURSIVE above(r) AS (SELECT unnest($1::oid[])"
        "            UNION SELECT i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = r)"
        "        SELECT r FROM above) ORDER BY id",
        {oid_texts(relations), except}, true);
    spi.finish();
    latest.finish();
    std::vector<std::string> names;
    for (const auto& row : found.rows) names.push_back(row.text(0));
    return names;
}

std::vector<std::int64_t> runnable_migrations() {
    const auto found = through_door(
        "SELECT m.id FROM zdm.migration m WHERE NOT m.paused"
        "   AND (m.state IN ('expanding', 'migrating', 'switching', 'contracting', 'rolling_back')"
        "        OR (m.state = 'expanded' AND m.upto <> 'expanded')"
        "        OR (m.state IN ('ready', 'switched') AND (NOT m.transition OR m.upto = 'done'))"
        "        OR (m.state = 'ready' AND m.upto = 'switched' AND EXISTS ("
        "               SELECT FROM zdm.step s WHERE s.migration_id = m.id"
        "                  AND s.phase = 'switch'))) ORDER BY m.id");
    std::vector<std::int64_t> ids;
    for (const auto& row : found.rows) ids.push_back(row.number(0));
    return ids;
}

std::optional<std::int64_t> insert_migration(const NewMigration& m) {
    const auto inserted = through_door(
        "INSERT INTO zdm.migration (name, sql, checksum, owner, login, settings, options,"
        "    system_identifier, database_oid)"
        " SELECT $1, $2, $3, $4::oid::regrole, $5::oid::regrole, jsonb_object($6, $7),"
        "    jsonb_object($8, $9), c.system_identifier, d.oid"
        "   FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        {m.name, m.sql, m.checksum, static_cast<std::int64_t>(m.owner),
         static_cast<std::int64_t>(m.login), keys_of(m.settings), values_of(m.settings),
         keys_of(m.options), values_of(m.options)});
    if (inserted.empty()) return std::nullopt;
    return inserted.front().number(0);
}

void replace_sql(std::int64_t id, const NewMigration& m) {
    through_door(
        "UPDATE zdm.migration SET sql = $2, checksum = $3, owner = $4::oid::regrole,"
        "    login = $5::oid::regrole, settings = jsonb_object($6, $7), state = 'planned',"
        "    started_at = NULL, ready_at = NULL, switched_at = NULL, finished_at = NULL WHERE id = "
        "$1",
        {id, m.sql, m.checksum, static_cast<std::int64_t>(m.owner),
         static_cast<std::int64_t>(m.login), keys_of(m.settings), values_of(m.settings)});
}

void save_plan(std::int64_t id, const plan::Plan& plan) {
    const pg::Door door;
    pg::Spi spi;
    spi.run("DELETE FROM zdm.step WHERE migration_id = $1", {id});
    std::int64_t number = 0;
    for (const auto& step : plan.steps) insert_step(spi, id, ++number, step);
    spi.run("UPDATE zdm.migration SET transition = $2, relations = $3::oid[] WHERE id = $1",
            {id, plan.transition, oid_texts(plan.relations)});
    spi.finish();
}

std::vector<StoredStep> load_steps(std::int64_t id) {
    const pg::Door door;
    pg::LatestSnapshot latest;
    pg::Spi spi;
    const auto found = spi.run(
        "SELECT step, state, phase, kind, relation, relation_oid, command, lock, note,"
        "    removal, line, rows, bytes FROM zdm.step WHERE migration_id = $1 ORDER BY step",
        {id}, true);
    const auto parameters = spi.run(
        "SELECT s.step, p.key, p.value FROM zdm.step s, jsonb_each_text(s.parameters) p"
        " WHERE s.migration_id = $1 ORDER BY s.step",
        {id}, true);
    std::vector<StoredStep> steps;
    for (const auto& row : found.rows) steps.push_back(step_from(row));
    for (const auto& row : parameters.rows)
        for (auto& stored : steps)
            if (stored.number == static_cast<int>(row.number(0)))
                stored.step.parameters[row.text(1)] = row.text(2);
    for (auto& stored : steps) stored.step.locks = locks_from(stored.step.parameters["locks"]);
    load_undo(spi, id, steps);
    spi.finish();
    latest.finish();
    return steps;
}

std::vector<StepMark> latest_marks(std::int64_t id) {
    const pg::Door door;
    pg::LatestSnapshot latest;
    pg::Spi spi;
    const auto found =
        spi.run("SELECT phase, state, removal FROM zdm.step WHERE migration_id = $1 ORDER BY step",
                {id}, true);
    spi.finish();
    latest.finish();
    std::vector<StepMark> marks;
    for (const auto& row : found.rows)
        marks.push_back({plan::phase_from(row.text(0)).value_or(plan::Phase::contract),
                         step_state_from(row.text(1)).value_or(StepState::pending), row.flag(2)});
    return marks;
}

bool change_state(std::int64_t id, State from, State to) {
    return through_door(
               "UPDATE zdm.migration SET state = $3, attempts = 0, waiting = NULL,"
               "    waiting_since = NULL,"
               "    ready_at = CASE WHEN $3 = 'ready' THEN clock_timestamp() ELSE ready_at END,"
               "    switched_at = CASE WHEN $3 = 'switched' THEN clock_timestamp()"
               "                       ELSE switched_at END,"
               // Who accepted differences knew those of that time.
               "    differences_accepted_by = CASE WHEN $3 IN ('ready', 'switched') THEN NULL"
               "                              ELSE differences_accepted_by END,"
               "    finished_at = CASE WHEN $3 IN ('done', 'rolled_back') THEN clock_timestamp() "
               "END"
               " WHERE id = $1 AND state = $2",
               {id, std::string{to_text(from)}, std::string{to_text(to)}})
               .processed == 1;
}

void set_started(std::int64_t id, Upto upto) {
    through_door(
        "UPDATE zdm.migration SET state = 'expanding', upto = $2, started_at = clock_timestamp(),"
        "    ready_at = NULL, switched_at = NULL, finished_at = NULL, paused = false,"
        "    pause_reason = NULL,"
        "    keep = false, forced_reason = NULL, forced_by = NULL,"
        "    differences_accepted_by = NULL, attempts = 0 WHERE id = $1",
        {id, std::string{to_text(upto)}});
}

void set_upto(std::int64_t id, Upto upto) {
    through_door("UPDATE zdm.migration SET upto = $2 WHERE id = $1",
                 {id, std::string{to_text(upto)}});
}

void set_paused(std::int64_t id, bool paused, const std::optional<std::string>& reason) {
    through_door(
        "UPDATE zdm.migration SET paused = $2, pause_reason = $3, waiting = NULL,"
        "    waiting_since = NULL WHERE id = $1",
        {id, paused, optional_text(reason)});
}

void set_forced(std::int64_t id, const std::string& reason) {
    through_door(
        "UPDATE zdm.migration SET forced_reason = $2, forced_by = session_user WHERE id = $1",
        {id, reason});
}

std::string accept_differences(std::int64_t id) {
    const auto set = through_door(
        "UPDATE zdm.migration SET differences_accepted_by = session_user WHERE id = $1"
        " RETURNING differences_accepted_by",
        {id});
    return set.empty() ? std::string{} : set.front().text(0);
}

void set_keep(std::int64_t id) {
    through_door("UPDATE zdm.migration SET keep = true WHERE id = $1", {id});
}

void set_option(std::int64_t id, const std::string& option,
                const std::optional<std::string>& value) {
    if (value)
        through_door(
            "UPDATE zdm.migration SET options = options || jsonb_build_object($2::text, $3::text)"
            " WHERE id = $1",
            {id, option, *value});
    else
        through_door("UPDATE zdm.migration SET options = options - $2::text WHERE id = $1",
                     {id, option});
}

void clear_failure(std::int64_t id) {
    through_door(
        "UPDATE zdm.migration SET state = coalesce(failed_state, state), failed_state = NULL,"
        "    failed_step = NULL, sqlstate = NULL, message = NULL, detail = NULL, hint = NULL,"
        "    attempts = 0, attempted_at = NULL WHERE id = $1",
        {id});
}

// Both leave a row alone that a caller's open transaction has locked: a worker never waits for it.
int count_attempt(std::int64_t id) {
    const auto counted = through_door(
        "UPDATE zdm.migration SET attempted_at = clock_timestamp(),"
        "    attempts = CASE WHEN attempted_at > clock_timestamp() - interval '10 minutes'"
        "                    THEN attempts + 1 ELSE 1 END"
        " WHERE id = (SELECT id FROM zdm.migration WHERE id = $1 FOR UPDATE SKIP LOCKED)"
        " RETURNING attempts",
        {id});
    return counted.empty() ? 1 : static_cast<int>(counted.front().number(0));
}

void forget_attempts(std::int64_t id) {
    through_door(
        "UPDATE zdm.migration SET attempts = 0"
        " WHERE id = (SELECT id FROM zdm.migration WHERE id = $1 AND attempts > 0"
        "              FOR UPDATE SKIP LOCKED)",
        {id});
}

bool inherit(std::int64_t id) {
    return through_door(
               "WITH heir AS (SELECT c.relowner FROM zdm.step s JOIN pg_class c"
               "                  ON c.oid = s.relation_oid"
               "               WHERE s.migration_id = $1 ORDER BY s.step LIMIT 1)"
               " UPDATE zdm.migration m SET owner = h.relowner::regrole, login = "
               "h.relowner::regrole"
               "  FROM heir h WHERE m.id = $1 AND EXISTS ("
               "     SELECT FROM unnest(ARRAY[m.owner::oid, m.login::oid]) had(role)"
               "      WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = had.role))",
               {id})
               .processed == 1;
}

bool set_failed(std::int64_t id, State from, const Failure& failure) {
    return !through_door(
                "UPDATE zdm.migration SET state = 'failed', failed_state = $2, failed_step = "
                "$3::text::int,"
                "    sqlstate = $4, message = $5, detail = $6, hint = $7, waiting = NULL,"
                "    waiting_since = NULL WHERE id = $1 AND state = $2 RETURNING id",
                {id, std::string{to_text(from)},
                 failure.step ? Value{std::to_string(*failure.step)} : Value{std::nullopt},
                 failure.sqlstate, failure.message, text_or_null(failure.detail),
                 text_or_null(failure.hint)})
                .empty();
}

void set_waiting(std::int64_t id, const std::optional<std::string>& reason) {
    through_door(
        "UPDATE zdm.migration SET waiting = $2,"
        "    waiting_since = CASE WHEN $2 IS NULL THEN NULL"
        "                         ELSE coalesce(waiting_since, clock_timestamp()) END"
        " WHERE id = $1 AND waiting IS DISTINCT FROM $2",
        {id, optional_text(reason)});
}

void set_step(std::int64_t id, int step, StepState state) {
    through_door(
        "UPDATE zdm.step SET state = $3,"
        "    started_at = CASE WHEN $3 = 'running' THEN coalesce(started_at, clock_timestamp())"
        "                      WHEN $3 IN ('undone', 'pending') THEN NULL ELSE started_at END,"
        "    finished_at = CASE WHEN $3 IN ('done', 'skipped') THEN clock_timestamp() END"
        " WHERE migration_id = $1 AND step = $2",
        {id, static_cast<std::int64_t>(step), std::string{to_text(state)}});
    // What held it back is of the moment.
    through_door("DELETE FROM zdm.signal WHERE migration_id = $1 AND step = $2",
                 {id, static_cast<std::int64_t>(step)});
}

void add_result(std::int64_t id, int step, const TextMap& result) {
    through_door(
        "UPDATE zdm.step SET result = result || jsonb_object($3, $4)"
        " WHERE migration_id = $1 AND step = $2",
        {id, static_cast<std::int64_t>(step), keys_of(result), values_of(result)});
}

std::optional<std::string> read_result(std::int64_t id, int step, const std::string& key) {
    const auto found =
        through_door("SELECT result ->> $3 FROM zdm.step WHERE migration_id = $1 AND step = $2",
                     {id, static_cast<std::int64_t>(step), key});
    if (found.empty()) return std::nullopt;
    return found.front().maybe(0);
}

void add_event(std::int64_t id, const std::string& kind, std::optional<int> step,
               const std::string& message) {
    through_door(
        "INSERT INTO zdm.event (migration_id, kind, step, message) VALUES ($1, $2, $3::text::int, "
        "$4)",
        {id, kind, step ? Value{std::to_string(*step)} : Value{std::nullopt}, message});
}

}  // namespace zdm::catalog
