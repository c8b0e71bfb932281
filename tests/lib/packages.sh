# shellcheck shell=bash
# The one list of Debian packages that zdm is built, tested and shown with. Sourced after common.sh:
#
#     zdm_install_packages build server test     installs what is missing of these groups
#
# PG_CONFIG names a server of your own: then no Debian server is installed. ZDM_PG_MAJOR asks for one
# version, else it is the newest that is installed with headers, else the distribution's own.

zdm_packages() {
    local group major
    for group in "$@"; do
        case $group in
        build)
            # libkrb5-dev: the server's own headers include gssapi.h and the package forgets it.
            say make cmake g++ pkg-config ccache libpqxx-dev libcli11-dev libfmt-dev \
                nlohmann-json3-dev libkrb5-dev
            ;;
        server)
            [ -z "${PG_CONFIG:-}" ] || continue
            major=$(zdm_server_major)
            say "postgresql-$major" "postgresql-server-dev-$major"
            ;;
        test) say libgtest-dev libipc-run-perl perl git procps ;;
        house) say clang-format ;;
        matrix) say debootstrap debian-archive-keyring ;;
        *) die "no group of packages is called $group" ;;
        esac
    done | tr ' ' '\n'
}

zdm_server_major() {
    local bin
    if [ -n "${ZDM_PG_MAJOR:-}" ]; then
        say "$ZDM_PG_MAJOR"
    elif bin=$(find_pg_config 2>/dev/null) && [ -n "$bin" ] && [ -x "${bin%/*}/postgres" ]; then
        pg_major "$bin"
    else
        # The metapackage depends on the distribution's version; before the first `apt-get update`
        # apt knows nothing.
        { apt-cache depends postgresql 2>/dev/null || true; } |
            sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | sort -n | tail -n 1 | grep . ||
            say 15
    fi
}

zdm_missing_packages() {
    local package
    for package in $(zdm_packages "$@"); do
        # shellcheck disable=SC2016
        case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *" ok installed") ;;
        *) say "$package" ;;
        esac
    done
}

zdm_install_packages() {
    local missing log=${TMPDIR:-/tmp}/zdm-packages.$$.log
    command -v dpkg-query >/dev/null ||
        die "knows only Debian's packages; install yourself what tests/lib/packages.sh lists"
    [ -n "$(zdm_missing_packages "$@")" ] || return 0
    say "Looking for packages that are missing"
    zdm_apt_get update -qq >"$log" 2>&1 || say "apt-get update failed: trying with the lists that are here"
    # Asked again: the distribution's server version may only be known now.
    missing=$(zdm_missing_packages "$@" | tr '\n' ' ')
    say "Installing $missing"
    case $missing in *postgresql-*) zdm_forbid_main_cluster ;; esac
    # shellcheck disable=SC2086
    if ! zdm_apt_get install -y -qq --no-install-recommends $missing >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "installing packages failed, all that apt said: $log"
    fi
    rm -f "$log"
}

# Debian's server package makes and starts a cluster when it is configured. Nobody asked for one.
zdm_forbid_main_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    grep -qs '^create_main_cluster *= *false' "$conf" && return 0
    # Says why, since this file stays.
    as_root mkdir -p "${conf%/*}"
    printf '%s\n' '# zdm needs only the programs of the server:' 'create_main_cluster = false' |
        as_root tee -a "$conf" >/dev/null
}

# Never asks; keeps the files under /etc as they are; waits for another apt instead of failing.
zdm_apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null
}
