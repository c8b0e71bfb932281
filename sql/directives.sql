-- Expressions in comments: -- zdm: up and -- zdm: down, what they become, and what of them is refused.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = notice;
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command || E'\n    ' || coalesce(note, '')
           || coalesce(E'\n    undo: ' || undo, '')
      FROM zdm_plan(sql) ORDER BY step $$;
CREATE TABLE users (id bigint PRIMARY KEY, name varchar(20) NOT NULL, code text, price numeric, quantity int NOT NULL DEFAULT 1,
                    total numeric, upper_name text GENERATED ALWAYS AS (upper(name)) STORED, at timestamptz);
INSERT INTO users SELECT g, 'User ' || g, g, g, 2, g * 2 FROM generate_series(1, 1000) g;

\echo # up: as the UPDATE that it stands for
SELECT steps(E'-- zdm: up label = lower(name)\nALTER TABLE users ADD COLUMN label text NOT NULL;');
SELECT steps(E'ALTER TABLE users ADD COLUMN label text NOT NULL; UPDATE users SET label = lower(name);');
SELECT steps(E'-- zdm: up a = price * 2 -- twice\n-- a comment\n--zdm:up b = ''x'';\n/* another */ -- zdm: up c = users.code\nALTER TABLE users ADD COLUMN a numeric, ADD b text DEFAULT ''y'', ADD c text CHECK (c <> '''')');
SELECT steps(E'-- zdm: up id = 1\nALTER TABLE users ADD COLUMN IF NOT EXISTS id int');

\echo # Split and merge
SELECT steps(E'ALTER TABLE users ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL;
UPDATE users SET first = split_part(name, '' '', 1), last = split_part(name, '' '', 2);
ALTER TABLE users DROP COLUMN upper_name;
-- zdm: down name = left(first || '' '' || last, 20)
ALTER TABLE users DROP COLUMN name;');
CREATE TABLE people (id int PRIMARY KEY, first text NOT NULL, last text NOT NULL, note text);
INSERT INTO people VALUES (1, 'Ann', 'Lee'), (2, 'Mary Ann', 'Kim'), (3, '', 'May');
SELECT steps(E'-- zdm: up full_name = first || '' '' || last
-- zdm: down first = split_part(full_name, '' '', 1)
-- zdm: down last = split_part(full_name, '' '', 2)
ALTER TABLE people DROP COLUMN first, DROP COLUMN last, ADD COLUMN full_name text NOT NULL;');

\echo # What NOT NULL of the dropped column becomes
\echo ## the expression may be NULL, or be left out
SELECT steps(E'ALTER TABLE people ADD COLUMN a text; UPDATE people SET a = first;\n-- zdm: down first = a\nALTER TABLE people DROP COLUMN first');
SELECT steps(E'ALTER TABLE people ADD COLUMN a text; UPDATE people SET a = first;\n-- zdm: down first = coalesce(a, ''-'')\nALTER TABLE people DROP COLUMN first');
\echo ## the new column gets NOT NULL later in the file
SELECT steps(E'ALTER TABLE people ADD COLUMN a text; UPDATE people SET a = first;\n-- zdm: down first = a\nALTER TABLE people DROP COLUMN first; ALTER TABLE people ALTER COLUMN a SET NOT NULL');
\echo ## a constant, and a default
SELECT steps(E'-- zdm: down first = ''-''\nALTER TABLE people DROP COLUMN first');
SELECT steps(E'-- zdm: down quantity = coalesce(length(code), 0)\nALTER TABLE users DROP COLUMN quantity');
\echo ## only columns that were there
SELECT steps(E'-- zdm: down total = price * quantity\nALTER TABLE users DROP COLUMN total');

\echo # What may fail is said
SELECT steps(E'-- zdm: up number = code::int\n-- zdm: down code = number\nALTER TABLE users ADD COLUMN number int, DROP COLUMN code');
SELECT steps(E'-- zdm: up half = price\n-- zdm: down price = half / quantity\nALTER TABLE users ADD COLUMN half numeric(9,2), DROP COLUMN price');
SELECT steps(E'-- zdm: up big = quantity\n-- zdm: down quantity = big\nALTER TABLE users ADD COLUMN big bigint NOT NULL, DROP COLUMN quantity');

\echo # Tried on rows: one that fails is named
CREATE TABLE items (id int PRIMARY KEY, code text, price numeric);
INSERT INTO items SELECT g, g, g FROM generate_series(1, 50) g;
INSERT INTO items VALUES (51, 'x1', 0);
SELECT zdm_plan(E'-- zdm: up number = code::int\n-- zdm: down code = number\nALTER TABLE items ADD COLUMN number int, DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'ALTER TABLE items ADD COLUMN number int NOT NULL;\nUPDATE items SET number = code::int WHERE code IS NOT NULL;'); \echo :SQLSTATE
SELECT count(*) FROM zdm_plan(E'-- zdm: up number = CASE WHEN code ~ ''^[0-9]+$'' THEN code::int END\n-- zdm: down code = number\nALTER TABLE items ADD COLUMN number int, DROP COLUMN code');
SELECT count(*) FROM zdm_plan(E'-- zdm: down price = 5 / length(code)\nALTER TABLE items DROP COLUMN price');
UPDATE items SET code = '' WHERE id = 51;
SELECT zdm_plan(E'-- zdm: down price = 5 / length(code)\nALTER TABLE items DROP COLUMN price'); \echo :SQLSTATE
\echo ## with what new columns have by themselves: a default, a constant
SELECT zdm_plan(E'ALTER TABLE items ADD COLUMN per int DEFAULT 0;\n-- zdm: down price = 5 / per\nALTER TABLE items DROP COLUMN price'); \echo :SQLSTATE
SELECT zdm_plan(E'ALTER TABLE items ADD COLUMN per int; UPDATE items SET per = 0;\n-- zdm: down price = 5 / per\nALTER TABLE items DROP COLUMN price'); \echo :SQLSTATE
SELECT count(*) FROM zdm_plan(E'ALTER TABLE items ADD COLUMN per int DEFAULT 2;\n-- zdm: down price = 5 / per\nALTER TABLE items DROP COLUMN price');
\echo ## not tried: nothing relies on it
SELECT count(*) FROM zdm_plan(E'-- zdm: up number = code::int\nALTER TABLE items ADD COLUMN number int');

\echo # Syntax: the place in the comment, in characters
SELECT zdm_plan(E'-- zdm: up\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'SELECT 1;\n\n   -- zdm: up a = ''äöü'' ||| 1 +\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = (1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1, b = 2\nALTER TABLE users ADD COLUMN a int, ADD COLUMN b int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up (a, b) = (1, 2)\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a.b = 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = DEFAULT\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1 WHERE false\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1; DROP TABLE users\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1 FROM people\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1 RETURNING id\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1\n-- zdm: up A = 2\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: upward a = 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: ignore ZD103 because\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE

\echo # Misplaced
SELECT zdm_plan(E'-- zdm: up b = 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down a = 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up code = 1\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up code = 1\nUPDATE users SET code = 1 WHERE code IS NULL'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = 1\nDROP TABLE users'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = 1\nCREATE TABLE fresh (a int)'); \echo :SQLSTATE
SELECT zdm_plan(E'CREATE TABLE fresh (a int);\n-- zdm: up b = 1\nALTER TABLE fresh ADD COLUMN b int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: direct\n-- zdm: up a = 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'ALTER TABLE users -- zdm: up a = 1\n ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'ALTER TABLE users ADD COLUMN a int; -- zdm: up a = 1\n'); \echo :SQLSTATE

\echo # What they say
SELECT zdm_plan(E'-- zdm: up a = nothing + 1\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = no_such(1)\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = name\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = count(*)\nALTER TABLE users ADD COLUMN a int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = (SELECT 1)\nALTER TABLE users ADD COLUMN a int NOT NULL'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = at::text\nALTER TABLE users ADD COLUMN a text NOT NULL'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = nothing\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = name\nALTER TABLE users DROP COLUMN price'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = code || ''x''\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = total::text\nALTER TABLE users DROP COLUMN code, DROP COLUMN total'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = (SELECT first FROM people WHERE people.id = users.id)\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = at::text\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = random()::text\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = upper_name\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = ctid::text\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down upper_name = code\nALTER TABLE users DROP COLUMN upper_name'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down id = length(code)\nALTER TABLE users DROP COLUMN id'); \echo :SQLSTATE
CREATE DOMAIN filled AS text NOT NULL;
CREATE DOMAIN more_filled AS filled;
ALTER TABLE people ADD COLUMN strict more_filled DEFAULT 'x';
SELECT zdm_plan(E'-- zdm: down strict = first\nALTER TABLE people DROP COLUMN strict'); \echo :SQLSTATE
CREATE FUNCTION hidden(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
REVOKE EXECUTE ON FUNCTION hidden(text) FROM PUBLIC;
SELECT zdm_plan(E'-- zdm: down code = hidden(name)\nALTER TABLE users DROP COLUMN code'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: up a = hidden(name)\nALTER TABLE users ADD COLUMN a text NOT NULL'); \echo :SQLSTATE
SELECT zdm_plan(E'ALTER TABLE users ADD COLUMN a text;\n-- zdm: down a = name\nALTER TABLE users DROP COLUMN a'); \echo :SQLSTATE

\echo # Names that must be quoted, and a table of another schema
CREATE SCHEMA "My schema";
CREATE TABLE "My schema"."Order" ("Old Name" text NOT NULL);
INSERT INTO "My schema"."Order" VALUES ('a''b\c');
SELECT steps(E'-- zdm: up "New Name" = "My schema"."Order"."Old Name" || ''\\\\ ''''x''\n-- zdm: down "Old Name" = left("Order"."New Name", -4)\nALTER TABLE "My schema"."Order" ADD COLUMN "New Name" text NOT NULL, DROP COLUMN "Old Name";');
\echo # Nothing is left of the trials
SELECT relname FROM pg_class WHERE relname LIKE 'zdm_trial%' OR relpersistence = 't';

\echo # Constraints that leave with a dropped column, before their own statement comes to its turn
CREATE TABLE tied (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL, span int4range, CONSTRAINT tied_key UNIQUE (a, b),
    CONSTRAINT tied_check CHECK (b > 0), CONSTRAINT tied_apart EXCLUDE USING gist (span WITH &&));
INSERT INTO tied SELECT g, g, g, int4range(g, g + 1) FROM generate_series(1, 10) g;
SELECT zdm_create('tied', E'ALTER TABLE tied DROP CONSTRAINT tied_key, DROP CONSTRAINT tied_check, DROP CONSTRAINT tied_apart;
ALTER TABLE tied ADD CONSTRAINT tied_key UNIQUE (a), ADD CONSTRAINT tied_check CHECK (a > 0);
-- zdm: down b = a
-- zdm: down span = int4range(a, a + 1)
ALTER TABLE tied DROP COLUMN b, DROP COLUMN span;') > 0;
SELECT zdm_start('tied');
CALL zdm_wait('tied', 'ready', '60 s');
SELECT zdm_contract('tied', true, 'test');
CALL zdm_wait('tied', 'done', '60 s');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'tied'::regclass AND contype <> 'n' ORDER BY 1;
