-- DDL of partitioned tables: what the planner makes of it, and that the catalogs are those of the plain statement, or as before
-- after a rollback.
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
-- The same tables in two schemas: leaves whose columns stand in another order, that have dropped ones, that are partitions of a
-- partition, a default partition, one in another schema.
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE SCHEMA "$ 2";
        CREATE TABLE $.sales (gone int, id bigint NOT NULL, region text NOT NULL, v int CONSTRAINT no_13 CHECK (v <> 13), note text)
            PARTITION BY LIST (region);
        ALTER TABLE $.sales DROP COLUMN gone;
        CREATE TABLE $.sales_a PARTITION OF $.sales FOR VALUES IN ('a');
        CREATE TABLE $.sales_b (note text, v int CONSTRAINT no_13 CHECK (v <> 13), region text NOT NULL, odd int, id bigint NOT NULL);
        ALTER TABLE $.sales_b DROP COLUMN odd;
        ALTER TABLE $.sales ATTACH PARTITION $.sales_b FOR VALUES IN ('b');
        CREATE TABLE $.sales_c PARTITION OF $.sales FOR VALUES IN ('c') PARTITION BY HASH (id);
        CREATE TABLE $.sales_c0 PARTITION OF $.sales_c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "$ 2"."C 1" PARTITION OF $.sales_c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE $.sales_rest PARTITION OF $.sales DEFAULT PARTITION BY RANGE (id);
        CREATE TABLE $.lonely (id int) PARTITION BY LIST (id);
        CREATE TABLE $.regions (region text PRIMARY KEY);
        CREATE TABLE $.keyed (region text, id int, up int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
        CREATE TABLE $.keyed_a PARTITION OF $.keyed FOR VALUES IN ('a');
        CREATE TABLE $.keyed_b PARTITION OF $.keyed FOR VALUES IN ('b');
        CREATE TABLE $.refers (id int, region text);
        INSERT INTO $.sales (id, region, v, note) SELECT g, (ARRAY['a', 'b', 'c'])[1 + g % 3], g % 10, 'n' || g FROM generate_series(1, 900) g;
        ANALYZE $.sales;
    $sql$, '$', s);
END $make$;
CALL make('plain');
CALL make('safe');
-- All that DDL changes, without what differs by the name of the schema.
CREATE FUNCTION catalog(s text) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH tables AS (SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN (s, s || ' 2') AND c.relkind IN ('r', 'p'))
    SELECT replace(t, s, '$') FROM (
        SELECT 'index ' || pg_get_indexdef(i.indexrelid) || ' valid ' || (i.indisvalid AND i.indisready)
               || coalesce(' of ' || (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), '')
               || coalesce(' comment ' || obj_description(i.indexrelid), '')
          FROM tables JOIN pg_index i ON i.indrelid = tables.oid
        UNION ALL SELECT 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
               || coalesce(' ' || pg_get_expr(adbin, adrelid), '') || ' ' || attinhcount || attislocal
               || coalesce(' missing ' || attmissingval::text, '') || coalesce(' comment ' || col_description(attrelid, attnum), '')
          FROM tables JOIN pg_attribute a ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL SELECT 'constraint ' || relname || '.' || conname || ' ' || pg_get_constraintdef(k.oid) || ' ' || convalidated
               || coninhcount || conislocal || coalesce(' of ' || (SELECT p.conname FROM pg_constraint p WHERE p.oid = k.conparentid), '')
          FROM tables JOIN pg_constraint k ON conrelid = tables.oid
         -- Not in a dump: what a foreign key has for each partition that it refers to. Of NOT NULL the columns tell.
         WHERE contype <> 'n' AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)
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

\echo # CREATE INDEX: the plan
SET search_path = safe, public;
SELECT steps('CREATE INDEX ON sales (v, lower(note)) WHERE v > 1');
SELECT steps('CREATE UNIQUE INDEX CONCURRENTLY sales_key ON sales USING btree (region, id) INCLUDE (v)');
SELECT steps('CREATE INDEX ON sales_c (v)');
SELECT steps('CREATE INDEX ON sales_a (v)');
SELECT steps('CREATE INDEX ON lonely (id)');
SELECT note FROM zdm_plan('CREATE INDEX ON sales (v)');
-- An index over a column that is filled comes after that.
SELECT phase, kind FROM zdm_plan('UPDATE sales SET note = ''x'' WHERE note IS NULL; CREATE INDEX ON sales (note)');

