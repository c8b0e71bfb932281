-- What the planner makes of each kind of statement: one line a step.
\set SHOW_CONTEXT never
SET client_min_messages = notice;
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || coalesce(' [' || lock || CASE WHEN scans THEN ', scan' ELSE '' END
           || CASE WHEN rewrites THEN ', rewrite' ELSE '' END || ']', '')
           || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command
           || coalesce(E'\n    undo: ' || undo, '')
      FROM zdm_plan(sql) ORDER BY step $$;
\pset format unaligned
\pset tuples_only on
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, first text, last text, code int, price numeric);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
                     status varchar(20) DEFAULT 'new', price numeric CONSTRAINT price_ck CHECK (price >= 0), code int);
CREATE INDEX orders_status_idx ON orders (status);
CREATE UNIQUE INDEX orders_code_key_ready ON orders (code);
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 20000) g;
INSERT INTO orders (id, user_id) SELECT g, g FROM generate_series(1, 20000) g;
CREATE TABLE small (id int, v int);
INSERT INTO small VALUES (1, 1);
CREATE TABLE emptied (id int);
INSERT INTO emptied VALUES (1);
DELETE FROM emptied;

\echo # The demo
SELECT steps('ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = ''unknown'' WHERE phone IS NULL;
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX orders_created_at_idx ON orders (created_at);');

\echo # ADD COLUMN
SELECT steps('ALTER TABLE users ADD COLUMN a int, ADD COLUMN b timestamptz NOT NULL DEFAULT now(), ADD IF NOT EXISTS name text');
SELECT steps('ALTER TABLE users ADD COLUMN c varchar(10) COLLATE "C" DEFAULT ''xy'' CHECK (length(c) > 1)');
SELECT steps('ALTER TABLE users ADD COLUMN c bigint UNIQUE DEFERRABLE REFERENCES orders ON DELETE SET NULL CHECK (c > 0)');
SELECT steps('ALTER TABLE emptied ADD COLUMN c int NOT NULL');
SELECT steps('ALTER TABLE emptied ADD COLUMN c uuid DEFAULT gen_random_uuid()');
SELECT steps('ALTER TABLE users ADD COLUMN total numeric NOT NULL DEFAULT 0; UPDATE users SET total = price * 2; ALTER TABLE users DROP COLUMN price');
SELECT steps('ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT ''new''; UPDATE users SET kind = ''old''');

\echo # UPDATE, DELETE, INSERT
SELECT steps('ALTER TABLE users ADD COLUMN full_name text; UPDATE users SET full_name = first || '' '' || last; ALTER TABLE users DROP COLUMN first, DROP COLUMN last');
SELECT steps('UPDATE users SET code = 1 WHERE code IS NULL AND name LIKE ''a%''; ALTER TABLE users ALTER code SET NOT NULL');
SELECT steps('UPDATE orders SET status = ''paid'' WHERE status = ''payed''');
SELECT steps('UPDATE orders SET price = DEFAULT WHERE price < 1');
SELECT steps('UPDATE orders SET code = (SELECT u.code FROM users u WHERE u.id = user_id) WHERE code IS NULL');
SELECT steps('DELETE FROM orders WHERE user_id NOT IN (SELECT id FROM users); ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users');
SELECT steps('INSERT INTO users (id, name) VALUES (-1, ''nobody'')');
SELECT steps('INSERT INTO small SELECT id, v + 1 FROM small');
SET zdm.small_table = '16kB';
SELECT steps('INSERT INTO small SELECT id, 1 FROM users');
RESET zdm.small_table;
SELECT steps(E'-- zdm: direct\nUPDATE orders SET price = price * 1.1');

\echo # Constraints
SELECT steps('ALTER TABLE orders ADD CONSTRAINT ck CHECK (price < 1000), ADD UNIQUE (user_id), ADD FOREIGN KEY (user_id) REFERENCES users');
CREATE UNIQUE INDEX users_two ON users (id, code);
SELECT steps('ALTER TABLE orders ADD FOREIGN KEY (user_id, code) REFERENCES users (id, code) MATCH FULL ON UPDATE CASCADE');
SELECT steps('ALTER TABLE users ADD FOREIGN KEY (code) REFERENCES users');
SELECT steps('ALTER TABLE orders DROP CONSTRAINT price_ck; ALTER TABLE orders ADD CONSTRAINT price_ck CHECK (price > 0)');
SELECT steps('ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id, code)');
SELECT steps('ALTER TABLE orders DROP CONSTRAINT price_ck, ALTER user_id DROP NOT NULL, ALTER status DROP DEFAULT, ALTER code SET DEFAULT 3');
SELECT steps('ALTER TABLE orders ADD CONSTRAINT ck CHECK (code IS NOT NULL) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT ck; ALTER TABLE orders ALTER code SET NOT NULL; ALTER TABLE orders DROP CONSTRAINT ck');
SELECT steps('ALTER TABLE orders ADD CONSTRAINT orders_code_key UNIQUE USING INDEX orders_code_key_ready');
SELECT steps(E'-- zdm: direct\nALTER TABLE orders ADD CHECK (price < 5), ADD EXCLUDE (code WITH =)');

\echo # Indexes
SELECT steps('CREATE INDEX ON orders (created_at); CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_status_idx ON orders (status); CREATE INDEX ON orders (created_at)');
SELECT steps('CREATE UNIQUE INDEX u ON orders (lower(status)) INCLUDE (price) WHERE price > 3');
SELECT steps('CREATE INDEX small_v ON small (v); CREATE UNIQUE INDEX small_id ON small (id)');
SELECT steps('ALTER TABLE orders ADD COLUMN k int; UPDATE orders SET k = code + 1; CREATE INDEX ON orders (k); CREATE UNIQUE INDEX ON orders (k, id)');
SELECT steps('DROP INDEX orders_status_idx; CREATE INDEX orders_status_idx ON orders (status, id)');
SELECT steps('DROP INDEX IF EXISTS no_such_index; DROP INDEX CONCURRENTLY orders_status_idx');

\echo # What only changes the catalog, what would rewrite
SELECT steps('ALTER TABLE orders ALTER status TYPE varchar(40), SET (fillfactor = 80), ALTER code SET STATISTICS 10');
SELECT steps('ALTER TABLE orders ALTER status TYPE varchar(10)');
SELECT steps('ALTER TABLE orders ALTER code TYPE bigint');
SELECT steps(E'-- zdm: direct\nALTER TABLE orders ALTER code TYPE bigint');

\echo # Tables that go
SELECT steps('ALTER TABLE orders DROP COLUMN code; DROP TABLE users');
SELECT steps('DROP TABLE IF EXISTS nothing');

\echo # zdm_plan leaves BEGIN and COMMIT out
SELECT steps('BEGIN; ALTER TABLE small ADD COLUMN x int; COMMIT');

\echo # What only changes the catalog is taken back
CREATE TABLE meta (id int PRIMARY KEY, t text) WITH (fillfactor = 90);
ALTER TABLE meta CLUSTER ON meta_pkey, ALTER t SET STATISTICS 7, ALTER id SET (n_distinct = 5), ENABLE ROW LEVEL SECURITY;
SELECT steps('ALTER TABLE meta SET (fillfactor = 50, autovacuum_enabled = off, toast.autovacuum_enabled = off), RESET (fillfactor), ALTER t SET STATISTICS 100, ALTER t SET STORAGE EXTERNAL, ALTER t SET COMPRESSION pglz, ALTER id SET (n_distinct = 9, n_distinct_inherited = 3), SET WITHOUT CLUSTER, REPLICA IDENTITY FULL, DISABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
SELECT steps('ALTER TABLE meta ALTER CONSTRAINT meta_pkey DEFERRABLE');
