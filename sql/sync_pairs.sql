-- Rules that keep old and new columns equal both ways: who wrote which, what the other side gets, and
-- what is counted as different.
SET client_min_messages = warning;
CREATE FUNCTION sync_on(target regclass, VARIADIC rules text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    sign text;
BEGIN
    EXECUTE format('CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        target, (SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
                   FROM unnest(ARRAY['pg_catalog, pg_temp'] || rules) WITH ORDINALITY u(a, n)));
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER zz_zdm_sync', target);
    FOREACH sign IN ARRAY ARRAY['acted', 'wrote', 'differs'] LOOP
        EXECUTE format('CREATE SEQUENCE zdm.%s_%s', sign, target::oid);
    END LOOP;
END $$;
-- What was noted since the last look: acted (an application without the new columns), wrote (one that
-- writes them), and how many rows differ. A session notes the first two once a second: \c begins anew.
CREATE FUNCTION signs(target regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    sign text;
    called boolean;
    value bigint;
    found text[] = '{}';
BEGIN
    FOREACH sign IN ARRAY ARRAY['acted', 'wrote', 'differs'] LOOP
        EXECUTE format('SELECT is_called, last_value FROM zdm.%s_%s', sign, target::oid) INTO called, value;
        IF called THEN found = found || CASE sign WHEN 'differs' THEN 'differs ' || value ELSE sign END; END IF;
        PERFORM setval(format('zdm.%s_%s', sign, target::oid), 1, false);
    END LOOP;
    RETURN coalesce(nullif(array_to_string(found, ', '), ''), 'nothing');
END $$;
-- How many rows differ, since the last look.
CREATE FUNCTION differing(target regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rows bigint;
BEGIN
    EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM zdm.differs_%s', target::oid) INTO rows;
    PERFORM setval(format('zdm.differs_%s', target::oid), 1, false);
    RETURN rows;
END $$;

-- A renamed column: b is what a was.
CREATE TABLE r (id int PRIMARY KEY, a text NOT NULL, note text, b text);
INSERT INTO r VALUES (1, 'unfilled'), (2, 'unfilled');
SELECT sync_on('r', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
\c -
-- The old application, then the new one, each in its own shape.
INSERT INTO r (id, a) VALUES (10, 'old');
SELECT signs('r');
\c -
INSERT INTO r (id, b) VALUES (11, 'new');
SELECT signs('r');
\c -
UPDATE r SET a = 'old again' WHERE id = 11 RETURNING *;
SELECT signs('r');
\c -
UPDATE r SET b = 'new again' WHERE id = 10 RETURNING *;
SELECT signs('r');
-- A row that the backfill has not reached: filled by the way; written from either side.
\c -
UPDATE r SET note = 'by the way' WHERE id = 1 RETURNING *;
UPDATE r SET b = 'early' WHERE id = 2 RETURNING *;
UPDATE r SET note = 'filled', a = a, b = b WHERE id = 11 RETURNING *;
SELECT signs('r');
-- Whoever writes both sides keeps what he wrote. Different ones are counted.
\c -
INSERT INTO r (id, a, b) VALUES (20, 'both', 'both'), (21, 'both', 'not the same'), (22, 'both', 'nor this');
UPDATE r SET a = 'x', b = 'x' WHERE id = 20;
SELECT * FROM r WHERE id >= 20 ORDER BY id;
SELECT signs('r');
UPDATE r SET a = 'x', b = 'y' WHERE id IN (20, 21);
SELECT differing('r');
-- They stay until somebody writes one side.
UPDATE r SET note = 'other columns' WHERE id IN (20, 21) RETURNING *;
UPDATE r SET b = 'agreed' WHERE id = 20 RETURNING *;
UPDATE r SET a = 'agreed too' WHERE id = 21 RETURNING *;
SELECT differing('r');
-- What is rolled back is not counted, and a transaction counts once.
BEGIN;
INSERT INTO r (id, a, b) VALUES (30, 'a', 'b');
ROLLBACK;
INSERT INTO r (id, a, b) VALUES (30, 'a', 'b'), (1, 'a', 'b');
BEGIN;
INSERT INTO r (id, a, b) VALUES (30, 'a', 'b');
INSERT INTO r (id, a, b) VALUES (31, 'a', 'b');
SELECT differing('r') AS not_yet;
COMMIT;
SELECT differing('r');
-- NULL: the new side's is carried over (and NOT NULL of the old one holds), the old side's as well.
UPDATE r SET b = NULL WHERE id = 10;
ALTER TABLE r ALTER COLUMN a DROP NOT NULL;
UPDATE r SET b = NULL WHERE id = 10 RETURNING *;
UPDATE r SET b = 'back' WHERE id = 10 RETURNING *;
UPDATE r SET a = NULL WHERE id = 10 RETURNING *;
INSERT INTO r (id) VALUES (40) RETURNING *;
UPDATE r SET a = NULL, b = 'kept' WHERE id = 11 RETURNING *;
UPDATE r SET a = 'kept', b = NULL WHERE id = 11 RETURNING *;
SELECT differing('r');
-- The next write fills what looks as if no backfill had been there.
UPDATE r SET note = 'x' WHERE id = 11 RETURNING *;

-- Another type: not every new value fits. "Changed" and "the same" are by bytes.
CREATE TABLE retyped (id int PRIMARY KEY, a int, b bigint);
SELECT sync_on('retyped', 'b', 'step', 'a', '', 'a', 'back', 'CASE WHEN b BETWEEN -2147483648 AND 2147483647 THEN b::int END', '');
INSERT INTO retyped (id, a) VALUES (1, 5);
INSERT INTO retyped (id, b) VALUES (2, 6), (3, 3000000000);
UPDATE retyped SET b = 4000000000 WHERE id = 1;
SELECT *, differing('retyped') FROM retyped ORDER BY id;
UPDATE retyped SET a = 7 WHERE id = 1;
UPDATE retyped SET b = 8 WHERE id = 3;
SELECT *, differing('retyped') FROM retyped ORDER BY id;
CREATE TABLE amounts (id int PRIMARY KEY, a numeric, b numeric);
SELECT sync_on('amounts', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
INSERT INTO amounts VALUES (1, 1.0, 1.00);
UPDATE amounts SET b = 1.000 RETURNING *;
SELECT differing('amounts');

-- Defaults of the old column. A constant one can be told from what was given, also of another type; an
-- identity and what is volatile can't, so the new side wins.
CREATE TABLE defaults (id int PRIMARY KEY, a text DEFAULT 'pending', b text, c bigint DEFAULT 0, d bigint, e numeric(6, 2) DEFAULT -1, f numeric(6, 2));
SELECT sync_on('defaults', 'b', 'step', 'a', '', 'd', 'step', 'c', '', 'f', 'step', 'e', '', 'a', 'back', 'b', '', 'c', 'back', 'd', '', 'e', 'back', 'f', '');
INSERT INTO defaults (id) VALUES (1);
INSERT INTO defaults (id, a, c, e) VALUES (2, 'done', 2, 2);
INSERT INTO defaults (id, b, d, f) VALUES (3, 'done', 3, 3);
SELECT signs('defaults');
INSERT INTO defaults VALUES (4, 'given', 'both', 4, 5, 4, 5);
INSERT INTO defaults VALUES (5, 'pending', 'new', 0, 5, -1, 5);
SELECT * FROM defaults ORDER BY id;
SELECT differing('defaults');
CREATE TABLE generators (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, id8 bigint, tag uuid DEFAULT gen_random_uuid(), mark uuid);
SELECT sync_on('generators', 'id8', 'step', 'id', '', 'mark', 'step', 'tag', '', 'id', 'back', 'id8', '', 'tag', 'back', 'mark', '');
INSERT INTO generators DEFAULT VALUES;
INSERT INTO generators (id8, mark) VALUES (50, '00000000-0000-0000-0000-000000000050');
INSERT INTO generators (id, id8, tag, mark) VALUES (60, 61, '00000000-0000-0000-0000-000000000060', '00000000-0000-0000-0000-000000000061');
SELECT id, id8, tag = mark AS same, CASE WHEN id > 1 THEN mark END AS mark FROM generators ORDER BY id;
UPDATE generators SET id8 = 70 WHERE id = 50 RETURNING id, id8;

-- All ways in which rows get into a table.
CREATE TABLE ways (id int PRIMARY KEY, a text UNIQUE, b text UNIQUE);
SELECT sync_on('ways', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
COPY ways (id, a) FROM stdin;
1	one
\.
COPY ways (id, b) FROM stdin;
2	two
\.
INSERT INTO ways (id, a) VALUES (1, 'eins') ON CONFLICT (id) DO UPDATE SET a = EXCLUDED.a;
INSERT INTO ways (id, b) VALUES (2, 'zwei') ON CONFLICT (id) DO UPDATE SET b = EXCLUDED.b;
SELECT * FROM ways ORDER BY id;
INSERT INTO ways (id, a) VALUES (3, 'zwei') ON CONFLICT (a) DO UPDATE SET a = EXCLUDED.a || '!';
INSERT INTO ways (id, b) VALUES (3, 'eins') ON CONFLICT (b) DO UPDATE SET b = EXCLUDED.b || '!';
INSERT INTO ways (id, b) VALUES (3, 'eins!') ON CONFLICT (b) DO NOTHING;
MERGE INTO ways USING (VALUES (1, 'un'), (4, 'quatre')) AS v (id, a) ON ways.id = v.id
    WHEN MATCHED THEN UPDATE SET a = v.a WHEN NOT MATCHED THEN INSERT (id, a) VALUES (v.id, v.a);
MERGE INTO ways USING (VALUES (2, 'deux'), (5, 'cinq')) AS v (id, b) ON ways.id = v.id
    WHEN MATCHED THEN UPDATE SET b = v.b WHEN NOT MATCHED THEN INSERT (id, b) VALUES (v.id, v.b);
SET plan_cache_mode = force_generic_plan;
PREPARE old_insert (int, text) AS INSERT INTO ways (id, a) VALUES ($1, $2);
PREPARE new_update (int, text) AS UPDATE ways SET b = $2 WHERE id = $1;
EXECUTE old_insert (6, 'p');
EXECUTE new_update (6, 'q');
RESET plan_cache_mode;
SET session_replication_role = replica;
INSERT INTO ways (id, a) VALUES (7, 'replica');
INSERT INTO ways (id, b) VALUES (8, 'replica too');
UPDATE ways SET b = 'applied' WHERE id = 7;
RESET session_replication_role;
SELECT * FROM ways ORDER BY id;
SELECT differing('ways');

-- Other BEFORE triggers come first: what they make of a row is what the application wrote.
CREATE TABLE others (id int PRIMARY KEY, a text, b text);
SELECT sync_on('others', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
CREATE FUNCTION upper_a() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a := upper(NEW.a); RETURN NEW; END $$;
CREATE FUNCTION trim_b() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.b := trim(NEW.b); RETURN NEW; END $$;
CREATE TRIGGER upper_a BEFORE INSERT OR UPDATE ON others FOR EACH ROW EXECUTE FUNCTION upper_a();
CREATE TRIGGER trim_b BEFORE INSERT OR UPDATE ON others FOR EACH ROW EXECUTE FUNCTION trim_b();
INSERT INTO others (id, a) VALUES (1, 'old');
INSERT INTO others (id, b) VALUES (2, ' new ');
UPDATE others SET a = 'changed' WHERE id = 1;
UPDATE others SET b = ' CHANGED ' WHERE id = 2;
SELECT * FROM others ORDER BY id;
-- Big values: unchanged ones are carried along, changed ones are seen, from either side.
CREATE TABLE big (id int PRIMARY KEY, a text, note text, b text);
ALTER TABLE big ALTER COLUMN a SET STORAGE EXTERNAL, ALTER COLUMN b SET STORAGE EXTERNAL;
SELECT sync_on('big', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
INSERT INTO big (id, a) VALUES (1, repeat('x', 100000));
INSERT INTO big (id, b) VALUES (2, repeat('y', 100000)), (3, repeat('z', 3000));
UPDATE big SET note = 'both stay';
UPDATE big SET a = a || '', b = b || '', note = 'the same bytes';
SELECT id, left(a, 1) AS a, length(a), a = b AS same, note FROM big ORDER BY id;
UPDATE big SET a = 'A' || a WHERE id = 1;
UPDATE big SET b = 'B' || b WHERE id IN (2, 3);
SELECT id, left(a, 1) AS a, length(a), a = b AS same, note FROM big ORDER BY id;
UPDATE big SET a = 'C' || a, b = 'D' || b WHERE id = 1;
SELECT differing('big');
-- The table changes under a session that has compiled the rules.
ALTER TABLE big DROP COLUMN note, ADD COLUMN late int DEFAULT 5;
UPDATE big SET b = 'short' WHERE id = 3 RETURNING *;
INSERT INTO big (id, a) VALUES (4, 'short too') RETURNING *;
-- Partitions whose columns stand in another order; a row that moves.
CREATE TABLE parts (id int, a text, b text) PARTITION BY RANGE (id);
CREATE TABLE part1 (gone int, b text, a text, id int);
ALTER TABLE part1 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION part1 FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
SELECT sync_on('parts', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
INSERT INTO parts (id, a) VALUES (1, 'old'), (11, 'old');
INSERT INTO parts (id, b) VALUES (2, 'new'), (12, 'new');
UPDATE parts SET a = 'moved by old', id = id + 10 WHERE id = 2;
UPDATE parts SET b = 'moved by new', id = id - 10 WHERE id = 11;
SELECT tableoid::regclass, id, a, b FROM parts ORDER BY id, a;

-- A column that is split in two: one application may write some of the new columns.
CREATE TABLE people (id int PRIMARY KEY, name text, first text, last text, note text);
INSERT INTO people VALUES (1, 'Ann Lee'), (2, 'Bob May');
SELECT sync_on('people', 'first', 'step', $$split_part(name, ' ', 1)$$, '', 'last', 'step', $$split_part(name, ' ', 2)$$, '',
    'name', 'back', $$coalesce(first || ' ' || last, first, last)$$, '');
ALTER TABLE people ADD COLUMN more int;
INSERT INTO people (id, name) VALUES (3, 'Cid Nay');
INSERT INTO people (id, first, last) VALUES (4, 'Dan', 'Oak');
INSERT INTO people (id, first) VALUES (5, 'Eve');
UPDATE people SET name = 'Ann Kim' WHERE id = 1;
UPDATE people SET last = 'Mai' WHERE id = 2;
UPDATE people SET last = 'Nie' WHERE id = 3;
UPDATE people SET name = 'Dan Poe' WHERE id = 4;
SELECT id, name, first, last FROM people ORDER BY id;
SELECT differing('people');
-- Both sides: what is not written follows, what is written is compared at the end.
UPDATE people SET name = 'Zoe Lee', first = 'Zoe' WHERE id = 1 RETURNING name, first, last;
SELECT differing('people');
UPDATE people SET name = 'Zoe Lee', first = 'Zoa', last = 'Lea' WHERE id = 2 RETURNING name, first, last;
INSERT INTO people (id, name, first) VALUES (6, 'Flo Ray', 'Flora') RETURNING name, first, last;
SELECT differing('people');
-- Two columns that become one.
CREATE TABLE names (id int PRIMARY KEY, first text, last text, name text);
INSERT INTO names VALUES (1, 'Ann', 'Lee'), (2, 'Bob', 'May');
SELECT sync_on('names', 'name', 'step', $$first || ' ' || last$$, '', 'first', 'back', $$split_part(name, ' ', 1)$$, '',
    'last', 'back', $$split_part(name, ' ', 2)$$, '');
INSERT INTO names (id, first, last) VALUES (3, 'Cid', 'Nay');
INSERT INTO names (id, name) VALUES (4, 'Dan Oak');
UPDATE names SET last = 'Kim' WHERE id = 1;
UPDATE names SET name = 'Bea Mai' WHERE id = 2;
UPDATE names SET name = 'Cid Nie' WHERE id = 3;
SELECT * FROM names ORDER BY id;
SELECT differing('names');
UPDATE names SET name = 'Eve Poe', first = 'Eve' WHERE id = 4 RETURNING *;
SELECT differing('names');
UPDATE names SET name = 'Flo Ray', first = 'Flora' WHERE id = 4 RETURNING *;
SELECT differing('names');

-- A column that goes, and what it is to be until then.
CREATE TABLE orders (id int PRIMARY KEY, price int, number int, total int NOT NULL, state text NOT NULL, region text DEFAULT 'EU');
SELECT sync_on('orders', 'total', 'back', 'price * number', '', 'state', 'back', $$'open'$$, '', 'region', 'back', $$'none'$$, '');
INSERT INTO orders VALUES (1, 2, 3, 100, 'old', 'US') RETURNING *;
INSERT INTO orders (id, price, number) VALUES (2, 2, 3) RETURNING *;
UPDATE orders SET price = 4 WHERE id = 2 RETURNING *;
UPDATE orders SET total = 50 WHERE id = 2 RETURNING *;
UPDATE orders SET total = 60, price = 6 WHERE id = 2 RETURNING *;
SELECT signs('orders');

-- Conditions: a rule that is not for the row leaves it and compares nothing. A rule behind the pair
-- follows what either application wrote.
CREATE TABLE conditions (id int PRIMARY KEY, kind text, a int, b int, loud text);
SELECT sync_on('conditions', 'b', 'step', 'a * 10', $$kind = 'ten'$$, 'b', 'step', 'a', $$kind <> 'none'$$,
    'a', 'back', 'b / 10', $$kind = 'ten'$$, 'a', 'back', 'b', $$kind <> 'none'$$, 'loud', 'step', $$a || '!'$$, '');
INSERT INTO conditions (id, kind, a) VALUES (1, 'ten', 1), (2, 'one', 2), (3, 'none', 3);
INSERT INTO conditions (id, kind, b) VALUES (4, 'ten', 40), (5, 'one', 5), (6, 'none', 6);
SELECT * FROM conditions ORDER BY id;
UPDATE conditions SET a = a + 1;
UPDATE conditions SET b = b + 10;
SELECT * FROM conditions ORDER BY id;
UPDATE conditions SET a = 7, b = 70;
SELECT differing('conditions');

-- zdm.writes settles it for a session.
CREATE TABLE w (id int PRIMARY KEY, a text DEFAULT 'pending', b text, note text);
SELECT sync_on('w', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
SHOW zdm.writes;
SET zdm.writes = old;
INSERT INTO w VALUES (1, 'a', 'b'), (2, DEFAULT, 'b'), (3, NULL, 'b'), (4, 'a', NULL) RETURNING *;
UPDATE w SET a = 'A', b = 'B' WHERE id = 1 RETURNING *;
UPDATE w SET b = 'only b' WHERE id = 2 RETURNING *;
UPDATE w SET b = NULL WHERE id = 4 RETURNING *;
SET zdm.writes = new;
INSERT INTO w VALUES (11, 'a', 'b'), (12, DEFAULT, 'b'), (13, 'a', NULL), (14, DEFAULT, DEFAULT) RETURNING *;
UPDATE w SET a = 'A', b = 'B' WHERE id = 11 RETURNING *;
UPDATE w SET a = 'only a' WHERE id = 12 RETURNING *;
UPDATE w SET a = 'x', b = NULL WHERE id = 12 RETURNING *;
UPDATE w SET note = 'neither' WHERE id = 12 RETURNING *;
SELECT differing('w');
-- Several columns: the side as a whole.
UPDATE people SET name = 'Ivy Fox', first = 'Ian' WHERE id = 1 RETURNING name, first, last;
SET zdm.writes = old;
UPDATE people SET name = 'Ivy Fox', first = 'Joe' WHERE id = 1 RETURNING name, first, last;
UPDATE names SET name = 'Ivy Fox', first = 'Ian' WHERE id = 4 RETURNING *;
SET zdm.writes = new;
UPDATE names SET name = 'Joe Elk', first = 'Kit' WHERE id = 4 RETURNING *;
SET zdm.writes = auto;
INSERT INTO w VALUES (21, 'a', 'b') RETURNING *;
SET zdm.writes = 'both';
RESET zdm.writes;
-- Rules that are no pair don't mind.
CREATE TABLE single (id int PRIMARY KEY, a text, b text, c text);
SELECT sync_on('single', 'b', 'step', 'a', '', 'c', 'once', $$'given'$$, '');
BEGIN;
SET LOCAL zdm.writes = old;
INSERT INTO single VALUES (1, 'a', 'b', 'c') RETURNING *;
SET LOCAL zdm.writes = new;
INSERT INTO single VALUES (2, 'a') RETURNING *;
UPDATE single SET a = 'x', b = 'y' WHERE id = 2 RETURNING *;
COMMIT;
-- For a role.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_pairs_new;
CREATE ROLE regress_pairs_new LOGIN;
ALTER ROLE regress_pairs_new SET zdm.writes = 'new';
GRANT SELECT, INSERT, UPDATE ON w TO regress_pairs_new;
SELECT current_user AS me \gset
\c - regress_pairs_new
INSERT INTO w VALUES (31, 'a', 'b'), (32, 'a', NULL) RETURNING *;
SHOW zdm.writes;
SET zdm.writes = auto;
INSERT INTO w VALUES (33, 'a', 'b') RETURNING *;
\c - :me
SELECT differing('w');
DROP OWNED BY regress_pairs_new;
DROP ROLE regress_pairs_new;

-- Counting touches nothing of the application, and needs no sequence.
CREATE TABLE counting (id serial, a text, b text);
SELECT sync_on('counting', 'b', 'step', 'a', '', 'a', 'back', 'b', '');
INSERT INTO counting (a, b) VALUES ('a', 'b');
SELECT lastval();
SELECT differing('counting');
DO $$ BEGIN
    FOR i IN 1..3 LOOP
        INSERT INTO counting (a, b) VALUES ('a', 'b');
        COMMIT;
    END LOOP;
END $$;
SELECT differing('counting');
DO $$ BEGIN EXECUTE format('DROP SEQUENCE zdm.differs_%s', 'counting'::regclass::oid); END $$;
INSERT INTO counting (a, b) VALUES ('a', 'b') RETURNING *;
DO $$ BEGIN EXECUTE format('CREATE VIEW zdm.differs_%s AS SELECT 1', 'counting'::regclass::oid); END $$;
INSERT INTO counting (a, b) VALUES ('a', 'b') RETURNING *;

-- What is refused: a rule that is not immutable, the wrong order, a column of both sides.
CREATE TABLE wrong (id int PRIMARY KEY, a text, b text, c text);
CREATE FUNCTION refused(VARIADIC arguments text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text;
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON wrong FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        (SELECT string_agg(quote_literal(a), ', ' ORDER BY n) FROM unnest(ARRAY['pg_catalog'] || arguments) WITH ORDINALITY u(a, n)));
    INSERT INTO wrong (id) VALUES (1);
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, detail);
END $$;
\pset format unaligned
\pset tuples_only on
SELECT refused('b', 'step', 'a', '', 'a', 'back', $$b || now()$$, '');
SELECT refused('b', 'step', 'a', '', 'a', 'back', 'b', 'random() < 1');
SELECT refused('a', 'back', 'b', '', 'b', 'step', 'a', '');
SELECT refused('b', 'step', 'a', '', 'b', 'back', 'c', '');
SELECT refused('b', 'once', 'a', '', 'b', 'back', 'c', '');
SELECT refused('b', 'step', 'a', '', 'a', 'Back', 'b', '');
SELECT refused('b', 'step', 'a', '', 'a', 'back', 'nothing', '');
