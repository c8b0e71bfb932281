#!/usr/bin/env bash
# Runs suites against a private server, as the unprivileged user: suites.sh SUITE [TEST…]
# Called by tests/check from the work folder's copy of the sources, with
#   ZDM_WORK     the work folder        ZDM_BIN   the prefix's programs
#   ZDM_PGXS     the server's pgxs      ZDM       the command line
#   ZDM_RESULTS  where outcomes go      ZDM_JOBS  how many tests at a time
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$ZDM_ROOT/tests/lib/report.sh"

suite=$1
shift
data=$ZDM_WORK/server/data

# The tests of a suite, "SUITE NAME" each: those asked for, else all that its folder holds.
names() {
    local kind=$1 pattern=$2 file
    shift 2
    if [ $# -gt 0 ]; then
        for file in "$@"; do
            file=${file##*/}
            say "$kind ${file%.*}"
        done
        return
    fi
    for file in $pattern; do
        [ -e "$file" ] || continue
        file=${file##*/}
        say "$kind ${file%.*}"
    done
}

# Those that take longest begin first, so that none of them is what all wait for at the end.
longest_first() {
    awk -v long='crash crash_back standby_lag split_merge fire published workers two_apps_retype two_apps_retype_key two_apps_parts two_apps_children two_apps_rename_parts two_apps_retype_parts pressure retype
            005_folder 007_control 009_terminal 004_up 008_lost
            partition_ddl rename_partitioned retype_partitioned backfill_like_update backfill_change' '
        BEGIN { n = split(long, names) }
        { there[$2] = $0; all[NR] = $2 }
        END {
            for (i = 1; i <= n; i++) if (names[i] in there) { print there[names[i]]; delete there[names[i]] }
            for (i = 1; i <= NR; i++) if (all[i] in there) print there[all[i]]
        }'
}

# run_all JOBS LIST: a failed test has recorded itself.
run_all() {
    local jobs=$1 list=$2
    if [ -z "$list" ]; then
        record skipped 1 "$suite" all "no tests"
        line skipped "$suite" "no tests"
        return
    fi
    longest_first <<<"$list" | xargs -P "$jobs" -n 2 "$ZDM_ROOT/tests/lib/one.sh" || true
}

start_server() {
    mkdir -p "$ZDM_WORK/server"
    if ! [ -f "$data/PG_VERSION" ]; then
        "$ZDM_BIN/initdb" -D "$data" -U postgres -A trust -N --no-locale -E UTF8 \
            >"$ZDM_WORK/server/initdb.log" 2>&1
        cat "$ZDM_ROOT/tests/postgresql.conf" >>"$data/postgresql.conf"
    fi
    "$ZDM_BIN/pg_ctl" -D "$data" -l "$ZDM_WORK/server/log" -w -s start \
        -o "-c listen_addresses='' -c unix_socket_directories='$ZDM_WORK/server' -p 5432" ||
        { tail -n 20 "$ZDM_WORK/server/log" | quoted && return 1; }
}

with_server() {
    if ! start_server; then
        record failed 1 "$suite" "start of the server"
        line failed "$suite" "the server did not start"
        return
    fi
    "$@"
    "$ZDM_BIN/pg_ctl" -D "$data" -w -s -m fast -t 60 stop || "$ZDM_BIN/pg_ctl" -D "$data" -s -m immediate stop
    if grep -nE 'PANIC:|was terminated by signal|TRAP:' "$ZDM_WORK/server/log" >"$ZDM_WORK/server/crashes"; then
        record failed 1 "$suite" "server crashed"
        line failed "$suite: the server crashed"
        tail -n 20 "$ZDM_WORK/server/crashes" | quoted
    fi
}

# GoogleTest counts for itself; a line for each of its suites, and one for each test that failed.
run_unit() {
    local filter='*' code=0 log=$ZDM_WORK/out/unit.log json=$ZDM_WORK/out/unit.json
    if ! [ -x "$ZDM_WORK/bin/zdm_unit" ]; then
        record skipped 1 unit all "no tests"
        line skipped unit "no tests"
        return
    fi
    [ $# = 0 ] || filter=$(IFS=: && say "$*")
    mkdir -p "${json%/*}"
    rm -f "$json"
    (cd "$ZDM_ROOT" && timeout 300 "$ZDM_WORK/bin/zdm_unit" --gtest_filter="$filter" \
        --gtest_output="json:$json") >"$log" 2>&1 || code=$?
    perl "$ZDM_ROOT/tests/lib/unit-results.pl" "$json" "$code" >"$ZDM_WORK/out/unit.said" || true
    grep -v $'\t' "$ZDM_WORK/out/unit.said" || true
    grep $'\t' "$ZDM_WORK/out/unit.said" >>"$ZDM_RESULTS" || true
    if grep -q '^failed' "$ZDM_WORK/out/unit.said"; then
        grep -vE '^\[ +(OK|RUN) +\]' "$log" | tail -n 60 | quoted
    fi
}

case $suite in
unit) run_unit "$@" ;;
regress) with_server run_all "$ZDM_JOBS" "$(names regress "$ZDM_ROOT/sql/*.sql" "$@")" ;;
# Its permutations wait for locks with a clock: one at a time.
isolation) with_server run_all 1 "$(names isolation "$ZDM_ROOT/tests/isolation/specs/*.spec" "$@")" ;;
tap | cli) run_all "$ZDM_JOBS" "$(names "$suite" "$ZDM_ROOT/tests/$suite/t/*.pl" "$@")" ;;
# Both at once: the waits of the one are the work of the other.
tap+cli)
    run_all "$ZDM_JOBS" "$(names tap "$ZDM_ROOT/tests/tap/t/*.pl")
$(names cli "$ZDM_ROOT/tests/cli/t/*.pl")"
    ;;
*) die "no suite is called $suite" ;;
esac
