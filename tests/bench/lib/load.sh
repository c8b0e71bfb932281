# shellcheck shell=bash
# The second table: what the application feels while the first table is filled. Sourced after runs.sh.
LOAD_COLUMNS='pair way rate capacity rows seconds alone_n alone_p50 alone_p99 alone_max alone_errors with_n with_p50 with_p99 with_max with_errors'
APPS=()
# What pgbench writes down for each transaction is in memory: on a disk it is written out half a minute later, in the
# middle of a window, and commits wait for that.
LOAD=$(mktemp -d -p "$([ -w /dev/shm ] && say /dev/shm || say "$ZDM_WORK")" zdm.XXXXXX)

pgbench_app() {
    PGAPPNAME=app exec "$ZDM_BIN/pgbench" -n -M prepared -U bench_app -D rows="$ROWS" \
        -f "$BENCH/app/read.sql@75" -f "$BENCH/app/write.sql@25" "$@" run
}

# pgbench gives up a connection whose statement fails; an application would connect again.
keep_connected() {
    local child='' stop=''
    trap 'stop=yes; [ -z "$child" ] || kill -ALRM "$child" 2>/dev/null' TERM
    while [ -z "$stop" ]; do
        pgbench_app -c 1 -j 1 -R "$2" -T 36000 --log --log-prefix="$LOAD/$1" >>"$LOAD/$1-out" 2>&1 &
        child=$!
        wait "$child" || true
        wait "$child" 2>/dev/null || true
        [ -n "$stop" ] || sleep 0.05
    done
}

start_apps() {
    local n
    rm -rf "$LOAD"/*
    for ((n = 1; n <= CLIENTS; n++)); do
        keep_connected "app-$n" "$(awk -v rate="$RATE" -v clients="$CLIENTS" 'BEGIN { printf "%.3f", rate / clients }')" &
        APPS+=("$!")
    done
}

stop_apps() {
    [ ${#APPS[@]} != 0 ] || return 0
    kill -TERM "${APPS[@]}" 2>/dev/null || true
    wait "${APPS[@]}" 2>/dev/null || true
    APPS=()
}

# What the machine can do when nothing holds the application back: transactions per second.
measure_capacity() {
    fresh_copy four
    local out
    out=$(pgbench_app -c "$CLIENTS" -j 2 -T "$CAPACITY" 2>&1) || { say "$out" >&2 && die "pgbench failed"; }
    sed -nE 's/^tps = ([0-9]+).*/\1/p' <<<"$out"
}

now() { printf '%s' "${EPOCHREALTIME/,/.}"; }
errors() { cat "$LOAD"/*-out 2>/dev/null | grep -c 'ERROR:' || true; }

# beside WAY: fills until it is done or $BESIDE seconds are over, and sets LAST, when it ended, and FILLED, rows and
# seconds of the filling itself; empty when it was stopped. One plain UPDATE can't be stopped half way.
beside() {
    local way=$1 filling timer began
    began=$(now)
    # Neither looks at memory nor asks every now and then whether it is over: each program that is started for
    # that takes a processor for a millisecond or two, which would be counted as the filling's doing.
    { WATCH='' && fill "$way" four && say "$STEP" >"$LOAD/step"; } 2>"$LOAD/filling" &
    filling=$!
    if [ "$way" = c ]; then
        wait -f "$filling" || true
    else
        sleep "$BESIDE" &
        timer=$!
        wait -n "$filling" "$timer" || true
        kill "$timer" 2>/dev/null || true
        wait "$timer" 2>/dev/null || true
    fi
    LAST=$(now)
    if kill -0 "$filling" 2>/dev/null; then
        FILLED=
        BEGAN=$began
        stop_filling "$way"
        wait "$filling" || true
    else
        [ -s "$LOAD/step" ] || { cat "$LOAD/filling" >&2 && die "$way beside the application failed"; }
        FILLED=$ROWS$'\t'$(<"$LOAD/step")
    fi
}

# What was filled until it was stopped. Reading the whole table takes all processors, so it is asked when no application
# is there whose transactions count.
ask_filled() {
    sql run -c "SELECT count(*), $LAST - coalesce((SELECT extract(epoch FROM min(started_at))
        FROM zdm.steps WHERE kind = 'backfill'), $BEGAN) FROM users WHERE NOT (${WHERE[four]})"
}

stop_filling() {
    case $1 in d*) sql_as_owner run -c "SELECT zdm_pause('bench')" >/dev/null ;; esac
    sql run -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bench_owner' AND backend_type = 'client backend'" >/dev/null
}

# One window alone, then one beside the filling; `none` is the noise: nothing happens in the second; in that of
# `x` a process without a database uses a fifth of a processor, at the lowest priority that there is.
one_pair() {
    local pair=$1 way=$2 first middle before_errors alone_errors
    FILLED=$'0\t0'
    fresh_copy four
    start_apps
    sleep 2
    before_errors=$(errors) first=$(now)
    sleep "$WINDOW"
    alone_errors=$(errors) middle=$(now)
    if [ "$way" = none ]; then
        sleep "$WINDOW"
        LAST=$(now)
    elif [ "$way" = x ]; then
        timeout "$WINDOW" chrt -i 0 "$BENCH/perl/burner.pl" 0.2 || [ $? = 124 ] || die "the process beside it failed"
        LAST=$(now)
    else
        beside "$way"
    fi
    # Who waited for the last row locks is only now counted.
    sleep 1
    stop_apps
    if [ -n "${ZDM_BENCH_LOGS:-}" ]; then
        cp -r "$LOAD" "$ZDM_BENCH_LOGS/$pair-$way"
        say "$first $middle $LAST" >"$ZDM_BENCH_LOGS/$pair-$way/times"
    fi
    [ -n "$FILLED" ] || FILLED=$(ask_filled)
    {
        printf '%s\t' "$pair" "$way" "$RATE" "$CAPABLE" "$FILLED"
        perl -I"$ZDM_ROOT/tests/demo/perl" "$BENCH/perl/window.pl" "$LOAD" "$first" "$middle" "$LAST" \
            "$((alone_errors - before_errors))" "$(($(errors) - alone_errors))"
    } >>"$TSV/load.tsv"
    tail -n 1 "$TSV/load.tsv" | awk -F '\t' '{
        printf "  load    pair %d   %-4s  p99 alone %.2f ms, beside it %.2f ms, longest %.0f ms, errors %d%s\n",
            $1, $2, $9, $14, $15, $16, ($6 > 0 ? sprintf(", %.0f rows/s", $5 / $6) : "") }'
}

# The ways that a target is about in all pairs, the others in some.
under_load() {
    local pair way ways
    head_of "$TSV/load.tsv" "$LOAD_COLUMNS"
    CAPABLE=$(measure_capacity)
    RATE=$((CAPABLE * SHARE / 100))
    say "  load    the application can do $CAPABLE transactions/s here and asks for $RATE"
    for ((pair = 1; pair <= PAIRS; pair++)); do
        if ((pair > 1 && MINUTES > 0 && EPOCHSECONDS - STARTED > 60 * MINUTES)); then return; fi
        ways=("${LOAD_WAYS[@]}")
        if ((pair <= SIDE_PAIRS)); then ways+=(a b "${ways_of_zdm[@]}"); fi
        for way in "${ways[@]}"; do one_pair "$pair" "$way"; done
    done
}
