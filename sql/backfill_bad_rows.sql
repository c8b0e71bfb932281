-- The option max_bad_rows: rows that can't be changed are passed over, listed, and tried again when the migration is resumed.
\set VERBOSITY terse
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE VIEW ended AS
SELECT name, state, sqlstate, message, regexp_replace(detail, '\(\d+,\d+\)', '(place)', 'g') AS detail, hint FROM zdm.migrations;
-- With room for what is written here again: rows that go to pages behind the range are nobody's to fill, and whether old
-- versions give their room back depends on what else the server has to do.
CREATE TABLE t (id int PRIMARY KEY, price text, cents int CHECK (cents < 1000000)) WITH (fillfactor = 20);
INSERT INTO t SELECT g, g::text, NULL FROM generate_series(1, 5000) g;
-- A text that is no number, one that is too long for an int, a value that the check refuses; two on one page, two at the ends.
UPDATE t SET price = 'x' WHERE id IN (1, 500, 501, 2500, 3999);
UPDATE t SET price = '99999999999' WHERE id = 3000;
UPDATE t SET price = '1000000' WHERE id = 5000;

-- Without it, the first ones stop it.
SELECT zdm_backfill('t', 'cents = price::int', 'cents IS NULL', 'none') > 0 AS made;
CALL zdm_wait('none', 'done', '60 s');
SELECT * FROM ended WHERE name = 'none';
SELECT count(*) AS noted FROM zdm.bad_rows;

-- Given while it runs or rests: a number that is too small, then one that is not.
SELECT zdm_set('none', 'max_bad_rows', '3');
SELECT zdm_resume('none');
CALL zdm_wait('none', 'done', '60 s');
SELECT * FROM ended WHERE name = 'none';
SELECT zdm_set('none', 'max_bad_rows', '7');
SELECT zdm_resume('none');
CALL zdm_wait('none', 'done', '60 s');
SELECT * FROM ended WHERE name = 'none';
SELECT failed_state, kind AS failed_at FROM zdm.migrations m JOIN zdm.steps s ON s.migration = m.name AND s.step = m.failed_step WHERE name = 'none';
SELECT count(*) FILTER (WHERE cents::text = price) AS filled, count(*) FILTER (WHERE cents IS NULL) AS left FROM t;
SELECT b.relation, key, sqlstate, message, place = t.ctid AS there
  FROM zdm.bad_rows b JOIN t ON b.key = 'id = ' || t.id JOIN zdm.steps s ON s.migration = b.migration AND s.step = b.step
 WHERE s.kind = 'last_pass' ORDER BY t.id;
SELECT count(*) AS listed_once FROM zdm.bad_rows;

-- Only those that may see the migration see them.
CREATE ROLE backfill_bad_rows_other;
SET ROLE backfill_bad_rows_other;
SELECT count(*) FROM zdm.bad_rows;
INSERT INTO zdm.bad_row VALUES (1, 1, '(0,1)', NULL, '00000', 'mine');
RESET ROLE;
DROP ROLE backfill_bad_rows_other;

-- Some are corrected, then all.
UPDATE t SET price = '7' WHERE price = 'x';
SELECT zdm_resume('none');
CALL zdm_wait('none', 'done', '60 s');
SELECT message, detail FROM ended WHERE name = 'none';
SELECT key FROM zdm.bad_rows ORDER BY key;
UPDATE t SET price = '8' WHERE cents IS NULL;
SELECT zdm_resume('none');
CALL zdm_wait('none', 'done', '60 s');
SELECT name, state, message FROM ended;
SELECT count(*) AS noted, (SELECT count(*) FROM t WHERE cents IS NULL) AS left FROM zdm.bad_rows;

-- Rows that can't be deleted, without a primary key.
CREATE TABLE parent (id int UNIQUE, gone boolean);
INSERT INTO parent SELECT g, true FROM generate_series(1, 300) g;
CREATE TABLE child (id int REFERENCES parent (id));
INSERT INTO child VALUES (17), (170);
SELECT zdm_create('delete', 'DELETE FROM parent WHERE gone;') > 0 AS made;
SELECT zdm_set('delete', 'max_bad_rows', '2');
SELECT zdm_start('delete', 'done');
CALL zdm_wait('delete', 'done', '60 s');
SELECT * FROM ended WHERE name = 'delete';
TABLE parent;
DELETE FROM child;
SELECT zdm_resume('delete');
CALL zdm_wait('delete', 'done', '60 s');
TABLE parent;

-- A row for which the WHERE can't be computed.
SELECT zdm_backfill('t', 'cents = 0', '1.0 / (id - 777) < 2 AND cents > 0', 'where', '{"max_bad_rows": 10}') > 0 AS made;
CALL zdm_wait('where', 'done', '60 s');
SELECT message, detail FROM ended WHERE name = 'where';
SELECT count(*) FILTER (WHERE cents = 0) AS filled, count(*) FILTER (WHERE cents > 0) AS left FROM t;

SELECT zdm_set('where', 'max_bad_rows', '-1');
SELECT zdm_set('where', 'max_bad_rows', '1000000');
