-- Calls at the wrong moment, by the wrong role, for tables that another migration has, and values that are none.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE PROCEDURE wait_at(point text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'zdm fault ' || point AND datname = current_database()) THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody came to %', point;
END$$;

-- An owner that can't log in: no worker could run as it, before 17.
CREATE ROLE bad_state_group NOLOGIN;
CREATE SCHEMA g AUTHORIZATION bad_state_group;
SET ROLE bad_state_group;
CREATE TABLE g.t (id int);
DO $$
DECLARE message text; detail text; hint text; needs_login boolean := current_setting('server_version_num')::int < 170000;
BEGIN
    PERFORM zdm_create('of group', 'ALTER TABLE g.t ADD COLUMN c int;');
    PERFORM zdm_rollback('of group');
    RAISE INFO 'right: %', NOT needs_login;
EXCEPTION WHEN insufficient_privilege THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO 'right: %', needs_login AND message = 'ZD502: role bad_state_group cannot log in, so no worker can run as it'
        AND detail LIKE 'Workers connect as the migration''s owner%' AND hint LIKE 'ALTER ROLE bad_state_group LOGIN, or %';
END$$;
RESET ROLE;
DROP OWNED BY bad_state_group CASCADE;
DROP ROLE bad_state_group;

-- A live migration owns its tables, referenced ones too: others of these are refused by its name.
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, user_id int, price int);
CREATE TABLE logs (id int PRIMARY KEY, user_id int);
CREATE TABLE apart (id int PRIMARY KEY, name text);
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 50) g;
INSERT INTO orders SELECT g, g, g FROM generate_series(1, 50) g;
SELECT pg_advisory_lock(1514425, hashtext('backfill:begin'));
SELECT zdm_create('first', 'ALTER TABLE orders ADD COLUMN c int NOT NULL; UPDATE orders SET c = 1 WHERE c IS NULL;
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id);') > 0 AS made;
SELECT zdm_start('first');
CALL wait_at('backfill:begin');
SELECT zdm_create('second', 'ALTER TABLE orders ADD COLUMN d int;') > 0 AS made;
SELECT zdm_start('second'); \echo :SQLSTATE
SELECT zdm_create('of referenced', 'CREATE INDEX ON users (name);') > 0 AS made;
SELECT zdm_start('of referenced'); \echo :SQLSTATE
SELECT zdm_create('referring', 'ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users (id);') > 0 AS made;
SELECT zdm_start('referring'); \echo :SQLSTATE
SELECT zdm_backfill('orders', 'price = 0', 'price IS NULL', 'fill'); \echo :SQLSTATE
-- Another table is nobody's: both run at the same time.
SELECT zdm_create('beside', 'CREATE INDEX apart_name ON apart (name); ALTER TABLE apart ADD COLUMN c int;') > 0 AS made;
SELECT zdm_start('beside');
CALL zdm_wait('beside', 'done', '60 s');
SELECT name, state FROM zdm.migrations WHERE name <> 'of group' ORDER BY id;

-- Too early.
SELECT zdm_contract('first'); \echo :SQLSTATE
SELECT zdm_contract('second'); \echo :SQLSTATE
SELECT pg_advisory_unlock(1514425, hashtext('backfill:begin'));
CALL zdm_wait('first', 'ready', '60 s');
SELECT zdm_start('second'); \echo :SQLSTATE
SELECT zdm_contract('first', true, 'test');
CALL zdm_wait('first', 'done', '60 s');
-- Now they may, one after the other.
SELECT zdm_start('second');
CALL zdm_wait('second', 'done', '60 s');
SELECT zdm_start('referring');
CALL zdm_wait('referring', 'done', '60 s');

-- In the middle of a removal.
ALTER TABLE apart ADD COLUMN d int, ADD COLUMN e int;
SELECT zdm_create('removes', 'ALTER TABLE apart DROP COLUMN d; ALTER TABLE apart DROP COLUMN e;') > 0 AS made;
SELECT zdm_start('removes');
CALL zdm_wait('removes', 'ready', '60 s');
SELECT pg_advisory_lock(1514425, hashtext('ddl:intent'));
SELECT zdm_contract('removes', true, 'test');
CALL wait_at('ddl:intent');
SELECT zdm_rollback('removes'); \echo :SQLSTATE
SELECT zdm_start('removes');
SELECT pg_advisory_unlock(1514425, hashtext('ddl:intent'));
CALL zdm_wait('removes', 'done', '60 s');
SELECT zdm_rollback('removes'); \echo :SQLSTATE
SELECT attname FROM pg_attribute WHERE attrelid = 'apart'::regclass AND attnum > 0 AND NOT attisdropped;

-- What can't be filled.
CREATE FOREIGN DATA WRAPPER bad_state_fdw;
CREATE SERVER bad_state_server FOREIGN DATA WRAPPER bad_state_fdw;
CREATE FOREIGN TABLE far_away (id int) SERVER bad_state_server;
CREATE TEMP TABLE mine_alone (id int);
CREATE MATERIALIZED VIEW seen AS SELECT * FROM apart;
CREATE SEQUENCE numbers;
CREATE TABLE measures (at date, v int) PARTITION BY RANGE (at);
CREATE TABLE measures_26 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT zdm_backfill('far_away', 'id = 1', 'id IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('mine_alone', 'id = 1', 'id IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('seen', 'id = 1', 'id IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('numbers', 'last_value = 1', 'last_value IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('apart_name', 'name = 1', 'name IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('measures', 'at = ''2026-02-01''', 'at IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('apart', 'nobody = 1', 'nobody IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('apart', '', 'name IS NULL'); \echo :SQLSTATE
SELECT zdm_backfill('apart', 'name = ''x''', ''); \echo :SQLSTATE
SELECT zdm_backfill('nobody', 'name = ''x''');
-- A function that the writers of rows may not call.
CREATE FUNCTION doubled(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
REVOKE EXECUTE ON FUNCTION doubled(int) FROM PUBLIC;
INSERT INTO apart VALUES (1, 'one');
SELECT zdm_plan('ALTER TABLE apart ADD COLUMN twice int NOT NULL; UPDATE apart SET twice = doubled(id) WHERE twice IS NULL;'); \echo :SQLSTATE

-- Settings take no nonsense; the words are the server's.
\set VERBOSITY sqlstate
SET zdm.lock_timeout = -1;
SET zdm.lock_timeout = 0;
SET zdm.lock_timeout = 'NaN';
SET zdm.lock_timeout = '1 day';
SET zdm.batch_target = -1;
SET zdm.batch_target = 'Infinity';
SET zdm.max_replica_lag = -1;
SET zdm.small_table = -1;
SET zdm.quiet_period = 'soon';
SET zdm.enabled = 'maybe';
SET zdm.nothing = 1;
\set VERBOSITY default
SELECT name, state FROM zdm.migrations WHERE name <> 'of group' ORDER BY id;
DROP FOREIGN DATA WRAPPER bad_state_fdw CASCADE;
