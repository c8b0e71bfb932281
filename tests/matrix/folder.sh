# shellcheck shell=bash
# Folders with another Debian inside. Sourced by tests/matrix/run.
#
# $ZDM_MATRIX_CACHE/RELEASE is a folder, RELEASE.complete beside it says that it is whole and with which
# packages: without that file it is half-made, with another list it gets the packages that are missing.

# Prints why this machine can't have such folders, or nothing.
cannot_make_folders() {
    local said
    said=$(unshare --mount --pid --ipc --fork --kill-child -- mount -t tmpfs none /mnt 2>&1) ||
        say "no mounts in namespaces here: $said"
}

# ready_folder RELEASE MAJOR REASON_FILE: makes the folder if it is not there. Fails with a reason in the
# file, `unreachable: …` if only the mirror is to blame.
ready_folder() {
    local release=$1 major=$2 reason=$3 folder=$ZDM_MATRIX_CACHE/$1 complete=$ZDM_MATRIX_CACHE/$1.complete
    local key log=$ZDM_MATRIX_CACHE/$1.log
    mkdir -p "$ZDM_MATRIX_CACHE"
    # Two runs must not make the same folder; using it together does no harm.
    exec 8>"$ZDM_MATRIX_CACHE/$release.lock"
    flock 8
    key=$(folder_key "$release" "$major")
    if [ "$(cat "$complete" 2>/dev/null)" = "$key" ]; then
        exec 8>&-
        return 0
    fi
    : >"$reason"
    if [ -f "$complete" ] && rm "$complete" && add_packages "$folder" "$major" >"$log" 2>&1; then
        say "$key" >"$complete"
        exec 8>&-
        return 0
    fi
    say "making $folder (a minute or two)"
    make_folder "$release" "$major" "$reason" || { exec 8>&- && return 1; }
    say "$key" >"$complete"
    exec 8>&-
}

# What a folder was made from. Its own server version is asked for by name.
folder_key() {
    (
        unset PG_CONFIG
        ZDM_PG_MAJOR=$2 zdm_packages build server test | sort | tr '\n' ' '
        say "recipe 1"
    )
}

make_folder() {
    local release=$1 major=$2 reason=$3 folder=$ZDM_MATRIX_CACHE/$1 log=$ZDM_MATRIX_CACHE/$1.log
    local mirror=${ZDM_MIRROR:-http://deb.debian.org/debian} script=/usr/share/debootstrap/scripts/$1
    (zdm_install_packages matrix) >"$log" 2>&1 || true
    command -v debootstrap >/dev/null || { say "unreachable: debootstrap can't be installed" >"$reason" && return 1; }
    # A debootstrap older than the release doesn't know its name; sid's script fits all new ones.
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    rm -rf --one-file-system "$folder"
    if ! debootstrap --variant=minbase "$release" "$folder" "$mirror" "$script" >>"$log" 2>&1; then
        if grep -qE 'Failed getting release file|Couldn.t download' "$log"; then
            say "unreachable: debootstrap can't load $release from the mirror (log: $log)" >"$reason"
        else
            say "debootstrap of $release failed (log: $log): $(grep '^[EW]:' "$log" | tail -n 1)" >"$reason"
        fi
        return 1
    fi
    prepare_apt "$folder"
    if ! in_folder "$folder" apt-get update -qq >>"$log" 2>&1; then
        say "unreachable: apt-get update fails in $folder (log: $log)" >"$reason"
        return 1
    fi
    if ! in_folder "$folder" apt-cache show "postgresql-$major" >/dev/null 2>&1; then
        say "Debian $release no longer has postgresql-$major" >"$reason"
        return 1
    fi
    add_packages "$folder" "$major" >>"$log" 2>&1 ||
        { say "installing packages failed (log: $log): $(grep '^E:' "$log" | tail -n 1)" >"$reason" && return 1; }
}

# Documentation would be half of what is unpacked. A mirror that is a copy of some day stays usable.
prepare_apt() {
    printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'APT::Install-Recommends "false";' \
        >"$1/etc/apt/apt.conf.d/99zdm"
    printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
        'path-exclude=/usr/share/locale/*' force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/zdm"
    # No service of the folder ever starts.
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
}

# The list that the sources have now, installed by their own script; the test user comes with it.
add_packages() {
    local folder=$1 major=$2
    cp --remove-destination /etc/resolv.conf "$folder/etc/resolv.conf" || true
    rm -rf "$folder/opt/zdm"
    mkdir -p "$folder/opt/zdm/tests"
    cp -r "$ZDM_ROOT/tests/lib" "$folder/opt/zdm/tests/"
    # shellcheck disable=SC2016
    in_folder "$folder" env -u PG_CONFIG ZDM_PG_MAJOR="$major" bash -c '
        . /opt/zdm/tests/lib/common.sh
        . /opt/zdm/tests/lib/packages.sh
        zdm_install_packages build server test
        ensure_test_user
        apt-get clean'
    [ -z "$(in_folder "$folder" dpkg --audit)" ]
    in_folder "$folder" test -x "/usr/lib/postgresql/$major/bin/postgres"
}

# A command inside, in a namespace of its own, where /proc and /dev are.
in_folder() {
    local folder=$1
    shift
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child -- sh -ec '
        folder=$1
        shift
        mount -t proc proc "$folder/proc"
        mount --rbind /dev "$folder/dev"
        exec chroot "$folder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"' sh "$folder" "$@" 8>&- </dev/null
}
