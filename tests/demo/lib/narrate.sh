# shellcheck shell=bash
# How the demo speaks. Sourced.
BOLD='' DIM='' PLAIN=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'
fi
SECONDS=0

# Seconds since the epoch with six digits.
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }

chapter() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }
tell() { printf '%s%2d:%02d%s  %s\n' "$DIM" $((SECONDS / 60)) $((SECONDS % 60)) "$PLAIN" "$*"; }

# Shows a command as a user would type it, runs it, and passes its exit code on.
type_and_run() {
    printf '\n%s$ %s%s\n' "$BOLD" "$*" "$PLAIN"
    "$@"
}
