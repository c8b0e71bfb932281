# shellcheck shell=bash
# The shop: roles, database with its rows, copies of it. Sourced after server.sh and settings.sh.
# shop_owner owns the tables and runs migrations; shop_app is what applications log in as.

make_roles() {
    sql postgres <<SQL
CREATE ROLE shop_owner LOGIN;
CREATE ROLE shop_app LOGIN;
-- Every wait of an application of more than 5 ms is logged, with who made it wait.
ALTER ROLE shop_app SET log_lock_waits = on;
ALTER ROLE shop_app SET deadlock_timeout = '5ms';
ALTER ROLE shop_app SET statement_timeout = '$PATIENCE';
-- The demo's own looks must not be seen as anybody's connections.
ALTER ROLE postgres SET log_min_messages = 'fatal';
SQL
}

# make_shop DATABASE: the two tables are filled side by side.
make_shop() {
    local orders
    sql postgres -c "CREATE DATABASE $1 OWNER shop_owner"
    sql_as shop_owner "$1" -f "$DEMO/shop/schema.sql"
    sql_as shop_owner "$1" -v orders="$ORDERS" -v users="$USERS" -f "$DEMO/shop/orders.sql" &
    orders=$!
    sql_as shop_owner "$1" -v users="$USERS" -f "$DEMO/shop/users.sql"
    wait "$orders"
    sql "$1" -c "GRANT SELECT, INSERT, UPDATE ON users, orders TO shop_app"
}

# copy_shop FROM TO: byte for byte, without a detour through the WAL.
copy_shop() { sql postgres -c "CREATE DATABASE $2 TEMPLATE $1 OWNER shop_owner STRATEGY file_copy"; }
drop_shop() { sql postgres -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)"; }

# sizes DATABASE: bytes of users, its indexes, orders, its indexes.
sizes() {
    sql "$1" -F ' ' -c "SELECT pg_table_size('users'), pg_indexes_size('users'),
                               pg_table_size('orders'), pg_indexes_size('orders')"
}
wal_position() { sql postgres -c "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"; }
