-- Somebody else drops, renames or changes what a migration is at work on: it fails with the reason, and
-- nothing of it is left behind.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE ROLE bad_meddling_a LOGIN;
CREATE ROLE bad_meddling_b LOGIN;
CREATE SCHEMA s AUTHORIZATION bad_meddling_a;
GRANT ALL ON SCHEMA s TO bad_meddling_b;
CREATE VIEW failure AS
SELECT name, state, failed_state, sqlstate, message, detail, hint FROM zdm.migrations;
CREATE VIEW left_over AS
SELECT tgrelid::regclass::text AS thing, tgname::text FROM pg_trigger WHERE tgname LIKE '%zdm%'
UNION ALL SELECT 'zdm', relname FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relname LIKE 'acted%'
UNION ALL SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE conname LIKE 'zdm%'
UNION ALL SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid;
CREATE PROCEDURE wait_at(point text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'zdm fault ' || point AND datname = current_database()) THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody came to %', point;
END$$;
-- A new table and a migration of it, as its owner.
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE s.%I (id int PRIMARY KEY, v int)', name);
    EXECUTE format('INSERT INTO s.%I SELECT g, g FROM generate_series(1, 100) g', name);
    PERFORM zdm_create(name, format('ALTER TABLE s.%1$I ADD COLUMN c int NOT NULL; UPDATE s.%1$I SET c = v WHERE c IS NULL;', name));
END$$;
GRANT SELECT ON failure, left_over TO PUBLIC;
SET SESSION AUTHORIZATION bad_meddling_a;

-- Dropped at ready; the next call finds out. What is left goes on rollback.
CALL make('dropped');
SELECT zdm_start('dropped');
CALL zdm_wait('dropped', 'ready', '60 s');
DROP TABLE s.dropped;
SELECT zdm_contract('dropped', true, 'test');
CALL zdm_wait('dropped', 'done', '60 s');
SELECT * FROM failure WHERE name = 'dropped';
SELECT * FROM left_over;
SELECT zdm_resume('dropped');
CALL zdm_wait('dropped', 'done', '60 s');
SELECT zdm_rollback('dropped');
CALL zdm_wait('dropped', 'rolled_back', '60 s');

-- Dropped between two steps, and made again under the same name: that is another table.
SELECT pg_advisory_lock(1514425, hashtext('backfill:begin'));
CALL make('replaced');
SELECT zdm_start('replaced');
CALL wait_at('backfill:begin');
DROP TABLE s.replaced;
CREATE TABLE s.replaced (id int PRIMARY KEY, v int);
SELECT pg_advisory_unlock(1514425, hashtext('backfill:begin'));
CALL zdm_wait('replaced', 'ready', '60 s');
SELECT * FROM left_over;
SELECT zdm_rollback('replaced');
CALL zdm_wait('replaced', 'rolled_back', '60 s');
\d s.replaced

-- Renamed: fails, waits for its name, and then goes on.
SELECT pg_advisory_lock(1514425, hashtext('backfill:begin'));
CALL make('renamed');
SELECT zdm_start('renamed');
CALL wait_at('backfill:begin');
ALTER TABLE s.renamed RENAME TO called;
SELECT pg_advisory_unlock(1514425, hashtext('backfill:begin'));
CALL zdm_wait('renamed', 'ready', '60 s');
INSERT INTO s.called VALUES (101, 7);
SELECT c FROM s.called WHERE id = 101;
-- Not under another name: what would be taken back is not where the plan says.
SELECT zdm_rollback('renamed');
CALL zdm_wait('renamed', 'rolled_back', '60 s');
SELECT state, failed_state FROM failure WHERE name = 'renamed';
ALTER TABLE s.called RENAME TO renamed;
SELECT zdm_rollback('renamed');
CALL zdm_wait('renamed', 'rolled_back', '60 s');
SELECT * FROM left_over;
\d s.renamed
SELECT zdm_set('renamed', 'quiet_period', '0');
SELECT zdm_start('renamed', 'done');
CALL zdm_wait('renamed', 'done', '60 s');

-- Dropped while it is rolled back, and while it is planned.
CALL make('gone');
SELECT zdm_start('gone');
CALL zdm_wait('gone', 'ready', '60 s');
SELECT pg_advisory_lock(1514425, hashtext('undo_unsync:begin'));
SELECT zdm_rollback('gone');
CALL wait_at('undo_unsync:begin');
DROP TABLE s.gone;
SELECT pg_advisory_unlock(1514425, hashtext('undo_unsync:begin'));
CALL zdm_wait('gone', 'rolled_back', '60 s');
SELECT * FROM left_over;
-- What the migration made itself.
SELECT zdm_create('made', 'CREATE TABLE s.made (id int); CREATE SEQUENCE s.numbers; ALTER TABLE s.renamed ADD COLUMN e int NOT NULL; UPDATE s.renamed SET e = 1 WHERE e IS NULL;') > 0 AS made;
SELECT zdm_start('made');
CALL zdm_wait('made', 'ready', '60 s');
DROP TABLE s.made;
DROP SEQUENCE s.numbers;
SELECT zdm_rollback('made');
CALL zdm_wait('made', 'rolled_back', '60 s');
SELECT * FROM left_over;
SELECT zdm_start('gone');
CALL make('planned');
DROP TABLE s.planned;
SELECT zdm_start('planned');
SELECT state FROM failure WHERE name = 'planned';
-- Changed since it was planned: the final plan says so before anything runs.
SELECT zdm_create('changed', 'ALTER TABLE s.renamed ADD COLUMN IF NOT EXISTS d int;') > 0 AS made;
ALTER TABLE s.renamed ADD COLUMN d int;
SET client_min_messages = notice;
SELECT zdm_start('changed', 'done');
SET client_min_messages = warning;
CALL zdm_wait('changed', 'done', '60 s');

