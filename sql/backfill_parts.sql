-- A partitioned table is a queue of its partitions: a backfill or a DELETE of it changes the rows of all leaves, as one plain
-- statement does, and refuses what would come out differently.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '60s';
CREATE TABLE seen (at_table name, id bigint, old int, new int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME, NEW.id, OLD.v, NEW.v); RETURN NULL; END$$;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- Leaves whose columns stand in another order, that have dropped ones, that are partitions of a partition.
CREATE PROCEDURE make(t text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE TABLE $ (gone int, id bigint NOT NULL, region text NOT NULL, v int CONSTRAINT no_13 CHECK (v <> 13), note text)
            PARTITION BY LIST (region);
        ALTER TABLE $ DROP COLUMN gone;
        CREATE TABLE $_a PARTITION OF $ FOR VALUES IN ('a');
        CREATE TABLE $_b (note text, v int CONSTRAINT no_13 CHECK (v <> 13), region text NOT NULL, odd int, id bigint NOT NULL);
        ALTER TABLE $_b DROP COLUMN odd;
        ALTER TABLE $ ATTACH PARTITION $_b FOR VALUES IN ('b');
        CREATE TABLE $_c PARTITION OF $ FOR VALUES IN ('c') PARTITION BY HASH ((id + 1), region);
        CREATE TABLE $_c0 PARTITION OF $_c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "$_c 1" PARTITION OF $_c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        ALTER TABLE $_a ADD PRIMARY KEY (id);
        ALTER TABLE $_b ADD PRIMARY KEY (id);
        CREATE TABLE $_rest PARTITION OF $ DEFAULT;
        CREATE TABLE $_empty PARTITION OF $ FOR VALUES IN ('nobody');
        INSERT INTO $ (id, region, note) SELECT g, (ARRAY['a', 'b', 'c', 'd', 'e'])[1 + g % 5], repeat('x', g % 90) FROM generate_series(1, 20000) g;
        ANALYZE $;
        CREATE TRIGGER note AFTER UPDATE OF v ON $ FOR EACH ROW WHEN (NEW.id % 100 = 0) EXECUTE FUNCTION note();
    $sql$, '$', t);
END $make$;
CALL make('filled');
CALL make('updated');
CREATE TABLE looked_up (id bigint PRIMARY KEY, word text);
INSERT INTO looked_up SELECT g, 'w' || g FROM generate_series(1, 20000) g;
CREATE VIEW differs AS SELECT count(*) FROM ((TABLE filled EXCEPT TABLE updated) UNION ALL (TABLE updated EXCEPT TABLE filled)) d;
CREATE VIEW triggered AS SELECT count(*) AS differ FROM
    (SELECT replace(at_table, 'filled', ''), id, old, new FROM seen WHERE at_table LIKE 'filled%'
      EXCEPT SELECT replace(at_table, 'updated', ''), id, old, new FROM seen WHERE at_table LIKE 'updated%') d;

-- One step for all leaves. A subquery knows the row by the name of the table.
UPDATE updated SET v = id % 10, note = (SELECT word FROM looked_up l WHERE l.id = updated.id) WHERE v IS NULL AND id % 3 > 0;
SELECT zdm_backfill('filled', 'v = id % 10, note = (SELECT word FROM looked_up l WHERE l.id = filled.id)', 'v IS NULL AND id % 3 > 0', 'fill') > 0 AS made;
CALL zdm_wait('fill');
SELECT step, kind, relation, command, rows, note FROM zdm.steps WHERE migration = 'fill' ORDER BY step;
SELECT step, kind, relation, state, chunks, chunks_done, pages > 0 AS pages, percent, rows_done FROM zdm.progress WHERE migration = 'fill' ORDER BY step;
TABLE differs;
TABLE triggered;
SELECT count(*) AS leaves, count(DISTINCT chunk) AS chunks, sum(rows) AS rows FROM zdm.chunk WHERE step = 1;
SELECT regexp_replace(message, '\d+ (pages|second)s?', 'some \1') FROM zdm.events WHERE migration = 'fill' AND kind = 'backfill' ORDER BY id;
SELECT relname, last_analyze IS NOT NULL AS analysed FROM pg_stat_user_tables WHERE relname ~ '^filled' ORDER BY relname;

