-- SQL that zdm refuses, each with a code, an SQLSTATE, what happened and what to do; and nothing of it is
-- left anywhere.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE bad_sql_other;
CREATE ROLE bad_sql_app LOGIN;
CREATE SCHEMA app AUTHORIZATION bad_sql_app;
CREATE SCHEMA secret AUTHORIZATION bad_sql_other;
SET SESSION AUTHORIZATION bad_sql_app;
SET search_path = app, public;
CREATE TABLE users (id int PRIMARY KEY, name text, price numeric, at timestamptz);
INSERT INTO users SELECT g, 'user ' || g, g, '2026-01-01' FROM generate_series(1, 100) g;
CREATE TABLE empty_one (id int);
CREATE TABLE plain (id int PRIMARY KEY, v int NOT NULL);
INSERT INTO plain VALUES (1, 1);
CREATE VIEW users_view AS SELECT * FROM users;
CREATE MATERIALIZED VIEW users_mat AS SELECT * FROM users;
CREATE SEQUENCE numbers;
CREATE TEMP TABLE mine_alone (id int);
CREATE TABLE measures (at date, v int) PARTITION BY RANGE (at);
CREATE TABLE measures_26 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
RESET SESSION AUTHORIZATION;
CREATE FOREIGN DATA WRAPPER bad_sql_fdw;
CREATE SERVER bad_sql_server FOREIGN DATA WRAPPER bad_sql_fdw;
CREATE FOREIGN TABLE app.far_away (id int) SERVER bad_sql_server;
ALTER FOREIGN TABLE app.far_away OWNER TO bad_sql_app;
CREATE TABLE app.of_others (id int PRIMARY KEY, name text);
ALTER TABLE app.of_others OWNER TO bad_sql_other;
CREATE TABLE secret.hidden (id int PRIMARY KEY);
ALTER TABLE secret.hidden OWNER TO bad_sql_other;
-- What there is, to compare.
CREATE VIEW public.picture AS
SELECT md5(coalesce((SELECT string_agg(c::text, '|' ORDER BY c.oid)
                       FROM (SELECT oid, relname, relnamespace, relowner, relnatts, relchecks, relhastriggers, relacl
                               FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't') c), ''))
    || md5(coalesce((SELECT string_agg(c::text, '|' ORDER BY c.oid) FROM pg_constraint c WHERE c.oid >= 16384), ''))
    || md5(coalesce((SELECT string_agg(a::text, '|' ORDER BY attrelid, attnum)
                       FROM (SELECT attrelid, attname, attnum, attnotnull, atthasdef FROM pg_attribute
                              WHERE attrelid >= 16384 AND attrelid IN (SELECT oid FROM pg_class WHERE relpersistence <> 't')) a), ''))
    || (SELECT count(*) FROM pg_trigger) || '/' || (SELECT count(*) FROM pg_proc) || '/' || (SELECT count(*) FROM pg_type WHERE typnamespace = 'app'::regnamespace)
    AS all;
GRANT SELECT ON public.picture TO bad_sql_app;
SET SESSION AUTHORIZATION bad_sql_app;
SET search_path = app, public;
SELECT "all" AS before FROM picture \gset

-- Syntax: the place, in characters, also behind others than ASCII.
SELECT zdm_create('bad', 'ALTER TABL users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'-- äöü\nALTER TABLE users ADD COLUMN c int;\n\n  /* naïve */ UPDATE users SETT c = 1;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN c int;\r\nUPDATE users SET c = ''it''s'' WHERE c IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c text DEFAULT ''open;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c int; /* open'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c int)'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c text DEFAULT U&''\zz'';'); \echo :SQLSTATE

-- Nothing in it.
SELECT zdm_create('bad', ''); \echo :SQLSTATE
SELECT zdm_create('bad', E' \n\t;;;\n'); \echo :SQLSTATE
SELECT zdm_create('bad', E'-- only words\n/* and more */'); \echo :SQLSTATE
SELECT zdm_create('bad', 'BEGIN; COMMIT;'); \echo :SQLSTATE

-- Commands of psql.
SELECT zdm_create('bad', E'\\set x 1\nALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN c int;\n  \\i other.sql'); \echo :SQLSTATE
SELECT zdm_create('bad', E'SELECT 1 \\gset'); \echo :SQLSTATE
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN c text DEFAULT \'a\\b\';\n\\q'); \echo :SQLSTATE

-- Names that are not there.
SELECT zdm_create('bad', 'ALTER TABLE nobody ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE nowhere.users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE nobody SET c = 1;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'CREATE INDEX ON nobody (c);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'CREATE INDEX ON users (phone);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DROP INDEX nobody;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DROP TABLE nobody;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users DROP COLUMN phone;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ALTER COLUMN phone SET NOT NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users DROP CONSTRAINT nobody;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN c int;\nUPDATE users\n   SET c = nobody\n WHERE c IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET phone = 1 WHERE phone IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = no_function(name) WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c no_type;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES nobody (id);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES empty_one (id);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN name text;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD CONSTRAINT c CHECK (nobody > 0);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET id = ''x'' WHERE id IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = 1 + WHERE name IS NULL;'); \echo :SQLSTATE

