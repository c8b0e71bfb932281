-- Names of all kinds that would be SQL if they were not quoted, through all phases and back.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE TABLE victim (id int);
CREATE ROLE "sec_names'; DROP TABLE victim; --" LOGIN;
CREATE SCHEMA "s""; DROP TABLE victim; --" AUTHORIZATION "sec_names'; DROP TABLE victim; --";
SET SESSION AUTHORIZATION "sec_names'; DROP TABLE victim; --";
SET search_path = "s""; DROP TABLE victim; --";
SET standard_conforming_strings = on;
CREATE TABLE "t'; DROP TABLE victim; --\" (id int PRIMARY KEY, "c ""; --" text);
INSERT INTO "t'; DROP TABLE victim; --\" SELECT g FROM generate_series(1, 300) g;
CREATE VIEW shape AS
SELECT 'column' AS what, attname::text AS name, attnotnull::text AS is FROM pg_attribute
 WHERE attrelid = '"t''; DROP TABLE victim; --\"'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'index', indexrelid::regclass::text, indisvalid::text FROM pg_index
 WHERE indrelid = '"t''; DROP TABLE victim; --\"'::regclass
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = '"t''; DROP TABLE victim; --\"'::regclass AND contype IN ('c', 'u')
UNION ALL SELECT 'trigger', tgname, tgenabled::text FROM pg_trigger
 WHERE tgrelid = '"t''; DROP TABLE victim; --\"'::regclass
 ORDER BY 1, 2;
-- 63 bytes, of which not all are characters.
CREATE TABLE "äääääääääääääääääääääääääääääääx" ("Id" int PRIMARY KEY, "äääääääääääääääääääääääääääääääy" int);
INSERT INTO "äääääääääääääääääääääääääääääääx" SELECT g FROM generate_series(1, 300) g;
CREATE TABLE "Select" ("from" int PRIMARY KEY, "where" int);
INSERT INTO "Select" SELECT g FROM generate_series(1, 300) g;

SELECT public.zdm_create('m''; DROP TABLE victim; --\', $sql$
ALTER TABLE "t'; DROP TABLE victim; --\" ADD COLUMN "n'; DROP TABLE victim; --\" text NOT NULL;
UPDATE "t'; DROP TABLE victim; --\" SET "n'; DROP TABLE victim; --\" = 'v''; DROP TABLE victim; --\' WHERE "n'; DROP TABLE victim; --\" IS NULL;
UPDATE "t'; DROP TABLE victim; --\" SET "c ""; --" = E'\\ '' $1 %s %I' WHERE "c ""; --" IS NULL;
ALTER TABLE "t'; DROP TABLE victim; --\" ALTER COLUMN "c ""; --" SET NOT NULL;
CREATE INDEX "i'; DROP TABLE victim; --\" ON "t'; DROP TABLE victim; --\" ("c ""; --");
ALTER TABLE "t'; DROP TABLE victim; --\" ADD CONSTRAINT "k'; DROP TABLE victim; --\" CHECK ("c ""; --" <> ';');
$sql$) > 0 AS made;
SELECT public.zdm_start('m''; DROP TABLE victim; --\');
CALL public.zdm_wait('m''; DROP TABLE victim; --\', 'ready', '60 s');
SELECT name, state FROM zdm.migrations ORDER BY id;
INSERT INTO "t'; DROP TABLE victim; --\" VALUES (301);
SELECT DISTINCT "n'; DROP TABLE victim; --\", "c ""; --" FROM "t'; DROP TABLE victim; --\";
SELECT public.zdm_rollback('m''; DROP TABLE victim; --\');
CALL public.zdm_wait('m''; DROP TABLE victim; --\', 'rolled_back', '60 s');
SELECT * FROM shape;
SELECT public.zdm_start('m''; DROP TABLE victim; --\', 'done');
CALL public.zdm_wait('m''; DROP TABLE victim; --\', 'ready', '60 s');
SELECT public.zdm_set('m''; DROP TABLE victim; --\', 'quiet_period', '0');
CALL public.zdm_wait('m''; DROP TABLE victim; --\', 'done', '60 s');
SELECT * FROM shape;

SELECT public.zdm_create('long', $sql$
ALTER TABLE "äääääääääääääääääääääääääääääääx" ADD COLUMN "äääääääääääääääääääääääääääääääz" int NOT NULL;
UPDATE "äääääääääääääääääääääääääääääääx" SET "äääääääääääääääääääääääääääääääz" = 1;
ALTER TABLE "äääääääääääääääääääääääääääääääx" ADD CONSTRAINT "äääääääääääääääääääääääääääääääk" UNIQUE ("Id", "äääääääääääääääääääääääääääääääz");
CREATE INDEX ON "äääääääääääääääääääääääääääääääx" ("äääääääääääääääääääääääääääääääy");
$sql$) > 0 AS made;
SELECT public.zdm_start('long');
CALL public.zdm_wait('long', 'ready', '60 s');
SELECT public.zdm_contract('long');
CALL public.zdm_wait('long', 'done', '60 s');
\d "äääääääääääääääääääääääääääääääx"

SELECT public.zdm_create('keywords', $sql$
ALTER TABLE "Select" ADD COLUMN "order" int NOT NULL;
UPDATE "Select" SET "order" = "from" WHERE "order" IS NULL;
ALTER TABLE "Select" ADD CONSTRAINT "check" CHECK ("order" > 0);
CREATE INDEX "group" ON "Select" ("where", "order");
$sql$) > 0 AS made;
SELECT public.zdm_start('keywords');
CALL public.zdm_wait('keywords', 'ready', '60 s');
INSERT INTO "Select" VALUES (301, 1);
SELECT public.zdm_contract('keywords');
CALL public.zdm_wait('keywords', 'done', '60 s');
\d "Select"
SELECT count(*), sum("order") FROM "Select";
SELECT public.zdm_backfill('"Select"', '"where" = 5', '"where" IS NULL', 'b''; --') > 0 AS made;
CALL public.zdm_wait('b''; --', 'done', '60 s');
SELECT "where", count(*) FROM "Select" GROUP BY 1 ORDER BY 1;
SELECT name, state FROM zdm.migrations ORDER BY id;
RESET SESSION AUTHORIZATION;
RESET search_path;
SELECT to_regclass('victim') IS NOT NULL AS victim_is_there;
DROP OWNED BY "sec_names'; DROP TABLE victim; --";
DROP ROLE "sec_names'; DROP TABLE victim; --";
