-- Calls inside transactions: what is rolled back was never asked, and nobody waits inside a transaction.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET zdm.quiet_period = 0;
CREATE TABLE item (id int PRIMARY KEY, label text);
INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 100) g;
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

-- Rolled back: neither migration nor worker.
BEGIN;
SELECT zdm_create('gone', 'ALTER TABLE item ADD COLUMN gone int;') > 0 AS made;
SELECT zdm_start('gone');
SELECT state FROM zdm.migrations;
ROLLBACK;
SELECT count(*) FROM zdm.migrations;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 23108
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- Created before, started in a transaction that is rolled back.
SELECT zdm_create('m', 'ALTER TABLE item ADD COLUMN m int;') > 0 AS made;
BEGIN;
SELECT zdm_start('m');
SELECT state, started_at IS NOT NULL AS started FROM zdm.migrations;
ROLLBACK;
SELECT state, activity, started_at IS NOT NULL AS started FROM zdm.migrations;
SELECT count(*) FROM zdm.events WHERE kind = 'state';

-- Inside a transaction nothing runs before it commits.
BEGIN;
SELECT zdm_start('m');
SELECT state, worker_pid FROM zdm.migrations;
CALL zdm_wait('m', 'done', '60 s');
ROLLBACK;
CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS $$BEGIN CALL zdm_wait('m', 'done', '60 s'); END$$;
SELECT waits();
CREATE PROCEDURE waits_too() LANGUAGE plpgsql AS $$BEGIN CALL zdm_wait('m', 'done', '60 s'); END$$;
BEGIN;
CALL waits_too();
ROLLBACK;
BEGIN;
SELECT zdm_start('m');
COMMIT;
CALL zdm_wait('m', 'done', '60 s');
-- A procedure outside a transaction may.
CALL waits_too();
\d item

-- Savepoints.
BEGIN;
SELECT zdm_create('kept', 'ALTER TABLE item ADD COLUMN kept int;') > 0 AS made;
SAVEPOINT a;
SELECT zdm_create('undone', 'ALTER TABLE item ADD COLUMN undone int;') > 0 AS made;
SELECT zdm_start('undone');
ROLLBACK TO a;
SELECT zdm_start('kept');
SAVEPOINT b;
SELECT zdm_pause('kept');
ROLLBACK TO b;
RELEASE a;
COMMIT;
CALL zdm_wait('kept', 'done', '60 s');
SELECT name, state, paused FROM zdm.migrations ORDER BY id;

-- An error that a function catches takes its calls with it.
CREATE FUNCTION tries(name text, fails boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(name, format('ALTER TABLE item ADD COLUMN %I int;', name));
    PERFORM zdm_start(name);
    IF fails THEN PERFORM 1 / 0; END IF;
    RETURN 'started';
EXCEPTION WHEN division_by_zero THEN
    RETURN 'caught';
END$$;
SELECT tries('from function', false);
CALL zdm_wait('from function', 'done', '60 s');
SELECT tries('from function that fails', true);
SELECT name, state FROM zdm.migrations ORDER BY id;

-- Started and at once paused, or rolled back, in one transaction.
BEGIN;
SELECT zdm_create('paused', 'ALTER TABLE item ADD COLUMN paused int;') > 0 AS made;
SELECT zdm_start('paused');
SELECT zdm_pause('paused');
COMMIT;
CALL settle('paused');
SELECT state, activity, steps_done FROM zdm.migrations WHERE name = 'paused';
BEGIN;
SELECT zdm_resume('paused');
SELECT zdm_rollback('paused');
COMMIT;
CALL zdm_wait('paused', 'rolled_back', '60 s');
SELECT count(*) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attname = 'paused';

-- Read only, and repeatable read.
BEGIN READ ONLY;
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE item ADD COLUMN x int;');
ROLLBACK;
BEGIN READ ONLY;
SELECT zdm_create('x', 'ALTER TABLE item ADD COLUMN x int;');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT zdm_create('serial', 'ALTER TABLE item ADD COLUMN serial int;') > 0 AS made;
SELECT zdm_start('serial');
COMMIT;
CALL zdm_wait('serial', 'done', '60 s');

-- No two-phase commit: planning makes temporary tables, which the server does not prepare.
SELECT zdm_create('two phases', 'ALTER TABLE item ADD COLUMN two int;') > 0 AS made;
BEGIN;
SELECT zdm_start('two phases');
PREPARE TRANSACTION 'api_transactions';
SELECT state, activity FROM zdm.migrations WHERE name = 'two phases';
-- What plans nothing may be prepared; the one who waits starts what it asked for.
SELECT zdm_start('two phases', 'expanded');
CALL zdm_wait('two phases', 'expanded', '60 s');
CALL settle('two phases');
BEGIN;
SELECT zdm_start('two phases', 'done');
PREPARE TRANSACTION 'api_transactions';
COMMIT PREPARED 'api_transactions';
CALL zdm_wait('two phases', 'done', '60 s');
\d item
