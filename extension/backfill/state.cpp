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
    "SELECT k.chunk, k.relfilenode, k.first_block, k.end_block, k.next_block, k.rows, k.left_rows,"
    "       k.pages_done, k.done, k.relation_oid,"
    "       quote_ident(n.nspname) || '.' || quote_ident(c.relname),"
    "       c.oid IS NULL"
    "  FROM zdm.chunk k LEFT JOIN pg_class c ON c.oid = k.relation_oid"
    "  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.migration_id = $1 AND k.step = $2";

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
    chunk.leaf.relation = static_cast<std::uint32_t>(row.number(9));
    if (!row.flag(11)) chunk.leaf.name = row.text(10);
    return chunk;
}

std::vector<Chunk> chunks_of(const pg::Result& found) {
    std::vector<Chunk> chunks;
    for (const auto& row : found.rows) chunks.push_back(chunk_of(row));
    return chunks;
}

}  // namespace

std::vector<Chunk> load_chunks(const Task& task) {
    return chunks_of(at_door((std::string{kChunk} + " ORDER BY k.chunk").c_str(),
                             {task.migration, std::int64_t{task.step}}));
}

std::vector<Chunk> open_chunks(const Task& task, int from) {
    const std::string sql =
        std::string{kChunk} + " AND NOT k.done AND k.chunk >= $3 ORDER BY k.chunk LIMIT 100";
    return chunks_of(
        at_door(sql.c_str(), {task.migration, std::int64_t{task.step}, std::int64_t{from}}));
}

std::optional<Chunk> open_chunk(const Task& task, const Chunk& chunk) {
    const std::string sql =
        std::string{kChunk} + " AND NOT k.done AND k.chunk = $3 AND k.relfilenode = $4::oid";
    const auto found = at_door(sql.c_str(), {task.migration, std::int64_t{task.step},
                                             std::int64_t{chunk.number}, wide(chunk.filenode)});
    if (found.empty()) return std::nullopt;
    return chunk_of(found.front());
}

namespace {

struct Spent {
    std::int64_t rows = 0;
    std::int64_t wal_bytes = 0;
};

// Chunks of one leaf with numbers from `number` on; the first one begins with what was spent
// before. Gives how many they are.
std::int64_t insert_chunks(const Task& task, const Extent& extent, std::uint32_t pages,
                           std::int64_t number, const Spent& before) {
    const auto made = at_door(
        "INSERT INTO zdm.chunk (migration_id, step, chunk, relation_oid, relfilenode, first_block,"
        "                       end_block, next_block, rows, wal_bytes, done)"
        " SELECT $1, $2, $9 + n, $3::oid, $4::oid, n * $6, least($5, (n + 1) * $6), n * $6,"
        "        CASE WHEN n = 0 THEN $7 ELSE 0 END, CASE WHEN n = 0 THEN $8 ELSE 0 END, $5 = 0"
        "   FROM generate_series(0, greatest(0, ($5 - 1) / $6)) n",
        {task.migration, std::int64_t{task.step}, wide(extent.leaf.relation), wide(extent.filenode),
         wide(extent.blocks), wide(pages), before.rows, before.wal_bytes, number});
    return static_cast<std::int64_t>(made.processed);
}

}  // namespace

void make_chunks(const Task& task, const std::vector<Extent>& extents, std::uint32_t pages) {
    const Totals totals = chunk_totals(task);
    Spent before{totals.rows, totals.wal_bytes};
    at_door("DELETE FROM zdm.chunk WHERE migration_id = $1 AND step = $2",
            {task.migration, std::int64_t{task.step}});
    std::int64_t number = 0;
    for (const auto& extent : extents) {
        number += insert_chunks(task, extent, pages, number, before);
        before = {};
    }
}

void make_chunks_anew(const Task& task, const Extent& extent, std::uint32_t pages) {
    const auto before = at_door(
        "WITH gone AS (DELETE FROM zdm.chunk WHERE migration_id = $1 AND step = $2"
        "                 AND relation_oid = $3::oid RETURNING rows, wal_bytes)"
        " SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(wal_bytes), 0)::bigint FROM gone",
        {task.migration, std::int64_t{task.step}, wide(extent.leaf.relation)});
    // Behind those of other leaves, of which workers may have some.
    const auto next = at_door(
        "SELECT coalesce(max(chunk) + 1, 0) FROM zdm.chunk WHERE migration_id = $1 AND step = $2",
        {task.migration, std::int64_t{task.step}});
    insert_chunks(task, extent, pages, next.front().number(0),
                  {before.front().number(0), before.front().number(1)});
}

