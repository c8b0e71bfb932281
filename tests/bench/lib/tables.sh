# shellcheck shell=bash
# The tables: each is made once, in a database of its own, made_NAME, that runs copy. Sourced.
declare -A SIZE=() EXPAND=() SET=() WHERE=()

FOUR='CREATE INDEX ON users (email); CREATE INDEX ON users (name); CREATE INDEX ON users (created_at);'
TWELVE="$FOUR CREATE INDEX ON users (city, id); CREATE INDEX ON users (seen_at, id);
    CREATE INDEX ON users (city, name); CREATE INDEX ON users (name, created_at); CREATE INDEX ON users (lower(email));
    CREATE INDEX ON users (created_at, id); CREATE INDEX ON users (city, created_at); CREATE INDEX ON users (email, name);"

# make_table NAME ROWS [fillfactor=N] [indexes=SQL] [phone=none] [document=BYTES] [partitions=N]
make_table() {
    local name=$1 rows=$2 fillfactor=100 indexes='' phone=', phone text' document=0 partitions=0 option
    shift 2
    for option in "$@"; do
        case $option in
        fillfactor=*) fillfactor=${option#*=} ;;
        indexes=*) indexes=${option#*=} ;;
        phone=none) phone='' ;;
        document=*) document=${option#*=} ;;
        partitions=*) partitions=${option#*=} ;;
        *) die "make_table: $option?" ;;
        esac
    done
    SIZE[$name]=$rows
    SET[$name]="phone = '+00 000 000000'" WHERE[$name]='phone IS NULL'
    drop_database "made_$name"
    sql postgres -c "CREATE DATABASE made_$name OWNER bench_owner"
    sql "made_$name" -c "CREATE EXTENSION zdm; CREATE EXTENSION pg_prewarm"
    # About 160 bytes a row; the document is stored outside the row.
    sql_as_owner "made_$name" <<SQL
CREATE TABLE users (id bigint NOT NULL, email text NOT NULL, name text NOT NULL, city text NOT NULL,
    seen_at timestamptz NOT NULL, created_at timestamptz NOT NULL, status int NOT NULL, note text NOT NULL,
    document text $phone) $(storage "$partitions" "$fillfactor");
$(partitions "$partitions")
ALTER TABLE users ALTER document SET STORAGE EXTERNAL;
INSERT INTO users (id, email, name, city, seen_at, created_at, status, note, document)
SELECT g, 'user' || g || '@example.org', 'Name ' || (g * 7919 % 1000003), 'City ' || g % 1000, '2026-01-01',
       timestamptz '2020-01-01' + g * interval '1 second', 0, repeat('n', 50), nullif(repeat('d', $document), '')
  FROM generate_series(1, $rows::bigint) g;
ALTER TABLE users ADD PRIMARY KEY (id);
$indexes
GRANT SELECT, UPDATE ON users TO bench_app;
SQL
    # Hint bits are set, the visibility map is there: as in a table that has been in use for a while.
    sql "made_$name" -c "VACUUM (FREEZE, ANALYZE) users"
}

# storage PARTITIONS FILLFACTOR
storage() { if [ "$1" = 0 ]; then say "WITH (fillfactor = $2)"; else say "PARTITION BY HASH (id)"; fi; }
partitions() {
    local n
    for ((n = 0; n < $1; n++)); do say "CREATE TABLE users_$n PARTITION OF users FOR VALUES WITH (MODULUS $1, REMAINDER $n);"; done
}

# make_tables NAME…: those of these that are not there yet.
make_tables() {
    local name
    for name in "$@"; do
        [ -z "${SIZE[$name]:-}" ] || continue
        case $name in
        four) make_table four "$ROWS" indexes="$FOUR" ;;
        four_limit) make_table four_limit "$ROWS" indexes="$FOUR" fillfactor=40 ;;
        sync) make_table sync "$ROWS" indexes="$FOUR" phone=none && EXPAND[sync]=yes ;;
        sync_limit) make_table sync_limit "$ROWS" indexes="$FOUR" phone=none fillfactor=40 && EXPAND[sync_limit]=yes ;;
        pk) make_table pk "$OTHERS" ;;
        twelve) make_table twelve "$OTHERS" indexes="$TWELVE" ;;
        wide) make_table wide "$WIDE" indexes="$FOUR" document=3000 ;;
        ff90) make_table ff90 "$OTHERS" indexes="$FOUR" fillfactor=90 ;;
        same) make_table same "$OTHERS" indexes="$FOUR" && SET[same]='status = 1' WHERE[same]='status = 0' ;;
        indexed) make_table indexed "$OTHERS" indexes="$FOUR CREATE INDEX ON users (phone);" ;;
        parts) make_table parts "$OTHERS" indexes="$FOUR" partitions=64 ;;
        large) make_table large "$LARGE" indexes="$FOUR" ;;
        *) die "no table is called $name" ;;
        esac
    done
}

drop_tables() {
    local name
    for name in "$@"; do
        drop_database "made_$name"
        unset "SIZE[$name]"
    done
}

# The column, its sync trigger and the migration that wants it filled, as `zdm up` leaves them before it
# fills anything.
expand_migration() {
    sql_as_owner run >/dev/null <<'SQL'
SELECT zdm_create('bench', $$ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = '+00 000 000000' WHERE phone IS NULL;$$);
SELECT zdm_start('bench', 'expanded');
CALL zdm_wait('bench', 'expanded', '2 min');
SQL
}
