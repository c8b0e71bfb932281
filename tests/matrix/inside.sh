#!/usr/bin/env bash
# Runs in the mount and process namespace that tests/matrix/run made, as its first process:
#     inside.sh FOLDER WORK CCACHE MAJOR test|shell KEPT
# Crash tests take a third of their cases here, each version another: each is a way to crash at a point.
# The folder itself is only read: sources and /tmp come from WORK, so nothing of a run stays in it. KEPT
# is where WORK will be found after a failure.
set -euo pipefail
folder=$1 work=$2 ccache=$3 major=$4 mode=$5 kept=$6

# unshare made all mounts private: none of these is seen outside.
mount --bind "$folder" "$folder"
mkdir -p "$folder/zdm" "$folder/ccache"
mount -t proc proc "$folder/proc"
mount --rbind /dev "$folder/dev"
mount -t tmpfs -o mode=1777,size=50% shm "$folder/dev/shm"
mount --bind "$work/tmp" "$folder/tmp"
mount --bind "$work/zdm" "$folder/zdm"
mount --bind "$ccache" "$folder/ccache"

command=(/zdm/src/tests/check --no-house)
if [ "$mode" = shell ]; then command=(/bin/bash -i); fi
chroot "$folder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    TERM="${TERM:-dumb}" CCACHE_DIR=/ccache CCACHE_MAXSIZE=500M ZDM_PG_MAJOR="$major" ZDM_JOBS="${ZDM_JOBS:-}" \
    ZDM_CRASH_PART="${ZDM_CRASH_PART:-$((major % 3))/3}" \
    ${ZDM_TEST_WAIT:+ZDM_TEST_WAIT="$ZDM_TEST_WAIT"} ZDM_RESULTS=/zdm/results ZDM_OUTSIDE="$kept" \
    PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" "${command[@]}"