-- The column dropped, the trigger dropped, the index dropped.
CALL make('column');
SELECT zdm_start('column');
CALL zdm_wait('column', 'ready', '60 s');
ALTER TABLE s.column DROP COLUMN c;
ALTER TABLE s.column DROP COLUMN c CASCADE;
SELECT zdm_contract('column', true, 'test');
CALL zdm_wait('column', 'done', '60 s');
SELECT zdm_rollback('column');
CALL zdm_wait('column', 'rolled_back', '60 s');
\d s.column
CALL make('trigger');
SELECT zdm_start('trigger');
CALL zdm_wait('trigger', 'ready', '60 s');
DROP TRIGGER zz_zdm_sync ON s.trigger;
SELECT zdm_rollback('trigger');
CALL zdm_wait('trigger', 'rolled_back', '60 s');
\d s.trigger
SELECT * FROM left_over;

-- Given to somebody else in the middle.
CALL make('given');
SELECT zdm_start('given');
CALL zdm_wait('given', 'ready', '60 s');
RESET SESSION AUTHORIZATION;
ALTER TABLE s.given OWNER TO bad_meddling_b;
SET SESSION AUTHORIZATION bad_meddling_a;
SELECT zdm_contract('given', true, 'test');
CALL zdm_wait('given', 'done', '60 s');
SELECT * FROM failure WHERE name = 'given';
RESET SESSION AUTHORIZATION;
ALTER TABLE s.given OWNER TO bad_meddling_a;
SET SESSION AUTHORIZATION bad_meddling_a;
SELECT zdm_resume('given');
CALL zdm_wait('given', 'done', '60 s');
\d s.given

-- The name that an index should get is taken meanwhile: built at once, and CONCURRENTLY.
SELECT pg_advisory_lock(1514425, hashtext('ddl:begin'));
SELECT zdm_create('taken', 'CREATE INDEX taken ON s.given (v);') > 0 AS made;
SELECT zdm_start('taken');
CALL wait_at('ddl:begin');
CREATE TABLE s.taken (id int);
SELECT pg_advisory_unlock(1514425, hashtext('ddl:begin'));
CALL zdm_wait('taken', 'done', '60 s');
DROP TABLE s.taken;
SELECT zdm_resume('taken');
CALL zdm_wait('taken', 'done', '60 s');
DROP INDEX s.taken;
SET zdm.small_table = 0;
SELECT pg_advisory_lock(1514425, hashtext('index:begin'));
SELECT zdm_create('taken too', 'CREATE INDEX taken ON s.given (v);') > 0 AS made;
SELECT zdm_start('taken too');
CALL wait_at('index:begin');
CREATE TABLE s.taken (id int);
SELECT pg_advisory_unlock(1514425, hashtext('index:begin'));
CALL zdm_wait('taken too', 'done', '60 s');
\d s.taken
DROP TABLE s.taken;
SELECT zdm_resume('taken too');
CALL zdm_wait('taken too', 'done', '60 s');
\d s.given

-- Nothing helps any more: what is left stays, and the tables are free for others.
CALL make('stuck');
SELECT zdm_start('stuck');
CALL zdm_wait('stuck', 'ready', '60 s');
RESET SESSION AUTHORIZATION;
ALTER TABLE s.stuck OWNER TO bad_meddling_b;
SET SESSION AUTHORIZATION bad_meddling_a;
SELECT zdm_rollback('stuck');
CALL zdm_wait('stuck', 'rolled_back', '60 s');
SELECT zdm_rollback('stuck', keep => true) AS clean_up;
CALL zdm_wait('stuck', 'rolled_back', '60 s');
RESET SESSION AUTHORIZATION;
DROP TRIGGER zz_zdm_sync ON s.stuck;
SET SESSION AUTHORIZATION bad_meddling_a;

SELECT * FROM left_over;
SELECT name, state FROM zdm.migrations ORDER BY id;
RESET SESSION AUTHORIZATION;
DROP OWNED BY bad_meddling_a, bad_meddling_b;
DROP ROLE bad_meddling_a, bad_meddling_b;
