# shellcheck shell=bash
# What every script under tests/ shares: where the sources are, who runs servers, how to complain.
# Sourced, never run. Sets strict mode for whoever sources it.
set -euo pipefail

ZDM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
export ZDM_ROOT
# Somebody's locale must not change what the tools print or how the tests sort.
# LANG too: PostgreSQL's test modules take LC_ALL away, and a server without a locale has no UTF-8.
export LC_ALL=C.UTF-8 LANG=C.UTF-8

# The server refuses to run as root, and the user `postgres` could reach a real cluster of the host
# through peer authentication, so tests have a user that owns nothing else.
ZDM_TEST_USER=${ZDM_TEST_USER:-zdmtest}

say() { printf '%s\n' "$@"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command as root: directly, or through sudo without asking for a password in CI.
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $* (and there is no sudo)"
    fi
}

ensure_test_user() {
    is_root || return 0
    id "$ZDM_TEST_USER" >/dev/null 2>&1 && return 0
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$ZDM_TEST_USER"
}

# Runs a command as the user who may run servers: the test user if we are root, else ourselves.
# Without the lock that tests/check holds as 9: a server that stays must not keep it.
as_tester() {
    if is_root; then
        setpriv --reuid="$ZDM_TEST_USER" --regid="$ZDM_TEST_USER" --clear-groups -- "$@" 9>&-
    else
        "$@" 9>&-
    fi
}

# Gives a path to the user who runs servers.
give_to_tester() {
    is_root || return 0
    chown -R "$ZDM_TEST_USER:$ZDM_TEST_USER" "$@"
}

# The pg_config to build and test with: PG_CONFIG, else that of the newest server with headers.
find_pg_config() {
    if [ -n "${PG_CONFIG:-}" ]; then
        command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG: no such program"
        return
    fi
    local newest
    newest=$(for one in /usr/lib/postgresql/*/bin/pg_config; do
        [ -x "$one" ] && [ -d "$("$one" --includedir-server)" ] && say "$one"
    done | sort -V | tail -n 1) || true
    if [ -n "$newest" ]; then say "$newest"; else command -v pg_config; fi
}

# Major version of the server of a pg_config: 15, 17, 18.
pg_major() { "$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }

# Runs a command so that being told to stop doesn't wait for its end: bash handles no signal while a
# command runs in the foreground. Whoever is told passes it on with stop_children.
patiently() {
    "$@" &
    wait "$!"
}
stop_children() {
    local children
    children=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$children" ] || { kill $children 2>/dev/null && wait $children 2>/dev/null; } || true
}
