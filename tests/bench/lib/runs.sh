# shellcheck shell=bash
# One measured run after the other, a line of $TSV/runs.tsv each. Sourced after the other parts.
RUN_COLUMNS='part table way repetition commit vacuum rows step_s wall_s done_s wal_bytes wal_fpi heap_before heap_after'
RUN_COLUMNS+=' indexes_before indexes_after toast_before toast_after updated hot worker_kb hands'

# Columns of a table as its first line.
head_of() { [ -s "$1" ] || tr ' ' '\t' <<<"$2" >"$1"; }

# note KEY VALUE: what the report says about how it was measured.
note() { printf '%s\t%s\n' "$1" "${2//$'\t'/ }" >>"$TSV/setup.tsv"; }

# Bytes: WAL position, full pages in the WAL, heap, indexes, TOAST. Only the table, or its partitions, are in public.
figures() {
    sql run -c "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, (SELECT wal_fpi FROM pg_stat_wal),
        sum(pg_relation_size(oid)), sum(pg_indexes_size(oid)), sum(coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0))
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
}

# Updates so far, and those of them that were HOT; the backends that made them have to report them.
updates() {
    local try out
    for try in {1..100}; do
        out=$(sql run -c "SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE schemaname = 'public'")
        [ "${out%%$'\t'*}" -lt "$1" ] || break
        sleep 0.1
    done
    say "$out"
}

# one_run PART TABLE WAY REPETITION [commit=on] [vacuum=on]
one_run() {
    local part=$1 table=$2 way=$3 repetition=$4 commit=off vacuum=off option source=$2
    local before after changed left wal fpi heap indexes toast
    shift 4
    for option in "$@"; do
        case $option in
        commit=*) commit=${option#*=} ;;
        vacuum=*) vacuum=${option#*=} ;;
        esac
    done
    if [ "$way" = e ]; then source=${table}_limit; fi
    fresh_copy "$source"
    before=$(figures)
    [ "$vacuum" = off ] || autovacuum on
    PGOPTIONS="-c synchronous_commit=$commit" fill "$way" "$source" || die "$table, $way: the run ended before it was done"
    [ "$vacuum" = off ] || autovacuum off
    left=$(sql run -c "SELECT count(*) FROM users WHERE ${WHERE[$source]}")
    [ "$left" = 0 ] || die "$table, $way: $left rows are not filled"
    changed=$(updates "${SIZE[$source]}")
    after=$(figures)
    IFS=$'\t' read -r wal fpi heap indexes toast <<<"$before"
    awk -v OFS='\t' -v wal="$wal" -v fpi="$fpi" -v heap="$heap" -v indexes="$indexes" -v toast="$toast" \
        -v first="$part $table $way $repetition $commit $vacuum ${SIZE[$source]} $STEP $WALL $DONE" \
        -v changed="$changed" -v kb="$KB" -v hands="$HANDS" '{
            gsub(" ", "\t", first)
            print first, $1 - wal, $2 - fpi, heap, $3, indexes, $4, toast, $5, changed, kb, hands }' <<<"$after" >>"$TSV/runs.tsv"
    tail -n 1 "$TSV/runs.tsv" | awk -F '\t' '{
        printf "  %-7s %-8s %-3s %d%s%s  %8.0f rows/s  WAL %5.0f bytes/row  heap %+4.0f %%  indexes %+4.0f %%  HOT %3.0f %%\n",
            $1, $2, $3, $4, ($5 == "on" ? " commit on" : ""), ($6 == "on" ? " autovacuum on" : ""),
            $7 / $8, $11 / $7, 100 * ($14 / $13 - 1), 100 * ($16 / $15 - 1), 100 * $20 / ($19 ? $19 : 1) }'
}

autovacuum() {
    sql postgres -c "ALTER SYSTEM SET autovacuum = $1" -c "SELECT pg_reload_conf()" >/dev/null
}

# runs PART TABLE REPETITIONS WAY…: the ways take turns, so that a slow minute meets all of them.
runs() {
    local part=$1 table=$2 times=$3 n way
    shift 3
    for ((n = 1; n <= times; n++)); do
        for way in "$@"; do one_run "$part" "$table" "$way" "$n"; done
    done
}
