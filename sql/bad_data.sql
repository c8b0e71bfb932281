-- Rows that a migration does not fit: counted and shown before anything is enforced, nothing half-done,
-- and after they were corrected zdm_resume ends done.
\set VERBOSITY terse
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE VIEW failure AS
SELECT name, m.state, failed_state, kind AS failed_at, sqlstate, message, hint,
       -- Where a row lies depends on what was pruned before.
       regexp_replace(detail, '\(\d+,\d+\)', '(place)', 'g') AS detail
  FROM zdm.migrations m LEFT JOIN zdm.steps s ON s.migration = m.name AND s.step = m.failed_step;
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other SELECT generate_series(1, 10);
CREATE TABLE t (id int PRIMARY KEY, v int, other int, code text);
INSERT INTO t SELECT g, g, 1 + g % 10, 'code ' || g FROM generate_series(1, 500) g;

-- All that a migration of table t could leave behind.
CREATE VIEW shape AS
SELECT 'column' AS what, attname::text AS name, CASE WHEN attnotnull THEN 'NOT NULL' ELSE '' END AS how FROM pg_attribute
 WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', indexrelid::regclass::text, CASE WHEN indisvalid THEN 'valid' ELSE 'INVALID' END FROM pg_index WHERE indrelid = 't'::regclass
UNION ALL SELECT 'constraint', conname, CASE WHEN convalidated THEN 'valid' ELSE 'NOT VALID' END
  FROM pg_constraint WHERE conrelid = 't'::regclass AND contype IN ('c', 'f', 'u')
UNION ALL SELECT 'trigger', tgname, '' FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal
UNION ALL SELECT 'evidence', 'acted', '' FROM pg_class WHERE relname = 'acted_' || 't'::regclass::oid
 ORDER BY 1, 2;

-- CHECK
UPDATE t SET v = -v WHERE id IN (7, 77, 177, 277, 377, 477);
SELECT zdm_create('check', 'ALTER TABLE t ADD CONSTRAINT positive CHECK (v > 0);') > 0 AS made;
SELECT zdm_start('check', 'done');
CALL zdm_wait('check', 'done', '60 s');
SELECT * FROM failure WHERE name = 'check';
SELECT * FROM shape;
SELECT zdm_resume('check');
CALL zdm_wait('check', 'done', '60 s');
UPDATE t SET v = -v WHERE v < 0;
SELECT zdm_resume('check');
CALL zdm_wait('check', 'done', '60 s');
SELECT * FROM failure WHERE name = 'check';
SELECT * FROM shape;

-- FOREIGN KEY; NULL refers to nothing.
UPDATE t SET other = 99 WHERE id = 13;
UPDATE t SET other = NULL WHERE id = 14;
SELECT zdm_create('foreign key', 'ALTER TABLE t ADD CONSTRAINT to_other FOREIGN KEY (other) REFERENCES other (id);') > 0 AS made;
SELECT zdm_start('foreign key', 'done');
CALL zdm_wait('foreign key', 'done', '60 s');
SELECT * FROM failure WHERE name = 'foreign key';
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('t'::regclass, 'other'::regclass);
DELETE FROM t WHERE id = 13;
SELECT zdm_resume('foreign key');
CALL zdm_wait('foreign key', 'done', '60 s');
SELECT * FROM shape;

-- NOT NULL
UPDATE t SET code = NULL WHERE id IN (1, 500);
SELECT zdm_create('not null', 'ALTER TABLE t ALTER COLUMN code SET NOT NULL;') > 0 AS made;
SELECT zdm_start('not null', 'done');
CALL zdm_wait('not null', 'done', '60 s');
SELECT * FROM failure WHERE name = 'not null';
SELECT * FROM shape;
UPDATE t SET code = 'none' WHERE code IS NULL;
SELECT zdm_resume('not null');
CALL zdm_wait('not null', 'done', '60 s');
SELECT * FROM shape;

-- Rows that are not unique: as an index, as a constraint; no invalid index stays.
SELECT zdm_create('unique index', 'CREATE UNIQUE INDEX one_code ON t (code);') > 0 AS made;
SELECT zdm_start('unique index', 'done');
CALL zdm_wait('unique index', 'done', '60 s');
SELECT * FROM failure WHERE name = 'unique index';
SELECT * FROM shape;
SELECT zdm_rollback('unique index');
CALL zdm_wait('unique index', 'rolled_back', '60 s');
SELECT zdm_create('unique', 'ALTER TABLE t ADD CONSTRAINT one_code UNIQUE (code);') > 0 AS made;
SELECT zdm_start('unique', 'done');
CALL zdm_wait('unique', 'done', '60 s');
SELECT * FROM failure WHERE name = 'unique';
SELECT * FROM shape;
UPDATE t SET code = 'code ' || id WHERE code = 'none';
SELECT zdm_resume('unique');
CALL zdm_wait('unique', 'done', '60 s');
SELECT * FROM shape;

