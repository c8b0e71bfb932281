# shellcheck shell=bash
# The private server: a unix socket in the work folder only. Sourced; needs ZDM_WORK and ZDM_BIN.
DATA=$ZDM_WORK/data
export PGHOST=$ZDM_WORK/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGOPTIONS=''
export PATH=$ZDM_BIN:$PATH
unset PGSERVICE PGPASSFILE PGSSLMODE PGCLIENTENCODING DATABASE_URL ZDM_DATABASE_URL

make_server() {
    mkdir -p "$PGHOST"
    chmod 700 "$PGHOST"
    "$ZDM_BIN/initdb" -D "$DATA" -U postgres -A trust --no-locale -E UTF8 >"$ZDM_WORK/initdb.log" 2>&1
    {
        cat "$BENCH/bench.conf"
        say "listen_addresses = ''" "unix_socket_directories = '$PGHOST'" "unix_socket_permissions = 0700"
    } >>"$DATA/postgresql.conf"
    "$ZDM_BIN/pg_ctl" -D "$DATA" -l "$ZDM_WORK/server.log" -w -s -t 120 start ||
        { tail -n 20 "$ZDM_WORK/server.log" >&2 && die "the server did not start"; }
    POSTMASTER=$(head -n 1 "$DATA/postmaster.pid")
    sql postgres <<SQL
CREATE ROLE bench_owner LOGIN;
CREATE ROLE bench_app LOGIN;
-- What an application commits must stay committed.
ALTER ROLE bench_app SET synchronous_commit = on;
ALTER ROLE bench_app SET statement_timeout = '$PATIENCE';
SQL
}

stop_server() {
    [ -f "$DATA/postmaster.pid" ] || return 0
    "$ZDM_BIN/pg_ctl" -D "$DATA" -w -s -m immediate -t 60 stop
}

# sql DATABASE [psql arguments…]: as superuser, values only.
sql() { "$ZDM_BIN/psql" -XqAt -F $'\t' -v ON_ERROR_STOP=1 -d "$1" "${@:2}"; }
# sql_as_owner DATABASE [psql arguments…]: as who owns the tables.
sql_as_owner() { "$ZDM_BIN/psql" -XqAt -F $'\t' -v ON_ERROR_STOP=1 -U bench_owner -d "$1" "${@:2}"; }

# A backend that has just ended counts as somebody for a moment.
drop_database() { sql postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)"; }

# fresh_copy TABLE: database run is a copy, file by file, of the table as it was made, its pages are in
# the server's memory, and nothing is left to be written for it.
fresh_copy() {
    drop_database run
    sql postgres -c "CREATE DATABASE run TEMPLATE made_$1 OWNER bench_owner STRATEGY file_copy"
    sql run >/dev/null <<'SQL'
WITH ours AS (SELECT oid, relkind, reltoastrelid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT sum(pg_prewarm(oid))
  FROM (SELECT oid FROM ours WHERE relkind IN ('r', 'i') UNION ALL SELECT reltoastrelid FROM ours WHERE reltoastrelid <> 0) all_of_it;
SQL
    [ -z "${EXPAND[$1]:-}" ] || expand_migration
    sql postgres -c CHECKPOINT
    sync -f "$DATA"
}
