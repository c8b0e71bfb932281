-- Tables from which others inherit: what the planner makes of their DDL, UPDATE and DELETE, that catalogs and rows are those of the
-- plain statement, or as before after a rollback.
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
-- The same tables in two schemas: children with columns of their own, with a dropped one, in another order and with the columns
-- of the parent as their own, in another schema, a child of a child. All of them have rows.
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE SCHEMA "$ 2";
        CREATE TABLE $.refs (ref int PRIMARY KEY);
        INSERT INTO $.refs VALUES (0);
        CREATE TABLE $.base (gone int, id bigint NOT NULL, v int DEFAULT 1 CONSTRAINT no_13 CHECK (v <> 13), note text, ref int);
        ALTER TABLE $.base DROP COLUMN gone;
        CREATE TABLE $.kid_a () INHERITS ($.base);
        CREATE TABLE $.kid_b (extra text NOT NULL DEFAULT 'e', CONSTRAINT own_check CHECK (extra <> '')) INHERITS ($.base);
        CREATE TABLE $.grand (more int) INHERITS ($.kid_b);
        CREATE TABLE $.kid_c (ref int, note text, v int DEFAULT 1 CONSTRAINT no_13 CHECK (v <> 13), odd int, id bigint NOT NULL);
        ALTER TABLE $.kid_c DROP COLUMN odd;
        ALTER TABLE $.kid_c INHERIT $.base;
        CREATE TABLE "$ 2"."Kid 1" () INHERITS ($.base);
        INSERT INTO $.base (id, v, note, ref) SELECT g, g % 10, 'base' || g, 0 FROM generate_series(1, 200) g;
        INSERT INTO $.kid_a (id, v, note, ref) SELECT g, g % 10, 'a' || g, 7 FROM generate_series(1001, 1300) g;
        INSERT INTO $.kid_b (id, v, note) SELECT g, g % 10, 'b' || g FROM generate_series(2001, 2200) g;
        INSERT INTO $.grand (id, v, note, more) SELECT g, g % 10, 'g' || g, 1 FROM generate_series(3001, 3100) g;
        INSERT INTO $.kid_c (id, v, note) SELECT g, g % 10, 'c' || g FROM generate_series(4001, 4100) g;
        INSERT INTO "$ 2"."Kid 1" (id, v, note) SELECT g, g % 10, 'k' || g FROM generate_series(5001, 5100) g;
    $sql$, '$', s);
