-- What zdm.sync gives to which rows, and what it takes for evidence of an application that doesn't
-- know the column.
SET client_min_messages = warning;
-- Makes the trigger as zdm does, with the rules as its arguments after the search_path.
CREATE FUNCTION sync_on(target regclass, VARIADIC rules text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        target, (SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
                   FROM unnest(ARRAY['pg_catalog, pg_temp'] || rules) WITH ORDINALITY u(a, n)));
    EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER zz_zdm_sync', target);
    EXECUTE format('CREATE SEQUENCE zdm.acted_%s', target::oid);
END $$;
-- Whether there is evidence since the last look. A session notes it once a second: \c begins anew.
CREATE FUNCTION acted(target regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    called boolean;
    value bigint;
BEGIN
    EXECUTE format('SELECT is_called, last_value FROM zdm.acted_%s', target::oid) INTO called, value;
    IF called AND abs(value - extract(epoch FROM clock_timestamp())) > 5 THEN
        RAISE 'noted % as the time', to_timestamp(value);
    END IF;
    PERFORM setval(format('zdm.acted_%s', target::oid), 1, false);
    RETURN called;
END $$;

-- Mode once.
CREATE TABLE users (id int PRIMARY KEY, name text, country text, phone text);
INSERT INTO users VALUES (1, 'unfilled', 'DE', NULL);
SELECT sync_on('users', 'phone', 'once', $$'unknown'$$, '');
SELECT acted('users');
INSERT INTO users (id, name) VALUES (2, 'old application');
SELECT acted('users');
\c -
INSERT INTO users VALUES (3, 'new application', 'DE', '123');
SELECT acted('users');
\c -
INSERT INTO users VALUES (4, 'explicit null', 'DE', NULL);
SELECT acted('users');
-- Another column of a row that the backfill has not reached: filled, no evidence.
\c -
UPDATE users SET name = 'now filled' WHERE id = 1;
SELECT acted('users');
-- A row that is filled: nothing to do.
\c -
UPDATE users SET name = 'renamed' WHERE id = 2;
UPDATE users SET phone = '456' WHERE id = 3;
SELECT acted('users');
-- Taking the value away.
\c -
UPDATE users SET phone = NULL WHERE id = 3;
SELECT acted('users');
SELECT * FROM users ORDER BY id;
-- The evidence outlives the application's rollback.
\c -
BEGIN;
INSERT INTO users (id, name) VALUES (5, 'rolled back');
ROLLBACK;
SELECT acted('users');

-- Mode step: the column follows its inputs, the application that sets it wins.
CREATE TABLE people (id int PRIMARY KEY, first text, last text, note text, full_name text);
INSERT INTO people VALUES (1, 'Ann', 'Lee'), (2, 'Bob', 'May');
SELECT sync_on('people', 'full_name', 'step', $$first || ' ' || last$$, '');
\c -
INSERT INTO people (id, first, last) VALUES (3, 'Cid', 'Nay'), (4, 'Dan', NULL);
SELECT acted('people');
\c -
UPDATE people SET note = 'filled by the way' WHERE id = 1;
SELECT acted('people');
\c -
UPDATE people SET last = 'Mai' WHERE id = 2;
SELECT acted('people');
\c -
UPDATE people SET last = 'Nie' WHERE id = 3;
SELECT acted('people');
\c -
UPDATE people SET last = 'Kim', full_name = 'A. Kim' WHERE id = 1;
UPDATE people SET note = 'same', last = last WHERE id = 3;
SELECT acted('people');
\c -
UPDATE people SET last = 'Oak' WHERE id = 4;
SELECT acted('people');
\c -
-- Recomputed to the value that it has: the writer can have known that.
INSERT INTO people VALUES (5, 'Eve Ann', 'Poe', NULL, 'Eve Ann Poe');
UPDATE people SET first = 'Eve', last = 'Ann Poe' WHERE id = 5;
SELECT acted('people');
-- The truth can be NULL.
UPDATE people SET last = NULL WHERE id = 4;
SELECT acted('people');
SELECT * FROM people ORDER BY id;
-- "Changed" means by bytes: 1.0 and 1.00 are equal, not the same.
CREATE TABLE prices (id int, price numeric, label text);
SELECT sync_on('prices', 'label', 'step', $$price::text$$, '');
INSERT INTO prices VALUES (1, 1.0);
UPDATE prices SET price = 1.00;
SELECT * FROM prices;

-- Conditions: not true and NULL leave the row; of two rules for a column the first that applies.
CREATE TABLE phones (id int PRIMARY KEY, country text, code text);
SELECT sync_on('phones', 'code', 'once', $$'+49'$$, $$country = 'DE'$$,
    'code', 'once', $$'+33'$$, $$country = 'FR'$$, 'code', 'once', $$'rest of Europe'$$, $$country IN ('FR', 'ES')$$);
INSERT INTO phones (id, country) VALUES (1, 'DE'), (2, 'FR'), (3, 'ES'), (4, 'US'), (5, NULL);
SELECT * FROM phones ORDER BY id;
\c -
SELECT acted('phones');
INSERT INTO phones (id, country) VALUES (6, 'US');
SELECT acted('phones');
-- A rule that applies and gives NULL settles its column too; one in step follows its condition's columns.
CREATE TABLE shapes (id int PRIMARY KEY, kind text, width int, height int, area int);
SELECT sync_on('shapes', 'area', 'step', 'width * height', $$kind = 'box'$$, 'area', 'step', 'width * width', $$kind <> 'point'$$);
INSERT INTO shapes (id, kind, width, height) VALUES (1, 'box', 2, 3), (2, 'square', 4, NULL), (3, 'box', 5, NULL), (4, 'point', 6, 6);
UPDATE shapes SET kind = 'square' WHERE id = 1;
SELECT * FROM shapes ORDER BY id;
UPDATE shapes SET width = 7;
SELECT * FROM shapes ORDER BY id;

-- A later rule sees what an earlier one gave. It follows where the application is the cause; a fill by
-- the way is none, and overwrites nothing.
CREATE TABLE chain (id int PRIMARY KEY, a int, b int, c int, d int, note text);
INSERT INTO chain (id, a) VALUES (0, 5);
INSERT INTO chain (id, a, c, d) VALUES (9, 5, 50, 500);
SELECT sync_on('chain', 'b', 'step', 'a + 1', '', 'c', 'step', 'b + 1', '', 'd', 'once', 'c * 10', '');
\c -
UPDATE chain SET note = 'by the way';
SELECT acted('chain');
INSERT INTO chain (id, a) VALUES (1, 1), (2, NULL);
UPDATE chain SET a = 2 WHERE id IN (1, 2);
SELECT * FROM chain ORDER BY id;

-- An error of the rule is the application's error, and says where it comes from.
CREATE TABLE shares (id int, total int, parts int, share int);
SELECT sync_on('shares', 'share', 'step', 'total / parts', '');
INSERT INTO shares VALUES (1, 10, 2);
INSERT INTO shares VALUES (2, 10, 0);
UPDATE shares SET parts = 0;
DO $$ BEGIN UPDATE shares SET parts = 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
UPDATE shares SET parts = 5;
SELECT * FROM shares;

-- The value is assigned as INSERT does: to the column's type and length.
CREATE TABLE coerced (id int, v varchar(5), c char(4), n numeric(6, 2), i int, j json, arr int[]);
SELECT sync_on('coerced', 'v', 'once', $$'abc'$$, '', 'c', 'once', $$'x'$$, '', 'n', 'once', '10::float8 / 3', '',
    'i', 'once', '7.6', '', 'j', 'once', $$'{"a": 1}'$$, '', 'arr', 'once', 'ARRAY[1, id]', '');
INSERT INTO coerced VALUES (1);
SELECT *, octet_length(c) FROM coerced;
CREATE TABLE too_long (id int, v varchar(3));
SELECT sync_on('too_long', 'v', 'once', $$'long'$$, '');
INSERT INTO too_long VALUES (1);
-- A wrong session setting doesn't change what a rule says.
CREATE TABLE texts (id int, t text, d date, e date);
SELECT sync_on('texts', 't', 'once', $$'a\nb'$$, '', 'd', 'once', $$'2024-02-01'$$, '',
    'e', 'once', $$'3/4/2024'$$, '');
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET DateStyle = 'SQL, DMY';
INSERT INTO texts VALUES (1);
SHOW DateStyle;
RESET ALL;
SELECT * FROM texts;
SHOW standard_conforming_strings;