-- What is no table of one's own.
SELECT zdm_create('bad', 'ALTER TABLE users_view ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users_view SET name = ''x'' WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'CREATE INDEX ON users_mat (id);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE far_away ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE far_away SET id = 1 WHERE id IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE mine_alone ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE pg_temp.mine_alone ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DELETE FROM mine_alone;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'CREATE TEMP TABLE short_lived (id int);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE numbers ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE pg_class ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE zdm.migration ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE measures ALTER v SET STATISTICS 100;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE measures_26 ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DROP TABLE parent;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE of_others ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE of_others SET name = ''x'' WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DROP TABLE of_others;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE secret.hidden ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES of_others (id);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES secret.hidden (id);'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = (SELECT o.name FROM of_others o WHERE o.id = users.id) WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'CREATE TABLE secret.mine (id int);'); \echo :SQLSTATE

-- A value that nobody gives, and changes that never end.
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN phone text NOT NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET price = price * 1.1;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET price = price * 1.1 WHERE price > 10;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = ''x'';'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = NULL WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c int; UPDATE users SET c = NULLIF((random() * 2)::int, 0) WHERE c IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = o.name FROM of_others o WHERE o.id = users.id;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'WITH w AS (SELECT 1 AS id) UPDATE users SET name = ''x'' WHERE id IN (SELECT id FROM w) AND name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET name = ''x'' WHERE name IS NULL RETURNING id;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'UPDATE users SET (name, price) = (SELECT ''x'', 1) WHERE name IS NULL;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DELETE FROM users USING empty_one e WHERE e.id = users.id;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DELETE FROM users WHERE id < 10 RETURNING id;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'INSERT INTO users (id) VALUES (1000) RETURNING id;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN day text NOT NULL; UPDATE users SET day = to_char(at, ''DD'') WHERE day IS NULL;'); \echo :SQLSTATE

-- Statements that have no safe form, or not yet.
SELECT zdm_create('bad', 'SELECT 1;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'SET search_path = app;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DO $$BEGIN NULL; END$$;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'TRUNCATE users;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'VACUUM FULL users;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'LOCK TABLE users;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users RENAME COLUMN called TO label;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER VIEW users_view RENAME TO people_view;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE plain ALTER COLUMN v TYPE text;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ADD COLUMN c text DEFAULT nullif(timeofday(), '''');'); \echo :SQLSTATE
SELECT zdm_create('bad', 'DROP TABLE users CASCADE;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users DROP COLUMN name;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ALTER TABLE users ALTER COLUMN name TYPE int USING 1;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'ROLLBACK; ALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', 'COPY users FROM STDIN;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'-- zdm: fast\nALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN c int;\n-- zdm: direct'); \echo :SQLSTATE
SELECT zdm_create('bad', E'-- zdm: phase later\nALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
-- One bad statement among good ones: none runs.
SELECT zdm_create('bad', E'ALTER TABLE users ADD COLUMN good int;\nCREATE TABLE better (id int);\nUPDATE users SET price = price + 1;'); \echo :SQLSTATE

-- Bad names and other arguments.
SELECT zdm_create('', 'ALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create(repeat('x', 201), 'ALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create(NULL, 'ALTER TABLE users ADD COLUMN c int;'); \echo :SQLSTATE
SELECT zdm_create('bad', NULL); \echo :SQLSTATE
-- The preview refuses the same.
SELECT zdm_plan('UPDATE users SET price = price * 1.1;'); \echo :SQLSTATE

-- Nothing of all this is there.
SELECT "all" = :'before' AS nothing_changed FROM picture;
SELECT count(*) FROM zdm.migrations;
RESET SESSION AUTHORIZATION;
SELECT (SELECT count(*) FROM zdm.migration), (SELECT count(*) FROM zdm.step), (SELECT count(*) FROM zdm.event);
SELECT count(*) AS clones_left FROM pg_class WHERE relpersistence = 't' AND relname <> 'mine_alone' AND relkind = 'r';

-- BEGIN and COMMIT are no error: they are left out, with a note.
SET SESSION AUTHORIZATION bad_sql_app;
SET search_path = app, public;
SET client_min_messages = notice;
SELECT kind, command FROM zdm_plan('BEGIN; CREATE TABLE wrapped (id int); COMMIT;');
SELECT zdm_create('wrapped', E'BEGIN;\nCREATE TABLE wrapped (id int);\nCOMMIT;');
SELECT message FROM zdm.events WHERE kind = 'note';
-- An empty table needs no value for a NOT NULL column.
SELECT kind FROM zdm_plan('ALTER TABLE empty_one ADD COLUMN phone text NOT NULL;');
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;
DROP SCHEMA app CASCADE;
DROP SCHEMA secret CASCADE;
DROP FOREIGN DATA WRAPPER bad_sql_fdw CASCADE;
DROP OWNED BY bad_sql_app, bad_sql_other;
DROP ROLE bad_sql_app, bad_sql_other;
