# shellcheck shell=bash
# Keeps count of tests. Sourced; needs ZDM_RESULTS, the file that every test appends a line to:
# outcome, how many, suite, name, reason, tab-separated. `outcome` is passed, failed or skipped.

# record OUTCOME COUNT SUITE NAME [REASON]
record() {
    [ "$2" = 0 ] || printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5:-}" >>"$ZDM_RESULTS"
}

# count OUTCOME: of all tests in the given files
count() {
    local outcome=$1
    shift
    awk -F '\t' -v want="$outcome" '$1 == want { n += $2 } END { print n + 0 }' "$@"
}

# Prints what failed and what was skipped, then the one line that people and CI read.
# Fails if a test failed or none passed.
close_report() {
    local passed failed skipped
    passed=$(count passed "$@") failed=$(count failed "$@") skipped=$(count skipped "$@")
    awk -F '\t' '$1 == "skipped" { printf "skipped: %s %s: %s\n", $3, $4, $5 }
                 $1 == "failed" { printf "FAILED: %s %s %s\n", $3, $4, $5 }' "$@"
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

# line OUTCOME NAME [NOTE]: what a test says on the terminal
line() {
    case $1 in
    passed) printf '  ok       %s%s\n' "$2" "${3:+  ($3)}" ;;
    failed) printf '  FAILED   %s%s\n' "$2" "${3:+  ($3)}" ;;
    skipped) printf '  skipped  %s%s\n' "$2" "${3:+: $3}" ;;
    esac
}

# Marks what a test said as not ours; ends the last line if it did not.
quoted() { awk '{ print "    | " $0 }'; }

# Milliseconds since some moment; EPOCHREALTIME has six digits after its point.
now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s' "${t%???}"
}
since() { awk -v ms="$(($(now_ms) - $1))" 'BEGIN { printf "%.1f s", ms / 1000 }'; }
