#!/usr/bin/env bash
# Makes a private PostgreSQL installation in a folder and puts the built zdm into it:
#
#     tests/lib/prefix.sh DIR [PG_CONFIG]        prints the folder of the server's programs
#
# PostgreSQL before 18 loads extensions only from its own prefix, and tests must not install into the
# system. An installation is relocatable: the server finds its lib and share folders relative to the
# real path of its own program, so the programs are copies and all else may be links.
# Cheap when repeated: the server's files are only taken again when they changed, zdm's always.
# ZDM_BUILD names the folder with zdm.so and extension/ (default: this source tree).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 1 ] || die "usage: prefix.sh DIR [PG_CONFIG]"
mkdir -p "$1"
dir=$(cd "$1" && pwd -P)
pg_config=${2:-$(find_pg_config)}
build=${ZDM_BUILD:-$ZDM_ROOT}

bindir=$("$pg_config" --bindir)
libdir=$("$pg_config" --pkglibdir)
sharedir=$("$pg_config" --sharedir)

# Given the pg_config of such a prefix itself, there is nothing to copy.
case $bindir/ in "$dir"/*) own=yes ;; *) own=no ;; esac

mirror_server() {
    local want stamp=$dir/.server
    want="$("$pg_config" --version) $(stat -L -c '%Y %s' "$bindir/postgres") $bindir"
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return 0
    rm -rf "$stamp" "${dir:?}$bindir" "${dir:?}$libdir" "${dir:?}$sharedir"
    mkdir -p "$dir$bindir" "$dir$libdir" "$dir$sharedir"
    cp -aL "$bindir/." "$dir$bindir/"
    # Links, but in real folders: zdm's own files come beside them.
    cp -as "$libdir/." "$dir$libdir/"
    cp -as "$sharedir/." "$dir$sharedir/"
    # initdb and the server only read these; a stray zdm of the system must not be found here.
    rm -f "$dir$libdir"/zdm*.so "$dir$sharedir"/extension/zdm*
    say "$want" >"$stamp"
}

# install(1) makes new files, so a running server keeps the code that it has mapped.
install_zdm() {
    local lib share
    if [ "$own" = yes ]; then lib=$libdir share=$sharedir; else lib=$dir$libdir share=$dir$sharedir; fi
    [ -f "$build/zdm.so" ] || return 0
    install -m 755 "$build/zdm.so" "$lib/zdm.so"
    rm -f "$share"/extension/zdm--*.sql
    find "$build/extension" -maxdepth 1 \( -name zdm.control -o -name 'zdm--*.sql' \) \
        -exec install -m 644 -t "$share/extension" {} +
    if [ -d "$build/extension/upgrade" ]; then
        find "$build/extension/upgrade" -name '*.sql' -exec install -m 644 -t "$share/extension" {} +
    fi
}

[ "$own" = yes ] || mirror_server
install_zdm
if [ "$own" = yes ]; then say "$bindir"; else say "$dir$bindir"; fi
