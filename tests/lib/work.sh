# shellcheck shell=bash
# The folder where servers of a test run live. Sourced by tests/check.
#
# A server's socket path has at most 107 bytes and its data belongs to an unprivileged user, who may not
# reach the sources (a 0700 home). So the folder is a short one, gets copies of what the tests need, and the
# build folder keeps a link to it. It is in memory where there is plenty, else under /tmp: the tests make and
# drop hundreds of databases, and none of them is about a disk.

# Where the folder may be, the best place first.
work_places() {
    local memory=/dev/shm probe kb
    kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    if [ "$(stat -f -c %T "$memory" 2>/dev/null)" = tmpfs ] && [ "${kb:-0}" -gt 12000000 ] &&
        [ "$(df -k --output=avail "$memory" | tail -n 1)" -gt 8000000 ] &&
        probe=$(mktemp -d "$memory/zdm.XXXXXX" 2>/dev/null); then
        # Containers forbid to execute what is there.
        if cp /bin/true "$probe/" && "$probe/true" 2>/dev/null; then say "$memory"; fi
        rm -rf "$probe"
    fi
    say /tmp
}

# make_work_folder LINK: sets $work. What an earlier run left behind goes first.
make_work_folder() {
    local link=$1 old
    old=$(readlink "$link" 2>/dev/null) || true
    case $old in
    /tmp/zdm.* | /dev/shm/zdm.*) end_processes_in "$old" && rm -rf "$old" ;;
    esac
    ensure_test_user
    work=$(mktemp -d "$(work_places | head -n 1)/zdm.XXXXXX")
    ln -sfn "$work" "$link"
    trap leave_work_folder EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Copies sources, programs and prefix into the work folder: sets $bin, the prefix's programs.
fill_work_folder() {
    local program found
    mkdir -p "$work/bin" "$work/t" "$work/ports" "$work/out" "$work/src"
    (cd "$tree" && tar -cf - --exclude='*.o' --exclude=./build --exclude='*.so' .) | tar -C "$work/src" --no-same-owner -xpf -
    for program in zdm zdm_unit; do
        found=$(find "$tree/build/programs" -type f -name "$program" -perm -u+x 2>/dev/null | head -n 1) || true
        [ -z "$found" ] || install -m 755 "$found" "$work/bin/"
    done
    bin=$(ZDM_BUILD=$tree "$ZDM_ROOT/tests/lib/prefix.sh" "$work" "$PG_CONFIG")
    : >"$work/results"
    chmod 755 "$work"
    give_to_tester "$work"
}

# Ends what still has its working folder there: servers and their tests, nobody else's.
end_processes_in() {
    local folder=$1 signal pid pids
    for signal in QUIT KILL; do
        pids=$(processes_in "$folder")
        [ -n "$pids" ] || return 0
        for pid in $pids; do kill -s "$signal" "$pid" 2>/dev/null || true; done
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            [ -n "$(processes_in "$folder")" ] || return 0
            sleep 0.3
        done
    done
}

processes_in() {
    local entry
    for entry in /proc/[0-9]*; do
        case $(readlink "$entry/cwd" 2>/dev/null) in "$1" | "$1"/*) say "${entry#/proc/}" ;; esac
    done
}

# Whether the run failed, so that its folder is worth a look; told before the closing line.
is_kept() { [ -n "${ZDM_KEEP:-}" ] || [ "$(count failed "$ZDM_RESULTS")" != 0 ]; }
say_if_kept() {
    # In another Debian's folder the path has another beginning afterwards.
    if [ -n "${work:-}" ] && is_kept; then say "" "kept for a look: ${ZDM_OUTSIDE:-}$work"; fi
}

# Leaves no server running. The folder itself stays after a failure, until the next run.
leave_work_folder() {
    local code=$?
    trap - EXIT
    end_processes_in "$work" || true
    if [ "$code" = 0 ] && ! is_kept; then rm -rf "$work" "$place/work"; fi
    exit "$code"
}
