# shellcheck shell=bash
# Copies and builds the sources for tests. Sourced after common.sh.
#
# Tests build in a copy: their flags (warnings are errors, fault points compiled in) must not leak into
# the developer's own objects, and a file that git does not know must not be what makes a build work.

# The files that belong to the sources, relative, NUL-separated: git's view where there is git. As root
# after sudo, git would refuse somebody else's repository.
zdm_source_files() {
    cd "$ZDM_ROOT" || return
    if git -c safe.directory='*' rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git -c safe.directory='*' ls-files -coz --exclude-standard
    else
        find . \( -path ./build -o -name .git \) -prune -o \( -type f -o -type l \) \
            ! -name '*.o' ! -name '*.d' ! -name '*.so' -printf '%P\0'
    fi | while IFS= read -r -d '' file; do
        # Deleted but not yet committed.
        if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\0' "$file"; fi
    done
}

# zdm_copy_tree TARGET: times are kept, so that a second build is an incremental one, and files that
# were deleted since the last copy go.
zdm_copy_tree() {
    local target=$1 list=$1/.files
    mkdir -p "$target"
    zdm_source_files | sort -z >"$list.new"
    if [ -f "$list" ]; then
        comm -z -23 "$list" "$list.new" | (cd "$target" && xargs -0 -r rm -f --)
    fi
    tar -C "$ZDM_ROOT" --null -T "$list.new" -cf - | tar -C "$target" --no-same-owner -xpf -
    mv "$list.new" "$list"
}

# Compilers through ccache, where it is: both make and CMake look them up by name. What one clone has
# compiled serves another: only the paths in debug information differ.
zdm_use_ccache() {
    [ -d /usr/lib/ccache ] && [ -z "${ZDM_NO_CCACHE:-}" ] || return 0
    PATH=/usr/lib/ccache:$PATH
    export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$ZDM_ROOT
}

# zdm_build extension|programs TREE PG_CONFIG: as tests want it, with fault points, warnings are errors.
# Always with the same switches, or the Makefile would take the other half's objects for outdated.
zdm_build() {
    # make sees no difference when a source was deleted; putting together again costs nothing.
    [ "$1" != extension ] || rm -f "$2"/zdm.so "$2"/extension/zdm--*.sql
    make -C "$2" -j"$(nproc)" PG_CONFIG="$3" WERROR=1 FAULTS=1 "$1"
}
