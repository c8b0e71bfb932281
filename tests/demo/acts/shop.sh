# shellcheck shell=bash
# Act one: a server, a shop with real volume, and an application on it that never stops.

act_shop() {
    chapter "A shop"
    tell "starting a private PostgreSQL $("$ZDM_BIN/postgres" --version | sed 's/.*) //') on a unix socket in $ZDM_WORK"
    make_server
    # To load fast: nothing of this must survive a crash.
    start_server "-c fsync=off -c wal_level=minimal -c max_wal_senders=0 -c maintenance_work_mem=256MB -c autovacuum=off"
    make_roles
    tell "filling it: $(commas "$USERS") users, $(commas "$ORDERS") orders, indexes; a foreign key is missing"
    make_shop shop
    tell "and an equal copy of it, to try there what happens without zdm"
    copy_shop shop shop_naive
    stop_server
    sync -f "$ZDM_WORK"
    start_server
    sql shop -c "CREATE EXTENSION zdm"
    read -r heap index oheap oindex < <(sizes shop)
    tell "users: $(mib "$heap") and $(mib "$index") of indexes; orders: $(mib "$oheap") and $(mib "$oindex")"
}

commas() { sed -E ':a; s/([0-9])([0-9]{3})(,|$)/\1,\2\3/; ta' <<<"$1"; }
mib() { say "$(($1 / 1048576)) MB"; }

act_load() {
    chapter "A live application"
    if [ -z "$RATE" ]; then
        tell "how much can this machine do? $CAPACITY seconds at full speed ..."
        CAPABLE=$(capacity shop)
        RATE=$((CAPABLE * SHARE / 100))
        tell "$(commas "$CAPABLE") transactions/s; the applications will ask for $SHARE % of that: $(commas "$RATE")/s"
    fi
    say "$RATE ${CAPABLE:-0}" >"$SEEN/rate"
    sql postgres -c CHECKPOINT
    LOAD=$ZDM_WORK/load
    mkdir -p "$LOAD"
    start_sampling
    tell "two instances of the OLD application start: they read, sign users up, take and ship orders,"
    tell "all with prepared statements, and know nothing of what is to come;"
    tell "and a report that reads SELECT * with a prepared statement, as one should not"
    start_app old-1 shop $((RATE / 2)) 6 "${OLD[@]}"
    start_app old-2 shop $((RATE / 2)) 6 "${OLD[@]}"
    start_app report shop 5 1 "${REPORT[@]}"
    sleep 5
    tell "warm; ${BEFORE} seconds of quiet measuring ..."
    mark before
    sleep "$BEFORE"
    pulse "$(marked before)"
}

# When something was marked.
marked() { awk -v name="$1" '$2 == name { print $1 }' "$SEEN/marks"; }
