#include "backfill/state.hpp"

#include "pg/door.hpp"
#include "pg/spi.hpp"

namespace zdm::backfill {

namespace {

pg::Result at_door(pg::Kept& statement, const std::vector<pg::Value>& parameters) {
    const pg::Door door;
    return pg::query(statement, parameters);
}

pg::Result at_door(const char* sql, const std::vector<pg::Value>& parameters) {
    const pg::Door door;
    return pg::query(sql, parameters);
}

std::int64_t wide(std::uint32_t number) { return number; }

constexpr auto kChunk =
    "SELECT chunk, relfilenode, first_block, end_block, next_block, rows, left_rows, pages_done,"
    "       done FROM zdm.chunk WHERE migration_id = $1 AND step = $2";

Chunk chunk_of(const pg::Row& row) {
    Chunk chunk;
    chunk.number = static_cast<int>(row.number(0));
    chunk.filenode = static_cast<std::uint32_t>(row.number(1));
    chunk.pages = {static_cast<std::uint32_t>(row.number(2)),
                   static_cast<std::uint32_t>(row.number(3))};
    chunk.next = static_cast<std::uint32_t>(row.number(4));
    chunk.rows = row.number(5);
    chunk.left = row.number(6);
    chunk.pages_done = row.number(7);
    chunk.done = row.flag(8);
    return chunk;
}

std::vector<Chunk> chunks_of(const pg::Result& found) {
    std::vector<Chunk> chunks;
    for (const auto& row : found.rows) chunks.push_back(chunk_of(row));
    return chunks;
}

}  // namespace

std::vector<Chunk> load_chunks(const Task& task) {
    return chunks_of(at_door((std::string{kChunk} + " ORDER BY chunk").c_str(),
                             {task.migration, std::int64_t{task.step}}));
}

std::vector<Chunk> open_chunks(const Task& task, int from) {
    const std::string sql =
        std::string{kChunk} + " AND NOT done AND chunk >= $3 ORDER BY chunk LIMIT 100";
    return chunks_of(
        at_door(sql.c_str(), {task.migration, std::int64_t{task.step}, std::int64_t{from}}));
}

std::optional<Chunk> open_chunk(const Task& task, const Chunk& chunk) {
    const std::string sql =
        std::string{kChunk} + " AND NOT done AND chunk = $3 AND relfilenode = $4::oid";
    const auto found = at_door(sql.c_str(), {task.migration, std::int64_t{task.step},
                                             std::int64_t{chunk.number}, wide(chunk.filenode)});
    if (found.empty()) return std::nullopt;
    return chunk_of(found.front());
}

void make_chunks(const Task& task, std::uint32_t filenode, std::uint32_t blocks,
                 std::uint32_t pages) {
    const Totals before = chunk_totals(task);
    at_door("DELETE FROM zdm.chunk WHERE migration_id = $1 AND step = $2",
            {task.migration, std::int64_t{task.step}});
    at_door(
        "INSERT INTO zdm.chunk (migration_id, step, chunk, relation_oid, relfilenode, first_block,"
        "                       end_block, next_block, rows, wal_bytes, done)"
        " SELECT $1, $2, n, $3::oid, $4::oid, n * $6, least($5, (n + 1) * $6), n * $6,"
        "        CASE WHEN n = 0 THEN $7 ELSE 0 END, CASE WHEN n = 0 THEN $8 ELSE 0 END, $5 = 0"
        "   FROM generate_series(0, greatest(0, ($5 - 1) / $6)) n",
        {task.migration, std::int64_t{task.step}, wide(task.relation), wide(filenode), wide(blocks),
         wide(pages), before.rows, before.wal_bytes});
}

void advance_chunk(const Task& task, const Chunk& chunk, const Advance& advance) {
    static pg::Kept update{
        "UPDATE zdm.chunk SET next_block = $5, pages_done = greatest(pages_done, $6),"
        "    rows = rows + $7, wal_bytes = wal_bytes + $8"
        " WHERE migration_id = $1 AND step = $2 AND chunk = $3 AND relfilenode = $4::oid"};
    at_door(update, {task.migration, std::int64_t{task.step}, std::int64_t{chunk.number},
                     wide(chunk.filenode), wide(advance.next), advance.pages, advance.rows,
                     advance.wal_bytes});
}

void mark_left(const Task& task, const Chunk& chunk, std::int64_t left) {
    at_door(
        "UPDATE zdm.chunk SET left_rows = $5"
        " WHERE migration_id = $1 AND step = $2 AND chunk = $3 AND relfilenode = $4::oid",
        {task.migration, std::int64_t{task.step}, std::int64_t{chunk.number}, wide(chunk.filenode),
         left});
}

void finish_chunk(const Task& task, const Chunk& chunk, std::int64_t left) {
    at_door(
        "UPDATE zdm.chunk SET next_block = end_block, pages_done = end_block - first_block,"
        "    left_rows = $5, done = true"
        " WHERE migration_id = $1 AND step = $2 AND chunk = $3 AND relfilenode = $4::oid",
        {task.migration, std::int64_t{task.step}, std::int64_t{chunk.number}, wide(chunk.filenode),
         left});
}

std::optional<Chunk> fixed_range(const Task& task, int step) {
    const auto found = at_door(
        "SELECT 0, max(relfilenode::bigint), 0, max(end_block), 0, sum(rows), sum(left_rows), 0, "
        "true"
        "  FROM zdm.chunk WHERE migration_id = $1 AND step = $2 HAVING count(*) > 0",
        {task.migration, std::int64_t{step}});
    if (found.empty()) return std::nullopt;
    return chunk_of(found.front());
}

std::vector<std::string> open_writers(const Task& task) {
    const auto found = at_door(
        "SELECT DISTINCT virtualtransaction FROM pg_locks"
        " WHERE locktype = 'relation' AND relation = $1::oid AND granted"
        "   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "   AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"
        "                'AccessExclusiveLock')"
        "   AND pid IS DISTINCT FROM pg_backend_pid()",
        {wide(task.relation)});
    std::vector<std::string> writers;
    for (const auto& row : found.rows) writers.push_back(row.text(0));
    return writers;
}

std::string still_open(const Task& task, const std::vector<std::string>& writers) {
    const auto found = at_door(
        "SELECT l.pid, a.application_name FROM pg_locks l"
        "  LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'relation' AND l.relation = $1::oid"
        "   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "   AND l.virtualtransaction = ANY ($2) LIMIT 1",
        {wide(task.relation), writers});
    if (found.empty()) return "";
    if (found.front().is_null(0)) return "a prepared transaction";
    const std::string name = found.front().text(1);
    return "pid " + found.front().text(0) + (name.empty() ? "" : " (" + name + ")");
}

Totals chunk_totals(const Task& task) {
    const auto found = at_door(
        "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(left_rows), 0)::bigint,"
        "       coalesce(sum(pages_done), 0)::bigint, coalesce(sum(wal_bytes), 0)::bigint"
        "  FROM zdm.chunk WHERE migration_id = $1 AND step = $2",
        {task.migration, std::int64_t{task.step}});
    const auto& row = found.front();
    return {row.number(0), row.number(1), row.number(2), row.number(3)};
}

double throttled_seconds(const Task& task) {
    const auto found = at_door(
        "SELECT (result ->> 'throttled_seconds')::float8"
        "  FROM zdm.step WHERE migration_id = $1 AND step = $2",
        {task.migration, std::int64_t{task.step}});
    return found.empty() ? 0 : found.front().real(0);
}

void merge_result(const Task& task, const std::string& json) {
    at_door(
        "UPDATE zdm.step SET result = result || $3::jsonb WHERE migration_id = $1 AND step = $2",
        {task.migration, std::int64_t{task.step}, json});
}

double step_seconds(const Task& task) {
    const auto found = at_door(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - started_at), 0)::float8"
        "  FROM zdm.step WHERE migration_id = $1 AND step = $2",
        {task.migration, std::int64_t{task.step}});
    return found.empty() ? 0 : found.front().real(0);
}

