# shellcheck shell=bash
# What the report needs beside the logs of pgbench and server. Sourced after server.sh.
SEEN=$ZDM_WORK/seen
SAMPLER=''
mkdir -p "$SEEN"

# mark NAME: this is the moment.
mark() { say "$(now) $1" >>"$SEEN/marks"; }

# Every 200 ms: the WAL's position, and which processes are zdm's.
start_sampling() {
    while sleep 0.2; do
        say "SELECT extract(epoch FROM clock_timestamp()), pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
                    (SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE backend_type = 'zdm');"
    done | "$ZDM_BIN/psql" -X -q -A -t -F ' ' -f - >>"$SEEN/samples" 2>/dev/null &
    SAMPLER=$!
}
stop_sampling() {
    [ -n "$SAMPLER" ] || return 0
    # The writer of the pipe notices by itself that nobody reads any more.
    kill "$SAMPLER" 2>/dev/null || true
    wait "$SAMPLER" 2>/dev/null || true
    SAMPLER=''
}

# keep_sizes DATABASE NAME
keep_sizes() { sizes "$1" >"$SEEN/$2"; }

# keep_names DATABASE: what the numbers of relations in the server's log mean.
keep_names() { sql "$1" -F ' ' -c "SELECT oid, oid::regclass FROM pg_class WHERE oid >= 16384" >"$SEEN/relations.$1"; }

# keep_steps DATABASE MIGRATION FILE: plan and progress, as the server keeps them.
keep_steps() {
    sql "$1" -v name="$2" >"$SEEN/$3" <<'SQL'
SELECT coalesce(json_agg(row_to_json(s) ORDER BY s.step), '[]') FROM (
    SELECT s.step, s.phase, s.kind, s.relation, s.state, s.result,
           extract(epoch FROM s.started_at)::float8 AS "from", extract(epoch FROM s.finished_at)::float8 AS "to",
           p.rows_done, p.wal_bytes, p.throttled_seconds
      FROM zdm.steps s LEFT JOIN zdm.progress p ON p.migration = s.migration AND p.step = s.step
     WHERE s.migration = :'name') s;
SQL
}

# pulse FROM: how the applications fared since then, in one line.
pulse() { perl -I"$DEMO/perl" "$DEMO/perl/pulse.pl" "$ZDM_WORK" "$LOAD" "$1" "$(now)"; }
