#!/usr/bin/env bash
# A private server with the built zdm, for developers' experiments:
#
#     tests/lib/devserver.sh start DIR     makes prefix and cluster if need be, installs zdm, starts
#     tests/lib/devserver.sh stop DIR
#     tests/lib/devserver.sh psql DIR …    psql with the arguments that follow
#     tests/lib/devserver.sh env DIR       prints PATH, PGHOST, … to `eval`
#
# Superuser `postgres`, database `postgres`, unix socket in DIR only, log in DIR/log. Started as root,
# it runs as the test user. Before a start: PG_CONFIG chooses the server, ZDM_PRELOAD=1 preloads zdm,
# ZDM_FSYNC=off makes a cluster that a crash may destroy, ZDM_OPTIONS adds server options ("-c a=b").
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 2 ] || die "usage: devserver.sh start|stop|psql|env DIR [psql arguments]"
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
shift 2

socket=$dir/.s.PGSQL.5432
[ ${#socket} -le 107 ] || die "$dir: too long, a socket's path has at most 107 bytes"

# The folder of the programs of a prefix that was made before.
known_bin() { cat "$dir/.bin" 2>/dev/null || die "$dir: no server here, start one first"; }

start() {
    local bin options
    ensure_test_user
    bin=$("$ZDM_ROOT/tests/lib/prefix.sh" "$dir")
    say "$bin" >"$dir/.bin"
    is_root && chown "$ZDM_TEST_USER" "$dir"
    as_tester test -x "$bin/postgres" ||
        die "$ZDM_TEST_USER can't reach $dir (a parent folder is closed to others): use one under /tmp"
    cd "$dir" || exit
    if ! [ -f data/PG_VERSION ]; then
        as_tester "$bin/initdb" -D data -U postgres -A trust -N --no-locale -E UTF8 >initdb.log 2>&1 ||
            { cat initdb.log >&2 && die "initdb failed"; }
    fi
    if as_tester "$bin/pg_ctl" -D data status >/dev/null; then
        say "already running: devserver.sh stop $dir, then start, to load a new zdm.so everywhere"
        return
    fi
    options="-c listen_addresses='' -c unix_socket_directories='$dir' -p 5432"
    options+=" -c max_worker_processes=16 -c fsync=${ZDM_FSYNC:-on} -c log_line_prefix='%m [%p] %a '"
    [ -z "${ZDM_PRELOAD:-}" ] || options+=" -c shared_preload_libraries=zdm"
    as_tester "$bin/pg_ctl" -D data -l "$dir/log" -w -s -o "$options ${ZDM_OPTIONS:-}" start ||
        { tail -n 20 log >&2 && die "the server did not start"; }
}

case $action in
start) start ;;
stop) as_tester "$(known_bin)/pg_ctl" -D "$dir/data" -w -s -m "${1:-fast}" stop ;;
psql) exec "$(known_bin)/psql" -X -h "$dir" -p 5432 -U postgres -d "${PGDATABASE:-postgres}" "$@" ;;
env)
    say "export PATH='$(known_bin)':\$PATH PGHOST='$dir' PGPORT=5432 PGUSER=postgres" \
        "export PGDATABASE=\${PGDATABASE:-postgres}"
    ;;
*) die "unknown action $action: start, stop, psql or env" ;;
esac
