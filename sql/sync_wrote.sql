-- What zdm.sync takes for evidence that an application writes a new column itself.
SET client_min_messages = warning;
CREATE FUNCTION sync_on(target regclass, VARIADIC rules text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        target, (SELECT string_agg(quote_literal(a), ', ' ORDER BY n)
                   FROM unnest(ARRAY['pg_catalog, pg_temp'] || rules) WITH ORDINALITY u(a, n)));
    EXECUTE format('CREATE SEQUENCE zdm.acted_%s', target::oid);
    EXECUTE format('CREATE SEQUENCE zdm.wrote_%s', target::oid);
END $$;
-- What was noted since the last look. A session notes once a second: \c begins anew.
CREATE FUNCTION signs(target regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    sign text;
    called boolean;
    value bigint;
    found text[] = '{}';
BEGIN
    FOREACH sign IN ARRAY ARRAY['acted', 'wrote'] LOOP
        EXECUTE format('SELECT is_called, last_value FROM zdm.%s_%s', sign, target::oid) INTO called, value;
        IF called AND abs(value - extract(epoch FROM clock_timestamp())) > 5 THEN
            RAISE '% noted % as the time', sign, to_timestamp(value);
        END IF;
        PERFORM setval(format('zdm.%s_%s', sign, target::oid), 1, false);
        IF called THEN found = found || sign; END IF;
    END LOOP;
    RETURN coalesce(nullif(array_to_string(found, ' '), ''), 'nothing');
END $$;

CREATE TABLE users (id int PRIMARY KEY, name text, phone text);
INSERT INTO users (id, name) VALUES (0, 'before');
SELECT sync_on('users', 'phone', 'once', $$'unknown'$$, '');
\c -
INSERT INTO users (id, name) VALUES (1, 'old');
SELECT signs('users') AS insert_without;
\c -
INSERT INTO users VALUES (2, 'new', '123');
SELECT signs('users') AS insert_with;
\c -
INSERT INTO users VALUES (3, 'new, knows nothing', NULL);
SELECT signs('users') AS insert_null;
\c -
UPDATE users SET name = 'old again' WHERE id = 2;
SELECT signs('users') AS update_of_another;
\c -
UPDATE users SET phone = phone, name = 'an ORM' WHERE id = 2;
SELECT signs('users') AS update_with_what_was_there;
\c -
UPDATE users SET phone = '456' WHERE id = 2;
SELECT signs('users') AS update_with;
\c -
UPDATE users SET phone = NULL WHERE id = 2;
SELECT signs('users') AS update_to_null;
\c -
UPDATE users SET phone = 'mine' WHERE id = 0;
SELECT signs('users') AS update_of_a_row_not_filled;
\c -
INSERT INTO users VALUES (2, 'x', 'y') ON CONFLICT (id) DO UPDATE SET phone = excluded.phone;
SELECT signs('users') AS upsert;
\c -
COPY users FROM stdin;
10	copied	1
\.
SELECT signs('users') AS copy;
\c -
-- A rollback takes nothing back: it was an application that writes the column.
BEGIN; INSERT INTO users VALUES (11, 'gone', '1'); ROLLBACK;
SELECT signs('users') AS rolled_back;
-- Both at once.
\c -
INSERT INTO users VALUES (12, 'new', '1'), (13, 'old', NULL);
SELECT signs('users') AS both;
SELECT * FROM users ORDER BY id;

-- In step: what the rule gives is not what the application wrote.
CREATE TABLE people (id int PRIMARY KEY, first text, last text, full_name text);
SELECT sync_on('people', 'full_name', 'step', $$first || ' ' || last$$, '');
\c -
INSERT INTO people VALUES (1, 'Ann', 'Kim');
UPDATE people SET last = 'Lee' WHERE id = 1;
SELECT signs('people') AS by_rule;
\c -
UPDATE people SET full_name = 'A. Lee' WHERE id = 1;
SELECT signs('people') AS by_application;
SELECT * FROM people;

-- A column with a default: an INSERT writes it without knowing it. A constant can be told from other
-- values, what is computed can't; an UPDATE always can.
CREATE TABLE defaults (id int PRIMARY KEY, state text DEFAULT 'new', at timestamptz DEFAULT now(), short varchar(5) DEFAULT 'abc');
SELECT sync_on('defaults', 'state', 'once', $$'old'$$, '', 'at', 'once', 'now()', '', 'short', 'once', $$'x'$$, '');
\c -
INSERT INTO defaults (id) VALUES (1);
INSERT INTO defaults VALUES (2, DEFAULT, '2001-01-01', DEFAULT);
INSERT INTO defaults VALUES (3, 'new');
SELECT signs('defaults') AS the_default;
\c -
INSERT INTO defaults VALUES (4, 'other');
SELECT signs('defaults') AS another_value;
\c -
UPDATE defaults SET at = '2002-02-02' WHERE id = 1;
SELECT signs('defaults') AS update_of_it;

-- Several rules for one column, and one on a column that is stored out of line.
CREATE TABLE wide (id int PRIMARY KEY, big text, country text);
ALTER TABLE wide ALTER COLUMN big SET STORAGE EXTERNAL;
SELECT sync_on('wide', 'big', 'once', $$'a'$$, $$country = 'DE'$$, 'big', 'once', $$'b'$$, '');
\c -
INSERT INTO wide VALUES (1, repeat('x', 10000), 'DE');
SELECT signs('wide') AS given;
\c -
UPDATE wide SET big = big || '', country = 'FR';
SELECT signs('wide') AS equal_by_bytes;
\c -
UPDATE wide SET big = big || 'y';
SELECT signs('wide') AS longer;

-- A copy of the database may lack the sequence, or have something else of its name: no error for anybody.
DO $$ BEGIN EXECUTE format('DROP SEQUENCE zdm.wrote_%s', 'users'::regclass::oid); END $$;
\c -
INSERT INTO users VALUES (20, 'no evidence', '1');
DO $$ BEGIN EXECUTE format('CREATE VIEW zdm.wrote_%s AS SELECT 1', 'users'::regclass::oid); END $$;
\c -
INSERT INTO users VALUES (21, 'no evidence', '1');
SELECT id, phone FROM users WHERE id >= 20 ORDER BY id;
