-- Planning locks no table beyond what a SELECT takes, changes nothing and leaves nothing behind.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, price numeric);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, at date, code int);
CREATE TABLE parts (id int, order_id bigint REFERENCES orders);
CREATE INDEX orders_at_idx ON orders (at);
CREATE VIEW names AS SELECT name FROM users;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing();
INSERT INTO users SELECT g, 'x' FROM generate_series(1, 20000) g;
INSERT INTO orders SELECT g, g FROM generate_series(1, 20000) g;
\set everything 'ALTER TABLE users ADD COLUMN phone text NOT NULL; UPDATE users SET phone = name || id WHERE phone IS NULL; ALTER TABLE users ALTER price SET NOT NULL, DROP COLUMN name; ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (code) REFERENCES users (id), ADD UNIQUE (at), ADD CHECK (code > 0), ALTER user_id DROP NOT NULL, SET (fillfactor = 50); CREATE INDEX ON orders (code); DROP INDEX orders_at_idx; DELETE FROM orders WHERE user_id IN (SELECT id FROM users WHERE id < 10); INSERT INTO parts SELECT 1, 2; DROP TABLE parts; CREATE TABLE items (id int REFERENCES orders); CREATE OR REPLACE VIEW names AS SELECT ''x''::text AS name; CREATE TRIGGER t2 AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION nothing(); DROP TRIGGER t ON users; COMMENT ON TABLE users IS ''x''; GRANT SELECT ON orders TO PUBLIC; ALTER TABLE orders ALTER at TYPE date;'
SELECT replace(:'everything', 'DROP COLUMN name', 'DROP COLUMN price') AS everything \gset
SELECT replace(:'everything', 'ALTER price SET NOT NULL, ', '') AS everything \gset

-- Another transaction holds the strongest lock that lets a SELECT pass; whoever wanted more would wait.
BEGIN;
LOCK TABLE users, orders, parts IN EXCLUSIVE MODE;
PREPARE TRANSACTION 'plan_quiet';
SET lock_timeout = '2s';
SELECT count(*) > 30 AS planned FROM zdm_plan(:'everything');
ROLLBACK PREPARED 'plan_quiet';

-- Nothing stays locked, and no temporary schema is left, while the transaction goes on.
CREATE VIEW picture AS SELECT sum(n) AS everything FROM (
    SELECT count(*) FROM pg_class UNION ALL SELECT count(*) FROM pg_attribute UNION ALL
    SELECT count(*) FROM pg_depend UNION ALL SELECT count(*) FROM pg_constraint UNION ALL
    SELECT count(*) FROM pg_proc UNION ALL SELECT count(*) FROM pg_trigger UNION ALL
    SELECT count(*) FROM pg_description UNION ALL SELECT count(*) FROM pg_namespace) p (n);
\c -
SELECT pg_my_temp_schema() = 0 AS no_temporary_schema;
BEGIN;
SELECT everything AS before FROM picture \gset
SELECT count(*) > 30 AS planned FROM zdm_plan(:'everything');
SELECT everything = :before AS same FROM picture;
SELECT pg_my_temp_schema() = 0 AS no_temporary_schema;
SELECT relation::regclass, mode FROM pg_locks
 WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384
   AND relation <> 'picture'::regclass AND relation <> ALL (SELECT indexrelid FROM pg_index);
COMMIT;

-- The settings of the session are as before, also after a refusal.
SET DateStyle = 'SQL, DMY';
SELECT count(*) FROM zdm_plan('ALTER TABLE users ADD COLUMN x int; SELECT 1');
SELECT name, setting FROM pg_settings
 WHERE name IN ('DateStyle', 'enable_indexscan', 'client_min_messages', 'search_path', 'track_counts') ORDER BY 1;

-- Event triggers and triggers of the tables are for the real run.
CREATE FUNCTION shout() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''never here''; END';
CREATE EVENT TRIGGER shout ON ddl_command_start EXECUTE FUNCTION shout();
CREATE EVENT TRIGGER shout_end ON ddl_command_end EXECUTE FUNCTION shout();
SELECT count(*) > 30 AS planned FROM zdm_plan(:'everything');
ALTER EVENT TRIGGER shout DISABLE;
DROP EVENT TRIGGER shout_end;
DROP EVENT TRIGGER shout;

-- Without the right to make temporary tables there is no rehearsal, and the reason is said.
CREATE ROLE plan_quiet_app;
ALTER TABLE users OWNER TO plan_quiet_app;
SELECT current_database() AS db \gset
REVOKE TEMPORARY ON DATABASE :"db" FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO plan_quiet_app;
SET ROLE plan_quiet_app;
SELECT * FROM zdm_plan('ALTER TABLE users ADD COLUMN x int');
RESET ROLE;
ALTER TABLE users OWNER TO postgres;
DROP OWNED BY plan_quiet_app;
DROP ROLE plan_quiet_app;
