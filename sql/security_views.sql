-- Each role sees and steers its own migrations only; nobody writes zdm's tables, or evidence.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE ROLE sec_views_alice LOGIN;
CREATE ROLE sec_views_bob LOGIN;
CREATE ROLE sec_views_dev LOGIN IN ROLE sec_views_alice;
CREATE ROLE sec_views_noinherit LOGIN NOINHERIT IN ROLE sec_views_alice;
CREATE ROLE sec_views_watch LOGIN IN ROLE pg_monitor;
CREATE SCHEMA a AUTHORIZATION sec_views_alice;
CREATE SCHEMA b AUTHORIZATION sec_views_bob;
GRANT USAGE ON SCHEMA a TO sec_views_bob;

SET SESSION AUTHORIZATION sec_views_alice;
CREATE TABLE a.t (id int PRIMARY KEY, secret text);
INSERT INTO a.t SELECT g, 'secret' FROM generate_series(1, 100) g;
SELECT zdm_create('of alice', 'ALTER TABLE a.t ADD COLUMN c int NOT NULL; UPDATE a.t SET c = 4711;') > 0 AS made;
SELECT zdm_start('of alice');
CALL zdm_wait('of alice', 'ready', '60 s');
SELECT name, owner FROM zdm.migrations;
SELECT count(*) > 5 AS steps FROM zdm.steps;
SELECT DISTINCT migration FROM zdm.progress;
SELECT DISTINCT migration FROM zdm.events;

-- Somebody else sees nothing of it, in no view and by no trick.
SET SESSION AUTHORIZATION sec_views_bob;
SELECT count(*) FROM zdm.migrations;
SELECT count(*) FROM zdm.steps;
SELECT count(*) FROM zdm.progress;
SELECT count(*) FROM zdm.events;
CREATE FUNCTION b.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END$$;
SET client_min_messages = notice;
SELECT count(*) FROM zdm.migrations WHERE b.leak(sql);
SELECT count(*) FROM zdm.steps WHERE b.leak(command);
SELECT count(*) FROM zdm.events WHERE b.leak(message);
SELECT count(*) FROM zdm.progress WHERE b.leak(relation);
SET client_min_messages = warning;
SELECT * FROM zdm.migration;
SELECT * FROM zdm.step;
SELECT * FROM zdm.chunk;
SELECT * FROM zdm.event;
INSERT INTO zdm.migration (name, sql, checksum, owner, login, system_identifier, database_oid)
    VALUES ('forged', '', '', 'sec_views_alice', 'sec_views_alice', 0, 0);
UPDATE zdm.step SET command = 'DROP TABLE a.t';
DELETE FROM zdm.event;
TRUNCATE zdm.chunk;
\set VERBOSITY terse
UPDATE zdm.migrations SET state = 'done';
DELETE FROM zdm.events;
\set VERBOSITY default
CREATE TABLE zdm.mine (id int);
CREATE FUNCTION zdm.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER TABLE zdm.migration OWNER TO sec_views_bob;
SELECT nextval('zdm.migration_id_seq');
DO $$BEGIN LOCK TABLE zdm.migration IN ACCESS SHARE MODE; END$$;

-- Nor steers it.
SELECT zdm_start('of alice');
SELECT zdm_contract('of alice', true, 'mine now');
SELECT zdm_rollback('of alice');
SELECT zdm_pause('of alice');
SELECT zdm_resume('of alice');
SELECT zdm_set('of alice', 'duty', '1');
CALL zdm_wait('of alice', 'ready', '1 s');
SELECT zdm.ping('of alice');
SELECT zdm_create('of alice', 'ALTER TABLE a.t ADD COLUMN c int NOT NULL; UPDATE a.t SET c = 4711;');
SELECT zdm_create('of bob', 'ALTER TABLE a.t ADD COLUMN d int;');
SELECT zdm_backfill('a.t', 'secret = ''x''', 'secret IS NULL');

-- Members of the role do; those who would have to SET ROLE first, only after it.
SET SESSION AUTHORIZATION sec_views_dev;
SELECT name FROM zdm.migrations;
SELECT zdm_pause('of alice', 'by dev');
SELECT zdm_resume('of alice');
SET SESSION AUTHORIZATION sec_views_noinherit;
SELECT count(*) FROM zdm.migrations;
SELECT zdm_pause('of alice');
SET ROLE sec_views_alice;
SELECT count(*) FROM zdm.migrations;
RESET ROLE;
-- Members of pg_monitor see it, and that is all.
SET SESSION AUTHORIZATION sec_views_watch;
SELECT name FROM zdm.migrations;
SELECT zdm_pause('of alice');
SELECT count(*) FROM zdm.migration;

-- Not even the owner changes a plan after the start, nor before.
SET SESSION AUTHORIZATION sec_views_alice;
UPDATE zdm.step SET command = 'SELECT 1' WHERE step = 1;
\set VERBOSITY terse
UPDATE zdm.steps SET command = 'SELECT 1' WHERE step = 1;
\set VERBOSITY default
SELECT zdm_create('of alice', 'ALTER TABLE a.t ADD COLUMN other int;');

-- Evidence: not from a sequence, and not with a trigger of one's own.
SELECT relname = 'acted_' || 'a.t'::regclass::oid AS evidence_of_t, relowner::regrole = current_user::regrole AS mine
  FROM pg_class WHERE relkind = 'S' AND relname LIKE 'acted%';
SELECT 'zdm.acted_' || 'a.t'::regclass::oid AS evidence \gset
\set VERBOSITY sqlstate
SELECT nextval(:'evidence') IS NULL AS x \gset
SELECT setval(:'evidence', 1) IS NULL AS x \gset
SELECT last_value AS x FROM :evidence \gset
SET SESSION AUTHORIZATION sec_views_bob;
SELECT setval(:'evidence', 1) IS NULL AS x \gset
\set VERBOSITY default
CREATE TABLE b.t (id int, c int);
CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON b.t FOR EACH ROW
    EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'c', 'once', '1', '');
INSERT INTO b.t (id) VALUES (1);
SELECT * FROM b.t;
CREATE TRIGGER other BEFORE INSERT ON b.t FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog, pg_temp', 'a.t', 'once', '1', '');
INSERT INTO b.t (id) VALUES (2);
DROP TRIGGER other ON b.t;
SELECT zdm.sync();
SELECT zdm.guard_drop();
RESET SESSION AUTHORIZATION;
SELECT is_called AS evidence_was_forged FROM :evidence;
SET SESSION AUTHORIZATION sec_views_alice;
INSERT INTO a.t VALUES (101, 'by an old application');
RESET SESSION AUTHORIZATION;
SELECT is_called AS evidence FROM :evidence;

-- A superuser sees and steers all.
SELECT name, owner, state FROM zdm.migrations;
SELECT zdm_rollback('of alice');
CALL zdm_wait('of alice', 'rolled_back', '60 s');
SELECT count(*) FROM pg_class WHERE relname ~ '^(acted|wrote|differs)_';
DROP SCHEMA a, b CASCADE;
DROP OWNED BY sec_views_alice, sec_views_bob, sec_views_dev, sec_views_noinherit, sec_views_watch;
DROP ROLE sec_views_alice, sec_views_bob, sec_views_dev, sec_views_noinherit, sec_views_watch;