END $make$;
CALL make('plain');
CALL make('safe');
ANALYZE;
-- All that DDL changes, without what differs by the name of the schema.
CREATE FUNCTION catalog(s text) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH tables AS (SELECT c.oid, c.relname, c.reloptions FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN (s, s || ' 2') AND c.relkind = 'r')
    SELECT replace(t, s, '$') FROM (
        SELECT 'table ' || relname || coalesce(' ' || reloptions::text, '')
               || coalesce(' of ' || (SELECT string_agg(h.inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits h WHERE h.inhrelid = oid), '') FROM tables
        UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) || ' valid ' || (i.indisvalid AND i.indisready)
          FROM tables JOIN pg_index i ON i.indrelid = tables.oid
        UNION ALL SELECT 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull
               || coalesce(' ' || pg_get_expr(adbin, adrelid), '') || ' ' || attinhcount || attislocal
               || coalesce(' missing ' || attmissingval::text, '') || coalesce(' comment ' || col_description(attrelid, attnum), '')
          FROM tables JOIN pg_attribute a ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL SELECT 'constraint ' || relname || '.' || conname || ' ' || pg_get_constraintdef(k.oid) || ' ' || convalidated
               || coninhcount || conislocal || connoinherit
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
-- Rows as JSON, with the table that each is in.
CREATE FUNCTION rows_of(s text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOR name IN SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE nspname IN (s, s || ' 2') AND relkind = 'r' LOOP
        RETURN QUERY EXECUTE format('SELECT %L || '' '' || jsonb_strip_nulls(to_jsonb(t)) FROM ONLY %s t', replace(name, s, '$'), name);
    END LOOP;
END $$;
CREATE VIEW other_rows AS
    (SELECT 'plain' AS only, * FROM (SELECT rows_of('plain') EXCEPT ALL SELECT rows_of('safe')) p)
    UNION ALL (SELECT 'safe', * FROM (SELECT rows_of('safe') EXCEPT ALL SELECT rows_of('plain')) s) ORDER BY 1, 2;
\pset format unaligned
\pset tuples_only on
TABLE differs;
TABLE other_rows;
SET search_path = safe, public;

\echo # ADD COLUMN, defaults, DROP NOT NULL, options of the table, comments
\set sql 'ALTER TABLE base ADD COLUMN w int, ADD COLUMN kind text NOT NULL DEFAULT ''new'', ALTER v SET DEFAULT 5, ALTER id DROP NOT NULL, SET (fillfactor = 90); COMMENT ON COLUMN base.v IS ''value'''
SELECT steps(:'sql');
SELECT zdm_create('columns_back', :'sql') > 0;
SELECT step, parameters ->> 'locks' FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id WHERE m.name = 'columns_back' AND step IN (1, 5) ORDER BY step;
SELECT zdm_start('columns_back', 'expanded');
CALL zdm_wait('columns_back', 'expanded');
INSERT INTO kid_b (note) VALUES ('x') RETURNING id, v, kind;
SELECT zdm_rollback('columns_back');
CALL zdm_wait('columns_back', 'rolled_back');
SELECT regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = 'columns_back';
DELETE FROM base WHERE id IS NULL;
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
-- From 18 on a child keeps a NOT NULL that it has by itself as well.
ALTER TABLE safe.kid_c ALTER id DROP NOT NULL;
ALTER TABLE plain.kid_c ALTER id DROP NOT NULL;

\echo # NOT NULL with a fill: each table has its trigger, and each is filled
\set sql 'ALTER TABLE base ADD COLUMN total bigint NOT NULL CHECK (total > 0); UPDATE base SET total = id * 2 WHERE total IS NULL; ALTER TABLE base ALTER id SET NOT NULL; CREATE INDEX ON base (total)'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('fill', :'sql') > 0;
SELECT zdm_start('fill');
CALL zdm_wait('fill', timeout => '60 s');
SELECT tableoid::regclass, count(*), sum(total) = sum(id * 2) FROM base GROUP BY 1 ORDER BY 1;
SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname IN ('safe', 'safe 2') AND attname = 'total';
SELECT tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname ~ 'zdm' ORDER BY 1;
SELECT count(*) FROM pg_class WHERE relname ~ '^acted_' AND relkind = 'S';
SELECT message FROM zdm.events WHERE migration = 'fill' AND message LIKE 'begins%';
-- The old version writes, only to a child: the gate hears of it.
INSERT INTO grand (id, note) VALUES (3101, 'old') RETURNING total;
UPDATE base SET id = 3102 WHERE id = 3101 RETURNING tableoid::regclass, total;
SELECT zdm_contract('fill');
SELECT zdm_rollback('fill');
CALL zdm_wait('fill', 'rolled_back');
TABLE changed;
SELECT count(*) FROM pg_class WHERE relname ~ '^acted_' AND relkind = 'S';
SELECT zdm_create('fill2', :'sql') > 0;
SELECT zdm_set('fill2', 'quiet_period', '0');
SELECT zdm_start('fill2');
CALL zdm_wait('fill2', timeout => '60 s');
INSERT INTO kid_c (id, note) VALUES (4101, 'old') RETURNING total;
INSERT INTO base (id, note, total) VALUES (201, 'new', 1) RETURNING total;
-- A child that comes now has no trigger; its rows are counted.
CREATE TABLE late () INHERITS (base);
INSERT INTO late (id) VALUES (6001) RETURNING total;
SELECT zdm_contract('fill2', true, 'test');
CALL zdm_wait('fill2', 'done');
SELECT regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = 'fill2';
-- One that goes is none any more.
DROP TABLE late;
SELECT zdm_resume('fill2');
CALL zdm_wait('fill2', 'done');
SELECT count(*) FROM pg_class WHERE relname ~ '^acted_' AND relkind = 'S';
SET search_path = plain;
INSERT INTO grand (id, note) VALUES (3102, 'old');
INSERT INTO kid_c (id, note) VALUES (4101, 'old');
ALTER TABLE base ADD COLUMN total bigint CHECK (total > 0);
INSERT INTO base (id, note, total) VALUES (201, 'new', 1);
UPDATE base SET total = id * 2 WHERE total IS NULL;
ALTER TABLE base ALTER total SET NOT NULL, ALTER id SET NOT NULL;
CREATE INDEX ON base (total);
SET search_path = safe, public;
TABLE differs;
TABLE other_rows;

\echo # A child that leaves, and one that is dropped, meanwhile
CREATE TABLE leaves () INHERITS (base);
CREATE TABLE goes () INHERITS (base);
SELECT zdm_create('leave', 'ALTER TABLE base ADD COLUMN z int NOT NULL; UPDATE base SET z = v WHERE z IS NULL') > 0;
SELECT zdm_start('leave');
CALL zdm_wait('leave', timeout => '60 s');
ALTER TABLE leaves NO INHERIT base;
DROP TABLE goes;
SELECT zdm_contract('leave', true, 'test');
CALL zdm_wait('leave', 'done');
SELECT message FROM zdm.events WHERE migration = 'leave' AND message ~ 'nothing to do';
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname ~ 'zdm';
SELECT attname FROM pg_attribute WHERE attrelid = 'comes'::regclass AND attname IN ('memo', 'story') ORDER BY 1;
DROP TABLE comes;
ALTER TABLE safe.base DROP COLUMN z;

-- A plain serial column rewrites the tables, and their missing values go.
ALTER TABLE safe.base DROP COLUMN kind;
ALTER TABLE plain.base DROP COLUMN kind;

\echo # Volatile defaults and serial columns
\set sql 'ALTER TABLE base ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN num serial'
SELECT steps('ALTER TABLE base ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('values_back', :'sql') > 0;
SELECT zdm_start('values_back');
CALL zdm_wait('values_back', timeout => '60 s');
SELECT count(*) = count(DISTINCT token) AND count(*) = count(DISTINCT num) FROM base;
SELECT zdm_rollback('values_back');
CALL zdm_wait('values_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('values', :'sql') > 0;
SELECT zdm_start('values');
CALL zdm_wait('values', timeout => '60 s');
SELECT zdm_contract('values', true, 'test');
CALL zdm_wait('values', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
SELECT count(*) = count(DISTINCT token) AND count(*) = count(DISTINCT num) FROM base;
ALTER TABLE safe.base DROP COLUMN token, DROP COLUMN num;
ALTER TABLE plain.base DROP COLUMN token, DROP COLUMN num;

\echo # Constraints: what is handed down, and what is of the table alone
\set sql 'ALTER TABLE base ADD CONSTRAINT v_small CHECK (v < 100), ADD CONSTRAINT alone CHECK (ref = 0) NO INHERIT, ADD CONSTRAINT ref_fk FOREIGN KEY (ref) REFERENCES refs, ADD PRIMARY KEY (id), ADD UNIQUE (note) DEFERRABLE, ALTER note SET NOT NULL; CREATE UNIQUE INDEX ON base (v, id); CREATE INDEX ON kid_a (v)'
UPDATE safe.base SET ref = 0 WHERE tableoid = 'safe.base'::regclass;
UPDATE plain.base SET ref = 0 WHERE tableoid = 'plain.base'::regclass;
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('constraints_bad', :'sql') > 0;
UPDATE grand SET v = 100 WHERE id = 3001;
SELECT zdm_start('constraints_bad', 'done');
CALL zdm_wait('constraints_bad', 'done');
SELECT regexp_replace(detail, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = 'constraints_bad';
SELECT zdm_rollback('constraints_bad');
CALL zdm_wait('constraints_bad', 'rolled_back');
TABLE changed;
UPDATE grand SET v = 1 WHERE id = 3001;
SELECT zdm_create('constraints', :'sql') > 0;
SELECT zdm_start('constraints', 'done');
CALL zdm_wait('constraints', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # What is loosened, back and forth
\set sql 'ALTER TABLE base DROP CONSTRAINT v_small, DROP CONSTRAINT alone, DROP CONSTRAINT ref_fk, DROP CONSTRAINT base_pkey, DROP CONSTRAINT base_note_key, DROP CONSTRAINT no_13, ALTER note DROP NOT NULL; ALTER TABLE base ALTER v DROP DEFAULT; DROP INDEX base_v_id_idx'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('loosen_back', :'sql') > 0;
SELECT zdm_start('loosen_back');
CALL zdm_wait('loosen_back', timeout => '60 s');
SELECT count(*) > 10 FROM changed;
SELECT zdm_rollback('loosen_back');
CALL zdm_wait('loosen_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('loosen', :'sql') > 0;
SELECT zdm_start('loosen');
CALL zdm_wait('loosen', timeout => '60 s');
SELECT zdm_contract('loosen', true, 'test');
CALL zdm_wait('loosen', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # UPDATE and DELETE
\set sql 'UPDATE base SET note = ''seven'' WHERE v = 7 AND note <> ''seven''; DELETE FROM base WHERE v = 8'
SELECT steps(:'sql');
SELECT zdm_create('rows', :'sql') > 0;
SELECT zdm_start('rows', 'done');
CALL zdm_wait('rows', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE other_rows;
SELECT zdm_backfill('base', 'note = ''six''', 'v = 6 AND note <> ''six''', 'six') > 0;
CALL zdm_wait('six', 'done');
SELECT count(*) FROM base WHERE v = 6 AND note <> 'six';
SELECT relation, rows_min > 40 FROM zdm_estimate('base', 'note = ''five''', 'v = 5 AND note <> ''five''');
UPDATE plain.base SET note = 'six' WHERE v = 6;

\echo # DROP COLUMN: it stays where a child has it by itself
\set sql 'ALTER TABLE base ADD COLUMN memo text; UPDATE base SET memo = upper(note) WHERE memo IS NULL; ALTER TABLE base DROP COLUMN note, DROP COLUMN v'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('drop_back', :'sql') > 0;
SELECT zdm_start('drop_back');
CALL zdm_wait('drop_back', timeout => '60 s');
INSERT INTO kid_a (id, note, total) VALUES (1301, 'old', 1) RETURNING memo;
SELECT relation, differences FROM zdm_verify('drop_back') ORDER BY relation;
INSERT INTO grand (id, note, memo, total) VALUES (3201, 'one', 'OTHER', 1);
SELECT relation, differences, old_values, new_values FROM zdm_verify('drop_back') WHERE differences > 0;
DELETE FROM base WHERE id IN (1301, 3201);
SELECT zdm_rollback('drop_back');
CALL zdm_wait('drop_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('drop', :'sql') > 0;
SELECT zdm_start('drop');
CALL zdm_wait('drop', timeout => '60 s');
SELECT zdm_contract('drop', true, 'test');
CALL zdm_wait('drop', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
TABLE other_rows;

\echo # A child by itself
\set sql 'ALTER TABLE kid_b ADD COLUMN mine text NOT NULL DEFAULT ''m'', ADD CONSTRAINT total_small CHECK (total < 1000000); ALTER TABLE kid_c ALTER ref SET DEFAULT 3, ADD PRIMARY KEY (id), ALTER note SET NOT NULL; ALTER TABLE kid_a ADD COLUMN own uuid NOT NULL DEFAULT gen_random_uuid(); CREATE INDEX ON grand (total); UPDATE kid_c SET ref = 9 WHERE ref IS NULL; DELETE FROM kid_b WHERE id = 2001'
SELECT steps(:'sql');
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('child', :'sql') > 0;
SELECT zdm_start('child');
CALL zdm_wait('child', timeout => '60 s');
SELECT zdm_create('above', 'ALTER TABLE base ADD COLUMN x int') > 0;
SELECT zdm_start('above');
SELECT zdm_contract('child', true, 'test');
CALL zdm_wait('child', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;
\set sql 'ALTER TABLE kid_b DROP COLUMN mine, DROP CONSTRAINT total_small, DROP CONSTRAINT own_check; ALTER TABLE kid_a RENAME TO child_a'
SELECT zdm_create('child_drop', :'sql') > 0;
SELECT zdm_start('child_drop', 'switched');
CALL zdm_wait('child_drop', 'switched');
INSERT INTO kid_a (id, total) VALUES (1401, 1) RETURNING id;
SELECT tableoid::regclass, id FROM base WHERE id = 1401;
DELETE FROM base WHERE id = 1401;
SELECT zdm_contract('child_drop', true, 'test');
CALL zdm_wait('child_drop', 'done');
SET search_path = plain;
:sql;
SET search_path = safe, public;
TABLE differs;

\echo # RENAME COLUMN goes through all of them
CREATE INDEX base_memo ON safe.base (memo);
CREATE UNIQUE INDEX kid_c_memo ON safe.kid_c (lower(memo), id);
CREATE INDEX grand_memo ON safe.grand (memo, more);
COMMENT ON COLUMN safe.kid_c.memo IS 'of c';
CREATE INDEX base_memo ON plain.base (memo);
CREATE UNIQUE INDEX kid_c_memo ON plain.kid_c (lower(memo), id);
CREATE INDEX grand_memo ON plain.grand (memo, more);
COMMENT ON COLUMN plain.kid_c.memo IS 'of c';
\set sql 'ALTER TABLE base RENAME memo TO story'
SET client_min_messages = notice;
SELECT steps(:'sql');
SET client_min_messages = warning;
TRUNCATE was;
INSERT INTO was SELECT catalog('safe');
SELECT zdm_create('story_back', :'sql') > 0;
SELECT zdm_start('story_back');
CALL zdm_wait('story_back', timeout => '60 s');
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'zdm';
SELECT zdm_rollback('story_back');
CALL zdm_wait('story_back', 'rolled_back');
TABLE changed;
SELECT zdm_create('story', :'sql') > 0;
SELECT zdm_set('story', 'quiet_period', '0');
SELECT zdm_start('story');
CALL zdm_wait('story', timeout => '60 s');
SELECT count(*), count(*) FILTER (WHERE memo IS DISTINCT FROM story) FROM base;
INSERT INTO grand (id, total, memo) VALUES (3111, 1, 'old') RETURNING story;
INSERT INTO kid_c (id, total, note, story) VALUES (4111, 1, 'n', 'new') RETURNING memo;
UPDATE base SET story = 'through base' WHERE id IN (3111, 1002) RETURNING tableoid::regclass, memo;
UPDATE base SET memo = 'the other way' WHERE id = 4111 RETURNING tableoid::regclass, story;
-- One that comes meanwhile has both columns.
CREATE TABLE comes () INHERITS (base);
SELECT zdm_contract('story', true, 'test');
CALL zdm_wait('story', 'done');
-- Nobody keeps them equal.
ALTER TABLE comes NO INHERIT base;
SELECT zdm_resume('story');
CALL zdm_wait('story', 'done');
SELECT id, story FROM base WHERE id IN (3111, 1002, 4111) ORDER BY id;
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'zdm';
SELECT count(*) FROM pg_class WHERE relname ~ '^(acted|wrote|differs)_' AND relkind = 'S';
SELECT attname FROM pg_attribute WHERE attrelid = 'comes'::regclass AND attname IN ('memo', 'story');
DROP TABLE comes;
DELETE FROM base WHERE id IN (3111, 4111);
UPDATE base SET story = NULL WHERE id = 1002;
SET search_path = plain;
:sql;
UPDATE base SET story = NULL WHERE id = 1002;
SET search_path = safe, public;
TABLE differs;
SELECT count(*) FROM other_rows WHERE to_jsonb(other_rows)::text !~ 'child_a';
-- A child that is taken out meanwhile keeps both columns, and has no trigger.
\set sql 'ALTER TABLE base RENAME story TO memo'
SELECT zdm_create('memo', :'sql') > 0;
SELECT zdm_set('memo', 'quiet_period', '0');
SELECT zdm_start('memo');
CALL zdm_wait('memo', timeout => '60 s');
ALTER TABLE "safe 2"."Kid 1" NO INHERIT base;
SELECT zdm_contract('memo', true, 'test');
CALL zdm_wait('memo', 'done');
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'zdm';
INSERT INTO "safe 2"."Kid 1" (id, total, memo, story) VALUES (5111, 1, 'a', 'b') RETURNING memo, story;
DELETE FROM "safe 2"."Kid 1" WHERE id = 5111;
ALTER TABLE "safe 2"."Kid 1" DROP COLUMN memo;
ALTER TABLE "safe 2"."Kid 1" RENAME story TO memo;
ALTER TABLE "safe 2"."Kid 1" INHERIT base;
ALTER TABLE "plain 2"."Kid 1" NO INHERIT plain.base;
ALTER TABLE "plain 2"."Kid 1" RENAME story TO memo;
SET search_path = plain;
:sql;
SET search_path = safe, public;
ALTER TABLE "plain 2"."Kid 1" INHERIT plain.base;
TABLE differs;
SELECT count(*) FROM other_rows WHERE to_jsonb(other_rows)::text !~ 'child_a';
-- What a child has by itself, and the name of the table above.
\set sql 'ALTER TABLE kid_b RENAME extra TO further; ALTER TABLE base RENAME TO trunk'
SELECT zdm_create('further', :'sql') > 0;
SELECT zdm_create('further', 'ALTER TABLE kid_b RENAME extra TO further') > 0;
SELECT zdm_start('further');
CALL zdm_wait('further');
INSERT INTO kid_b (id, total, further) VALUES (2901, 1, 'x') RETURNING extra;
DELETE FROM base WHERE id = 2901;
SELECT zdm_contract('further', true, 'test');
CALL zdm_wait('further', 'done');
SELECT zdm_create('trunk', 'ALTER TABLE base RENAME TO trunk') > 0;
SELECT zdm_create('trunk', E'-- zdm: direct\nALTER TABLE base RENAME TO trunk') > 0;
SELECT zdm_start('trunk', 'done');
CALL zdm_wait('trunk', 'done');
ALTER TABLE plain.kid_b RENAME extra TO further;
ALTER TABLE plain.base RENAME TO trunk;
TABLE differs;
SELECT count(*) FROM other_rows WHERE to_jsonb(other_rows)::text !~ 'child_a';
ALTER TABLE plain.trunk RENAME TO base;
ALTER TABLE safe.trunk RENAME TO base;

\echo # What a child has of its parent the server does not let go, nor does zdm, and in the same words
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
CALL as_server('ALTER TABLE safe.kid_b DROP COLUMN total');
CALL as_server('ALTER TABLE safe.kid_b ALTER total TYPE numeric');
CALL as_server('ALTER TABLE safe.kid_c DROP COLUMN ref');
CALL as_server('ALTER TABLE safe.kid_b DROP CONSTRAINT base_total_check');
CALL as_server('ALTER TABLE safe.kid_b RENAME total TO x');
CALL as_server('ALTER TABLE ONLY safe.base RENAME memo TO x');
CALL as_server('ALTER TABLE safe.base ADD COLUMN ident int GENERATED ALWAYS AS IDENTITY');
SET client_min_messages = warning;

\echo # Refused
CREATE FUNCTION answer(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create('bad', sql);
    RAISE EXCEPTION 'taken';
EXCEPTION WHEN others THEN RETURN SQLERRM; END $$;
SELECT answer(sql) FROM (VALUES
    (1, 'ALTER TABLE ONLY base ADD COLUMN x int'),
    (2, 'UPDATE ONLY base SET memo = '''' WHERE memo IS NULL'),
    (3, 'DELETE FROM base WHERE base IS NULL'),
    (4, 'ALTER TABLE base RENAME memo TO further'),
    (8, 'ALTER TABLE base ADD COLUMN further text'),
    (9, 'ALTER TABLE base ALTER ref SET DEFAULT 1'),
    (10, 'ALTER TABLE base ADD CONSTRAINT total_odd CHECK (total > 0); ALTER TABLE kid_b ADD CONSTRAINT x CHECK (total > 0)'),
    (11, 'ALTER TABLE base DROP CONSTRAINT base_total_check; ALTER TABLE base ADD CONSTRAINT base_total_check CHECK (total > 1)'),
    (12, E'ALTER TABLE base ADD COLUMN x text;\n-- zdm: down memo = x\nALTER TABLE base DROP COLUMN memo'),
    (13, 'ALTER TABLE base ALTER id SET STORAGE PLAIN'),
    (14, 'DROP TABLE base'),
    (15, 'CREATE TABLE more () INHERITS (base)'),
    (16, 'ALTER TABLE base INHERIT kid_c'),
    (19, 'ALTER TABLE kid_c ALTER note TYPE varchar')) v (n, sql) ORDER BY n;
-- A child that differs.
UPDATE base SET ref = 0 WHERE ref IS NULL;
ALTER TABLE grand ALTER ref SET NOT NULL;
SELECT answer('ALTER TABLE base ALTER ref SET NOT NULL');
SELECT answer('ALTER TABLE base DROP COLUMN ref');
ALTER TABLE grand ALTER ref DROP NOT NULL;
ALTER TABLE base ALTER ref SET NOT NULL;
SELECT answer('ALTER TABLE base DROP COLUMN ref');
ALTER TABLE base ALTER ref DROP NOT NULL;
CREATE TRIGGER of_memo AFTER UPDATE OF memo ON grand FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT answer('ALTER TABLE base RENAME memo TO x');
DROP TRIGGER of_memo ON grand;
ALTER TABLE grand ADD CONSTRAINT whole CHECK (grand IS NOT NULL OR true);
SELECT answer('ALTER TABLE base RENAME memo TO x');
ALTER TABLE grand DROP CONSTRAINT whole;
CREATE VIEW looks AS SELECT memo FROM grand;
SELECT answer('ALTER TABLE base DROP COLUMN memo');
DROP VIEW looks;
ALTER TABLE kid_b ADD CONSTRAINT taken CHECK (id > 0);
SELECT answer('ALTER TABLE base ADD CONSTRAINT taken CHECK (id > 0)');
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER all_of_it AFTER UPDATE ON grand FOR EACH STATEMENT EXECUTE FUNCTION nothing();
SELECT answer('UPDATE base SET memo = ''x'' WHERE memo IS NULL');
DROP TRIGGER all_of_it ON grand;
-- That of the table itself fires, as for any table.
CREATE TRIGGER all_of_it AFTER UPDATE ON base FOR EACH STATEMENT EXECUTE FUNCTION nothing();
SELECT answer('UPDATE base SET memo = ''x'' WHERE memo IS NULL');
DROP TRIGGER all_of_it ON base;
CREATE TABLE other (y int);
CREATE TABLE both_of () INHERITS (base, other);
SELECT answer('ALTER TABLE base ADD COLUMN x int');
SELECT answer('ALTER TABLE other ADD COLUMN x int');
SELECT answer('DELETE FROM other WHERE y = 1');
DROP TABLE both_of;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far () INHERITS (base) SERVER nowhere;
SELECT answer('ALTER TABLE base ADD COLUMN x int');
SELECT answer('UPDATE base SET memo = ''x'' WHERE memo IS NULL');
DROP FOREIGN TABLE far;
CREATE ROLE children_owner LOGIN;
GRANT ALL ON SCHEMA safe TO children_owner;
ALTER TABLE other OWNER TO children_owner;
CREATE TABLE others () INHERITS (other);
SET ROLE children_owner;
SELECT answer('ALTER TABLE safe.other ADD COLUMN x int');
SELECT answer('DELETE FROM safe.other WHERE y = 1');
RESET ROLE;
DROP TABLE others;
DROP OWNED BY children_owner CASCADE;
DROP ROLE children_owner;
