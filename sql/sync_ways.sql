-- All ways in which rows get into a table, and what can happen to the table meanwhile.
SET client_min_messages = warning;
CREATE FUNCTION sync_on(target regclass, VARIADIC rules text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        target, (SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
                   FROM unnest(ARRAY['pg_catalog, pg_temp'] || rules) WITH ORDINALITY u(a, n)));
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER zz_zdm_sync', target);
    EXECUTE format('CREATE SEQUENCE IF NOT EXISTS zdm.acted_%s', target::oid);
END $$;

CREATE TABLE t (id int PRIMARY KEY, a text, c text, f text);
SELECT sync_on('t', 'c', 'once', $$'given'$$, '', 'f', 'step', 'upper(a)', '');

-- COPY, ON CONFLICT, MERGE, INSERT ... SELECT, CTE, RETURNING.
COPY t (id, a) FROM stdin;
1	one
2	two
\.
INSERT INTO t (id, a) VALUES (2, 'zwei') ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a;
INSERT INTO t (id, a) VALUES (2, 'deux') ON CONFLICT DO NOTHING;
MERGE INTO t USING (VALUES (1, 'eins'), (3, 'drei')) AS v (id, a) ON t.id = v.id
    WHEN MATCHED THEN UPDATE SET a = v.a WHEN NOT MATCHED THEN INSERT (id, a) VALUES (v.id, v.a);
WITH moved AS (INSERT INTO t (id, a) SELECT g, 'g' || g FROM generate_series(4, 5) g RETURNING *)
SELECT * FROM moved ORDER BY id;
INSERT INTO t DEFAULT VALUES;
INSERT INTO t (id) VALUES (6) RETURNING *;
SELECT * FROM t ORDER BY id;

-- Prepared statements and generic plans; savepoints.
SET plan_cache_mode = force_generic_plan;
PREPARE ins (int, text) AS INSERT INTO t (id, a) VALUES ($1, $2) RETURNING *;
EXECUTE ins (10, 'p');
EXECUTE ins (11, 'q');
RESET plan_cache_mode;
BEGIN;
SAVEPOINT s;
INSERT INTO t (id, a) VALUES (1, 'duplicate');
ROLLBACK TO s;
INSERT INTO t (id, a) VALUES (12, 'after') RETURNING *;
COMMIT;

-- session_replication_role = replica, as logical replication applies.
SET session_replication_role = replica;
INSERT INTO t (id, a) VALUES (13, 'replica') RETURNING *;
RESET session_replication_role;

-- Other BEFORE triggers come first, and ours sees what they changed.
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := NEW.a || ' changed'; RETURN NEW; END $$;
CREATE TRIGGER other BEFORE INSERT OR UPDATE OF c ON t FOR EACH ROW EXECUTE FUNCTION other();
INSERT INTO t (id, a) VALUES (14, 'row') RETURNING *;
UPDATE t SET c = 'x' WHERE id = 14 RETURNING *;
DROP TRIGGER other ON t;
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER other BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION swallow();
INSERT INTO t (id, a) VALUES (15, 'swallowed') RETURNING *;
DROP TRIGGER other ON t;
TRUNCATE t;

-- The table changes under a session that has compiled the rules: other columns, other type, a
-- renamed input, other rules, a trigger made anew.
INSERT INTO t (id, a) VALUES (1, 'before');
ALTER TABLE t DROP COLUMN a, ADD COLUMN z int DEFAULT 9, ADD COLUMN a text;
INSERT INTO t (id, a) VALUES (2, 'other number') RETURNING *;
ALTER TABLE t ALTER COLUMN c TYPE varchar(3) USING left(c, 3);
INSERT INTO t (id, a) VALUES (3, 'too long') RETURNING *;
ALTER TABLE t ALTER COLUMN c TYPE text, ADD COLUMN late int DEFAULT 5;
INSERT INTO t (id, a) VALUES (4, 'fits again') RETURNING *;
UPDATE t SET a = 'missing values' WHERE id IN (1, 2) RETURNING *;
ALTER TABLE t RENAME COLUMN a TO b;
INSERT INTO t (id, b) VALUES (5, 'input is gone') RETURNING *;
ALTER TABLE t RENAME COLUMN b TO a;
CREATE OR REPLACE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON t FOR EACH ROW
    EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '''other rule''', '');