-- In a file; a partition of partitions; a leaf alone.
SELECT zdm_create('file', 'UPDATE filled SET v = 11 WHERE v IS NULL AND region < ''c''; UPDATE filled_c SET note = ''c'' WHERE note IS DISTINCT FROM ''c'';
UPDATE filled_b SET note = ''b'' WHERE note <> ''b'';') > 0 AS made;
SELECT zdm_start('file', 'done');
CALL zdm_wait('file', 'done');
UPDATE updated SET v = 11 WHERE v IS NULL AND region < 'c';
UPDATE updated_c SET note = 'c' WHERE note IS DISTINCT FROM 'c';
UPDATE updated_b SET note = 'b' WHERE note <> 'b';
TABLE differs;

-- A DELETE.
SELECT zdm_create('delete', 'DELETE FROM filled WHERE id % 10 = 3') > 0 AS made;
SELECT step, kind, note, removal FROM zdm.steps WHERE migration = 'delete';
SELECT zdm_start('delete', 'done');
CALL zdm_wait('delete', 'done');
DELETE FROM updated WHERE id % 10 = 3;
TABLE differs;
SELECT rows_done FROM zdm.progress WHERE migration = 'delete';

-- Rows that can't be changed, in two partitions, are named with theirs.
UPDATE filled SET v = NULL WHERE id IN (5, 6, 7);
SELECT zdm_backfill('filled', 'v = CASE WHEN id < 7 THEN 13 ELSE 12 END', 'v IS NULL AND id < 10', 'bad', '{"max_bad_rows": 5}') > 0 AS made;
CALL zdm_wait('bad');
SELECT relation, key, sqlstate FROM zdm.bad_rows ORDER BY relation, key;
SELECT message, regexp_replace(detail, '\(\d+,\d+\)', '(place)', 'g') AS detail FROM zdm.migrations WHERE name = 'bad';
SELECT zdm_rollback('bad');
CALL zdm_wait('bad', 'rolled_back');

-- A trigger that would move a row to another partition: the row is named and stays.
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.region := 'b'; RETURN NEW; END$$;
CREATE TRIGGER move BEFORE UPDATE ON filled FOR EACH ROW WHEN (OLD.id = 5) EXECUTE FUNCTION move();
SELECT zdm_backfill('filled', 'v = 3', 'v IS NULL AND id < 10', 'moves') > 0 AS made;
CALL zdm_wait('moves');
SELECT sqlstate, message, regexp_replace(detail, '\(\d+,\d+\)', '(place)', 'g') AS detail FROM zdm.migrations WHERE name = 'moves';
SELECT region, v FROM filled WHERE id = 5;
SELECT zdm_rollback('moves');
CALL zdm_wait('moves', 'rolled_back');
DROP TRIGGER move ON filled;

-- Refused: what would move rows, what means something else in a leaf, what belongs to the statement, other kinds of leaves.
\set VERBOSITY default
SELECT zdm_backfill('filled', 'region = ''z''', 'region = ''a'''); \echo :SQLSTATE
SELECT zdm_backfill('filled_c', 'id = 0', 'id > 0'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', 'UPDATE ONLY filled SET v = 1 WHERE v IS NULL'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', 'UPDATE filled SET note = filled::text WHERE note IS NULL'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', E'-- zdm: direct\nUPDATE filled SET v = 1 WHERE v IS NULL'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', 'ALTER TABLE filled DROP COLUMN note'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', 'UPDATE filled SET note = '''' WHERE note IS NULL; ALTER TABLE filled ADD UNIQUE (id)'); \echo :SQLSTATE
SELECT zdm_create('bad_plan', 'CREATE INDEX ON ONLY filled (v)'); \echo :SQLSTATE
SELECT relation, rows_min >= 0 AS estimated FROM zdm_estimate('filled', 'v = 1', 'v IS NULL');
CREATE TRIGGER whole AFTER UPDATE ON filled EXECUTE FUNCTION nothing();
SELECT zdm_backfill('filled', 'v = 1', 'v IS NULL'); \echo :SQLSTATE
SELECT zdm_create('whole', 'DELETE FROM filled WHERE v = 1') > 0 AS made;
DROP TRIGGER whole ON filled;
CREATE TRIGGER whole AFTER UPDATE OF note ON filled_c0 EXECUTE FUNCTION nothing();
SELECT zdm_backfill('filled', 'note = ''y''', 'note IS NULL'); \echo :SQLSTATE
SELECT zdm_create('whole_of_leaf', 'UPDATE filled SET v = 1 WHERE v IS NULL') > 0 AS made;
DROP TRIGGER whole ON filled_c0;
CREATE RULE kept AS ON DELETE TO filled_b DO INSTEAD NOTHING;
SELECT zdm_create('bad_plan', 'DELETE FROM filled WHERE v = 1'); \echo :SQLSTATE
DROP RULE kept ON filled_b;
CREATE ROLE backfill_parts_owner LOGIN;
ALTER TABLE filled OWNER TO backfill_parts_owner;
GRANT USAGE ON SCHEMA public TO backfill_parts_owner;
SET ROLE backfill_parts_owner;
SELECT zdm_backfill('filled', 'v = 1', 'v IS NULL'); \echo :SQLSTATE
RESET ROLE;
CREATE TABLE plain (id int, v int) PARTITION BY RANGE (id);
CREATE FOREIGN DATA WRAPPER backfill_parts;
CREATE SERVER backfill_parts FOREIGN DATA WRAPPER backfill_parts;
CREATE FOREIGN TABLE plain_far PARTITION OF plain FOR VALUES FROM (0) TO (10) SERVER backfill_parts;
SELECT zdm_backfill('plain', 'v = 1', 'v IS NULL'); \echo :SQLSTATE
DROP FOREIGN TABLE plain_far;
\set VERBOSITY terse

-- Without a partition there is nothing to do.
SELECT zdm_backfill('plain', 'v = 1', 'v IS NULL', 'none') > 0 AS made;
CALL zdm_wait('none');
SELECT state FROM zdm.migrations WHERE name = 'none';

-- A live migration owns the partitions too, also those that come later, and one of a partition keeps others from its table.
SELECT zdm_create('owner', 'UPDATE filled SET v = 5 WHERE v IS NULL') > 0 AS made;
BEGIN;
SELECT zdm_start('owner');
SELECT zdm_pause('owner');
COMMIT;
SELECT zdm_backfill('filled', 'v = 1', 'v IS NULL', 'second'); \echo :SQLSTATE
SELECT zdm_backfill('filled_c0', 'v = 1', 'v IS NULL', 'second'); \echo :SQLSTATE
CREATE TABLE filled_new PARTITION OF filled FOR VALUES IN ('new');
SELECT zdm_backfill('filled_new', 'v = 1', 'v IS NULL', 'second'); \echo :SQLSTATE
SELECT zdm_rollback('owner');
CALL zdm_wait('owner', 'rolled_back');
BEGIN;
SELECT zdm_backfill('filled_new', 'v = 1', 'v IS NULL', 'leaf') > 0 AS made;
SELECT zdm_pause('leaf');
COMMIT;
SELECT zdm_backfill('filled', 'v = 1', 'v IS NULL', 'second'); \echo :SQLSTATE
SELECT zdm_backfill('filled_a', 'v = 1', 'v IS NULL', 'beside') > 0 AS made;
SELECT zdm_resume('leaf');
CALL zdm_wait('leaf');
CALL zdm_wait('beside');

DROP TABLE filled, updated, plain CASCADE;
DROP SERVER backfill_parts;
DROP FOREIGN DATA WRAPPER backfill_parts;
REVOKE USAGE ON SCHEMA public FROM backfill_parts_owner;
DROP ROLE backfill_parts_owner;
