-- DDL of a partition by itself, and new names for partitioned tables and partitions: the catalogs are those of the plain
-- statement, or as before after a rollback.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '60s';
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || CASE WHEN scans THEN ', scan' ELSE '' END
           || CASE WHEN rewrites THEN ', rewrite' ELSE '' END || ']', '')
           || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command
           || coalesce(E'\n    undo: ' || undo, '')
      FROM zdm_plan(sql) ORDER BY step $$;
-- The same tables in two schemas: partition b has its columns in another order, and things of its own; c is partitioned itself.
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE TABLE $.regions (region text PRIMARY KEY);
        INSERT INTO $.regions VALUES ('a'), ('b'), ('c');
        CREATE TABLE $.sales (id bigint NOT NULL, region text NOT NULL, v int DEFAULT 1 CONSTRAINT no_13 CHECK (v <> 13), w int, note text)
            PARTITION BY LIST (region);
        ALTER TABLE $.sales ADD CONSTRAINT region_fk FOREIGN KEY (region) REFERENCES $.regions;
        ALTER TABLE $.sales ADD CONSTRAINT sales_key UNIQUE (region, id);
        CREATE INDEX sales_v ON $.sales (v);
        CREATE UNIQUE INDEX sales_w ON $.sales (region, id, w);
        CREATE TABLE $.sales_a PARTITION OF $.sales FOR VALUES IN ('a');
        CREATE TABLE $.sales_b (note text, w int NOT NULL, odd int, v int DEFAULT 2 CONSTRAINT no_13 CHECK (v <> 13), region text NOT NULL, id bigint NOT NULL,
            CONSTRAINT own_check CHECK (v > -1), CONSTRAINT own_key UNIQUE (w) DEFERRABLE, CONSTRAINT own_fk FOREIGN KEY (region) REFERENCES $.regions ON DELETE CASCADE);
        ALTER TABLE $.sales_b DROP COLUMN odd;
        ALTER TABLE $.sales_b ADD CONSTRAINT late CHECK (id > 0) NOT VALID;
        CREATE INDEX own_idx ON $.sales_b (w, v);
        ALTER TABLE $.sales ATTACH PARTITION $.sales_b FOR VALUES IN ('b');
        CREATE TABLE $.sales_c PARTITION OF $.sales FOR VALUES IN ('c') PARTITION BY HASH (id);
        CREATE TABLE $.sales_c0 PARTITION OF $.sales_c FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        INSERT INTO $.sales (id, region, v, w, note) SELECT g, (ARRAY['a', 'b', 'c'])[1 + g % 3], g % 10, g, 'n' || g FROM generate_series(1, 900) g;
        ANALYZE $.sales;
    $sql$, '$', s);
END $make$;
CALL make('plain');
CALL make('safe');
-- All that DDL changes, without what differs by the name of the schema.
CREATE FUNCTION catalog(s text) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH tables AS (SELECT c.oid, c.relname, c.reloptions, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = s AND c.relkind IN ('r', 'p', 'v'))
    SELECT replace(t, s, '$') FROM (
        SELECT 'table ' || relname || ' ' || relkind::text || coalesce(' ' || reloptions::text, '')
               || coalesce(' of ' || (SELECT h.inhparent::regclass || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits h
                   JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhrelid = tables.oid), '')
               || coalesce(' comment ' || obj_description(oid), '') FROM tables
        UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) || ' valid ' || (i.indisvalid AND i.indisready)
               || coalesce(' of ' || (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), '')
          FROM tables JOIN pg_index i ON i.indrelid = tables.oid
        UNION ALL SELECT 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
               || coalesce(' ' || pg_get_expr(adbin, adrelid), '') || ' ' || attinhcount || attislocal
               || coalesce(' comment ' || col_description(attrelid, attnum), '')
          FROM tables JOIN pg_attribute a ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL SELECT 'constraint ' || relname || '.' || conname || ' ' || pg_get_constraintdef(k.oid) || ' ' || convalidated
               || coninhcount || conislocal || coalesce(' of ' || (SELECT p.conname FROM pg_constraint p WHERE p.oid = k.conparentid), '')
          FROM tables JOIN pg_constraint k ON conrelid = tables.oid WHERE contype <> 'n'
        UNION ALL SELECT 'trigger ' || relname || ' ' || pg_get_triggerdef(g.oid) FROM tables JOIN pg_trigger g ON tgrelid = tables.oid
         WHERE NOT tgisinternal) x(t) $$;
CREATE VIEW differs AS
    (SELECT 'plain' AS only, * FROM (SELECT catalog('plain') EXCEPT ALL SELECT catalog('safe')) p)
    UNION ALL (SELECT 'safe', * FROM (SELECT catalog('safe') EXCEPT ALL SELECT catalog('plain')) s) ORDER BY 1, 2;
CREATE TABLE was AS SELECT catalog('safe') AS line;
CREATE VIEW changed AS
    (SELECT 'gone' AS what, * FROM (SELECT line FROM was EXCEPT ALL SELECT catalog('safe')) p)
    UNION ALL (SELECT 'new', * FROM (SELECT catalog('safe') EXCEPT ALL SELECT line FROM was) s) ORDER BY 1, 2;
