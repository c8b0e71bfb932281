-- Old and new columns compared: zdm_verify, and what contract does about rows that differ.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE ROLE verify_alice LOGIN;
CREATE ROLE verify_bob LOGIN;
CREATE SCHEMA v AUTHORIZATION verify_alice;
-- What it says in the end; the time at which it does so is nobody's business.
CREATE PROCEDURE outcome(migration text) LANGUAGE plpgsql AS $$
DECLARE
    m record;
BEGIN
    LOOP
        COMMIT;
        SELECT * INTO m FROM zdm.migrations WHERE name = migration;
        EXIT WHEN m.state IN ('failed', 'done', 'rolled_back');
        PERFORM pg_sleep(0.01);
    END LOOP;
    -- Where rows are depends on how the backfill went.
    RAISE WARNING '%', concat_ws(E'\n', m.state, m.sqlstate, m.message,
        regexp_replace(m.detail, '(\(\d+,\d+\), id = \d+(; )?)+', '(keys)'), m.hint);
END $$;

SET SESSION AUTHORIZATION verify_alice;
SET search_path = v, public;
-- A rule that calls a function of alice's, which tells who runs it.
CREATE FUNCTION tidy(tel text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'verify_alice' THEN RAISE EXCEPTION 'tidy runs as %', current_user; END IF;
    RETURN replace(tel, ' ', '');
END $$;
CREATE TABLE person (id int PRIMARY KEY, "Tel" text NOT NULL, kind text NOT NULL DEFAULT 'private');
INSERT INTO person SELECT g, '+49 30 ' || g FROM generate_series(1, 2000) g;
\set sql 'ALTER TABLE person ADD COLUMN phone text, ADD COLUMN sort text; UPDATE person SET phone = v.tidy("Tel"), sort = upper(kind); ALTER TABLE person DROP COLUMN "Tel"; ALTER TABLE person DROP COLUMN kind;'
SELECT step, phase, kind, command, note FROM zdm_plan(:'sql') WHERE kind = 'verify';
SELECT zdm_create('m', :'sql') > 0 AS made;

-- Before ready nothing can be compared.
SELECT * FROM zdm_verify('m');
SELECT * FROM zdm_verify('nobody');
SELECT zdm_start('m');
CALL zdm_wait('m', 'ready', '60 s');
SELECT relation, differences, place, key, old_values, new_values, table_pages > 0 AS pages FROM zdm_verify('m');

-- Old and new applications at work: nothing differs. A new one leaves old columns NULL or at their default.
INSERT INTO person (id, "Tel") VALUES (3001, '+49 40 1');
UPDATE person SET "Tel" = '+49 40 2', kind = 'work' WHERE id = 7;
INSERT INTO person (id, phone, sort) VALUES (3002, '+44301', 'ABROAD');
SELECT id, "Tel", phone, kind, sort FROM person WHERE id IN (7, 3001, 3002) ORDER BY id;
SELECT differences FROM zdm_verify('m');

-- An application that writes both, another value each; and what is written while the trigger is off.
UPDATE person SET "Tel" = '1', phone = '2' WHERE id = 10;
ALTER TABLE person DISABLE TRIGGER zz_zdm_sync;
UPDATE person SET kind = 'work' WHERE id = 20;
UPDATE person SET phone = NULL WHERE id = 1500;
ALTER TABLE person ENABLE ALWAYS TRIGGER zz_zdm_sync;
SELECT relation, differences, key, old_values, new_values FROM zdm_verify('m') ORDER BY length(key), key;
SELECT differences, key IS NOT NULL AS named FROM zdm_verify('m', examples => 1);
-- In parts, as for a large table.
SELECT sum(n) FROM zdm_verify('m') w, LATERAL (SELECT generate_series(0, w.table_pages - 1) page WHERE w.key = 'id = 10') p,
    LATERAL (SELECT max(v.differences) n FROM zdm_verify('m', 5, 'person', page, 1) v) q;
SELECT count(*) FROM zdm_verify('m', of => 'pg_class');
SELECT * FROM zdm_verify('m', 0);
SELECT * FROM zdm_verify('m', pages => 0);
SELECT * FROM zdm_verify('m', first_page => -1);

-- What going back would lose, or fail at; of a large table only when asked.
SELECT kind, relation, object, used_by, regexp_replace(message, '\(\d+,\d+\), id = \d+(; )?', 'key ', 'g') AS message
  FROM zdm_usage('m') WHERE kind IN ('loss', 'misfit', 'unread');
SELECT differences, key, old_values, new_values FROM zdm_verify('m', going_back => true) ORDER BY length(key), key;
SET zdm.small_table = 0;
SELECT kind, message FROM zdm_usage('m') WHERE kind IN ('loss', 'misfit', 'unread');
RESET zdm.small_table;

-- It reads as the owner, whoever calls it, and only members of the owner's role may.
RESET SESSION AUTHORIZATION;
SELECT max(differences) FROM zdm_verify('m');
SET SESSION AUTHORIZATION verify_bob;
SELECT * FROM zdm_verify('m');
SET SESSION AUTHORIZATION verify_alice;

-- Contract stops at them, and removes nothing.
SELECT zdm_contract('m', true, 'test');
CALL outcome('m');
SELECT count("Tel") FROM person WHERE id = 10;
SELECT max(differences) FROM zdm_verify('m');
UPDATE person SET phone = '1' WHERE id = 10;
UPDATE person SET sort = 'WORK' WHERE id = 20;
SELECT zdm_resume('m');
CALL outcome('m');
-- Accepted by name.
SELECT zdm_contract('m', accept_differences => true);
CALL outcome('m');
SELECT attname FROM pg_attribute WHERE attrelid = 'person'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
SELECT differences_accepted_by FROM zdm.migrations WHERE name = 'm';
SELECT kind, regexp_replace(message, '\(\d+,\d+\)', '(place)') FROM zdm.events WHERE migration = 'm' AND kind IN ('accepted', 'differences') ORDER BY id;
SELECT result ->> 'rows_different' FROM zdm.steps WHERE migration = 'm' AND kind = 'verify';
SELECT * FROM zdm_verify('m');

-- Accepted beforehand; of a table without a key, with a value longer than anybody wants to read.
CREATE TABLE note (body text);
INSERT INTO note SELECT repeat('x', 3000) FROM generate_series(1, 10);
SELECT zdm_create('n', 'ALTER TABLE note ADD COLUMN content text; UPDATE note SET content = body; ALTER TABLE note DROP COLUMN body;') > 0 AS made;
SELECT zdm_contract('n', accept_differences => true);
SELECT zdm_start('n');
CALL zdm_wait('n', 'ready', '60 s');
UPDATE note SET content = 'new' WHERE ctid = (SELECT min(ctid) FROM note);
SELECT differences, place IS NOT NULL AS placed, key, length(old_values ->> 'body'), new_values FROM zdm_verify('n');
SELECT zdm_contract('n', true, 'test', true);
CALL outcome('n');

-- Columns kept equal both ways must be the same, whoever wrote last.
CREATE TABLE renamed (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x');
INSERT INTO renamed SELECT g, 'v' || g FROM generate_series(1, 10) g;
SELECT zdm_create('r', 'ALTER TABLE renamed RENAME COLUMN a TO b;') > 0 AS made;
SELECT zdm_start('r');
CALL zdm_wait('r', 'ready', '60 s');
INSERT INTO renamed (id, a) VALUES (11, 'old');
INSERT INTO renamed (id, b) VALUES (12, 'new');
UPDATE renamed SET b = 'new' WHERE id = 1;
UPDATE renamed SET a = 'old' WHERE id = 2;
SELECT differences FROM zdm_verify('r');
SELECT differing_writes FROM zdm.migrations WHERE name = 'r';
UPDATE renamed SET a = 'old', b = 'new' WHERE id = 3;
SELECT differences, key, old_values, new_values FROM zdm_verify('r');
-- Nor does reading it hold anything that contract has to wait for.
BEGIN;
SELECT differing_writes FROM zdm.migrations WHERE name = 'r';
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text ~ 'differs_';
COMMIT;
SELECT zdm_contract('r', true, 'test');
CALL outcome('r');
UPDATE renamed SET a = 'new' WHERE id = 3;
SELECT zdm_resume('r');
CALL outcome('r');
SELECT differing_writes IS NULL AS forgotten FROM zdm.migrations WHERE name = 'r';
SELECT string_agg(b, ',' ORDER BY id) FROM renamed;

-- What compares nothing says so.
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other VALUES (1);
SELECT zdm_create('o', 'ALTER TABLE other ADD COLUMN c int NOT NULL; UPDATE other SET c = 1 WHERE c IS NULL;') > 0 AS made;
SELECT zdm_start('o');
CALL zdm_wait('o', 'ready', '60 s');
SET client_min_messages = notice;
SELECT * FROM zdm_verify('o');
SELECT zdm_contract('o', true, 'test', accept_differences => true);
SET client_min_messages = warning;
CALL outcome('o');
SELECT forced_reason FROM zdm.migrations WHERE name = 'o';

-- Accepted for the switch: that is not yet for contract.
CREATE TABLE wider (id int PRIMARY KEY, n int);
INSERT INTO wider VALUES (1, 1), (2, 2);
SELECT zdm_create('w', 'ALTER TABLE wider ALTER n TYPE bigint;') > 0 AS made;
SELECT zdm_start('w');
CALL zdm_wait('w', 'ready', '60 s');
ALTER TABLE wider DISABLE TRIGGER zz_zdm_sync;
UPDATE wider SET n = 20 WHERE id = 2;
ALTER TABLE wider ENABLE ALWAYS TRIGGER zz_zdm_sync;
SELECT zdm_switch('w');
CALL outcome('w');
SELECT zdm_contract('w', accept_differences => true);
CALL zdm_wait('w', 'switched', '60 s');
SELECT state, upto, differences_accepted_by FROM zdm.migrations WHERE name = 'w';
SELECT n FROM wider ORDER BY id;
SELECT zdm_contract('w', true, 'test');
CALL outcome('w');
SELECT state, message FROM zdm.migrations WHERE name = 'w';
SELECT zdm_contract('w', accept_differences => true);
CALL outcome('w');

-- A rule whose function makes something is refused that.
CREATE FUNCTION trap() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE trap (); END';
CREATE FUNCTION sly(tel text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('v.sly', true) = 'on' THEN PERFORM v.trap(); END IF;
    RETURN tel;
END $$;
CREATE TABLE trapped (id int PRIMARY KEY, a text);
INSERT INTO trapped VALUES (1, 'a');
SELECT zdm_create('sly', 'ALTER TABLE trapped ADD COLUMN b text; UPDATE trapped SET b = v.sly(a); ALTER TABLE trapped DROP COLUMN a;') > 0 AS made;
SELECT zdm_start('sly');
CALL zdm_wait('sly', 'ready', '60 s');
RESET SESSION AUTHORIZATION;
SET v.sly = 'on';
SELECT * FROM zdm_verify('sly');
SELECT zdm_rollback('sly');
CALL outcome('sly');

DROP SCHEMA v CASCADE;
DROP ROLE verify_alice, verify_bob;
