-- One column becomes two, two become one: both applications write, forward and back again.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
\set split 'ALTER TABLE people ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL;\nUPDATE people SET first = split_part(name, '' '', 1), last = split_part(name, '' '', 2);\n-- zdm: down name = first || '' '' || last\nALTER TABLE people DROP COLUMN name;'
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, note text);
CREATE VIEW shape AS
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull FROM pg_attribute
 WHERE attrelid = 'people'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
INSERT INTO people SELECT g, 'First' || g || ' Last' || g FROM generate_series(1, 5) g;

-- Split.
SELECT zdm_create('split', :'split') IS NOT NULL AS created;
SELECT zdm_start('split');
CALL zdm_wait('split', 'ready', '60 s');
SELECT * FROM shape;
-- The old application.
INSERT INTO people (id, name) VALUES (11, 'Ann Lee');
UPDATE people SET name = 'Bob May' WHERE id = 1;
UPDATE people SET note = 'old' WHERE id = 2;
-- The new one.
INSERT INTO people (id, first, last) VALUES (12, 'Cid', 'Nay');
INSERT INTO people (id, first, last) VALUES (13, 'Mary Ann', 'Kim');
UPDATE people SET last = 'Oak' WHERE id = 3;
UPDATE people SET first = 'Eve', last = 'Fox' WHERE id = 11;
UPDATE people SET note = 'new' WHERE id = 12;
-- The old one again, on rows of the new one.
UPDATE people SET name = 'Dan Poe' WHERE id = 12;
SELECT id, name, first, last, note FROM people ORDER BY id;
-- What the new version may not leave out is refused as in its own shape, though under the old column's name.
\set VERBOSITY terse
INSERT INTO people (id, note) VALUES (99, 'nobody');
\set VERBOSITY default
-- A row that somebody wrote on both sides, and not the same.
INSERT INTO people (id, name, first, last) VALUES (14, 'Gil Roe', 'Hal', 'Sun');
SELECT zdm_contract('split', true, 'test');
\set VERBOSITY terse
CALL zdm_wait('split', 'done', '60 s');
SELECT relation, differences, key, old_values, new_values FROM zdm_verify('split');
\set VERBOSITY default
UPDATE people SET name = 'Hal Sun' WHERE id = 14;
SELECT zdm_resume('split');
CALL zdm_wait('split', 'done', '60 s');
SELECT * FROM shape;
SELECT id, first, last FROM people ORDER BY id;
SELECT tgname FROM pg_trigger WHERE tgname LIKE '%zdm%';

-- Merge, and back from ready.
\set merge '-- zdm: up name = first || '' '' || last\n-- zdm: down first = split_part(name, '' '', 1)\n-- zdm: down last = split_part(name, '' '', 2)\nALTER TABLE people ADD COLUMN name text NOT NULL, DROP COLUMN first, DROP COLUMN last;'
SELECT zdm_create('merge', :'merge') IS NOT NULL AS created;
SELECT zdm_start('merge');
CALL zdm_wait('merge', 'ready', '60 s');
SELECT * FROM shape;
INSERT INTO people (id, first, last) VALUES (21, 'Ida', 'Tau');
INSERT INTO people (id, name) VALUES (22, 'Jim Urn');
INSERT INTO people (id, name) VALUES (23, 'Mary Ann Vox');
UPDATE people SET last = 'Wye' WHERE id = 22;
UPDATE people SET name = 'Kay Xu' WHERE id = 21;
SELECT id, first, last, name FROM people WHERE id > 20 ORDER BY id;
SELECT zdm_rollback('merge');
CALL zdm_wait('merge', 'rolled_back', '60 s');
SELECT * FROM shape;
SELECT id, first, last FROM people WHERE id > 20 ORDER BY id;

-- Merge, to the end.
SELECT zdm_create('again', :'merge') IS NOT NULL AS created;
SELECT zdm_start('again');
CALL zdm_wait('again', 'ready', '60 s');
INSERT INTO people (id, name) VALUES (24, 'Leo Van Yak');
SELECT zdm_contract('again', true, 'test');
CALL zdm_wait('again', 'done', '60 s');
SELECT * FROM shape;
SELECT id, name FROM people ORDER BY id;

-- NOT NULL that is relaxed, because the new version may leave the name out; back again with such a row.
CREATE TABLE pets (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO pets VALUES (1, 'Rex');
SELECT zdm_create('pets', E'ALTER TABLE pets ADD COLUMN called text;\nUPDATE pets SET called = name;\n-- zdm: down name = called\nALTER TABLE pets DROP COLUMN name;') IS NOT NULL AS created;
SELECT zdm_start('pets');
CALL zdm_wait('pets', 'ready', '60 s');
INSERT INTO pets (id, called) VALUES (2, 'Tom');
INSERT INTO pets (id) VALUES (3);
SELECT * FROM pets ORDER BY id;
SELECT zdm_rollback('pets');
\set VERBOSITY terse
CALL zdm_wait('pets', 'rolled_back', '60 s');
\set VERBOSITY default
UPDATE pets SET name = 'Zoe' WHERE id = 3;
SELECT zdm_resume('pets');
CALL zdm_wait('pets', 'rolled_back', '60 s');
SELECT * FROM pets ORDER BY id;
SELECT attname, attnotnull FROM pg_attribute WHERE attrelid = 'pets'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
