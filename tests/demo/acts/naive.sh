# shellcheck shell=bash
# Act three: the same change by hand, on the equal copy, under the same load.

act_naive() {
    local code=0 alone=${ZDM_DEMO_NAIVE_BEFORE:-10} behind=${ZDM_DEMO_NAIVE_AFTER:-10}
    chapter "And without zdm? The equal copy of the shop, the same load"
    LOAD=$ZDM_WORK/load-naive
    mkdir -p "$LOAD"
    keep_sizes shop_naive sizes.naive.before
    start_app old-1 shop_naive $((RATE / 2)) 6 "${OLD[@]}"
    start_app old-2 shop_naive $((RATE / 2)) 6 "${OLD[@]}"
    start_app report shop_naive 5 1 "${REPORT[@]}"
    sleep 5
    mark naive_before
    sleep "$alone"
    pulse "$(marked naive_before)"
    tell "first the one-liner, as it stands in the file:"
    by_hand -c "ALTER TABLE users ADD COLUMN phone text NOT NULL" 2>&1 | tee "$SEEN/oneliner" || true
    tell "then by hand, in one transaction:"
    mark naive
    by_hand -f naive.sql || code=$?
    mark naive_done
    tell "ended with code $code after $(awk -v a="$(marked naive)" -v b="$(marked naive_done)" 'BEGIN { printf "%.1f s", b - a }')"
    sleep "$behind"
    mark naive_end
    pulse "$(marked naive)"
    keep_sizes shop_naive sizes.naive.after
    stop_app "${APPS[@]}"
    stop_sampling
    stop_server
}

by_hand() { (cd "$DEMO" && export PGAPPNAME=by_hand && type_and_run psql -X -q -v ON_ERROR_STOP=1 -U shop_owner -d shop_naive "$@"); }
