# shellcheck shell=bash
# The private server of the demo: reached by a unix socket in its own folder only, by nobody but the
# user who runs it. Sourced; needs ZDM_WORK (the folder) and ZDM_BIN (the programs of its prefix).
DATA=$ZDM_WORK/data
export PGHOST=$ZDM_WORK/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGOPTIONS='' PATH=$ZDM_BIN:$PATH
unset PGSERVICE PGPASSFILE PGSSLMODE PGCLIENTENCODING DATABASE_URL ZDM_DATABASE_URL

make_server() {
    mkdir -p "$PGHOST" "$ZDM_WORK/log"
    chmod 700 "$PGHOST"
    "$ZDM_BIN/initdb" -D "$DATA" -U postgres -A trust -N --no-locale -E UTF8 >"$ZDM_WORK/log/initdb" 2>&1
    cat >>"$DATA/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$PGHOST'
unix_socket_permissions = 0700
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 15min
max_worker_processes = 16
timezone = 'UTC'
# The report reads from this log who waited for whom, and what went wrong for whom.
logging_collector = on
log_directory = '$ZDM_WORK/log'
log_filename = 'server'
log_rotation_age = 0
log_rotation_size = 0
log_destination = 'jsonlog'
log_connections = on
log_checkpoints = on
log_autovacuum_min_duration = 0
zdm.quiet_period = '$QUIET'
CONF
}

# start_server [OPTIONS]
start_server() {
    "$ZDM_BIN/pg_ctl" -D "$DATA" -l "$ZDM_WORK/log/start" -w -s -t 120 ${1:+-o "$1"} start && return
    tail -n 20 "$ZDM_WORK/log/start" >&2
    return 1
}

stop_server() {
    [ -f "$DATA/postmaster.pid" ] || return 0
    "$ZDM_BIN/pg_ctl" -D "$DATA" -w -s -m fast -t 60 stop || "$ZDM_BIN/pg_ctl" -D "$DATA" -w -s -m immediate stop
}

# sql [DATABASE [psql arguments…]]: as superuser, values only.
sql() { "$ZDM_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "${1:-postgres}" "${@:2}"; }
# sql_as ROLE DATABASE [psql arguments…]
sql_as() { "$ZDM_BIN/psql" -X -q -v ON_ERROR_STOP=1 -U "$1" -d "$2" "${@:3}"; }
