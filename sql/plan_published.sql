-- Tables of publications: an UPDATE or DELETE without a replica identity that will do is refused as the server refuses it, before it
-- starts and when a publication comes up in the middle.
\set VERBOSITY terse
\set SHOW_CONTEXT never
-- wal_level is not logical here.
SET client_min_messages = error;
CREATE TABLE bare (id int, v int, c int);
CREATE TABLE keyed (id int PRIMARY KEY, v int, c int);
INSERT INTO bare SELECT g, g FROM generate_series(1, 500) g;
INSERT INTO keyed SELECT g, g FROM generate_series(1, 500) g;
-- What the server says of the statement itself, and what zdm says.
CREATE FUNCTION refusal(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
    EXECUTE command;
    RETURN 'passes';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, nullif(d, ''), nullif(h, ''));
END $$;
CREATE FUNCTION compare(relation text) RETURNS TABLE (what text, server text, zdm text) LANGUAGE plpgsql AS $$
DECLARE s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['UPDATE %s SET c = 1 WHERE c IS NULL', 'DELETE FROM %s WHERE id = 0'] LOOP
        what := left(s, 6);
        server := split_part(refusal(format(s, relation)), E'\n', 1);
        zdm := refusal(format('SELECT * FROM zdm_plan(%L)', format(s, relation)));
        RETURN NEXT;
    END LOOP;
END $$;
\pset format unaligned
BEGIN;
SELECT * FROM compare('bare');
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT * FROM compare('bare');
SELECT * FROM compare('keyed');
SELECT refusal($$SELECT zdm_backfill('bare', 'c = 1', 'c IS NULL')$$);
SELECT refusal($$SELECT zdm_estimate('bare', 'c = 1', 'c IS NULL')$$);
SELECT refusal($$SELECT zdm_create('direct', '-- zdm: direct
UPDATE bare SET c = 1;')$$);
-- The file itself gives it one.
SELECT refusal($$SELECT * FROM zdm_plan('ALTER TABLE bare REPLICA IDENTITY FULL; UPDATE bare SET c = 1 WHERE c IS NULL')$$);
-- What is new is in no publication that needs one by then.
SELECT refusal($$SELECT * FROM zdm_plan('CREATE TABLE fresh (id int); UPDATE fresh SET id = 1')$$);
ALTER TABLE bare REPLICA IDENTITY FULL;
SELECT * FROM compare('bare');
ROLLBACK;
BEGIN;
CREATE PUBLICATION inserts FOR TABLE bare, keyed WITH (publish = 'insert');
SELECT * FROM compare('bare');
CREATE PUBLICATION updates FOR TABLES IN SCHEMA public WITH (publish = 'insert, update');
SELECT * FROM compare('bare');
ROLLBACK;
-- A row filter, a list of columns, an index as the identity.
BEGIN;
CREATE PUBLICATION filtered FOR TABLE keyed WHERE (v > 3);
SELECT * FROM compare('keyed');
ALTER TABLE keyed REPLICA IDENTITY FULL;
SELECT * FROM compare('keyed');
ROLLBACK;
BEGIN;
CREATE PUBLICATION listed FOR TABLE keyed (v);
SELECT * FROM compare('keyed');
ROLLBACK;
BEGIN;
CREATE PUBLICATION everything FOR ALL TABLES;
ALTER TABLE bare ALTER v SET NOT NULL;
CREATE UNIQUE INDEX bare_v ON bare (v);
ALTER TABLE bare REPLICA IDENTITY USING INDEX bare_v;
SELECT * FROM compare('bare');
ALTER TABLE keyed REPLICA IDENTITY NOTHING;
SELECT * FROM compare('keyed');
ROLLBACK;

-- Of a partitioned table any partition may be published.
CREATE TABLE parted (id int, v int, c int) PARTITION BY LIST (v);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
BEGIN;
CREATE PUBLICATION one FOR TABLE parted_2;
SELECT * FROM compare('parted');
SELECT * FROM compare('parted_1');
ALTER TABLE parted_2 REPLICA IDENTITY FULL;
SELECT * FROM compare('parted');
ROLLBACK;

-- One that comes up in the middle.
SELECT zdm_backfill('bare', 'c = 1', 'c IS NULL', 'middle', '{"max_rate": 20, "batch_target": 10}') > 0 AS made;
CREATE PROCEDURE wait_for_rows() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 1200 LOOP
        EXIT WHEN (SELECT count(*) FROM bare WHERE c = 1) > 0;
        PERFORM pg_sleep(0.05);
        COMMIT;
    END LOOP;
END $$;
CALL wait_for_rows();
CREATE PUBLICATION late FOR TABLE bare;
CALL zdm_wait('middle', 'done', '60 s');
SELECT state, sqlstate, message, detail, hint FROM zdm.migrations WHERE name = 'middle';
SELECT count(*) BETWEEN 1 AND 499 AS some FROM bare WHERE c = 1;
ALTER TABLE bare REPLICA IDENTITY FULL;
SELECT zdm_set('middle', 'max_rate', NULL);
SELECT zdm_resume('middle');
CALL zdm_wait('middle', 'done', '60 s');
SELECT count(*) FROM bare WHERE c = 1;
DROP PUBLICATION late;