void note_bad_row(const Task& task, const NotedRow& row) {
    at_door(
        "INSERT INTO zdm.bad_row (migration_id, step, place, key, sqlstate, message)"
        " VALUES ($1, $2, $3::tid, nullif($4, ''), $5, $6)"
        " ON CONFLICT (migration_id, step, place) DO UPDATE"
        "    SET key = excluded.key, sqlstate = excluded.sqlstate, message = excluded.message,"
        "        at = excluded.at",
        {task.migration, std::int64_t{task.step}, row.place, row.key, row.sqlstate, row.message});
}

std::int64_t count_bad_rows(const Task& task) {
    return at_door("SELECT count(*) FROM zdm.bad_row WHERE migration_id = $1 AND step = $2",
                   {task.migration, std::int64_t{task.step}})
        .front()
        .number(0);
}

std::vector<NotedRow> some_bad_rows(const Task& task, int most) {
    const auto found = at_door(
        "SELECT place::text, key, sqlstate, message FROM zdm.bad_row"
        " WHERE migration_id = $1 AND step = $2 ORDER BY place LIMIT $3",
        {task.migration, std::int64_t{task.step}, std::int64_t{most}});
    std::vector<NotedRow> rows;
    for (const auto& row : found.rows)
        rows.push_back({row.text(0), row.text(1), row.text(2), row.text(3)});
    return rows;
}

std::int64_t forget_bad_rows(const Task& task, int step) {
    return static_cast<std::int64_t>(
        at_door("DELETE FROM zdm.bad_row WHERE migration_id = $1 AND step = $2",
                {task.migration, std::int64_t{step}})
            .processed);
}

std::string migration_name(const Task& task) {
    const auto found = at_door("SELECT name FROM zdm.migration WHERE id = $1", {task.migration});
    return found.empty() ? "" : found.front().text(0);
}

namespace {
void add_event_of(const Task& task, const char* kind, const std::string& message) {
    at_door("INSERT INTO zdm.event (migration_id, kind, step, message) VALUES ($1, $2, $3, $4)",
            {task.migration, std::string{kind}, std::int64_t{task.step}, message});
}
}  // namespace

void add_event(const Task& task, const std::string& message) {
    add_event_of(task, "backfill", message);
}

void tell_throttled(const Task& task, const std::string& reason) {
    add_event_of(task, "throttled", reason);
}

void tell_released(const Task& task, std::int64_t after_ms) {
    add_event_of(task, "released",
                 "goes on after " + std::to_string((after_ms + 500) / 1000) + " s");
}

}  // namespace zdm::backfill
