-- Types of several columns in one migration: of one table and of tables that foreign keys tie, also both ends of a foreign key,
-- a key of two columns, and what hangs on two columns that both change. The catalogs end as plain statements leave them, or as they were.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '120s';
SET zdm.quiet_period = 0;
\pset format unaligned
\pset tuples_only on
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        SET LOCAL search_path = $;
        CREATE TABLE users (id serial PRIMARY KEY, boss int REFERENCES users, a int NOT NULL, b int DEFAULT 7, c int,
            CONSTRAINT ordered CHECK (a <= b), UNIQUE (a, b));
        CREATE INDEX users_both ON users (a DESC, b) WHERE c IS NULL;
        CREATE STATISTICS users_stat ON a, b FROM users;
        CREATE UNIQUE INDEX users_known ON users (a, id);
        ALTER TABLE users REPLICA IDENTITY USING INDEX users_known;
        CREATE TABLE orders (user_id int NOT NULL REFERENCES users ON DELETE CASCADE, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
        CREATE TABLE items (order_id int REFERENCES orders, n int);
        CREATE TABLE roles (user_id int REFERENCES users, role int, PRIMARY KEY (user_id, role));
        CREATE INDEX ON roles (role, user_id);
        CREATE TABLE grants (user_id int, role int, CONSTRAINT of_role FOREIGN KEY (user_id, role) REFERENCES roles);
        CREATE TABLE notes (user_id int REFERENCES users ON UPDATE CASCADE ON DELETE SET NULL, n int);
        INSERT INTO users (boss, a, b) SELECT CASE WHEN g > 1 THEN g - 1 END, g, g + 1 FROM generate_series(1, 100) g;
        INSERT INTO orders (user_id) SELECT g FROM generate_series(1, 100) g;
        INSERT INTO items SELECT g, g FROM generate_series(1, 100) g;
        INSERT INTO roles SELECT g, g % 5 FROM generate_series(1, 100) g;
    $sql$, '$', s);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH t AS (SELECT oid, relname, relkind FROM pg_class WHERE relnamespace = place::text::regnamespace)
    SELECT replace(line, place, 'S') FROM (
        SELECT format('%s.%s %s null %s default %s %s', relname, attname, format_type(atttypid, atttypmod), NOT attnotnull, pg_get_expr(adbin, adrelid),
                   attidentity) AS line
          FROM t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped LEFT JOIN pg_attrdef ON adrelid = t.oid AND adnum = attnum
         WHERE t.relkind = 'r'
        UNION ALL SELECT format('%s %s %s valid %s', relname, conname, pg_get_constraintdef(c.oid), convalidated) FROM t JOIN pg_constraint c ON conrelid = t.oid
        UNION ALL SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisreplident THEN ' identity' ELSE '' END FROM t JOIN pg_index ON indexrelid = t.oid
        UNION ALL SELECT pg_get_statisticsobjdef(s.oid) FROM t JOIN pg_statistic_ext s ON stxrelid = t.oid
        UNION ALL SELECT pg_get_triggerdef(g.oid) FROM t JOIN pg_trigger g ON tgrelid = t.oid WHERE NOT tgisinternal) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