INSERT INTO t (id, a) VALUES (6, 'replaced') RETURNING *;
ALTER TABLE t RENAME TO renamed;
INSERT INTO renamed (id, a) VALUES (7, 'table renamed') RETURNING *;
-- What is compiled is let go when it is stale: a session holds a few sets, however often that happens.
DO $$ BEGIN FOR i IN 1..40 LOOP
    ALTER TABLE renamed ADD COLUMN extra int; INSERT INTO renamed (id) VALUES (i + 100); ALTER TABLE renamed DROP COLUMN extra;
END LOOP; END $$;
SELECT count(*) < 10 AS few FROM pg_backend_memory_contexts WHERE name = 'zdm sync rules';
DROP TRIGGER zz_zdm_sync ON renamed;
INSERT INTO renamed (id, a) VALUES (8, 'no trigger') RETURNING *;

-- What a rule uses changes: a function, a domain.
CREATE FUNCTION label(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'first ' || $1 $$;
CREATE DOMAIN short AS text CHECK (length(VALUE) < 20);
CREATE TABLE uses (id int, a text, c short);
SELECT sync_on('uses', 'c', 'step', 'public.label(a)', '');
INSERT INTO uses VALUES (1, 'a');
CREATE OR REPLACE FUNCTION label(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'second ' || $1 $$;
INSERT INTO uses VALUES (2, 'b');
INSERT INTO uses VALUES (3, 'longer than a domain allows');
ALTER DOMAIN short ADD CHECK (VALUE <> 'second no');
INSERT INTO uses VALUES (4, 'no');
UPDATE uses SET a = 'no' WHERE id = 1;
SELECT * FROM uses ORDER BY id;
-- A domain that is NOT NULL is checked before any trigger: such columns can't be filled.
CREATE DOMAIN present AS text NOT NULL;
CREATE TABLE strict (id int, c present);
SELECT sync_on('strict', 'c', 'once', '''x''', '');
INSERT INTO strict VALUES (1);
-- A column that is NOT NULL is checked after.
ALTER TABLE strict ALTER COLUMN c TYPE text, ALTER COLUMN c SET NOT NULL;
INSERT INTO strict VALUES (1) RETURNING *;

-- Big values: out of line, compressed; unchanged ones are carried along, changed ones are seen.
CREATE TABLE big (id int PRIMARY KEY, doc text, note text, len int, copy text);
ALTER TABLE big ALTER COLUMN doc SET STORAGE EXTERNAL, ALTER COLUMN copy SET STORAGE EXTERNAL;
SELECT sync_on('big', 'len', 'step', 'length(doc)', '', 'copy', 'step', 'doc', '');
INSERT INTO big VALUES (1, repeat('x', 200000)), (2, repeat('y', 3000));
UPDATE big SET note = 'doc stays';
UPDATE big SET doc = doc || 'z' WHERE id = 2;
UPDATE big SET doc = repeat('X', 200000) WHERE id = 1;
SELECT id, length(doc), note, len, copy = doc AS copied, left(copy, 3) FROM big ORDER BY id;
-- Overwritten with the same bytes is not changed.
UPDATE big SET len = 1, copy = 'mine';
UPDATE big SET doc = doc || '';
SELECT id, len, copy FROM big ORDER BY id;
-- Composite values, arrays and whole rows.
CREATE TYPE point3 AS (x int, y int, label text);
CREATE TABLE shapes (id int, p point3, c point3, d text, tags text[], tagged int);
SELECT sync_on('shapes', 'c', 'step', $$ROW((p).y, (p).x, repeat((p).label, 3000))$$, '', 'd', 'step', '(c).x::text', '',
    'tagged', 'step', 'cardinality(tags)', '');
INSERT INTO shapes VALUES (1, ROW(1, 2, 'ab'), NULL, NULL, ARRAY['u', 'v']);
UPDATE shapes SET p.x = 5;
UPDATE shapes SET tags[3] = 'w';
SELECT id, p, (c).x, (c).y, length((c).label), d, tags, tagged FROM shapes;
CREATE TABLE whole (id int, a text, c text);
CREATE FUNCTION describe(whole) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1.id || ':' || $1.a $$;
SELECT sync_on('whole', 'c', 'step', 'public.describe(whole)', '');
INSERT INTO whole VALUES (1, 'x');
UPDATE whole SET a = 'y';
UPDATE whole SET c = 'mine';
SELECT * FROM whole;
-- A stored generated column may use what the rule gave.
CREATE TABLE generated (id int, c int, g int GENERATED ALWAYS AS (c * 2) STORED);
SELECT sync_on('generated', 'c', 'once', 'id + 1', '');
INSERT INTO generated VALUES (1) RETURNING *;

-- Inheritance children with other column numbers, partitions (the trigger is cloned to them).
CREATE TABLE parent (id int, a text);
CREATE TABLE child (x int, y int) INHERITS (parent);
ALTER TABLE parent ADD COLUMN c text;
SELECT sync_on('parent', 'c', 'once', 'a || 1', ''), sync_on('child', 'c', 'once', 'a || 2', '');
INSERT INTO parent VALUES (1, 'p') RETURNING *;
INSERT INTO child VALUES (1, 'c') RETURNING *;
CREATE TABLE parts (id int, a text, c text) PARTITION BY RANGE (id);
CREATE TABLE part1 (gone int, c text, a text, id int);
ALTER TABLE part1 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION part1 FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
SELECT sync_on('parts', 'c', 'step', 'upper(a)', '');
INSERT INTO parts VALUES (1, 'a'), (11, 'b') RETURNING *;
UPDATE parts SET id = id + 10, a = 'moved' WHERE id = 1;
SELECT tableoid::regclass, * FROM parts ORDER BY id, a;

-- A role without any privilege on schema zdm or what the rule uses, row level security, definer functions.
CREATE SCHEMA hidden;
CREATE FUNCTION hidden.secret(int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'secret ' || $1 $$;
CREATE TABLE guarded (id int, owner name DEFAULT current_user, c text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (owner = current_user) WITH CHECK (c LIKE 'secret%');
SELECT sync_on('guarded', 'c', 'once', 'hidden.secret(id)', 'id < 100');
REVOKE ALL ON SCHEMA zdm FROM PUBLIC;
DROP ROLE IF EXISTS regress_sync_app, regress_sync_other;
CREATE ROLE regress_sync_app;
CREATE ROLE regress_sync_other;
GRANT INSERT, SELECT, UPDATE ON guarded TO regress_sync_app, regress_sync_other;
SET ROLE regress_sync_app;
INSERT INTO guarded (id) VALUES (1);
INSERT INTO guarded (id) VALUES (100);
SELECT * FROM guarded;
-- No other evidence can be written than by the trigger.
SELECT nextval(format('zdm.acted_%s', 'guarded'::regclass::oid));
RESET ROLE;
SELECT id, is_called FROM guarded, LATERAL (SELECT last_value IS NOT NULL FROM pg_sequences WHERE sequencename = 'acted_' || 'guarded'::regclass::oid) s (is_called);
CREATE FUNCTION definer(int) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO public.guarded (id) VALUES ($1) RETURNING c || ' ' || owner $$;
ALTER FUNCTION definer OWNER TO regress_sync_other;
SET ROLE regress_sync_app;
SELECT definer(2), current_user;
INSERT INTO guarded (id) VALUES (3) RETURNING c, owner;
RESET ROLE;
-- EXECUTE is checked for whoever writes, in one session too, and is noticed when it goes.
REVOKE EXECUTE ON FUNCTION hidden.secret FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hidden.secret TO regress_sync_other;
INSERT INTO guarded (id) VALUES (4) RETURNING id;
SET ROLE regress_sync_other;
INSERT INTO guarded (id) VALUES (5) RETURNING id;
SET ROLE regress_sync_app;
INSERT INTO guarded (id) VALUES (6) RETURNING id;
RESET ROLE;
GRANT USAGE ON SCHEMA zdm TO PUBLIC;

-- A rule whose function writes the same table: the trigger fires within itself.
CREATE TABLE nested (id int PRIMARY KEY, c text, d text);
CREATE FUNCTION nest(int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF $1 = 13 THEN RAISE 'unlucky'; END IF;
    IF $1 % 10 < 3 THEN INSERT INTO nested (id) VALUES ($1 + 1); END IF;
    RETURN 'c' || $1;
EXCEPTION WHEN unique_violation THEN RETURN 'taken ' || $1;
END $$;
SELECT sync_on('nested', 'c', 'once', 'public.nest(id)', '', 'd', 'once', $$c || ' d' || id$$, '');
INSERT INTO nested (id) VALUES (0);
INSERT INTO nested (id) VALUES (12);
INSERT INTO nested (id) VALUES (20), (30);
INSERT INTO nested (id) VALUES (-1), (40);
DO $$ BEGIN FOR i IN 1..50 LOOP BEGIN INSERT INTO nested (id) VALUES (13); EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$;
SELECT count(*) < 20 AS few FROM pg_backend_memory_contexts WHERE name = 'zdm sync rules';
SELECT * FROM nested ORDER BY id;
-- The inner write comes between the parts of the outer row's own expression, once after an error.
CREATE TABLE outer_inner (id int PRIMARY KEY, c text);
CREATE FUNCTION inner_write(int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF $1 >= 10 THEN RETURN 'inner'; END IF;
    BEGIN
        INSERT INTO outer_inner (id) VALUES ($1 + 10);
        RAISE 'undone';
    EXCEPTION WHEN raise_exception THEN
        INSERT INTO outer_inner (id) VALUES ($1 + 20);
    END;
    RETURN 'outer';
END $$;
SELECT sync_on('outer_inner', 'c', 'once', $$id || ':' || public.inner_write(id) || ':' || id$$, '');
INSERT INTO outer_inner (id) VALUES (1), (2);
SELECT * FROM outer_inner ORDER BY id;
-- A volatile function runs once for each row.
CREATE SEQUENCE counted;
CREATE TABLE counts (id int, c bigint);
SELECT sync_on('counts', 'c', 'once', $$nextval('public.counted')$$, '');
INSERT INTO counts SELECT g FROM generate_series(1, 3) g;
UPDATE counts SET id = id;
SELECT * FROM counts ORDER BY id;

-- Without its sequence (a restored dump) the trigger fills all the same; in temporary tables too.
CREATE TABLE restored (id int, c text);
CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON restored FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '''x''', '');
INSERT INTO restored VALUES (1) RETURNING *;
CREATE TEMP TABLE temporary (id int, c text);
SELECT sync_on('temporary', 'c', 'once', '''x''', '');
BEGIN READ ONLY;
INSERT INTO temporary VALUES (1) RETURNING *;
COMMIT;
-- lastval() of the application is not touched.
CREATE TABLE serials (id serial, c text);
SELECT sync_on('serials', 'c', 'once', '''x''', '');
INSERT INTO serials DEFAULT VALUES;
SELECT lastval();
-- A table of another type with the name of the evidence is left alone.
CREATE TABLE fake (id int, c text);
DO $$ BEGIN EXECUTE format('CREATE VIEW zdm.acted_%s AS SELECT 1', 'fake'::regclass::oid); END $$;
CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON fake FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '''x''', '');
INSERT INTO fake VALUES (1) RETURNING *;

DROP OWNED BY regress_sync_app, regress_sync_other;
DROP ROLE regress_sync_app, regress_sync_other;
