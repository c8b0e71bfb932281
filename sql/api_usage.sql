-- Who uses what a migration has made: zdm_usage, and what zdm_rollback says and refuses.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE ROLE api_usage_alice LOGIN;
CREATE ROLE api_usage_bob LOGIN;
CREATE SCHEMA a AUTHORIZATION api_usage_alice;
-- The sentences, with times left out, and whether the time is that of now.
CREATE FUNCTION used(migration text, OUT kind text, OUT relation text, OUT object text, OUT used_by text,
                     OUT just_now boolean, OUT blocks boolean, OUT message text)
RETURNS SETOF record LANGUAGE sql AS $$
    SELECT kind, relation, object, used_by, abs(extract(epoch FROM clock_timestamp() - last_used)) < 60, blocks,
           regexp_replace(message, '\d+ s ago', 'N s ago')
      FROM zdm_usage(migration)
$$;
-- Until no worker is at it any more.
CREATE PROCEDURE settle(migration text) LANGUAGE plpgsql AS $$
BEGIN
    -- One that was started while another was still at it comes to it a little later.
    WHILE EXISTS (SELECT FROM zdm.migrations WHERE name = migration AND worker_pid IS NOT NULL)
        OR (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'zdm' AND datname = current_database())
            > (SELECT count(worker_pid) FROM zdm.migrations) LOOP
        PERFORM pg_sleep(0.01);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
END $$;

SET SESSION AUTHORIZATION api_usage_alice;
SET search_path = a, public;
CREATE TABLE item (id int PRIMARY KEY, label text);
INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 1000) g;
SELECT zdm_create('m', $$
    ALTER TABLE item ADD COLUMN size int NOT NULL, ADD COLUMN "Weight" int;
    UPDATE item SET size = 1 WHERE size IS NULL;
    CREATE INDEX item_label ON item (label);
    CREATE TABLE extra (id int PRIMARY KEY, item int REFERENCES item);
    CREATE INDEX extra_item ON extra (item);
    CREATE VIEW ours AS SELECT * FROM extra;
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TYPE mood AS ENUM ('good');
$$) > 0 AS made;
SELECT * FROM used('m');
SELECT zdm_start('m');
CALL zdm_wait('m', 'ready', '60 s');

-- The backfill wrote the column in all rows, which is not a use; nor are rows of the old version.
INSERT INTO item (id, label) VALUES (1001, 'by the old version');
SELECT * FROM used('m');
INSERT INTO item (id, label, size) VALUES (1002, 'by the new version', 5);
SELECT * FROM used('m');

-- What others made upon it: some stops a rollback, some goes with it.
CREATE VIEW theirs AS SELECT id, size FROM item;
CREATE MATERIALIZED VIEW stored AS SELECT "Weight" FROM item;
CREATE VIEW on_theirs AS SELECT * FROM theirs;
CREATE INDEX theirs_idx ON item (size);
CREATE FUNCTION calls() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT f(); END;
CREATE FUNCTION react() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER reacts AFTER UPDATE OF size ON item FOR EACH ROW EXECUTE FUNCTION react();
CREATE TRIGGER no_matter AFTER UPDATE OF label ON item FOR EACH ROW EXECUTE FUNCTION react();
CREATE TABLE pointing (e int REFERENCES extra, m mood);
CREATE TABLE pointing_to_item (i int REFERENCES item);
ALTER TABLE item ADD CONSTRAINT positive CHECK (size > 0), ADD CONSTRAINT one_weight UNIQUE ("Weight");
CREATE POLICY only_large ON item USING (size > 1);
CREATE STATISTICS together ON label, size FROM item;
CREATE INDEX extra_also ON extra (id, item);
SELECT * FROM used('m') WHERE kind = 'dependency';
SELECT zdm_rollback('m');
SELECT state FROM zdm.migrations WHERE name = 'm';
DROP VIEW theirs, on_theirs;
DROP MATERIALIZED VIEW stored;
DROP FUNCTION calls();
DROP TRIGGER reacts ON item;
DROP TABLE pointing;
DROP POLICY only_large ON item;
-- A role that may not see the migration learns nothing.
SET SESSION AUTHORIZATION api_usage_bob;
SELECT * FROM zdm_usage('m');
SELECT zdm_usage(NULL);
SELECT zdm_rollback('m');
SET SESSION AUTHORIZATION api_usage_alice;

RESET SESSION AUTHORIZATION;
-- A copy of the database has no evidence, and says so.
DO $$ BEGIN EXECUTE format('DROP SEQUENCE zdm.wrote_%s', 'a.item'::regclass::oid); END $$;
SET SESSION AUTHORIZATION api_usage_alice;
SELECT kind, message FROM used('m') WHERE kind = 'write';
-- Nothing stops it now: a notice for each use, then it begins.
SET client_min_messages = notice;
SELECT zdm_rollback('m');
CALL zdm_wait('m', 'rolled_back', '60 s');
CALL settle('m');
SET client_min_messages = warning;
SELECT * FROM used('m');
\d item

-- Done: it can't be rolled back, but what hangs on it can be told.
SELECT zdm_create('kept', 'ALTER TABLE item ADD COLUMN depth int;') > 0 AS made;
SELECT zdm_start('kept');
CALL zdm_wait('kept', 'done', '60 s');
CREATE VIEW deep AS SELECT depth FROM item;
SELECT * FROM used('kept');
SELECT zdm_rollback('kept');

DROP VIEW deep;

-- What the migration itself changed to use what it made, and its undo gives back, stops nothing.
CREATE VIEW shown AS SELECT id FROM item;
CREATE FUNCTION counted(item) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
SELECT zdm_create('changes', $$
    ALTER TABLE item ADD COLUMN height int NOT NULL;
    UPDATE item SET height = 1 WHERE height IS NULL;
    CREATE FUNCTION next_label() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
    ALTER TABLE item ALTER COLUMN label SET DEFAULT next_label();
    CREATE OR REPLACE VIEW shown AS SELECT height AS id FROM item;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE OR REPLACE FUNCTION counted(item) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT one(); END;
$$) > 0 AS made;
SELECT zdm_start('changes');
CALL zdm_wait('changes', 'ready', '60 s');
SELECT pg_get_viewdef('shown') LIKE '%height%' AS changed;
SELECT * FROM used('changes');
CREATE VIEW stops AS SELECT height FROM item;
SELECT zdm_rollback('changes');
DROP VIEW stops;
SELECT zdm_rollback('changes');
CALL zdm_wait('changes', 'rolled_back', '60 s');
\d item

-- Something that was dropped meanwhile needs no word.
CREATE TABLE gone (id int PRIMARY KEY);
SELECT zdm_create('dropped', 'ALTER TABLE gone ADD COLUMN c int NOT NULL; UPDATE gone SET c = 1;') > 0 AS made;
SELECT zdm_start('dropped');
CALL zdm_wait('dropped', 'ready', '60 s');
DROP TABLE gone;
SELECT * FROM used('dropped');
SELECT zdm_rollback('dropped');
CALL zdm_wait('dropped', 'rolled_back', '60 s');

RESET SESSION AUTHORIZATION;
DROP SCHEMA a CASCADE;
DROP OWNED BY api_usage_alice, api_usage_bob;
DROP ROLE api_usage_alice, api_usage_bob;