std::int64_t let_go_chunks(const Task& task, std::uint32_t relation) {
    return static_cast<std::int64_t>(
        at_door("UPDATE zdm.chunk SET next_block = end_block, pages_done = end_block - first_block,"
                "    left_rows = 0, done = true"
                " WHERE migration_id = $1 AND step = $2 AND relation_oid = $3::oid AND NOT done",
                {task.migration, std::int64_t{task.step}, wide(relation)})
            .processed);
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

std::map<std::uint32_t, Extent> fixed_ranges(const Task& task, int step) {
    const auto found = at_door(
        "SELECT relation_oid, max(relfilenode::bigint), max(end_block) FROM zdm.chunk"
        " WHERE migration_id = $1 AND step = $2 GROUP BY relation_oid",
        {task.migration, std::int64_t{step}});
    std::map<std::uint32_t, Extent> ranges;
    for (const auto& row : found.rows) {
        Extent extent;
        extent.leaf.relation = static_cast<std::uint32_t>(row.number(0));
        extent.filenode = static_cast<std::uint32_t>(row.number(1));
        extent.blocks = static_cast<std::uint32_t>(row.number(2));
        // So a copy marks them (adopt_database): relations may have other numbers there.
        if (extent.filenode == 0) return {};
        ranges[extent.leaf.relation] = extent;
    }
    return ranges;
}

namespace {
std::vector<std::string> oids_of(const std::vector<Leaf>& leaves) {
    std::vector<std::string> oids;
    for (const auto& leaf : leaves) oids.push_back(std::to_string(leaf.relation));
    return oids;
}
}  // namespace

std::vector<std::string> open_writers(const std::vector<Leaf>& leaves) {
    const auto found = at_door(
        "SELECT DISTINCT virtualtransaction FROM pg_locks"
        " WHERE locktype = 'relation' AND relation = ANY ($1::text[]::oid[]) AND granted"
        "   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "   AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"
        "                'AccessExclusiveLock')"
        "   AND pid IS DISTINCT FROM pg_backend_pid()",
        {oids_of(leaves)});
    std::vector<std::string> writers;
    for (const auto& row : found.rows) writers.push_back(row.text(0));
    return writers;
}

std::string still_open(const std::vector<Leaf>& leaves, const std::vector<std::string>& writers) {
    const auto found = at_door(
        "SELECT l.pid, a.application_name FROM pg_locks l"
        "  LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'relation' AND l.relation = ANY ($1::text[]::oid[])"
        "   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "   AND l.virtualtransaction = ANY ($2) LIMIT 1",
        {oids_of(leaves), writers});
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
        "INSERT INTO zdm.bad_row (migration_id, step, relation, place, key, sqlstate, message)"
        " VALUES ($1, $2, $3, $4::tid, nullif($5, ''), $6, $7)"
        " ON CONFLICT (migration_id, step, relation, place) DO UPDATE"
        "    SET key = excluded.key, sqlstate = excluded.sqlstate, message = excluded.message,"
        "        at = excluded.at",
        {task.migration, std::int64_t{task.step}, row.relation, row.place, row.key, row.sqlstate,
         row.message});
}

std::int64_t count_bad_rows(const Task& task) {
    return at_door("SELECT count(*) FROM zdm.bad_row WHERE migration_id = $1 AND step = $2",
                   {task.migration, std::int64_t{task.step}})
        .front()
        .number(0);
}

std::vector<NotedRow> some_bad_rows(const Task& task, int most) {
    const auto found = at_door(
        "SELECT b.relation, b.place::text, b.key, b.sqlstate, b.message FROM zdm.bad_row b"
        " WHERE b.migration_id = $1 AND b.step = $2 ORDER BY b.relation, b.place LIMIT $3",
        {task.migration, std::int64_t{task.step}, std::int64_t{most}});
    std::vector<NotedRow> rows;
    for (const auto& row : found.rows)
        rows.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4)});
    return rows;
}

std::int64_t forget_bad_rows(const Task& task, int step) {
    return static_cast<std::int64_t>(
        at_door("DELETE FROM zdm.bad_row WHERE migration_id = $1 AND step = $2",
                {task.migration, std::int64_t{step}})
            .processed);
}

void forget_bad_rows(const Task& task, int step, const Leaf& leaf) {
    at_door("DELETE FROM zdm.bad_row WHERE migration_id = $1 AND step = $2 AND relation = $3",
            {task.migration, std::int64_t{step}, leaf.name});
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