\echo # CREATE INDEX: to the end, back, and as plain SQL does it
\set sql 'CREATE INDEX ON sales (v, lower(note)) WHERE v > 1; CREATE UNIQUE INDEX sales_key ON sales (region, id) INCLUDE (v); CREATE INDEX ON sales (v, lower(note)) WHERE v > 1; CREATE INDEX ON sales_c USING hash (v); CREATE INDEX ON lonely (id)'
SELECT zdm_create('back', :'sql') > 0;
SELECT zdm_start('back', 'expanded');
CALL zdm_wait('back', 'expanded');
SELECT count(*) > 10 FROM changed;
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back');
TABLE changed;
SELECT zdm_create('index', :'sql') > 0;
SELECT zdm_start('index', 'done');
CALL zdm_wait('index', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
SELECT count(*) FROM changed WHERE what = 'new' AND line LIKE '%valid true%';
SELECT step, kind, relation, state FROM zdm.steps WHERE migration = 'index' AND command ~ 'sales_key|C 1_region_id_v_idx' ORDER BY step;

\echo # ADD COLUMN, defaults, DROP NOT NULL, comments
\set sql 'ALTER TABLE sales ADD COLUMN w int, ADD COLUMN kind text NOT NULL DEFAULT ''new'', ALTER note SET DEFAULT ''x'', ALTER id DROP NOT NULL; COMMENT ON COLUMN sales.v IS ''value''; COMMENT ON INDEX sales_key IS ''key'''
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('columns_back', :'sql') > 0;
SELECT step, parameters ->> 'locks' FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id WHERE m.name = 'columns_back' AND step IN (1, 5) ORDER BY step;
SELECT zdm_start('columns_back', 'expanded');
CALL zdm_wait('columns_back', 'expanded');
INSERT INTO sales (region) VALUES ('a'), ('c') RETURNING id, note, kind;
SELECT zdm_rollback('columns_back');
CALL zdm_wait('columns_back', 'rolled_back');
SELECT regexp_replace(message, '\(\d+,\d+\)', '(here)', 'g'), regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = 'columns_back';
DELETE FROM sales WHERE id IS NULL;
SELECT zdm_resume('columns_back');
CALL zdm_wait('columns_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('columns', :'sql') > 0;
SELECT zdm_start('columns', 'done');
CALL zdm_wait('columns', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # NOT NULL with a fill, CHECK, SET NOT NULL
\set sql 'ALTER TABLE sales ADD COLUMN total bigint NOT NULL CHECK (total > 0); UPDATE sales SET total = id * 2 WHERE total IS NULL; ALTER TABLE sales ADD CONSTRAINT v_small CHECK (v < 100), ALTER note SET NOT NULL; ALTER TABLE sales ALTER id SET NOT NULL'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('fill', :'sql') > 0;
SELECT zdm_start('fill');
CALL zdm_wait('fill');
SELECT count(*), sum(total) = sum(id * 2) FROM sales;
SELECT tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname ~ 'zdm' ORDER BY 1;
SELECT count(*) FROM pg_class WHERE relname ~ '^(acted|wrote)_' AND relkind = 'S';
-- The old version writes; also into a partition that is made now, and one that moves a row.
CREATE TABLE sales_new PARTITION OF sales FOR VALUES IN ('new');
INSERT INTO sales (id, region) VALUES (1001, 'a'), (1002, 'b'), (1003, 'c'), (1004, 'c'), (1005, 'new') RETURNING tableoid::regclass, id, total;
UPDATE sales SET region = 'b' WHERE id = 1001 RETURNING tableoid::regclass, id, total;
SELECT extract(epoch FROM now()) - last_value < 60 AS seen FROM (SELECT (xpath('//last_value/text()', query_to_xml('SELECT last_value FROM zdm.acted_' || 'sales'::regclass::oid, false, false, '')))[1]::text::bigint AS last_value) s;
DROP TABLE sales_new;
SELECT zdm_rollback('fill');
CALL zdm_wait('fill', 'rolled_back');
TABLE changed;
SELECT zdm_create('fill2', :'sql') > 0;
SELECT zdm_set('fill2', 'quiet_period', '0');
SELECT zdm_start('fill2');
CALL zdm_wait('fill2');
INSERT INTO sales (id, region, total) VALUES (2001, 'a', 1), (2002, 'c', NULL) RETURNING total;
SELECT zdm_contract('fill2', true, 'test');
CALL zdm_wait('fill2', 'done');
SET search_path = plain;
ALTER TABLE sales ADD COLUMN total bigint CHECK (total > 0);
UPDATE sales SET total = id * 2 WHERE total IS NULL;
ALTER TABLE sales ADD CONSTRAINT v_small CHECK (v < 100), ALTER note SET NOT NULL, ALTER total SET NOT NULL;
ALTER TABLE sales ALTER id SET NOT NULL;
SET search_path = safe, public;
TABLE differs;

\echo # Rows that a constraint would refuse are named with their partition
SELECT zdm_create('refused', 'ALTER TABLE sales ADD CONSTRAINT v_smaller CHECK (v < 9)') > 0;
SELECT zdm_start('refused', 'done');
CALL zdm_wait('refused', 'done');
SELECT regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') ~ '^For example: \(here\) of safe.sales_' FROM zdm.migrations WHERE name = 'refused';
SELECT zdm_rollback('refused');
CALL zdm_wait('refused', 'rolled_back');

\echo # FOREIGN KEY from a partitioned table, and to one
INSERT INTO safe.regions VALUES ('a'), ('b'), ('c');
INSERT INTO plain.regions VALUES ('a'), ('b'), ('c');
\set sql 'ALTER TABLE sales ADD CONSTRAINT sales_region_fk FOREIGN KEY (region) REFERENCES regions ON DELETE CASCADE'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
INSERT INTO sales (id, region, total, note) VALUES (3001, 'b', 1, ''), (3002, 'c', 1, '');
DELETE FROM regions WHERE region = 'c';
SELECT zdm_create('key_bad', :'sql') > 0;
SELECT zdm_start('key_bad', 'done');
CALL zdm_wait('key_bad', 'done');
TABLE changed;
INSERT INTO regions VALUES ('c');
SELECT zdm_resume('key_bad');
CALL zdm_wait('key_bad', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
SELECT count(*) FROM pg_constraint WHERE conrelid::regclass::text ~ 'sales' AND conname = 'sales_region_fk' AND convalidated;
-- To one: NOT VALID works. What the server keeps for each partition that is referred to stays NOT VALID, which tells nobody
-- anything and is in no dump.
\set sql 'ALTER TABLE refers ADD CONSTRAINT refers_fk FOREIGN KEY (region, id) REFERENCES keyed'
SELECT steps(:'sql');
SELECT zdm_create('key_to', :'sql') > 0;
SELECT step, parameters ->> 'locks' FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id WHERE m.name = 'key_to' AND kind = 'constraint';
SELECT zdm_start('key_to', 'done');
CALL zdm_wait('key_to', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
-- To itself, and back.
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('key_self', 'ALTER TABLE keyed ADD CONSTRAINT keyed_up FOREIGN KEY (region, up) REFERENCES keyed') > 0;
SELECT zdm_start('key_self', 'done');
CALL zdm_wait('key_self', 'done');
SET search_path = plain;
ALTER TABLE keyed ADD CONSTRAINT keyed_up FOREIGN KEY (region, up) REFERENCES keyed;
SET search_path = safe, public;
TABLE differs;

\echo # Volatile defaults and serial columns
\set sql 'ALTER TABLE sales ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN num serial, ADD COLUMN big bigserial'
SELECT steps('ALTER TABLE sales ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('values_back', :'sql') > 0;
SELECT zdm_start('values_back');
CALL zdm_wait('values_back');
INSERT INTO sales (id, region, total, note) VALUES (4001, 'a', 1, ''), (4002, 'c', 1, '');
SELECT count(*) = count(DISTINCT token) AND count(*) = count(DISTINCT num) AND count(*) = count(DISTINCT big) FROM sales;
SELECT zdm_rollback('values_back');
CALL zdm_wait('values_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('values', :'sql') > 0;
SELECT zdm_start('values');
CALL zdm_wait('values');
SELECT zdm_contract('values', true, 'test');
CALL zdm_wait('values', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
SELECT count(*) = count(DISTINCT token) AND count(*) = count(DISTINCT num) AND count(*) = count(DISTINCT big) FROM sales;

\echo # Identity columns: from 17 on the server knows them here, and before it says so
CREATE FUNCTION answer(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create('bad', sql);
    RETURN 'taken';
EXCEPTION WHEN others THEN RETURN SQLERRM; END $$;
\set sql 'ALTER TABLE sales ADD COLUMN ident bigint GENERATED ALWAYS AS IDENTITY'
SELECT current_setting('server_version_num')::int >= 170000 AS knows \gset
\if :knows
SELECT zdm_create('identity', :'sql') AS answer \gset
SELECT zdm_start('identity') AS answer \gset
CALL zdm_wait('identity');
SELECT zdm_contract('identity', true, 'test') AS answer \gset
CALL zdm_wait('identity', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
SELECT bool_and(attidentity = 'a') AND NOT EXISTS (SELECT FROM differs d WHERE d::text ~ 'ident') AS answer FROM pg_attribute
 WHERE attname = 'ident' AND attrelid::regclass::text ~ 'sales' \gset
ALTER TABLE safe.sales DROP COLUMN ident;
ALTER TABLE plain.sales DROP COLUMN ident;
\else
SELECT answer(:'sql') LIKE '%cannot recursively add identity column to table that has child tables' AS answer \gset
\endif
SELECT :'answer';

\echo # DROP COLUMN, one of them NOT NULL
\set sql 'ALTER TABLE sales DROP COLUMN num, DROP COLUMN total, DROP COLUMN IF EXISTS nothing'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('drop_back', :'sql') > 0;
SELECT zdm_start('drop_back');
CALL zdm_wait('drop_back');
INSERT INTO sales (id, region, note) VALUES (5001, 'a', ''), (5002, 'c', '') RETURNING total;
DELETE FROM sales WHERE id IN (5001, 5002);
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

\echo # One column becomes another: kept in step both ways, compared in each partition
\set sql 'ALTER TABLE sales ADD COLUMN memo text NOT NULL;\nUPDATE sales SET memo = upper(note) WHERE memo IS NULL;\n-- zdm: down note = lower(memo)\nALTER TABLE sales DROP COLUMN note'
SELECT steps(:'sql');
SELECT zdm_create('carry', :'sql') > 0;
SELECT zdm_start('carry');
CALL zdm_wait('carry');
-- The old application, then the new one, also where a row moves.
INSERT INTO sales (id, region, note) VALUES (6001, 'a', 'old'), (6002, 'b', 'old'), (6003, 'c', 'old'), (6004, 'c', 'old');
INSERT INTO sales (id, region, memo) VALUES (6005, 'a', 'NEW'), (6006, 'b', 'NEW'), (6007, 'c', 'NEW'), (6008, 'c', 'NEW');
UPDATE sales SET note = 'changed' WHERE id IN (6002, 6008);
UPDATE sales SET memo = 'CHANGED' WHERE id IN (6003, 6006);
UPDATE sales SET region = 'b' WHERE id IN (6001, 6005);
SELECT tableoid::regclass, id, note, memo FROM sales WHERE id > 6000 ORDER BY id;
SELECT relation, differences FROM zdm_verify('carry') ORDER BY relation;
-- A row that somebody wrote on both sides, and not the same.
INSERT INTO sales (id, region, note, memo) VALUES (6009, 'c', 'one', 'OTHER');
SELECT relation, differences, old_values, new_values FROM zdm_verify('carry') WHERE differences > 0;
SELECT kind, relation, object FROM zdm_usage('carry') WHERE kind NOT IN ('session', 'write') ORDER BY 1, 2, 3;
SELECT zdm_contract('carry', true, 'test');
CALL zdm_wait('carry', 'done');
SELECT regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = 'carry';
UPDATE sales SET memo = 'ONE' WHERE id = 6009;
SELECT zdm_resume('carry');
CALL zdm_wait('carry', 'done');
SET search_path = plain;
ALTER TABLE sales ADD COLUMN memo text;
UPDATE sales SET memo = upper(note) WHERE memo IS NULL;
ALTER TABLE sales ALTER memo SET NOT NULL, DROP COLUMN note;
SET search_path = safe, public;
TABLE differs;

\echo # A row that moves is written once, though it arrives as an INSERT
CREATE TABLE moves (id int, place int, status text NOT NULL DEFAULT 'pending', at timestamptz NOT NULL DEFAULT clock_timestamp(), note text) PARTITION BY LIST (place);
CREATE TABLE moves_1 PARTITION OF moves FOR VALUES IN (1);
CREATE TABLE moves_2 (note text, at timestamptz NOT NULL DEFAULT clock_timestamp(), status text NOT NULL DEFAULT 'pending', place int, id int);
ALTER TABLE moves ATTACH PARTITION moves_2 FOR VALUES IN (2);
INSERT INTO moves (id, place) SELECT g, 1 FROM generate_series(1, 6) g;
\set sql 'ALTER TABLE moves ADD COLUMN active boolean NOT NULL, ADD COLUMN day date;\nUPDATE moves SET active = (status = ''active'') WHERE active IS NULL;\nUPDATE moves SET day = (at AT TIME ZONE ''UTC'')::date WHERE day IS NULL;\n-- zdm: down status = CASE WHEN active THEN ''active'' ELSE ''inactive'' END\n-- zdm: down at = day::timestamp AT TIME ZONE ''UTC''\nALTER TABLE moves DROP COLUMN status, DROP COLUMN at'
-- From a default the trigger tells what was left out; a row has that of the table through which it came.
ALTER TABLE moves_2 ALTER status SET DEFAULT 'other';
SELECT zdm_create('moves', :'sql') > 0;
ALTER TABLE moves_2 ALTER status SET DEFAULT 'pending';
SELECT zdm_create('moves', :'sql') > 0;
SELECT zdm_start('moves');
CALL zdm_wait('moves');
CREATE TABLE moved_at AS SELECT id, at FROM moves;
UPDATE moves SET place = 2 WHERE id IN (1, 2);
SELECT last_used IS NULL AS nobody FROM zdm_usage('moves') WHERE kind = 'write';
UPDATE moves SET place = 2, status = 'active' WHERE id = 3;
UPDATE moves SET place = 2, active = true WHERE id = 4;
UPDATE moves SET place = 3 - place WHERE id IN (1, 5);
INSERT INTO moves (id, place, active) VALUES (7, 2, false);
SELECT m.tableoid::regclass, id, status, active, m.at = w.at AS same, m.day = (w.at AT TIME ZONE 'UTC')::date AS same_day FROM moves m LEFT JOIN moved_at w USING (id) ORDER BY id;
SELECT relation, differences FROM zdm_verify('moves') ORDER BY relation;
SELECT zdm_rollback('moves');
CALL zdm_wait('moves', 'rolled_back');
DROP TABLE moves, moved_at;

\echo # UNIQUE and PRIMARY KEY
\set sql 'ALTER TABLE sales ADD UNIQUE (region, token, id) DEFERRABLE, ADD CONSTRAINT sales_pk PRIMARY KEY (id, region) INCLUDE (w)'
-- A partition that has another key can't get one.
ALTER TABLE sales_a ADD CONSTRAINT own PRIMARY KEY (id);
SELECT zdm_create('keys', :'sql');
ALTER TABLE sales_a DROP CONSTRAINT own;
SELECT steps(:'sql');
SELECT zdm_create('keys', :'sql') > 0;
SELECT zdm_start('keys', 'done');
CALL zdm_wait('keys', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # DROP CONSTRAINT: all kinds, back and forth
\set sql 'ALTER TABLE sales DROP CONSTRAINT no_13, DROP CONSTRAINT sales_region_fk, DROP CONSTRAINT sales_region_token_id_key, DROP CONSTRAINT sales_pk'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('loosen_back', :'sql') > 0;
SELECT zdm_start('loosen_back', 'expanded');
CALL zdm_wait('loosen_back', 'expanded');
SELECT count(*) FROM changed WHERE what = 'gone' AND line ~ 'no_13|_fk|_key|_pk';
SELECT zdm_rollback('loosen_back');
CALL zdm_wait('loosen_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('loosen', :'sql') > 0;
SELECT zdm_start('loosen', 'done');
CALL zdm_wait('loosen', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # Equal indexes of partitions are taken over, and are there again on the way back
SET search_path = plain;
CREATE INDEX mine_a ON sales_a USING btree (w, v) WITH (fillfactor = 70);
CREATE INDEX mine_b ON sales_b (w, v DESC);
CREATE INDEX other_a ON sales_a (v, w);
CREATE INDEX partial_b ON sales_b (w, v) WHERE w > 1;
CREATE INDEX lower_a ON sales_a (lower(memo)) WHERE w > 1;
SET search_path = safe, public;
CREATE INDEX mine_a ON sales_a USING btree (w, v) WITH (fillfactor = 70);
CREATE INDEX mine_b ON sales_b (w, v DESC);
CREATE INDEX other_a ON sales_a (v, w);
CREATE INDEX partial_b ON sales_b (w, v) WHERE w > 1;
CREATE INDEX lower_a ON sales_a (lower(memo)) WHERE w > 1;
\set sql 'CREATE INDEX mine ON sales (w, v); CREATE INDEX lowered ON sales (lower(memo)) WHERE w > 1'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('equal_back', :'sql') > 0;
SELECT zdm_start('equal_back', 'expanded');
CALL zdm_wait('equal_back', 'expanded');
SELECT zdm_rollback('equal_back');
CALL zdm_wait('equal_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('equal', :'sql') > 0;
SELECT zdm_start('equal', 'done');
CALL zdm_wait('equal', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
-- Keys as well.
ALTER TABLE plain.sales_a ADD CONSTRAINT mine_key UNIQUE (id, region);
ALTER TABLE safe.sales_a ADD CONSTRAINT mine_key UNIQUE (id, region);
\set sql 'ALTER TABLE sales ADD CONSTRAINT all_key UNIQUE (id, region)'
SELECT zdm_create('equal_key', :'sql') > 0;
SELECT zdm_start('equal_key', 'done');
CALL zdm_wait('equal_key', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # DROP INDEX
\set sql 'DROP INDEX mine; DROP INDEX other_a'
SELECT steps(:'sql');
SELECT zdm_create('drop_index', :'sql') > 0;
SELECT zdm_start('drop_index');
CALL zdm_wait('drop_index');
SELECT zdm_contract('drop_index', true, 'test');
CALL zdm_wait('drop_index', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # Rows that are not unique stop it; what was made goes
CREATE TABLE twice (id int, at int) PARTITION BY LIST (at);
CREATE TABLE twice_1 PARTITION OF twice FOR VALUES IN (1);
CREATE TABLE twice_2 PARTITION OF twice FOR VALUES IN (2);
INSERT INTO twice VALUES (1, 1), (2, 2), (2, 2);
SELECT zdm_create('twice', 'CREATE UNIQUE INDEX ON twice (id, at)') > 0;
SELECT zdm_start('twice', 'done');
CALL zdm_wait('twice', 'done');
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^twice' ORDER BY 1;
SELECT undo FROM zdm.steps WHERE migration = 'twice' AND state = 'done';
SELECT zdm_rollback('twice');
CALL zdm_wait('twice', 'rolled_back');
SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^twice';

\echo # Foreign tables have no index: the rest is valid all the same
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE twice_3 PARTITION OF twice FOR VALUES IN (3) SERVER nowhere;
SELECT zdm_create('unique', 'CREATE UNIQUE INDEX ON twice (id, at)');
SELECT zdm_create('foreign', 'CREATE INDEX ON twice (id)') > 0;
SELECT zdm_start('foreign', 'done');
CALL zdm_wait('foreign', 'done');
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid::regclass::text ~ '^twice' ORDER BY 1;
SELECT note FROM zdm.steps WHERE migration = 'foreign' AND step = 1;

\echo # Refused
SELECT zdm_create('bad', 'CREATE INDEX ON ONLY sales (v)');
SELECT zdm_create('bad', E'-- zdm: direct\nCREATE INDEX ON sales (v)');
SELECT zdm_create('bad', 'CREATE UNIQUE INDEX ON sales (id)');
SELECT zdm_create('bad', 'CREATE INDEX sales_key ON sales (id)');
SELECT zdm_create('bad', 'ALTER TABLE ONLY sales ADD COLUMN x int');
SELECT zdm_create('bad', 'ALTER TABLE sales ADD COLUMN x int NOT NULL');
SELECT zdm_create('bad', 'ALTER TABLE sales ADD CONSTRAINT k FOREIGN KEY (region) REFERENCES regions NOT VALID');
SELECT zdm_create('bad', 'ALTER TABLE sales DROP COLUMN region');
CREATE VIEW looks AS SELECT v FROM sales_a;
SELECT zdm_create('bad', 'ALTER TABLE sales DROP COLUMN v');
DROP VIEW looks;
UPDATE sales_a SET w = 0 WHERE w IS NULL;
ALTER TABLE sales_a ALTER w SET NOT NULL;
SELECT zdm_create('bad', 'ALTER TABLE sales DROP COLUMN w');
ALTER TABLE sales_a ALTER w DROP NOT NULL;
CREATE TABLE deep (a int, b int) PARTITION BY LIST (a);
CREATE TABLE deep_1 PARTITION OF deep FOR VALUES IN (1) PARTITION BY LIST (b);
SELECT zdm_create('bad', 'ALTER TABLE deep DROP COLUMN b');
SELECT zdm_create('bad', E'ALTER TABLE sales ADD COLUMN x text;\n-- zdm: down memo = sales::text\nALTER TABLE sales DROP COLUMN memo');
SELECT zdm_create('bad', 'ALTER TABLE sales ADD UNIQUE (id)');
SELECT zdm_create('bad', 'ALTER TABLE sales ADD UNIQUE (region, id) WITH (fillfactor = 70)');
SELECT zdm_create('bad', 'ALTER TABLE sales ADD UNIQUE USING INDEX sales_key');
SELECT zdm_create('bad', 'ALTER TABLE sales DROP CONSTRAINT all_key; ALTER TABLE sales ADD CONSTRAINT all_key UNIQUE (id, region)');
SELECT zdm_create('bad', 'DROP INDEX sales_key; CREATE INDEX sales_key ON sales (id)');
SELECT zdm_create('bad', 'DROP INDEX all_key');
SELECT zdm_create('bad', 'DROP INDEX sales_a_region_id_v_idx');
SELECT zdm_create('bad', 'ALTER TABLE sales ALTER v SET STATISTICS 7');
SELECT zdm_create('bad', 'ALTER TABLE sales RENAME v TO w');
SELECT zdm_create('bad', 'ALTER TABLE sales_c ADD COLUMN x int');
CREATE ROLE partition_ddl_other;
ALTER TABLE twice_1 OWNER TO partition_ddl_other;
GRANT ALL ON SCHEMA safe TO partition_ddl_other;
CREATE ROLE partition_ddl_owner LOGIN;
GRANT ALL ON SCHEMA safe TO partition_ddl_owner;
ALTER TABLE twice OWNER TO partition_ddl_owner;
SET ROLE partition_ddl_owner;
SELECT zdm_create('bad', 'CREATE INDEX ON safe.twice (at)');
RESET ROLE;
DROP OWNED BY partition_ddl_other, partition_ddl_owner CASCADE;
DROP ROLE partition_ddl_other, partition_ddl_owner;
