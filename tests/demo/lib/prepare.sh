# shellcheck shell=bash
# From nothing to a folder in which the demo can run: packages, build, a private copy of the server.
# Sourced by the commands of this folder after tests/lib/common.sh; then
#
#     prepare_demo; perform SCRIPT
#
# The server's folder is under /tmp, where the unprivileged user can reach it and a socket's path stays
# short; build/demo/work is a link to it. Nothing of zdm is installed into the system.
. "$ZDM_ROOT/tests/lib/packages.sh"
. "$ZDM_ROOT/tests/lib/tree.sh"
. "$ZDM_ROOT/tests/lib/report.sh"
. "$ZDM_ROOT/tests/lib/work.sh"
. "$ZDM_ROOT/tests/demo/lib/narrate.sh"

# What a disk costs is a part of what is shown.
work_places() { say /tmp; }
place=$ZDM_ROOT/build/demo
tree=$place/src
ZDM_RESULTS=$place/results

prepare_demo() {
    mkdir -p "$place"
    exec 9>"$place/lock"
    flock -n 9 || die "the demo already runs from this folder"
    : >"$ZDM_RESULTS"
    chapter "Preparing"
    tell "installing what is missing (PostgreSQL, its server headers, libraries, compiler)"
    zdm_install_packages build server test 2>&1 | { grep -v '^$' || true; } >"$place/packages.log" ||
        { tail -n 20 "$place/packages.log" >&2 && die "packages could not be installed"; }
    PG_CONFIG=$(find_pg_config) || die "found no pg_config"
    tell "building extension and command line for $("$PG_CONFIG" --version)"
    zdm_copy_tree "$tree"
    zdm_use_ccache
    build_quietly extension build_extension
    build_quietly programs build_programs
    make_work_folder "$place/work"
    fill_work_folder
}

# As users build it: without the fault points of tests.
build_extension() { make -C "$tree" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" WERROR=1 all; }
build_programs() {
    cmake -S "$tree" -B "$tree/build/programs" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DCMAKE_BUILD_TYPE=Release -DZDM_TESTS=OFF &&
        cmake --build "$tree/build/programs" -j "$(nproc)" --target zdm
}

build_quietly() {
    local log=$place/$1.log
    "$2" >"$log" 2>&1 && return
    # What the compiler said, without the commands, which are long; else the end.
    { grep -E '(error|warning|undefined reference).*:|: \*\*\* ' "$log" | grep -v ' -Wall ' || tail -n 10 "$log"; } | head -n 30 >&2
    die "building the $1 failed: $log"
}

# Runs the part that needs the server, as the user who may run one, and keeps its report.
perform() {
    local code=0
    as_tester env HOME="$work" TMPDIR="$work/t" ZDM_WORK="$work" ZDM_BIN="$bin" PATH="$PATH" \
        ZDM_STARTED="$((EPOCHSECONDS - SECONDS))" "$work/src/tests/demo/$1" || code=$?
    if [ -f "$work/report.txt" ]; then
        install -m 644 "$work/report.txt" "$place/$2"
        say "" "The report is in ${place#"$PWD"/}/$2"
    fi
    return "$code"
}