\pset format unaligned
\pset tuples_only on
TABLE differs;
SET search_path = safe, public;

\echo # One partition: what it adds, and what it loosens
\set sql 'ALTER TABLE sales_b ALTER note SET DEFAULT ''x'', ALTER w DROP NOT NULL, ALTER note SET NOT NULL, ADD CONSTRAINT small CHECK (v < 100), ADD FOREIGN KEY (region) REFERENCES regions, ADD CONSTRAINT id_key UNIQUE (id), ADD PRIMARY KEY (id, region), SET (fillfactor = 70), VALIDATE CONSTRAINT late, DROP CONSTRAINT own_check, DROP CONSTRAINT own_key, DROP CONSTRAINT own_fk; CREATE INDEX ON sales_b (lower(note)); COMMENT ON COLUMN sales_b.v IS ''value'''
SELECT steps(:'sql');
SELECT zdm_create('back', :'sql') > 0;
-- The partition is locked, and not the table above it.
SELECT DISTINCT unnest(regexp_matches(parameters ->> 'locks', 'safe\.\w+', 'g')) FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id WHERE m.name = 'back' ORDER BY 1;
SELECT zdm_start('back', 'expanded');
CALL zdm_wait('back', 'expanded');
SELECT count(*) > 5 FROM changed;
-- What is live on the partition keeps the tables above it, not its sisters.
SELECT zdm_create('above', 'ALTER TABLE sales ADD COLUMN x int') > 0;
SELECT zdm_start('above');
SELECT zdm_create('sister', 'ALTER TABLE sales_a ALTER note SET DEFAULT ''y''') > 0;
SELECT zdm_start('sister', 'done');
CALL zdm_wait('sister', 'done');
ALTER TABLE sales_a ALTER note DROP DEFAULT;
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back');
TABLE changed;
SELECT zdm_create('all', :'sql') > 0;
SELECT zdm_start('all', 'done');
CALL zdm_wait('all', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # What goes
\set sql 'ALTER TABLE sales_b ALTER v DROP DEFAULT, RESET (fillfactor), ALTER note DROP NOT NULL, DROP CONSTRAINT id_key, DROP CONSTRAINT sales_b_pkey; DROP INDEX own_idx'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('drop_back', :'sql') > 0;
SELECT zdm_start('drop_back');
CALL zdm_wait('drop_back');
SELECT zdm_rollback('drop_back');
CALL zdm_wait('drop_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('drop', :'sql') > 0;
SELECT zdm_start('drop');
CALL zdm_wait('drop');
SELECT zdm_contract('drop', true, 'test');
CALL zdm_wait('drop', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # NOT NULL of one partition with a fill; the old version writes through the table above
UPDATE sales_a SET note = NULL WHERE id % 2 = 0;
\set sql 'UPDATE sales_a SET note = ''none'' WHERE note IS NULL; ALTER TABLE sales_a ALTER note SET NOT NULL'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('fill', :'sql') > 0;
SELECT zdm_set('fill', 'quiet_period', '0');
SELECT zdm_start('fill');
CALL zdm_wait('fill');
INSERT INTO sales (id, region, w) VALUES (1001, 'a', 1001), (1002, 'b', 1002), (1003, 'c', 1003) RETURNING tableoid::regclass, note;
UPDATE sales SET region = 'a' WHERE id = 1003 RETURNING tableoid::regclass, note;
SELECT zdm_contract('fill', true, 'test');
CALL zdm_wait('fill', 'done');
SELECT count(*) FROM sales_a WHERE note IS NULL;
SELECT * FROM changed;
ALTER TABLE sales_a ALTER note DROP NOT NULL;

\echo # What it has of the tables above it the server does not let go, nor does zdm, and in the same words
CREATE PROCEDURE as_server(sql text) LANGUAGE plpgsql AS $$
DECLARE server text := 'nothing'; ours text := 'nothing';
BEGIN
    BEGIN
        EXECUTE sql;
        RAISE EXCEPTION 'done';
    EXCEPTION WHEN others THEN server := SQLSTATE || ' ' || SQLERRM; END;
    BEGIN
        PERFORM zdm_create('bad', sql);
        RAISE EXCEPTION 'done';
    EXCEPTION WHEN others THEN ours := SQLSTATE || ' ' || SQLERRM; END;
    RAISE NOTICE '%', CASE WHEN server = regexp_replace(ours, 'ZD005: line 1, column \d+: ', '') THEN 'same: ' || server
        ELSE server || E'\n    ' || ours END;
END $$;
SET client_min_messages = notice;
CALL as_server('ALTER TABLE safe.sales_b DROP COLUMN v');
CALL as_server('ALTER TABLE safe.sales_b ADD COLUMN x int');
CALL as_server('ALTER TABLE safe.sales_b ALTER v TYPE bigint');
CALL as_server('ALTER TABLE safe.sales_a RENAME v TO x');
CALL as_server('ALTER TABLE safe.sales_a DROP CONSTRAINT no_13');
CALL as_server('ALTER TABLE safe.sales_a DROP CONSTRAINT region_fk');
CALL as_server('ALTER TABLE safe.sales_a DROP CONSTRAINT sales_a_region_id_key');
CALL as_server('ALTER TABLE safe.sales_a ADD CONSTRAINT region_fk FOREIGN KEY (region) REFERENCES safe.regions');
CALL as_server('ALTER TABLE safe.sales_a ADD CONSTRAINT sales_a_region_id_key UNIQUE (id)');
SET client_min_messages = warning;
-- 18 knows a constraint by name here.
SELECT zdm_create('bad', 'ALTER TABLE sales_b ALTER id DROP NOT NULL');
SELECT zdm_create('bad', 'DROP INDEX sales_a_v_idx');
SELECT zdm_create('bad', 'ALTER TABLE sales_a VALIDATE CONSTRAINT region_fk');
SELECT zdm_create('bad', 'ALTER TABLE sales_a ADD UNIQUE USING INDEX sales_a_region_id_w_idx');
SELECT zdm_create('bad', 'ALTER TABLE sales_c ADD CHECK (v > 0)');
SELECT zdm_create('bad', E'ALTER TABLE sales ADD CONSTRAINT x CHECK (v > 0);\nALTER TABLE sales_a ADD CONSTRAINT x CHECK (v > 0)');
SELECT zdm_create('bad', 'DROP TABLE sales_a');
-- Beside what is no matter of the columns.
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sales ALTER w SET DEFAULT 1; CREATE INDEX ON sales_a (w); UPDATE sales_a SET w = 1 WHERE w IS NULL; ALTER TABLE sales_a SET (fillfactor = 80)');

\echo # A partitioned table gets another name: the old version goes on under the old one
CREATE ROLE partition_alone_app LOGIN;
GRANT USAGE ON SCHEMA safe TO partition_alone_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sales TO partition_alone_app;
GRANT SELECT ON regions TO partition_alone_app;
\set sql 'ALTER TABLE sales RENAME TO orders'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('name_back', :'sql') > 0;
SELECT zdm_start('name_back', 'switched');
CALL zdm_wait('name_back', 'switched');
SET ROLE partition_alone_app;
INSERT INTO safe.sales (id, region, w) VALUES (2001, 'a', 2001), (2002, 'c', 2002) RETURNING id, v, note;
INSERT INTO safe.sales (id, region, w) VALUES (2001, 'a', 2003) ON CONFLICT (region, id) DO UPDATE SET w = excluded.w RETURNING id, w;
UPDATE safe.sales SET region = 'b' WHERE id = 2002 RETURNING id, region;
DELETE FROM safe.sales WHERE id = 2001;
UPDATE safe.sales SET v = 13 WHERE id = 2002;
INSERT INTO safe.sales (id, region) VALUES (2004, 'nowhere');
INSERT INTO safe.orders (id, region, w) VALUES (2005, 'a', 2005);
SELECT tableoid::regclass, id FROM safe.orders WHERE id > 2000 ORDER BY id;
RESET ROLE;
-- No other migration changes a partition meanwhile.
SELECT zdm_create('below', 'ALTER TABLE sales_a ALTER note SET DEFAULT ''z''') > 0;
SELECT zdm_start('below');
SELECT zdm_rollback('name_back');
CALL zdm_wait('name_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('name', :'sql') > 0;
SELECT zdm_start('name', 'switched');
CALL zdm_wait('name', 'switched');
SELECT zdm_contract('name', true, 'test');
CALL zdm_wait('name', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # One partition
\set sql 'ALTER TABLE sales_b RENAME TO orders_b'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('part_back', :'sql') > 0;
SELECT zdm_start('part_back', 'switched');
CALL zdm_wait('part_back', 'switched');
INSERT INTO sales_b (id, region, w, note) VALUES (3001, 'b', 3001, '') RETURNING id, v;
INSERT INTO sales_b (id, region, w, note) VALUES (3002, 'a', 3002, '');
UPDATE orders SET region = 'b' WHERE id = 2005;
SELECT tableoid::regclass, id FROM orders WHERE id IN (2005, 3001) ORDER BY id;
SELECT count(*) FROM sales_b WHERE id IN (2005, 3001);
SELECT zdm_rollback('part_back');
CALL zdm_wait('part_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('part', :'sql') > 0;
SELECT zdm_start('part', 'switched');
CALL zdm_wait('part', 'switched');
SELECT zdm_contract('part', true, 'test');
CALL zdm_wait('part', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
SELECT zdm_create('bad', E'ALTER TABLE orders RENAME TO deals;\nALTER TABLE sales_a SET (fillfactor = 80)');
SELECT zdm_create('bad', E'ALTER TABLE sales_a RENAME TO deals_a;\nALTER TABLE orders ADD COLUMN x int');
DROP OWNED BY partition_alone_app;
DROP ROLE partition_alone_app;
