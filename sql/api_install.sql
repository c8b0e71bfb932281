-- CREATE EXTENSION in a schema of one's own works all the way; a schema zdm that somebody made before
-- is not taken over; DROP EXTENSION is refused while a migration is live, and leaves nothing otherwise.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION zdm;
SELECT count(*) AS left_over FROM pg_proc WHERE probin LIKE '%zdm%';
SELECT count(*) AS left_over FROM pg_namespace WHERE nspname = 'zdm';
SELECT count(*) AS left_over FROM pg_event_trigger;

-- Somebody was here first, with functions that wait to be called by a superuser.
CREATE ROLE api_install_mallory LOGIN;
CREATE SCHEMA zdm AUTHORIZATION api_install_mallory;
\set VERBOSITY terse
CREATE EXTENSION zdm;
SELECT count(*) AS functions FROM pg_proc WHERE probin LIKE '%zdm%';
DROP SCHEMA zdm;
SET ROLE api_install_mallory;
CREATE EXTENSION zdm;
RESET ROLE;

CREATE SCHEMA "my tools";
CREATE EXTENSION zdm SCHEMA "my tools";
SELECT pronamespace::regnamespace, count(*) FROM pg_proc WHERE probin LIKE '%zdm%' GROUP BY 1 ORDER BY 1;
CREATE TABLE thing (id int PRIMARY KEY, label text);
INSERT INTO thing SELECT g, 'thing ' || g FROM generate_series(1, 100) g;
SELECT count(*) > 3 AS planned FROM "my tools".zdm_plan('ALTER TABLE thing ADD COLUMN size int NOT NULL; UPDATE thing SET size = 1;');
SELECT "my tools".zdm_create('sizes', 'ALTER TABLE thing ADD COLUMN size int NOT NULL; UPDATE thing SET size = 1;');
SELECT "my tools".zdm_start('sizes');
CALL "my tools".zdm_wait('sizes', 'ready', '60 s');
SELECT state FROM zdm.migrations;

-- Live: nobody takes it away, by no way.
\set VERBOSITY default
DROP EXTENSION zdm;
DROP EXTENSION zdm CASCADE;
DROP EXTENSION IF EXISTS plpgsql, zdm CASCADE;
DROP SCHEMA "my tools" CASCADE;
DROP SCHEMA zdm CASCADE;
SELECT state FROM zdm.migrations;
INSERT INTO thing VALUES (101, 'new');
SELECT size FROM thing WHERE id = 101;

SET zdm.quiet_period = 0;
SELECT "my tools".zdm_contract('sizes');
CALL "my tools".zdm_wait('sizes', 'done', '60 s');
\d thing
SELECT "my tools".zdm_backfill('thing', 'size = 2', 'size = 1', 'sizes again') > 0 AS made;
CALL "my tools".zdm_wait('sizes again', 'done', '60 s');
SELECT size, count(*) FROM thing GROUP BY size;
DROP EXTENSION zdm;
DROP SCHEMA "my tools";
SELECT count(*) AS left_over FROM pg_proc WHERE probin LIKE '%zdm%';
SELECT count(*) AS left_over FROM pg_trigger WHERE tgname LIKE '%zdm%';
DROP ROLE api_install_mallory;
