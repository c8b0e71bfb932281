#!/usr/bin/env bash
# Runs one test as the unprivileged user: one.sh regress|isolation|tap|cli NAME
# prints its line and, when it fails, the end of its log; records the outcome. Called by suites.sh,
# several at a time, with its environment.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$ZDM_ROOT/tests/lib/report.sh"

suite=$1 name=$2
out=$ZDM_WORK/out/$suite/$name
rm -rf "$out"
mkdir -p "$out"
start=$(now_ms)

# A hanging test must not hang the run: TERM lets Perl's END blocks stop their servers.
limited() { timeout -k 20 "${ZDM_TEST_TIMEOUT:-900}" "$@"; }

# Several lines of several tests at a time: each is written at once, so that they do not mix.
finish() {
    local outcome=$1 note=$2 log=$3
    {
        line "$outcome" "$suite/$name" "$note"
        if [ "$outcome" = failed ]; then tail -n "${ZDM_TAIL:-80}" "$log" | quoted; fi
    } >"$out/.said"
    cat "$out/.said"
}

# pg_regress and its sibling: each test in a database of its own, so that none depends on another and
# each can run alone. zdm is installed there already.
run_regress() {
    local program=$1 input=$2 outcome=passed log=$out/log note
    limited "$program" --bindir="$ZDM_BIN" --inputdir="$input" --outputdir="$out" \
        --host="$ZDM_WORK/server" --port=5432 --user=postgres --dbname="${suite}_$name" \
        --load-extension=zdm "$name" >"$log" 2>&1 || outcome=failed
    [ -s "$out/regression.diffs" ] && log=$out/regression.diffs
    note=$(since "$start")
    if ! [ -f "$input/expected/$name.out" ]; then note="no expected/$name.out: tests/check --accept $suite $name"; fi
    record "$outcome" 1 "$suite" "$name"
    finish "$outcome" "$note" "$log"
}

# A Perl file that speaks TAP: its assertions count. One that dies in the middle failed once more.
run_tap() {
    local file=$1 code=0 total failed todo skipped outcome=passed log=$out/tap.log reason
    (
        cd "$out"
        export PATH=$ZDM_BIN:$PATH PERL5LIB=$ZDM_PGXS/src/test/perl:$ZDM_ROOT/tests/perl
        export PG_REGRESS=$ZDM_PGXS/src/test/regress/pg_regress
        # 15 reads TESTDIR, later ones the other two; all keep their port locks in one place.
        export TESTDIR=$out TESTDATADIR=$out/tmp_check TESTLOGDIR=$out/tmp_check/log
        export PG_TEST_PORT_DIR=$ZDM_WORK/ports
        limited perl "$file"
    ) >"$log" 2>&1 || code=$?
    reason=$(sed -nE 's/^1\.\.0 # SKIP ?(.*)/\1/ip' "$log" | head -n 1)
    total=$(grep -cE '^(not )?ok\b' "$log" || true)
    todo=$(grep -cE '^not ok\b.*# TODO' "$log" || true)
    failed=$(($(grep -cE '^not ok\b' "$log" || true) - todo))
    skipped=$(grep -ciE '^ok\b.*# skip' "$log" || true)
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then
        failed=1 total=$((total + 1))
        record failed 1 "$suite" "$name" "ended with code $code"
    else
        # The last lines of a run are what is read first: what failed stands in them by name.
        record failed "$failed" "$suite" "$name" \
            "$(sed -nE '/# TODO/d; s/^not ok [0-9]+ - //p' "$log" | cut -c 1-120 | head -n 3 | paste -sd ';')"
    fi
    record passed $((total - failed - todo - skipped)) "$suite" "$name"
    record skipped "$skipped" "$suite" "$name" "$(grep -im1 -oE '# skip.*' "$log" || true)"
    if [ -n "$reason" ]; then
        record skipped 1 "$suite" "$name" "$reason"
        line skipped "$suite/$name" "$reason"
        return
    fi
    if [ "$failed" != 0 ]; then
        outcome=failed
        # The report shows the end of the log.
        { say "---- what failed" && grep -E -A 12 '^not ok' "$log" | grep -v '^ok' | head -n 40; } >"$out/failed" || true
        { show_logs && cat "$out/failed"; } >>"$log"
    fi
    finish "$outcome" "$total checks, $(since "$start")" "$log"
    # Clusters of tests that passed would fill the disk.
    [ "$outcome" = failed ] || rm -rf "$out/tmp_check"
}

# What PostgreSQL's test modules keep to themselves: why a script died, and what its servers said.
show_logs() {
    local file
    for file in "$out"/tmp_check/log/*; do
        [ -f "$file" ] || continue
        say "---- ${file##*/}"
        case $file in
        *regress_log*) tail -n 25 "$file" ;;
        *) grep -E 'ERROR|FATAL|PANIC|terminated by signal|TRAP' "$file" | tail -n 8 || true ;;
        esac
    done
}

case $suite in
regress) run_regress "$ZDM_PGXS/src/test/regress/pg_regress" "$ZDM_ROOT" ;;
isolation) run_regress "$ZDM_PGXS/src/test/isolation/pg_isolation_regress" "$ZDM_ROOT/tests/isolation" ;;
tap | cli) run_tap "$ZDM_ROOT/tests/$suite/t/$name.pl" ;;
*) die "no kind of test is called $suite" ;;
esac