CREATE FUNCTION answer(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create('bad', sql);
    RAISE EXCEPTION 'taken';
EXCEPTION WHEN others THEN RETURN SQLERRM; END $$;
-- What either version of the application may write at any time, and what the keys must refuse.
CREATE PROCEDURE work(n int) LANGUAGE plpgsql AS $$
BEGIN
    WITH u AS (INSERT INTO users (boss, a, b) VALUES (n, 1000 * n, 1000 * n + 1) RETURNING id),
        o AS (INSERT INTO orders (user_id) SELECT id FROM users WHERE users.id = n RETURNING id)
        INSERT INTO items (order_id, n) SELECT n, n FROM o;
    INSERT INTO roles (user_id, role) SELECT max(id), n FROM users;
    UPDATE users SET boss = 1, b = b + 1 WHERE id = n + 50;
    UPDATE roles SET role = role + 100 WHERE user_id = n;
    INSERT INTO grants (user_id, role) SELECT user_id, role FROM roles WHERE user_id = n;
    FOR i IN 1 .. 7 LOOP
        BEGIN
            CASE i WHEN 1 THEN INSERT INTO roles (user_id, role) VALUES (9999, 1);
                WHEN 2 THEN UPDATE users SET boss = 9999 WHERE id = 5;
                WHEN 3 THEN UPDATE users SET b = a - 1 WHERE id = 6;
                WHEN 4 THEN INSERT INTO users (a, b) VALUES (1000 * n, 1000 * n + 1);
                WHEN 5 THEN INSERT INTO roles (user_id, role) SELECT user_id, role FROM roles WHERE user_id = 7;
                WHEN 6 THEN INSERT INTO items (order_id) VALUES (9999);
                WHEN 7 THEN INSERT INTO grants (user_id, role) VALUES (9999, 9999);
            END CASE;
            RAISE WARNING '% was taken', i;
        EXCEPTION WHEN integrity_constraint_violation THEN NULL;
        END;
    END LOOP;
END $$;
-- One who is gone, and one with another number: a note each.
CREATE PROCEDURE move(who int) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET id = who + 10 WHERE id = who;
    DELETE FROM users WHERE id = who + 1;
    UPDATE notes SET n = who WHERE user_id = who + 10;
END $$;
CREATE PROCEDURE wait_at(point text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..6000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'zdm fault ' || point AND datname = current_database()) THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody came to %', point;
END$$;
\set sums 'SELECT (SELECT concat_ws($$,$$, count(*), sum(a), sum(b), sum(boss)) FROM users), (SELECT concat_ws($$,$$, count(*), sum(user_id)) FROM orders), (SELECT concat_ws($$,$$, count(*), sum(order_id)) FROM items), (SELECT concat_ws($$,$$, count(*), sum(user_id), sum(role)) FROM roles)'
CALL make('before');
CALL make('plain');
CALL make('ours');
\set sql 'ALTER TABLE items ALTER order_id TYPE bigint; ALTER TABLE orders ALTER user_id TYPE bigint, ALTER id TYPE bigint; ALTER TABLE users ALTER a TYPE bigint, ALTER b TYPE numeric; ALTER TABLE users ALTER id TYPE bigint; ALTER TABLE users ALTER boss TYPE bigint; ALTER TABLE grants ALTER user_id TYPE bigint, ALTER role TYPE bigint; ALTER TABLE notes ALTER user_id TYPE bigint; ALTER TABLE roles ALTER user_id TYPE bigint, ALTER role TYPE bigint'
SET search_path = plain, public;
:sql;
SET search_path = ours, public;
-- The server refuses the plain statement of columns that one lists.
SET client_min_messages = error;
CREATE PUBLICATION users_sent FOR TABLE users (id, a, b);
SET client_min_messages = warning;
INSERT INTO users (id, a, b) SELECT g, g, g FROM generate_series(5000, 5004) g;
INSERT INTO notes SELECT generate_series(5000, 5003);
SELECT zdm_create('wide', :'sql') > 0 AS created;
-- Referred to before referring, each table at once.
SELECT kind || ' ' || relation FROM zdm.steps WHERE migration = 'wide' AND phase = 'switch' ORDER BY step;
SELECT command FROM zdm.steps WHERE migration = 'wide' AND kind IN ('backfill', 'index', 'constraint') AND command !~ 'not_null' ORDER BY step;
SELECT zdm_start('wide');
CALL zdm_wait('wide', 'ready', '100 s');
CALL work(1);
-- Between two tables: keys refuse and act as ever.
SELECT pg_advisory_lock(1514425, hashtext('sync:after_commit'));
SELECT zdm_switch('wide');
CALL wait_at('sync:after_commit');
CALL work(6);
CALL move(5000);
SELECT * FROM notes ORDER BY n, user_id;
SELECT pg_advisory_unlock(1514425, hashtext('sync:after_commit'));
CALL zdm_wait('wide', 'switched', '100 s');
CALL work(2);
SELECT relation, differences FROM zdm_verify('wide');
-- Back the other way round: grants and roles, then notes, then among the others users.
SELECT pg_advisory_lock(1514425, hashtext('undo_sync:after_commit#3'));
SELECT zdm_rollback('wide');
CALL wait_at('undo_sync:after_commit#3');
CALL work(7);
CALL move(5002);
SELECT * FROM notes ORDER BY n, user_id;
SELECT pg_advisory_unlock(1514425, hashtext('undo_sync:after_commit#3'));
CALL zdm_wait('wide', 'rolled_back', '100 s');
SELECT differing('before', 'ours');
SELECT pubname, attnames FROM pg_publication_tables WHERE pubname = 'users_sent';
CALL work(3);
:sums;
SELECT zdm_start('wide', 'switched');
CALL zdm_wait('wide', 'switched', '100 s');
CALL work(4);
INSERT INTO users (id, a, b) VALUES (3000000000, 5000000000, 5000000001);
INSERT INTO orders (user_id) VALUES (3000000000);
INSERT INTO roles (user_id, role) VALUES (3000000000, 4000000000);
SELECT zdm_contract('wide');
CALL zdm_wait('wide', 'done', '100 s');
CALL work(5);
:sums;
SELECT differing('plain', 'ours');

\echo # Refused
ALTER TABLE items ADD m int;
SELECT answer('ALTER TABLE items ALTER n TYPE bigint USING n + m, ALTER m TYPE numeric');
SELECT answer(E'-- zdm: down n = m\nALTER TABLE items ALTER n TYPE text; ALTER TABLE items ALTER m TYPE bigint');
SELECT answer('ALTER TABLE users ALTER c TYPE bigint, ADD COLUMN d int');
SELECT answer('ALTER TABLE users ALTER c TYPE bigint; ALTER TABLE users ALTER c TYPE numeric');
SELECT answer('ALTER TABLE items ALTER n TYPE bigint; ALTER TABLE items DROP n; ALTER TABLE items ALTER order_id TYPE bigint');
SELECT answer('ALTER TABLE items ALTER n TYPE bigint; DROP TABLE items; ALTER TABLE orders ALTER user_id TYPE bigint');
CREATE TABLE one (id int PRIMARY KEY, other int);
CREATE TABLE two (id int PRIMARY KEY, other int REFERENCES one);
ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES two;
SELECT answer('ALTER TABLE one ALTER id TYPE bigint, ALTER other TYPE bigint; ALTER TABLE two ALTER id TYPE bigint, ALTER other TYPE bigint');
DROP TABLE one, two;
-- What plain SQL forgets, and careful people write.
CREATE TABLE owner (id serial, n int GENERATED ALWAYS AS IDENTITY);
SET client_min_messages = notice;
SELECT kind FROM zdm_plan('ALTER TABLE owner ALTER id TYPE bigint, ALTER n TYPE bigint; ALTER SEQUENCE owner_id_seq AS bigint; ALTER SEQUENCE ours.owner_n_seq AS bigint') WHERE phase = 'switch';
SET client_min_messages = warning;
SELECT answer('ALTER TABLE owner ALTER id TYPE bigint; ALTER SEQUENCE owner_id_seq AS smallint');
SELECT answer('ALTER TABLE owner ALTER id TYPE bigint; ALTER SEQUENCE owner_n_seq AS bigint');
SELECT answer('ALTER TABLE owner ALTER id TYPE bigint; ALTER SEQUENCE owner_id_seq AS bigint CACHE 5');
SELECT answer('ALTER TABLE owner ALTER id TYPE bigint; ALTER SEQUENCE nothing AS bigint');
\echo # Of tables in two schemas
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.one (id int PRIMARY KEY);
CREATE TABLE one (id int REFERENCES elsewhere.one);
SELECT answer('ALTER TABLE elsewhere.one ALTER id TYPE bigint; ALTER TABLE one ALTER id TYPE bigint');
DROP SCHEMA elsewhere CASCADE;
DROP PUBLICATION users_sent;
DROP SCHEMA before, plain, ours CASCADE;
