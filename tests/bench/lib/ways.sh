# shellcheck shell=bash
# The ways to fill a column of all rows. Sourced. `fill WAY TABLE` fills the table of database run and sets
#   STEP   seconds of the filling itself
#   WALL   seconds from the call until that was done (the same but for zdm, whose worker has to start)
#   DONE   seconds from the call until all was done: zdm's last pass over the table and ANALYZE too
#   KB     most private memory of a process of zdm during the filling (ANALYZE, later, has a sample in its memory)
#   HANDS  most processes of zdm at once
# Ways: a a loop over the predicate, 1000 rows each, FOR UPDATE SKIP LOCKED; b batches of 1000 by primary key;
# c one plain UPDATE; d zdm at its own pace; dN zdm with N workers that never rest; e one UPDATE of a table
# whose rows all fit their page (fillfactor 40): the limit.

fill() {
    local way=$1 table=$2
    KB=0 HANDS=0
    case $way in
    a) timed "$(predicate_loop "$table")" ;;
    b) timed "$(key_batches "$table")" ;;
    c | e) timed "UPDATE users SET ${SET[$table]} WHERE ${WHERE[$table]}" ;;
    d) with_zdm "$table" '' ;;
    d*) with_zdm "$table" "${way#d}" ;;
    esac
}

# Seconds of one statement by the server's clock.
timed() {
    local out
    out=$(sql_as_owner run <<SQL
SELECT extract(epoch FROM clock_timestamp());
$1;
SELECT extract(epoch FROM clock_timestamp());
SQL
    ) || return
    STEP=$(awk 'NR == 1 { from = $1 } END { printf "%.4f", $1 - from }' <<<"$out")
    WALL=$STEP DONE=$STEP
}

# In the server, so that no way pays for a client far away.
predicate_loop() {
    cat <<SQL
DO \$loop\$
DECLARE n bigint;
BEGIN
    LOOP
        UPDATE users SET ${SET[$1]}
         WHERE id IN (SELECT id FROM users WHERE ${WHERE[$1]} LIMIT 1000 FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS n = ROW_COUNT;
        COMMIT;
        EXIT WHEN n = 0;
    END LOOP;
END \$loop\$
SQL
}

key_batches() {
    cat <<SQL
DO \$loop\$
DECLARE
    at bigint := 0;
    last bigint := (SELECT max(id) FROM users);
BEGIN
    WHILE at < last LOOP
        UPDATE users SET ${SET[$1]} WHERE id > at AND id <= at + 1000 AND ${WHERE[$1]};
        COMMIT;
        at := at + 1000;
    END LOOP;
END \$loop\$
SQL
}

# with_zdm TABLE DUTY: empty is zdm's own pace.
with_zdm() {
    local table=$1 duty=$2 state=done options='{}' began waiting
    [ -z "$duty" ] || options="{\"duty\": $duty, \"workers\": $duty}"
    if [ -n "${EXPAND[$table]:-}" ]; then
        state=ready
        [ -z "$duty" ] || sql_as_owner run -c "SELECT zdm_set('bench', 'duty', '$duty')" \
            -c "SELECT zdm_set('bench', 'workers', '$duty')" >/dev/null || return
        began=$(sql_as_owner run -c "SELECT extract(epoch FROM clock_timestamp()), zdm_start('bench')") || return
    else
        began=$(sql_as_owner run -v set="${SET[$table]}" -v predicate="${WHERE[$table]}" -v options="$options" <<'SQL'
SELECT extract(epoch FROM clock_timestamp()), zdm_backfill('users', :'set', :'predicate', 'bench', :'options');
SQL
        ) || return
    fi
    sql_as_owner run -c "CALL zdm_wait('bench', '$state', '1 day')" &
    waiting=$!
    LOOKS=()
    if [ -n "${WATCH-yes}" ]; then watch_memory "$waiting"; fi
    wait "$waiting" || return
    read -r STEP WALL DONE < <(sql run -v began="${began%%$'\t'*}" <<'SQL'
SELECT extract(epoch FROM max(s.finished_at) - min(s.started_at))::numeric(12, 4),
       (extract(epoch FROM max(s.finished_at)) - :began)::numeric(12, 4),
       (SELECT extract(epoch FROM coalesce(ready_at, finished_at)) - :began FROM zdm.migrations)::numeric(12, 4)
  FROM zdm.steps s WHERE kind = 'backfill';
SQL
    )
    KB=$(printf '%s\n' "${LOOKS[@]}" | awk -v began="${began%%$'\t'*}" -v wall="$WALL" '
        $1 < began + wall && $2 > most { most = $2 } END { print most + 0 }')
}

# Until process $1 ends: the most private memory of a process of zdm at each look, in KB, and how many processes
# there were at most. Reads /proc without starting a program for that, which would take a processor from those
# who are measured.
watch_memory() {
    local pid line title hands kb
    LOOKS=()
    while kill -0 "$1" 2>/dev/null; do
        hands=0 kb=0
        for pid in $(<"/proc/$POSTMASTER/task/$POSTMASTER/children"); do
            { IFS= read -r -d '' title <"/proc/$pid/cmdline"; } 2>/dev/null || continue
            case $title in *" zdm "*) ;; *) continue ;; esac
            hands=$((hands + 1))
            while read -r line; do
                case $line in
                RssAnon:*)
                    line=${line//[^0-9]/}
                    if ((line > kb)); then kb=$line; fi
                    ;;
                esac
            done 2>/dev/null <"/proc/$pid/status" || true
        done
        if ((hands > HANDS)); then HANDS=$hands; fi
        LOOKS+=("${EPOCHREALTIME/,/.} $kb")
        sleep 0.2
    done
}

# Why zdm does not fill the table of database run; nothing when it does.
refuses_table() {
    sql_as_owner run -c BEGIN -c "SELECT zdm_backfill('users', 'phone = ''x''', 'phone IS NULL', 'probe')" \
        -c ROLLBACK 2>&1 >/dev/null | sed -n 's/^ERROR: *//p' || true
}
