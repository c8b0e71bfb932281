# shellcheck shell=bash
# Act two: the migration, from plain SQL to done.

# The command line as the owner of the shop would use it.
zdm() { PGUSER=shop_owner PGDATABASE=shop "$ZDM_WORK/bin/zdm" "$@"; }
in_shop() { cd "$DEMO" && type_and_run "$@"; }

act_plan() {
    chapter "The migration, as anybody would write it"
    in_shop cat add_phone.sql
    chapter "What zdm makes of it"
    in_shop zdm plan add_phone.sql
}

act_up() {
    chapter "Expand and migrate: nobody has to do anything"
    keep_sizes shop sizes.before
    mark up
    in_shop zdm up add_phone.sql
    mark ready
    keep_sizes shop sizes.ready
    pulse "$(marked up)"
    in_shop zdm status add_phone
}

act_deploy() {
    local code=0
    chapter "Ready: deploy the new version now"
    tell "the first instance of the NEW application starts: it writes and reads phone"
    start_app new-1 shop $((RATE / 2)) 6 "${NEW[@]}"
    stop_app old-1
    tell "... and takes over from the first old one; the second old one still serves"
    sleep 5
    tell "is it time to contract?"
    in_shop zdm contract add_phone || code=$?
    say "exit code $code" "$code" >"$SEEN/refused"
    [ "$code" = 4 ] || die "the gate should have refused (exit code 4), but zdm contract ended with $code"
    tell "no: the gate refused (exit code 4), nothing was changed"
    start_app new-2 shop $((RATE / 2)) 6 "${NEW[@]}"
    stop_app old-2
    tell "the last old instance is gone, its traffic goes to a second new one"
}

act_contract() {
    chapter "Contract, as soon as the gate opens (quiet period: $QUIET)"
    mark contract
    in_shop zdm contract add_phone --wait 2m
    mark finished
    pulse "$(marked ready)"
    in_shop zdm status add_phone
}

act_after() {
    tell "done; the applications are watched for another $AFTER seconds ..."
    sleep "$AFTER"
    mark end
    keep_sizes shop sizes.after
    keep_steps shop add_phone steps.json
    keep_names shop
    stop_app "${APPS[@]}"
    pulse "$(marked finished)"
    # What there is now, and that nothing of zdm is left on the tables.
    sql_as shop_owner shop -c '\d users' -c '\d orders'
    sql shop >"$SEEN/proof" <<'SQL'
SELECT (SELECT count(*) FROM users WHERE phone IS NULL),
       (SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = o.user_id)),
       (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%zdm%'),
       (SELECT count(*) FROM pg_constraint WHERE NOT convalidated),
       (SELECT count(*) FROM pg_index WHERE NOT indisvalid);
SQL
}
