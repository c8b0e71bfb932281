-- zdm_estimate: one row of a stable shape; what zdm_backfill refuses it refuses with the same code; it runs as the
-- caller, under his search_path.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT a.name, format_type(a.type, NULL) AS type
  FROM pg_proc p, unnest(p.proargnames, p.proallargtypes, p.proargmodes) AS a (name, type, mode)
 WHERE p.proname = 'zdm_estimate' AND a.mode = 'o';
SELECT obj_description(oid) IS NOT NULL AS commented FROM pg_proc WHERE proname = 'zdm_estimate';

CREATE TABLE t (id int PRIMARY KEY, a int, b text, c text);
INSERT INTO t SELECT g, g % 10, repeat('b', 40), NULL FROM generate_series(1, 1000) g;
VACUUM ANALYZE t;
\x on
SELECT relation, pages, pages_sampled, rows_min, rows_max, indexes, hot, moved_min <= moved_max AS moved,
       wal_min < wal_max AS wal, table_growth_min <= table_growth_max AS table, index_growth_min <= index_growth_max AS index,
       seconds_min <= seconds_max AS seconds, triggers, notes[array_length(notes, 1)]
  FROM zdm_estimate('t', 'c = ''x''', 'c IS NULL');
SELECT rows_min, rows_max, hot FROM zdm_estimate('t', 'a = -1', 'a <> -1');
CREATE INDEX ON t (a) WHERE c IS NULL;
SELECT rows_min, rows_max, indexes, hot, notes[1] FROM zdm_estimate('t', 'a = -1', 'a = 3');
-- A limit makes it last.
SELECT seconds_min >= 20 AS long FROM zdm_estimate('t', 'b = ''x''', 'b <> ''x''', '{"max_rate": 50}');
\x off

-- The same refusals.
SELECT zdm_estimate(NULL, 'c = 1', 'c IS NULL');
SELECT zdm_estimate('t', NULL, 'c IS NULL');
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL', '{"speed": 1}');
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL', '{"duty": 100}');
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL', '[]');
SELECT zdm_estimate('t', 'c = ''x''; DROP TABLE t', 'c IS NULL');
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL ORDER BY 1');
SELECT zdm_estimate('t', 'd = ''x''', 'c IS NULL');
SELECT zdm_estimate('t', 'a = a + 1');
SELECT zdm_estimate(0, 'c = ''x''', 'c IS NULL');
CREATE VIEW v AS SELECT * FROM t;
SELECT zdm_estimate('v', 'c = ''x''', 'c IS NULL');
BEGIN READ ONLY;
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL');
ROLLBACK;

-- As the caller.
CREATE ROLE backfill_estimate_owner LOGIN;
CREATE ROLE backfill_estimate_other LOGIN;
GRANT SELECT, UPDATE ON t TO backfill_estimate_other;
SET ROLE backfill_estimate_other;
SELECT zdm_estimate('t', 'c = ''x''', 'c IS NULL');
RESET ROLE;
CREATE SCHEMA mine AUTHORIZATION backfill_estimate_owner;
SET ROLE backfill_estimate_owner;
SET search_path = mine;
CREATE TABLE t (id int, c text);
INSERT INTO t SELECT g, NULL FROM generate_series(1, 10) g;
CREATE FUNCTION me() RETURNS text STABLE LANGUAGE sql AS 'SELECT current_user::text';
SELECT relation, rows_min, rows_max, current_user FROM public.zdm_estimate('t', 'c = me()', 'c IS NULL AND me() = ''backfill_estimate_owner''');
SELECT rows_min, rows_max FROM public.zdm_estimate('t', 'c = me()', 'c IS NULL AND me() = ''postgres''');
RESET ROLE;
RESET search_path;

-- Triggers that would fire: those of the columns that are set, and not switched off.
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER of_c AFTER UPDATE OF c ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER of_b AFTER UPDATE OF b ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER of_insert BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT triggers, hot FROM zdm_estimate('t', 'c = ''x''', 'c IS NULL');
CREATE TRIGGER before_all BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER off BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE t DISABLE TRIGGER off;
SELECT triggers, hot, notes[1] FROM zdm_estimate('t', 'c = ''x''', 'c IS NULL');

-- Rows that can't be computed, subqueries, comments, types that vary, columns that were dropped or generated.
SELECT notes[1] FROM zdm_estimate('t', 'c = (1 / (id - 5))::text', 'c IS NULL');
SELECT notes[1] FROM zdm_estimate('t', 'b = (1 / (a - a))::text, c = ''x''', 'c IS NULL');
CREATE TABLE other (id int PRIMARY KEY, name varchar(20));
INSERT INTO other SELECT g, 'n' FROM generate_series(1, 100) g;
CREATE TABLE "Odd ""one""" (gone int, "Id" int, n numeric(8, 2), w varchar(10), d int[], twice int GENERATED ALWAYS AS ("Id" * 2) STORED, j jsonb);
ALTER TABLE "Odd ""one""" DROP COLUMN gone;
ALTER TABLE "Odd ""one""" ADD COLUMN late char(3) DEFAULT 'xyz';
INSERT INTO "Odd ""one""" ("Id") SELECT g FROM generate_series(1, 200) g;
SELECT relation, rows_min, rows_max, hot, notes[1] LIKE '% can''t be %' AS refused FROM zdm_estimate('"Odd ""one"""',
    'n = 1, d = ARRAY["Id"], late = ''a'', j = ''{}'', w = coalesce((SELECT name FROM other o WHERE o.id = "Id"), ''-'') -- why not',
    'w IS NULL -- all');
SELECT count(*) AS migrations FROM zdm.migrations;
DROP OWNED BY backfill_estimate_owner, backfill_estimate_other;
DROP ROLE backfill_estimate_owner, backfill_estimate_other;
