# shellcheck shell=bash
# The live applications: pgbench with prepared statements, at a fixed rate. Sourced after settings.sh.
#
# pgbench ends a client whose statement fails, so each instance is kept running: a new one starts at
# once, as an application's connection pool would connect again. What failed is counted from the
# server's log; a plain error is an error, also when the next try works.
APPS=()          # names of those that run
declare -A APP_PID=()

OLD=(-f old_read.sql@60 -f old_profile.sql@15 -f old_order.sql@12 -f old_ship.sql@8 -f old_sign_up.sql@5)
NEW=(-f new_read.sql@60 -f new_profile.sql@15 -f new_order.sql@12 -f new_ship.sql@8 -f new_sign_up.sql@5)
# Whoever reads all columns through a prepared statement: fails once when the columns change.
REPORT=(-f report.sql)

# The pgbench of an instance, for as long as nobody stops it: bench NAME DATABASE RATE CLIENTS SCRIPTS…
bench() {
    local name=$1 database=$2 rate=$3 clients=$4
    shift 4
    cd "$DEMO/apps" || exit
    PGAPPNAME=$name exec "$ZDM_BIN/pgbench" -n -M prepared -U shop_app -R "$rate" -c "$clients" -j 1 \
        -T 36000 -D users="$USERS" -D orders="$ORDERS" --log --log-prefix="$LOAD/$name" "$@" "$database"
}

keep_running() {
    local name=$1 child stop=
    # SIGALRM is what ends pgbench at the end of its time: transactions under way are finished, and
    # its log is complete.
    trap 'stop=yes; kill -ALRM "$child" 2>/dev/null' TERM
    while [ -z "$stop" ]; do
        bench "$@" >>"$LOAD/$name.out" 2>&1 &
        child=$!
        wait "$child" || true
        # A signal ends the wait before the child.
        wait "$child" 2>/dev/null || true
        [ -n "$stop" ] || sleep 0.05
    done
}

# start_app NAME DATABASE RATE CLIENTS SCRIPTS…
start_app() {
    keep_running "$@" &
    APP_PID[$1]=$!
    APPS+=("$1")
}

# stop_app NAME…: each finishes the transactions that it is in.
stop_app() {
    local name left=() app
    for name in "$@"; do kill -TERM "${APP_PID[$name]}" 2>/dev/null || true; done
    for name in "$@"; do
        wait "${APP_PID[$name]}" 2>/dev/null || true
        unset "APP_PID[$name]"
    done
    for app in "${APPS[@]}"; do [ -z "${APP_PID[$app]:-}" ] || left+=("$app"); done
    APPS=("${left[@]}")
}

# capacity DATABASE: transactions per second of the old application with nothing to hold it back.
capacity() {
    local out
    out=$(cd "$DEMO/apps" && PGAPPNAME=capacity "$ZDM_BIN/pgbench" -n -M prepared -U shop_app -c 8 -j 2 -T "$CAPACITY" \
        -D users="$USERS" -D orders="$ORDERS" "${OLD[@]}" "$1" 2>&1) || { say "$out" >&2 && return 1; }
    sed -nE 's/^tps = ([0-9]+).*/\1/p' <<<"$out"
}
