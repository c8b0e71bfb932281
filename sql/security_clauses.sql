-- The clauses of zdm_backfill are expressions, and nothing else gets in with them; nor with names.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
CREATE TABLE victim (id int);
CREATE TABLE t (id int PRIMARY KEY, c int, d int);
INSERT INTO t SELECT g, NULL, NULL FROM generate_series(1, 50) g;

-- Statements, other clauses, comments that would swallow what follows.
SELECT zdm_backfill('t', 'c = 1; DROP TABLE victim; --', 'c IS NULL', 's1');
SELECT zdm_backfill('t', 'c = 1; DROP TABLE victim', 'c IS NULL', 's2');
SELECT zdm_backfill('t', 'c = 1 WHERE true --', 'c IS NULL', 's3');
SELECT zdm_backfill('t', 'c = 1 FROM victim', 'c IS NULL', 's4');
SELECT zdm_backfill('t', 'c = 1 RETURNING id', 'c IS NULL', 's5');
SELECT zdm_backfill('t', 'c = 1 /*', 'c IS NULL */', 's6');
SELECT zdm_backfill('t', 'c = (1', '1) = c', 's7');
SELECT zdm_backfill('t', 'c = 1)', 'c IS NULL', 's8');
SELECT zdm_backfill('t', 'c = ''', ''' IS NULL', 's9');
SELECT zdm_backfill('t', 'c = $$', '$$ IS NULL', 's10');
SELECT zdm_backfill('t', 'c = $1', 'c IS NULL', 's11');
SELECT zdm_backfill('t', '', 'c IS NULL', 's12');
SELECT zdm_backfill('t', '--', 'c IS NULL', 's13');
SELECT zdm_backfill('t', '(c, d) = (SELECT 1, 2)', 'c IS NULL', 's14');
SELECT zdm_backfill('t', 'nobody = 1', 'c IS NULL', 's15');
SELECT zdm_backfill('t', 'c = nobody', 'c IS NULL', 's16');
SELECT zdm_backfill('t', 'c = max(id)', 'c IS NULL', 's17');
SELECT zdm_backfill('t', 'c = generate_series(1, 2)', 'c IS NULL', 's18');
SELECT zdm_backfill('t', 'c = 1', '', 'w1');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL; DROP TABLE victim', 'w2');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL) OR (true', 'w3');
SELECT zdm_backfill('t', 'c = 1', 'true) --', 'w4');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL ORDER BY id', 'w5');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL LIMIT 1', 'w6');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL FOR UPDATE', 'w7');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL UNION SELECT true', 'w8');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL AS x', 'w9');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL, true', 'w10');
SELECT zdm_backfill('t', 'c = 1', '*', 'w11');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL FROM victim', 'w12');
SELECT zdm_backfill('t', 'c = 1', 'c', 'w13');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL AND count(*) > 0', 'w14');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL /* open', 'w15');
SELECT zdm_backfill('t', 'c = 1', E'c IS NULL \\g', 'w16');
SELECT count(*) AS made FROM zdm.migrations;
SELECT count(*) FROM t WHERE c IS NOT NULL;
SELECT to_regclass('victim') IS NOT NULL AS victim_is_there;

-- Comments at the end, quotes and sub-selects that are whole by themselves mean what they say.
SELECT zdm_backfill('t', 'c = 1 -- one', 'c IS NULL AND id <= 10 -- some', 'comments') > 0 AS made;
CALL zdm_wait('comments', 'done', '60 s');
SELECT zdm_backfill('t', 'c = 2 /* two */', '/* others */ c IS NULL AND id <= (SELECT 20)', 'blocks') > 0 AS made;
CALL zdm_wait('blocks', 'done', '60 s');
SELECT zdm_backfill('t', 'c = length($x$; DROP TABLE victim;$x$)', 'c IS NULL AND ''); --'' <> ''''', 'strings') > 0 AS made;
CALL zdm_wait('strings', 'done', '60 s');
SELECT c, count(*) FROM t GROUP BY c ORDER BY c;
-- What is stored is whole as well: taken back and started again it changes the same rows.
BEGIN;
SELECT zdm_backfill('t', 'd = 1 -- one', 'd IS NULL AND id <= 10 -- some', 'again') > 0 AS made;
SELECT zdm_pause('again');
COMMIT;
SELECT sql FROM zdm.migrations WHERE name = 'again';
SELECT zdm_rollback('again') = '' AS nothing_to_clean_up;
CALL zdm_wait('again', 'rolled_back', '60 s');
SELECT zdm_start('again', 'done');
CALL zdm_wait('again', 'done', '60 s');
SELECT d, count(*) FROM t GROUP BY d ORDER BY d;
SELECT to_regclass('victim') IS NOT NULL AS victim_is_there;
