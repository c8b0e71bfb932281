# shellcheck shell=bash
# One pair: the same load alone, alone once more (the noise), and beside a backfill; then index build and
# VALIDATE, which are told apart. Each pair has a fresh copy of the shop, so that all begin alike.

act_template() {
    chapter "A shop to copy"
    make_server
    start_server "-c fsync=off -c wal_level=minimal -c max_wal_senders=0 -c maintenance_work_mem=256MB -c autovacuum=off"
    make_roles
    tell "filling it: $(commas "$USERS") users, $(commas "$ORDERS") orders"
    make_shop shop_template
    sql shop_template -c "CREATE EXTENSION zdm"
    stop_server
    sync -f "$ZDM_WORK"
    start_server
    fresh_copy
    if [ -z "$RATE" ]; then
        CAPABLE=$(capacity shop)
        RATE=$((CAPABLE * SHARE / 100))
    fi
    tell "the applications will ask for $(commas "$RATE") transactions/s${CAPABLE:+, $SHARE % of $(commas "$CAPABLE")}"
    say "$RATE ${CAPABLE:-0}" >"$SEEN/rate"
}

fresh_copy() {
    drop_shop shop
    copy_shop shop_template shop
    sql postgres -c CHECKPOINT
    # Dirty pages of the copy would be written under the first window.
    sync -f "$ZDM_WORK"
}

quiet_zdm() {
    PGUSER=shop_owner PGDATABASE=shop "$ZDM_WORK/bin/zdm" "$@" >>"$ZDM_WORK/log/zdm" 2>&1 ||
        { tail -n 20 "$ZDM_WORK/log/zdm" >&2 && die "zdm $1 ended with code $?"; }
}

act_pair() {
    local n=$1
    chapter "Pair $n of $PAIRS"
    fresh_copy
    LOAD=$ZDM_WORK/load.$n
    mkdir -p "$LOAD"
    start_app old-1 shop $((RATE / 2)) 6 "${OLD[@]}"
    start_app old-2 shop $((RATE / 2)) 6 "${OLD[@]}"
    sleep 5
    tell "alone, twice $WINDOW s"
    mark "first.$n"
    sleep "$WINDOW"
    mark "second.$n"
    sleep "$WINDOW"
    tell "expand, index build, backfill"
    mark "up.$n"
    quiet_zdm up "$DEMO/add_phone.sql" --to expanded
    [ -z "$DUTY" ] || quiet_zdm set add_phone duty "$DUTY"
    [ -z "$BATCH" ] || quiet_zdm set add_phone batch_target "$BATCH"
    quiet_zdm up "$DEMO/add_phone.sql"
    mark "ready.$n"
    tell "deploy, contract"
    start_app new-1 shop $((RATE / 2)) 6 "${NEW[@]}"
    start_app new-2 shop $((RATE / 2)) 6 "${NEW[@]}"
    stop_app old-1 old-2
    quiet_zdm contract add_phone --wait 2m
    mark "finished.$n"
    keep_steps shop add_phone "steps.$n.json"
    stop_app "${APPS[@]}"
    perl -I"$DEMO/perl" "$DEMO/perl/pairs.pl" "$ZDM_WORK" "$n" last
}
