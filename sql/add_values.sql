-- ADD COLUMN for which the server would rewrite the table: volatile defaults, serial and identity columns. What the plan says,
-- what is refused, and that the catalogs end as the plain statement leaves them, or, after a rollback, as they were.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE ROLE add_values_owner;
CREATE ROLE add_values_app;

-- The same tables in any schema.
CREATE PROCEDURE make(place text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', place);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO add_values_app, add_values_owner', place);
    PERFORM set_config('search_path', place, true);
    CREATE TABLE item (id int PRIMARY KEY, name text);
    CREATE TABLE keyless (name text);
    CREATE UNLOGGED TABLE light (name text);
    CREATE TABLE empty_one (name text);
    GRANT SELECT, INSERT, UPDATE ON item, keyless TO add_values_app;
    ALTER TABLE light OWNER TO add_values_owner;
    -- Its name is that which the server would choose first.
    CREATE SEQUENCE item_taken_seq;
    CREATE SEQUENCE shared START 1000;
    CREATE TABLE seen (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN EXECUTE format('INSERT INTO %I.seen VALUES (%L)', TG_TABLE_SCHEMA, TG_OP); RETURN NULL; END $$;
    CREATE TRIGGER any_update AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION note();
    INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 3000) g;
    INSERT INTO keyless SELECT 'item ' || g FROM generate_series(1, 3000) g;
    INSERT INTO light SELECT 'item ' || g FROM generate_series(1, 300) g;
    PERFORM set_config('search_path', 'public', true);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql SET search_path = public AS $$
    WITH t AS (SELECT * FROM pg_class WHERE relnamespace = place::text::regnamespace)
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s %s null %s default %s identity %s acl %s', t.relname, a.attname,
                   format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attacl) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('relation %s kind %s persistence %s owner %s acl %s', relname, relkind, relpersistence,
                   relowner::regrole, CASE relkind WHEN 'S' THEN nullif(relacl, acldefault('s', relowner)) ELSE relacl END) FROM t
        UNION ALL SELECT format('constraint %s %s %s valid %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated)
          FROM t JOIN pg_constraint c ON c.conrelid = t.oid
        UNION ALL SELECT format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid) FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('trigger %s %s', pg_get_triggerdef(g.oid), g.tgenabled)
          FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
        UNION ALL SELECT format('sequence %s of %s %s: %s starts %s by %s from %s to %s cache %s cycle %s', t.relname, a.attname, d.deptype,
                   s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
          FROM t JOIN pg_sequence s ON s.seqrelid = t.oid LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
CREATE PROCEDURE take(migration text, upto text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration, upto);
END $$;
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || coalesce(' [' || lock || CASE WHEN scans THEN ', scan' ELSE '' END
           || CASE WHEN rewrites THEN ', rewrite' ELSE '' END || ']', '')
           || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command || coalesce(E'\n    undo: ' || undo, '')
      FROM zdm_plan(sql) ORDER BY step $$;

CALL make('before');
CALL make('plain');
CALL make('ours');
SELECT * FROM differing('before', 'ours');
SET search_path = ours, public;

\echo # Volatile defaults
SELECT steps('ALTER TABLE item ADD COLUMN token uuid DEFAULT gen_random_uuid()');
SELECT note FROM zdm_plan('ALTER TABLE item ADD COLUMN token uuid DEFAULT gen_random_uuid()') WHERE phase = 'migrate' ORDER BY step;
SELECT steps('ALTER TABLE item ADD COLUMN token uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE CHECK (token IS NOT NULL)');
SELECT steps('ALTER TABLE item ADD COLUMN no bigint DEFAULT nextval(''shared''), ADD COLUMN at timestamptz DEFAULT clock_timestamp()');
-- An expression of several functions that never gives NULL.
SELECT command FROM zdm_plan('ALTER TABLE item ADD COLUMN a text DEFAULT ''n-'' || md5(random()::text), ADD COLUMN b int DEFAULT floor(random() * 100)::int,
    ADD COLUMN c timestamptz DEFAULT now() + random() * interval ''1 day''') WHERE kind = 'backfill';
-- One that the user fills; the default is for new rows only.
SELECT steps(E'-- zdm: up token = md5(name)::uuid\nALTER TABLE item ADD COLUMN token uuid DEFAULT gen_random_uuid()');

\echo # serial
SELECT steps('ALTER TABLE item ADD COLUMN no bigserial');
SELECT command FROM zdm_plan('ALTER TABLE item ADD COLUMN taken smallserial UNIQUE') WHERE phase = 'expand';
SELECT command FROM zdm_plan('ALTER TABLE light ADD COLUMN no serial') WHERE phase = 'expand';
SELECT phase, kind, command FROM zdm_plan('ALTER TABLE keyless ADD COLUMN id serial PRIMARY KEY') WHERE phase = 'contract';
-- Later statements find the sequence.
SELECT phase, command FROM zdm_plan('ALTER TABLE item ADD COLUMN no serial; GRANT USAGE ON SEQUENCE item_no_seq TO add_values_app') WHERE phase = 'expand';

\echo # Identity
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED BY DEFAULT AS IDENTITY');
SELECT note FROM zdm_plan('ALTER TABLE item ADD COLUMN no int GENERATED BY DEFAULT AS IDENTITY') WHERE command LIKE '%ADD GENERATED%';
SELECT command FROM zdm_plan('ALTER TABLE item ADD COLUMN "No" bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "Odd one" START 7 INCREMENT -3 MAXVALUE 99 CACHE 5 CYCLE)')
 WHERE command LIKE '%SEQUENCE%' AND kind = 'ddl';

\echo # In a table without rows, and in one of the same file, as written
SELECT phase, kind, command FROM zdm_plan('ALTER TABLE empty_one ADD COLUMN id serial PRIMARY KEY, ADD COLUMN no int GENERATED ALWAYS AS IDENTITY, ADD COLUMN t uuid DEFAULT gen_random_uuid()');
SELECT phase, kind, command FROM zdm_plan('CREATE TABLE fresh (a int); ALTER TABLE fresh ADD COLUMN id serial, ADD COLUMN t uuid DEFAULT gen_random_uuid()');
SELECT command FROM zdm_plan('ALTER TABLE item ADD COLUMN IF NOT EXISTS name serial');

\echo # Notes
SET client_min_messages = notice;
SELECT count(*) FROM zdm_plan('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY');
SELECT count(*) FROM zdm_plan('ALTER TABLE item ADD COLUMN no serial');
SET client_min_messages = warning;

\echo # Refused
CREATE FUNCTION maybe() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT CASE WHEN random() < 0.5 THEN 1 END';
SELECT steps('ALTER TABLE item ADD COLUMN c int DEFAULT maybe()');
SELECT command FROM zdm_plan('ALTER TABLE item ADD COLUMN c int DEFAULT coalesce(maybe(), 0)') WHERE kind = 'backfill';
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
SELECT steps('ALTER TABLE item ADD COLUMN c positive');
SELECT steps('ALTER TABLE item ADD COLUMN c positive DEFAULT 1 + random()');
SELECT steps(E'-- zdm: up no = id\nALTER TABLE item ADD COLUMN no serial');
SELECT steps('ALTER TABLE item ADD COLUMN no serial; UPDATE item SET no = id');
-- As the server refuses them.
SELECT steps('ALTER TABLE item ADD COLUMN no text GENERATED ALWAYS AS IDENTITY');
SELECT steps('ALTER TABLE item ADD COLUMN no int DEFAULT 1 GENERATED ALWAYS AS IDENTITY');
SELECT steps('ALTER TABLE item ADD COLUMN no serial DEFAULT 1');
SELECT steps('ALTER TABLE item ADD COLUMN no serial[]');
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY (INCREMENT 0)');
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.other)');
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME shared)');
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY, ALTER COLUMN no SET DEFAULT 1');
SELECT steps('ALTER TABLE item ADD COLUMN no int GENERATED ALWAYS AS IDENTITY; GRANT USAGE ON SEQUENCE item_no_seq TO add_values_app');
SET client_min_messages = error;
CREATE PUBLICATION add_values FOR TABLE keyless;
SET client_min_messages = warning;
SELECT steps('ALTER TABLE keyless ADD COLUMN token uuid DEFAULT gen_random_uuid()');
DROP PUBLICATION add_values;
DROP FUNCTION maybe;
DROP DOMAIN positive;
-- Nothing of what was tried is left.
SELECT * FROM differing('before', 'ours');

\set all 'ALTER TABLE item ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, ADD COLUMN score float8 DEFAULT random(), ADD COLUMN taken smallserial, ADD COLUMN no int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5 CACHE 3) UNIQUE; ALTER TABLE keyless ADD COLUMN id bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME numbers) PRIMARY KEY; ALTER TABLE light ADD COLUMN n serial, ADD COLUMN m int GENERATED ALWAYS AS IDENTITY;'
SET search_path = plain, public;
:all
SET search_path = ours, public;

\echo # Back from expanded, and from ready
CALL take('early', 'expanded', :'all');
CALL zdm_wait('early', 'expanded', '60 s');
-- An application that knows nothing of it, and has a right on no sequence but that of the serial column.
GRANT USAGE ON SEQUENCE item_taken_seq1 TO add_values_app;
SET ROLE add_values_app;
INSERT INTO item (id, name) VALUES (-1, 'early');
RESET ROLE;
SELECT token IS NULL, score IS NULL, taken IS NULL, no IS NULL FROM item WHERE id = -1;
SELECT zdm_rollback('early');
CALL zdm_wait('early', 'rolled_back', '60 s');
SELECT * FROM differing('before', 'ours');
CALL take('back', 'ready', :'all');
CALL zdm_wait('back', 'ready', '60 s');
SELECT count(*) AS missing FROM item WHERE token IS NULL OR score IS NULL OR taken IS NULL OR no IS NULL;
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back', '60 s');
SELECT * FROM differing('before', 'ours');
SELECT * FROM seen;

\echo # From end to end
CALL take('all', 'expanded', :'all');
CALL zdm_wait('all', 'expanded', '60 s');
-- What applications give themselves stays; what they leave out, or give as NULL, is filled.
INSERT INTO item (id, name, token, score, taken, no) VALUES (-2, 'own', '00000000-0000-0000-0000-000000000001', 7, 30000, 1000000);
UPDATE item SET no = 2000000, score = 8 WHERE id = 5;
GRANT USAGE ON SEQUENCE item_taken_seq1 TO add_values_app;
SET ROLE add_values_app;
INSERT INTO item (id, name) VALUES (-3, 'old');
INSERT INTO item (id, name, no) VALUES (-4, 'null', NULL);
INSERT INTO keyless (name) VALUES ('old');
RESET ROLE;
REVOKE ALL ON SEQUENCE item_taken_seq1 FROM add_values_app;
SELECT zdm_start('all');
CALL zdm_wait('all', 'ready', '60 s');
SELECT id, token = '00000000-0000-0000-0000-000000000001' AS token, score, taken, no FROM item WHERE id IN (-2, 5) ORDER BY id;
SELECT count(*) AS rows, count(DISTINCT token) AS tokens, count(score) AS scores, count(DISTINCT taken) AS takens, count(DISTINCT no) AS nos FROM item;
SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM keyless;
SELECT no % 5 AS steps, count(*) FROM item GROUP BY 1;
SELECT zdm_contract('all');
CALL zdm_wait('all', 'done', '60 s');
SELECT * FROM differing('plain', 'ours');
-- Each goes on where it was, and the trigger of the table saw one UPDATE, that of row 5.
INSERT INTO item (id, name) VALUES (-5, 'new');
SELECT count(*) FROM item a JOIN item b ON b.id = -5 WHERE a.id <> -5 AND (a.no = b.no OR a.taken = b.taken);
INSERT INTO keyless (name) VALUES ('new');
SELECT id - (SELECT max(id) FROM keyless WHERE name <> 'new') AS next FROM keyless WHERE name = 'new';
INSERT INTO item (id, no) VALUES (-6, 1);
SELECT what, count(*) FROM seen GROUP BY what;

\echo # The way back of an identity, and forward again
SELECT string_agg(undo, ' ') AS back, string_agg(command, ' ') AS forward FROM zdm.steps
 WHERE migration = 'all' AND command LIKE '%ADD GENERATED ALWAYS%' AND relation LIKE '%item' \gset
BEGIN;
\o /dev/null
:back
\o
SELECT format_type(atttypid, NULL), attnotnull, attidentity, pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
 WHERE attrelid = 'item'::regclass AND attname = 'no';
SELECT pg_get_serial_sequence('item', 'no');
INSERT INTO item (id) VALUES (-7);
\o /dev/null
:forward
\o
INSERT INTO item (id) VALUES (-8);
SELECT * FROM differing('plain', 'ours');
SELECT count(*) - count(DISTINCT no) AS twice FROM item;
ROLLBACK;
SELECT note FROM zdm.steps WHERE migration = 'all' AND phase = 'expand' ORDER BY step LIMIT 1;
DROP SCHEMA before, plain, ours CASCADE;
DROP OWNED BY add_values_owner, add_values_app;
DROP ROLE add_values_owner, add_values_app;
