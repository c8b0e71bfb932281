-- Whole objects: made in expand as written, gone in contract, and seen by the statements after them.
\set SHOW_CONTEXT never
SET client_min_messages = notice;
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '')
           || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command
           || coalesce(E'\n    undo: ' || undo, '')
      FROM zdm_plan(sql) ORDER BY step $$;
\pset format unaligned
\pset tuples_only on
CREATE TABLE users (id bigint PRIMARY KEY, name text, mood text);
INSERT INTO users SELECT g, 'x' FROM generate_series(1, 10) g;
COMMENT ON COLUMN users.name IS 'what they are called';
CREATE VIEW names AS SELECT id, name FROM users;
CREATE VIEW of_nothing AS SELECT 1 AS one;
CREATE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch_row BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY mine ON users USING (true);
CREATE TYPE feeling AS ENUM ('good');
CREATE SEQUENCE numbers;

SELECT steps('CREATE TABLE items (id bigserial PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, n int DEFAULT 1);
CREATE INDEX ON items (n);
ALTER TABLE items ADD COLUMN k int NOT NULL DEFAULT 3, ADD CHECK (k > 0);
INSERT INTO items (user_id) VALUES (1);
INSERT INTO items (user_id) SELECT id FROM users;
UPDATE items SET n = 4;
GRANT SELECT ON items TO PUBLIC;
COMMENT ON TABLE items IS ''things''');
SELECT steps('CREATE SCHEMA app; CREATE TABLE app.users (LIKE public.users INCLUDING ALL); ALTER TABLE app.users ADD COLUMN x int; CREATE VIEW app.v AS SELECT x FROM app.users; COMMENT ON VIEW app.v IS ''y''; CREATE TABLE app.copy AS SELECT * FROM app.users');
SELECT steps('CREATE TYPE size AS ENUM (''s'', ''l''); CREATE DOMAIN short AS text CHECK (length(VALUE) < 9); CREATE TYPE pair AS (a int, b size); ALTER TABLE users ADD COLUMN s size DEFAULT ''s'', ADD COLUMN p pair');
SELECT steps('CREATE SEQUENCE more OWNED BY users.id; ALTER TABLE users ALTER id SET DEFAULT nextval(''more'')');
SELECT steps('CREATE FUNCTION half(int) RETURNS int LANGUAGE sql IMMUTABLE AS ''SELECT $1 / 2''; ALTER TABLE users ADD CONSTRAINT c CHECK (half(id::int) >= 0); CREATE INDEX ON users (half(id::int))');
SELECT steps('CREATE OR REPLACE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE AS ''SELECT 2 * $1''');
SELECT steps('ALTER TABLE users ADD COLUMN age int; CREATE FUNCTION ages() RETURNS SETOF int LANGUAGE sql AS ''SELECT age FROM public.users''; CREATE FUNCTION ages2() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC SELECT age FROM public.users; END');
SELECT steps('CREATE OR REPLACE VIEW of_nothing AS SELECT 2 AS one');
SELECT steps('ALTER TABLE users ADD COLUMN age int; CREATE OR REPLACE VIEW names AS SELECT id, name, age FROM users');
SELECT steps('CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM users');
SELECT steps('CREATE TRIGGER t AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch(); CREATE POLICY p ON users USING (true); ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE STATISTICS st ON id, name FROM users');
SELECT steps('CREATE OR REPLACE TRIGGER touch_row BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch()');
SELECT steps('COMMENT ON COLUMN users.name IS ''new words''; COMMENT ON FUNCTION double(int) IS ''twice''; ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0); COMMENT ON CONSTRAINT c ON users IS ''positive''; CREATE INDEX i ON users (name); COMMENT ON INDEX i IS ''by name''');
SELECT steps('ALTER TYPE feeling ADD VALUE ''bad''');
SELECT steps('GRANT SELECT (name) ON users TO PUBLIC; REVOKE ALL ON users FROM PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC');

\echo # What goes
SELECT steps('DROP VIEW of_nothing; DROP FUNCTION double(int); DROP TYPE feeling; DROP SEQUENCE numbers; DROP TRIGGER touch_row ON users; DROP POLICY mine ON users; DROP FUNCTION IF EXISTS no_such(int)');
SELECT steps('ALTER TABLE users DROP COLUMN mood; DROP TRIGGER touch_row ON users');
SELECT steps('CREATE EXTENSION IF NOT EXISTS plpgsql; DROP TABLE IF EXISTS nothing');

\echo # What would not work
SELECT steps('CREATE TABLE users (id int)');
SELECT steps('CREATE VIEW names AS SELECT 1');
SELECT steps('CREATE FUNCTION double(int) RETURNS int LANGUAGE sql AS ''SELECT 1''');
SELECT steps('CREATE TRIGGER touch_row BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION touch()');
SELECT steps('CREATE POLICY mine ON users USING (true)');
SELECT steps('ALTER TABLE users DROP COLUMN name');
SELECT steps('DROP TABLE users');
SELECT steps('DROP VIEW names CASCADE');
SELECT steps('DROP FUNCTION touch()');
SELECT steps('DROP TABLE users; CREATE TABLE users (id int)');
SELECT steps('ALTER TABLE users ADD UNIQUE (name); CREATE TABLE by_name (name text REFERENCES users (name))');
SELECT steps('CREATE TABLE parts (id int) PARTITION BY RANGE (id)');
SELECT steps('CREATE TABLE x (id int); DROP TABLE x');
SELECT steps('ALTER TYPE feeling ADD VALUE ''bad''; ALTER TABLE users ADD COLUMN f feeling DEFAULT ''bad''');
