-- Hostile names, search_paths and texts: each plan must mean what the user's session means.
\set SHOW_CONTEXT never
CREATE FUNCTION steps(sql text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT phase || ' ' || kind || ': ' || command || coalesce(E'\n    undo: ' || undo, '')
      FROM public.zdm_plan(sql) ORDER BY step $$;
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA "My ""Shop""";
CREATE SCHEMA b;
CREATE TABLE "My ""Shop"""."Users; DROP" ("Id" int PRIMARY KEY, "näme 'x'" text);
INSERT INTO "My ""Shop"""."Users; DROP" SELECT g FROM generate_series(1, 10) g;
SELECT steps('ALTER TABLE "My ""Shop"""."Users; DROP" ADD COLUMN "Ph""öne" text NOT NULL;
UPDATE "My ""Shop"""."Users; DROP" SET "Ph""öne" = E''it''''s \\ ö'' WHERE "My ""Shop"""."Users; DROP"."Ph""öne" IS NULL;
ALTER TABLE "My ""Shop"""."Users; DROP" ADD UNIQUE ("näme ''x''"), ADD CHECK ("näme ''x''" <> ''()''), ADD FOREIGN KEY ("Id") REFERENCES "My ""Shop"""."Users; DROP";
CREATE INDEX ON "My ""Shop"""."Users; DROP" (lower("näme ''x''"))');

-- Names of 63 bytes, helpers and all; longer ones are cut by the server itself.
SELECT format('CREATE TABLE %I (%I int)', repeat('t', 63), repeat('ö', 31)) \gexec
SELECT format('INSERT INTO %I VALUES (1)', repeat('t', 63)) \gexec
SELECT steps(format('ALTER TABLE %1$I ALTER %2$I SET NOT NULL, ADD UNIQUE (%2$I), ADD CHECK (%2$I > 0); CREATE INDEX ON %1$I (%2$I); CREATE INDEX ON %1$I (%2$I)', repeat('t', 63), repeat('ö', 31)));

-- The same name in two schemas; the path decides, and both can be in one file.
CREATE TABLE public.t (id int PRIMARY KEY, v int);
CREATE TABLE b.t (id int PRIMARY KEY, w int);
INSERT INTO public.t VALUES (1);
INSERT INTO b.t VALUES (1);
SET search_path = b, public;
SELECT public.steps('ALTER TABLE t ADD COLUMN x int');
SELECT public.steps('ALTER TABLE public.t ADD COLUMN x int CHECK (x > 0); ALTER TABLE t ADD COLUMN x int CHECK (x > 0); UPDATE public.t SET x = t.v WHERE public.t.x IS NULL; UPDATE t SET x = w; CREATE INDEX ON public.t (x); CREATE INDEX ON t (x)');
SET search_path = public, pg_temp;
SELECT steps('ALTER TABLE t ADD COLUMN x int; UPDATE t SET x = v');
SET search_path = '';
SELECT public.steps('ALTER TABLE t ADD COLUMN x int');
SELECT public.steps('ALTER TABLE public.t ADD COLUMN x text DEFAULT upper(''a'')');
RESET search_path;

-- Operators and functions that somebody else puts before those of the server.
CREATE SCHEMA evil;
CREATE FUNCTION evil.boom(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.boom);
CREATE FUNCTION evil.boom(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.boom);
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION evil.format_type(oid, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
SET search_path = evil, pg_catalog, public;
SELECT public.steps('ALTER TABLE t ADD COLUMN x text NOT NULL; UPDATE t SET x = lower(''A'') || t.id WHERE x IS NULL; CREATE INDEX ON t (lower(x)); DROP TABLE b.t; COMMENT ON COLUMN t.v IS ''y''');
RESET search_path;

-- Constants mean the same in every session.
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SELECT steps('ALTER TABLE t ADD COLUMN d date DEFAULT ''01/02/2026'', ADD COLUMN z timestamptz DEFAULT ''01/02/2026 10:00'', ADD COLUMN i interval DEFAULT ''1 day 2 hours''');
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT steps('ALTER TABLE t ADD COLUMN s text NOT NULL; UPDATE t SET s = ''a\\b''''c''');
RESET standard_conforming_strings;

-- Places count characters, also behind others than ASCII and other line ends.
SELECT steps(E'-- ääää\r\nALTER TABLE t ADD COLUMN "ö" int;\r\n  /* ü */ ALTER TABLE t DROP COLUMN nope');
SELECT steps(E'ALTER TABLE t ADD COLUMN "ö" int, ADD COLUMN "ü" no_such_type');
SELECT steps(E'ALTER TABLE t ADD COLUMN a int DEFAULT f(1, 2), ADD COLUMN b int[] DEFAULT ''{1,2}'', ADD CHECK (id IN (1, 2))');
SELECT steps(E'ALTER TABLE t ADD COLUMN b int[] DEFAULT ARRAY[1,2], ADD CHECK (id IN (1, 2)), -- and, last\n ADD COLUMN c numeric(5,2)');
