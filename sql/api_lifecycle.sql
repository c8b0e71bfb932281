-- The life of a migration through SQL: every call in every state.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET zdm.quiet_period = 0;
CREATE TABLE item (id int PRIMARY KEY, label text);
INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 1000) g;
CREATE VIEW here AS
SELECT name, state, activity, upto, paused, steps_done || '/' || steps AS steps, failed_state FROM zdm.migrations;
-- Until no worker is at it any more, for which nobody else has to wait.
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
-- The error of a statement, numbers left out.
CREATE PROCEDURE refused(statement text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RAISE INFO 'not refused: %', statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO '%: %', SQLSTATE, regexp_replace(message, '\m[0-9]+\M', 'N', 'g')
         USING DETAIL = regexp_replace(detail, '\m[0-9]+\M', 'N', 'g'), HINT = hint;
END $$;
\set sql 'ALTER TABLE item ADD COLUMN size int NOT NULL; UPDATE item SET size = 1 WHERE size IS NULL;'

-- Of what does not exist.
SELECT zdm_start('nobody');
SELECT zdm_contract('nobody');
SELECT zdm_rollback('nobody');
SELECT zdm_pause('nobody');
SELECT zdm_resume('nobody');
SELECT zdm_set('nobody', 'duty', '0.5');
CALL zdm_wait('nobody');

-- planned
SELECT zdm_create('m', :'sql') = zdm_create('m', :'sql') AS same;
SELECT zdm_create('m', replace(:'sql', ' ', E' \r\n')) ;
SELECT zdm_create('lines', E'CREATE INDEX i ON item\n(label);') = zdm_create('lines', E'CREATE INDEX i ON item\r\n(label);') AS same_with_other_line_ends;
CALL settle('m'); SELECT * FROM here WHERE name = 'm';
SELECT zdm_contract('m');
SELECT zdm_pause('m');
SELECT zdm_resume('m');
CALL zdm_wait('m', 'planned');
CALL zdm_wait('m', 'rubbish');
CALL zdm_wait('m', 'ready', '20 ms');
SELECT zdm_start('m', 'rubbish');
SELECT zdm_set('m', 'duty', '0.9');
SELECT options FROM zdm.migrations WHERE name = 'm';
SELECT zdm_set('m', 'duty', NULL);
SELECT options FROM zdm.migrations WHERE name = 'm';

-- Options that are none.
SELECT zdm_set('m', 'duty', 'NaN');
SELECT zdm_set('m', 'duty', '-1');
SELECT zdm_set('m', 'duty', '0');
SELECT zdm_set('m', 'duty', 'Infinity');
SELECT zdm_set('m', 'duty', '');
SELECT zdm_set('m', 'duty', ' 0.5');
SELECT zdm_set('m', 'duty', '0.5x');
SELECT zdm_set('m', 'max_rate', '-0.1');
SELECT zdm_set('m', 'max_rate', '1e400');
SELECT zdm_set('m', 'batch_target', '0x10');
SELECT zdm_set('m', 'colour', 'red');
SELECT zdm_set('m', NULL, '1');
SELECT options FROM zdm.migrations WHERE name = 'm';

-- Rolled back before it began, and created anew with other SQL.
SELECT zdm_rollback('m');
SELECT state FROM here WHERE name = 'm';
SELECT zdm_rollback('m');
SELECT zdm_create('m', 'ALTER TABLE item ADD COLUMN weight int;') > 0 AS replaced;
SELECT state FROM here WHERE name = 'm';
SELECT zdm_rollback('m');
SELECT zdm_create('m', :'sql') > 0 AS replaced;

-- expanded
SELECT zdm_start('m', 'expanded');
CALL zdm_wait('m', 'expanded', '60 s');
CALL settle('m'); SELECT * FROM here WHERE name = 'm';
SELECT zdm_contract('m');
CALL zdm_wait('m', 'ready', '20 ms');
SELECT zdm_create('m', 'ALTER TABLE item ADD COLUMN weight int;');
SELECT zdm_start('m', 'expanded');
CALL settle('m'); SELECT * FROM here WHERE name = 'm';
-- Paused there: nothing goes on, until resumed.
SELECT zdm_pause('m', 'lunch');
SELECT zdm_start('m', 'ready');
CALL settle('m'); SELECT state, paused, activity, pause_reason FROM zdm.migrations WHERE name = 'm';
SELECT zdm_resume('m');

-- ready
CALL zdm_wait('m', 'ready', '60 s');
CALL settle('m'); SELECT * FROM here WHERE name = 'm';
CALL zdm_wait('m', 'expanded');
SELECT zdm_start('m');
SELECT zdm_start('m', 'expanded');
CALL settle('m'); SELECT * FROM here WHERE name = 'm';
INSERT INTO item VALUES (1001, 'old application');
SELECT count(*), sum(size) FROM item;

-- The gate: shut after that insert; force wants a reason.
SET zdm.quiet_period = '1h';
CALL refused('SELECT zdm_contract(''m'')');
SELECT zdm_contract('m', true);
SELECT zdm_contract('m', true, '');
SELECT state, forced_reason FROM zdm.migrations WHERE name = 'm';

-- Back, and once more.
SELECT zdm_rollback('m');
CALL zdm_wait('m', 'rolled_back', '60 s');
CALL settle('m'); SELECT state, activity FROM here WHERE name = 'm';
\d item
SELECT count(*) FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relname ~ '^(acted|wrote|differs)_';
SELECT zdm_contract('m');
SELECT zdm_pause('m');
SELECT zdm_resume('m');
CALL zdm_wait('m', 'ready');
SELECT zdm_start('m', 'ready');
CALL zdm_wait('m', 'ready', '60 s');
INSERT INTO item VALUES (1002, 'old application');

-- Forced, with the reason kept.
SET zdm.quiet_period = '1h';
SELECT zdm_contract('m', true, 'the old one is a report that runs once a year');
CALL zdm_wait('m', 'done', '60 s');
CALL settle('m'); SELECT state, activity, forced_reason, forced_by = session_user AS by_me FROM zdm.migrations WHERE name = 'm';
\d item

-- done
SELECT zdm_start('m');
SELECT zdm_start('m', 'done');
SELECT zdm_contract('m');
SELECT zdm_rollback('m');
SELECT zdm_pause('m');
SELECT zdm_resume('m');
SELECT zdm_create('m', :'sql') > 0 AS same;
SELECT zdm_create('m', 'ALTER TABLE item ADD COLUMN weight int;');
CALL zdm_wait('m', 'done');
CALL zdm_wait('m', 'expanded');
CALL settle('m'); SELECT * FROM here WHERE name = 'm';

-- keep: stops, leaves what is there, and says how to clean up.
SELECT zdm_create('kept', 'ALTER TABLE item ADD COLUMN depth int NOT NULL; UPDATE item SET depth = 7;');
SELECT zdm_start('kept');
CALL zdm_wait('kept', 'ready', '60 s');
SELECT zdm_rollback('kept', true) AS clean_up \gset
\echo :clean_up
CALL zdm_wait('kept', 'rolled_back', '60 s');
SELECT count(*), sum(depth) FROM item;
INSERT INTO item VALUES (1003, 'still filled', 1);
SELECT depth FROM item WHERE id = 1003;
SELECT zdm_start('kept');
:clean_up
\d item
SELECT count(*) AS evidence_left FROM pg_class WHERE relnamespace = 'zdm'::regnamespace AND relname ~ '^(acted|wrote|differs)_';
SELECT state FROM here WHERE name = 'kept';

-- Without a transition start goes to the end.
SELECT zdm_start('lines');
CALL zdm_wait('lines', 'done', '60 s');
SELECT zdm_rollback('lines');
SELECT indrelid::regclass, indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass;

-- done from the start: the gate is asked by the worker.
SET zdm.quiet_period = 0;
SELECT zdm_create('all at once', 'ALTER TABLE item ADD COLUMN height int NOT NULL; UPDATE item SET height = 2;') > 0 AS made;
SELECT zdm_set('all at once', 'quiet_period', '0');
SELECT zdm_start('all at once', 'done');
CALL zdm_wait('all at once', 'done', '60 s');
CALL settle('all at once'); SELECT * FROM here WHERE name = 'all at once';

-- After a removal has begun there is no way back; before it, contract can be left.
SELECT zdm_create('removes', 'ALTER TABLE item DROP COLUMN height;') > 0 AS made;
SELECT zdm_start('removes');
CALL zdm_wait('removes', 'ready', '60 s');
-- Blind, unless what goes is small and nobody else is connected; 8 kB is smaller than this table.
SET zdm.small_table = '8kB';
SELECT zdm_contract('removes');
SELECT zdm_contract('removes', true, 'nobody reads it');
RESET zdm.small_table;
CALL zdm_wait('removes', 'done', '60 s');
SELECT point_of_no_return IS NOT NULL AS has_point, removal_started FROM zdm.migrations WHERE name = 'removes';
SELECT zdm_rollback('removes');
-- With nobody else here, who asked included, the worker agrees that it does not count, and says so.
ALTER TABLE item ADD COLUMN height int;
SELECT zdm_create('removes too', 'ALTER TABLE item DROP COLUMN height;') > 0 AS made;
SELECT zdm_start('removes too');
CALL zdm_wait('removes too', 'ready', '60 s');
SELECT zdm_contract('removes too');
CALL zdm_wait('removes too', 'done', '60 s');
SELECT message FROM zdm.events WHERE migration = 'removes too' AND kind = 'gate';
-- A view has no size: the largest table of all counts, and that is not small.
CREATE VIEW shown AS SELECT id FROM item;
CREATE TABLE large AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 2000);
SELECT zdm_create('view', 'DROP VIEW shown;') > 0 AS made;
SELECT zdm_start('view', 'done');
DO $$ BEGIN WHILE (SELECT waiting_for IS NULL FROM zdm.migrations WHERE name = 'view') LOOP PERFORM pg_sleep(0.01); COMMIT; END LOOP; END $$;
SELECT state, waiting_for FROM zdm.migrations WHERE name = 'view';
DROP TABLE large;
SELECT zdm_start('view', 'done');
SELECT zdm_contract('view');
CALL zdm_wait('view', 'done', '60 s');

-- zdm_backfill
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'fill') > 0 AS made;
CALL zdm_wait('fill', 'done', '60 s');
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'fill');
SELECT zdm_backfill('item', 'label = ''x''', NULL, 'no end');
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'nan', '{"duty": "NaN"}');
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'negative', '{"max_rate": -1}');
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'unknown', '{"colour": "red"}');
SELECT zdm_backfill('item', 'label = ''none''', 'label IS NULL', 'array', '[1]');
SELECT zdm_backfill('pg_class', 'relname = ''x''', 'relname IS NULL', 'system');
SELECT zdm_backfill('here', 'name = ''x''', 'name IS NULL', 'view');
SELECT zdm_backfill(0::regclass, 'name = ''x''', 'name IS NULL', 'nothing');
SELECT zdm_backfill(NULL, 'name = ''x''');
SELECT zdm_backfill('item', NULL);
SELECT name FROM zdm.migrations ORDER BY id;
-- What happened, in order.
SELECT migration, kind, step IS NOT NULL AS of_step, CASE WHEN kind = 'step' THEN '...' ELSE regexp_replace(message, '\d+ (s|page)(econds?|s)?\M', 'N \1', 'g') END FROM zdm.events WHERE migration = 'm' ORDER BY id;