-- Several at once: all are counted before the first is added.
SELECT zdm_create('both', 'ALTER TABLE t ADD CONSTRAINT small CHECK (id < 1000); ALTER TABLE t ADD CONSTRAINT most CHECK (v <> 5);') > 0 AS made;
SELECT zdm_start('both', 'done');
CALL zdm_wait('both', 'done', '60 s');
SELECT step, kind, state FROM zdm.steps WHERE migration = 'both';
SELECT name, how FROM shape WHERE what = 'constraint';
SELECT zdm_rollback('both');
CALL zdm_wait('both', 'rolled_back', '60 s');

-- A value that can't be computed: the row is named, by place and key; batches before it stay done.
SELECT zdm_create('fails', 'ALTER TABLE t ADD COLUMN share int NOT NULL; UPDATE t SET share = 1000 / (v - 250) WHERE share IS NULL;') > 0 AS made;
SELECT zdm_start('fails');
CALL zdm_wait('fails', 'ready', '60 s');
SELECT * FROM failure WHERE name = 'fails';
SELECT * FROM shape WHERE name = 'share' OR what IN ('trigger', 'evidence');
UPDATE t SET v = 1 WHERE v = 250;
SELECT zdm_resume('fails');
CALL zdm_wait('fails', 'ready', '60 s');
SELECT count(*) AS missing FROM t WHERE share IS DISTINCT FROM 1000 / (v - 250);
SELECT zdm_contract('fails');
CALL zdm_wait('fails', 'done', '60 s');
SELECT * FROM shape;

-- A trigger that takes the change back: it would go on for ever.
CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF new.id = 42 THEN new.code := 'as ever'; END IF; RETURN new; END$$;
ALTER TABLE t DROP CONSTRAINT one_code;
UPDATE t SET code = 'as ever' WHERE id = 42;
CREATE TRIGGER stubborn BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stubborn();
SELECT zdm_backfill('t', 'code = ''new''', 'code = ''as ever''', 'stubborn') > 0 AS made;
CALL zdm_wait('stubborn', 'done', '60 s');
SELECT * FROM failure WHERE name = 'stubborn';
DROP TRIGGER stubborn ON t;
SELECT zdm_resume('stubborn');
CALL zdm_wait('stubborn', 'done', '60 s');
SELECT code FROM t WHERE id = 42;

-- A check of the table that the new values violate.
SELECT zdm_backfill('t', 'v = -1', 'v = 11', 'violates') > 0 AS made;
CALL zdm_wait('violates', 'done', '60 s');
SELECT * FROM failure WHERE name = 'violates';
\set VERBOSITY default
SELECT zdm_rollback('violates');
\set VERBOSITY terse
SELECT zdm_rollback('violates', true) = '' AS nothing_to_clean_up;
CALL zdm_wait('violates', 'rolled_back', '60 s');
SELECT name, state FROM zdm.migrations WHERE state NOT IN ('done', 'rolled_back');

-- A row that comes between the count and VALIDATE: the constraint goes again, for it would refuse updates
-- of that row.
CREATE PROCEDURE wait_at(point text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'zdm fault ' || point AND datname = current_database()) THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody came to %', point;
END$$;
SELECT pg_advisory_lock(1514425, hashtext('constraint:begin'));
SELECT zdm_create('late', 'ALTER TABLE t ADD CONSTRAINT below CHECK (v < 10000);') > 0 AS made;
SELECT zdm_start('late', 'done');
CALL wait_at('constraint:begin');
INSERT INTO t VALUES (1000, 10000, 1, 'late', 1);
SELECT pg_advisory_unlock(1514425, hashtext('constraint:begin'));
CALL zdm_wait('late', 'done', '60 s');
SELECT * FROM failure WHERE name = 'late';
SELECT * FROM shape WHERE name = 'below';
UPDATE t SET v = 9999 WHERE id = 1000;
SELECT zdm_resume('late');
CALL zdm_wait('late', 'done', '60 s');
SELECT * FROM shape WHERE name = 'below';
SELECT name, state FROM zdm.migrations ORDER BY id;
