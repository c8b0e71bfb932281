-- RENAME COLUMN of a column that policies and publications name, and that constraints check late or EXCLUDE: all that follows the column; the catalogs
-- end as a plain RENAME COLUMN leaves them, or, after a rollback, as they were; applications notice nothing in between.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET zdm.quiet_period = 0;
-- wal_level is not logical here.
SET client_min_messages = error;
CREATE ROLE rename_named_ann;
CREATE ROLE rename_named_owner;

CREATE PROCEDURE make(place text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', place);
    PERFORM set_config('search_path', place, true);
    CREATE TABLE team (name text PRIMARY KEY);
    CREATE TABLE thing (id int PRIMARY KEY, owner text NOT NULL, slot int, during int4range, team text,
        CONSTRAINT thing_slot UNIQUE (slot) DEFERRABLE,
        CONSTRAINT thing_late UNIQUE (id, slot) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT thing_during EXCLUDE USING gist (during WITH &&) WITH (fillfactor = 80) WHERE (id > 0),
        CONSTRAINT thing_later EXCLUDE USING btree (during WITH =, id WITH =) DEFERRABLE INITIALLY DEFERRED,
        CONSTRAINT thing_team FOREIGN KEY (team) REFERENCES team DEFERRABLE,
        CONSTRAINT thing_team_late FOREIGN KEY (team) REFERENCES team DEFERRABLE INITIALLY DEFERRED);
    ALTER TABLE thing ALTER owner SET STATISTICS 50;
    ALTER TABLE thing DROP CONSTRAINT thing_slot, ADD CONSTRAINT thing_slot UNIQUE (slot) WITH (fillfactor = 70) DEFERRABLE;
    COMMENT ON CONSTRAINT thing_slot ON thing IS 'one each';
    COMMENT ON INDEX thing_slot IS 'of the key';
    COMMENT ON CONSTRAINT thing_during ON thing IS 'one at a time';
    COMMENT ON CONSTRAINT thing_team ON thing IS 'known ones';
    ALTER TABLE thing ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON thing USING (owner = current_user OR owner = 'all') WITH CHECK (owner = current_user AND id > 0);
    COMMENT ON POLICY mine ON thing IS 'one''s own';
    CREATE POLICY "Not nobody" ON thing AS RESTRICTIVE FOR INSERT TO rename_named_ann WITH CHECK (owner <> 'nobody; really');
    CREATE POLICY by_team ON thing FOR SELECT TO public
        USING (EXISTS (SELECT FROM team t WHERE t.name = thing.owner AND t.name <> owner || id) AND owner LIKE 'a%');
    CREATE POLICY other ON thing FOR DELETE USING (id > 3);
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE team, thing (id, owner)', place || '_list');
    EXECUTE format($$CREATE PUBLICATION %I FOR TABLE thing WHERE (owner <> 'secret' AND id > 5) WITH (publish = 'insert')$$, place || '_filter');
    EXECUTE format($$CREATE PUBLICATION %I FOR TABLE thing (id, owner) WHERE (owner::varchar(3) = 'all'::text), team WHERE (name <> '')
        WITH (publish = 'insert')$$, place || '_both');
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE thing (id, slot)', place || '_apart');
    INSERT INTO team VALUES ('ann'), ('bob');
    INSERT INTO thing SELECT g, 'rename_named_ann', g, int4range(g, g + 1), 'ann' FROM generate_series(1, 100) g;
    GRANT ALL ON thing, team TO rename_named_ann;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO rename_named_ann', place);
    PERFORM set_config('search_path', 'public', true);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql AS $$
    WITH t AS (SELECT * FROM pg_class WHERE relnamespace = place::text::regnamespace)
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s %s null %s stat %s acl %s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                   nullif(a.attstattarget, -1), a.attacl) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('constraint %s %s %s valid %s late %s %s: %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                   c.condeferrable, c.condeferred, obj_description(c.oid, 'pg_constraint')) FROM t JOIN pg_constraint c ON c.conrelid = t.oid
        UNION ALL SELECT format('index %s unique %s at once %s valid %s options %s: %s', pg_get_indexdef(i.indexrelid), i.indisunique, i.indimmediate,
                   i.indisvalid, t.reloptions, obj_description(t.oid, 'pg_class')) FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('trigger of %s on %s %s late %s %s', c.conname, t.relname, g.tgfoid::regproc, g.tgdeferrable, g.tginitdeferred)
          FROM t JOIN pg_trigger g ON g.tgrelid = t.oid JOIN pg_constraint c ON c.oid = g.tgconstraint
        UNION ALL SELECT format('policy %s on %s %s %s %s using %s check %s: %s', p.polname, t.relname, p.polpermissive, p.polcmd,
                   (SELECT array_agg(r::regrole ORDER BY 1) FROM unnest(p.polroles) r),
                   pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy'))
          FROM t JOIN pg_policy p ON p.polrelid = t.oid
        UNION ALL SELECT format('publication %s of %s (%s) where %s', p.pubname, t.relname,
                   (SELECT string_agg(a.attname, ', ' ORDER BY a.attname) FROM unnest(r.prattrs::int2[]) n JOIN pg_attribute a
                        ON a.attrelid = t.oid AND a.attnum = n), pg_get_expr(r.prqual, r.prrelid))
          FROM t JOIN pg_publication_rel r ON r.prrelid = t.oid JOIN pg_publication p ON p.oid = r.prpubid) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
CREATE PROCEDURE take(migration text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration);
END $$;

CALL make('before');
CALL make('plain');
CALL make('ours');
SELECT * FROM differing('before', 'ours');
SELECT count(*) > 30 AS enough_to_compare FROM shape('before');
\set rename 'ALTER TABLE ours.thing RENAME owner TO "The keeper"; ALTER TABLE ours.thing RENAME slot TO place; ALTER TABLE ours.thing RENAME during TO span; ALTER TABLE ours.thing RENAME team TO crew;'

\echo # The plan of each
SET client_min_messages = notice;
-- That NOT NULL has a name depends on the server.
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(replace(command, 'ALTER TABLE ours.thing RENAME CONSTRAINT zdm_thing_owner_not_null_copy TO thing_owner_not_null; ', ''), '; ', E';\n    ')
       || coalesce(E'\n    undo: ' || undo, '')
  FROM zdm_plan('ALTER TABLE ours.thing RENAME owner TO "The keeper"') WHERE kind = 'unsync';
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || ': ' || replace(command, '; ', E';\n    ')
       || coalesce(E'\n    undo: ' || undo, '') || E'\n    ' || coalesce(note, '')
  FROM zdm_plan('ALTER TABLE ours.thing RENAME slot TO place') WHERE phase = 'expand' OR kind = 'unsync' ORDER BY step;
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || ': ' || replace(command, '; ', E';\n    ')
       || coalesce(E'\n    undo: ' || undo, '') || E'\n    ' || coalesce(note, '')
  FROM zdm_plan('ALTER TABLE ours.thing RENAME during TO span') WHERE phase = 'expand' OR kind = 'unsync' ORDER BY step;
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || ': ' || replace(command, '; ', E';\n    ')
  FROM zdm_plan('ALTER TABLE ours.thing RENAME team TO crew') WHERE kind IN ('constraint', 'unsync') ORDER BY step;
SET client_min_messages = error;

\echo # Back from ready
CALL take('back', :'rename');
CALL zdm_wait('back', 'ready', '60 s');
SELECT kind, message FROM zdm_usage('back') WHERE kind = 'dependency';
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back', '60 s');
SELECT * FROM differing('before', 'ours');

\echo # At ready the constraints of both versions are checked when they were before
CALL take('m', :'rename');
CALL zdm_wait('m', 'ready', '60 s');
UPDATE ours.thing SET slot = slot + 1;
UPDATE ours.thing SET place = place + 1;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE ours.thing SET slot = 50 WHERE id = 1;
UPDATE ours.thing SET slot = 3 WHERE slot = 50 AND id = 1;
COMMIT;
BEGIN;
SET CONSTRAINTS ours.thing_team DEFERRED;
INSERT INTO ours.thing (id, owner, team) VALUES (200, 'ann', 'carl');
INSERT INTO ours.team VALUES ('carl');
COMMIT;
INSERT INTO ours.thing (id, owner, crew) VALUES (201, 'ann', 'dora');
UPDATE ours.thing SET place = 60 WHERE id = 1;
UPDATE ours.thing SET during = int4range(50, 51) WHERE id = 2;
UPDATE ours.thing SET span = int4range(50, 51) WHERE id = 2;
-- Policies see what either version writes.
SET ROLE rename_named_ann;
INSERT INTO ours.thing (id, owner) VALUES (301, 'rename_named_ann');
INSERT INTO ours.thing (id, "The keeper") VALUES (302, 'rename_named_ann');
INSERT INTO ours.thing (id, owner) VALUES (303, 'bob');
INSERT INTO ours.thing (id, "The keeper") VALUES (303, 'bob');
UPDATE ours.thing SET "The keeper" = 'bob' WHERE id = 301;
SELECT count(*) FROM ours.thing WHERE id > 300;
RESET ROLE;

\echo # What somebody changes on the old column stays; what he puts on the new one would go, and stops contract
ALTER POLICY mine ON ours.thing USING (owner = current_user);
CREATE INDEX thing_added ON ours.thing (slot);
ALTER PUBLICATION ours_list SET TABLE ours.team, ours.thing (id, slot);
CREATE INDEX thing_lost ON ours.thing (place);
CREATE STATISTICS ours.thing_lost_too ON place, id FROM ours.thing;
CREATE VIEW ours.keepers AS SELECT "The keeper" FROM ours.thing;
ALTER TABLE ours.thing ALTER span SET DEFAULT 'empty', ADD CONSTRAINT thing_crew CHECK (crew <> '');
GRANT SELECT ("The keeper") ON ours.thing TO PUBLIC;
GRANT UPDATE (owner) ON ours.thing TO rename_named_owner;
SELECT zdm_contract('m', force => true, reason => 'a test');
CALL zdm_wait('m', 'done', '60 s');
DROP INDEX ours.thing_lost;
DROP STATISTICS ours.thing_lost_too;
DROP VIEW ours.keepers;
ALTER TABLE ours.thing ALTER span DROP DEFAULT, DROP CONSTRAINT thing_crew;
GRANT SELECT (owner) ON ours.thing TO PUBLIC;
GRANT UPDATE ("The keeper") ON ours.thing TO rename_named_owner;

\echo # Done
SELECT zdm_resume('m');
CALL zdm_wait('m', 'done', '60 s');
ALTER POLICY mine ON plain.thing USING (owner = current_user);
CREATE INDEX thing_added ON plain.thing (slot);
ALTER PUBLICATION plain_list SET TABLE plain.team, plain.thing (id, slot);
GRANT UPDATE (owner) ON plain.thing TO rename_named_owner;
GRANT SELECT (owner) ON plain.thing TO PUBLIC;
ALTER TABLE plain.thing RENAME owner TO "The keeper";
ALTER TABLE plain.thing RENAME slot TO place;
ALTER TABLE plain.thing RENAME during TO span;
ALTER TABLE plain.thing RENAME team TO crew;
SELECT * FROM differing('plain', 'ours');
UPDATE ours.thing SET place = place + 1;
SET ROLE rename_named_ann;
INSERT INTO ours.thing (id, "The keeper") VALUES (304, 'bob');
SELECT count(*) FROM ours.thing WHERE id > 300;
RESET ROLE;

\echo # A change of type has the same constraints
CREATE TABLE shifted (id int PRIMARY KEY, slot int CONSTRAINT shifted_slot UNIQUE DEFERRABLE,
    up int CONSTRAINT shifted_up REFERENCES shifted DEFERRABLE);
INSERT INTO shifted SELECT g, g FROM generate_series(1, 50) g;
CALL take('typed', 'ALTER TABLE shifted ALTER slot TYPE bigint');
CALL zdm_wait('typed', 'ready', '60 s');
UPDATE shifted SET slot = slot + 1;
CREATE INDEX shifted_added ON shifted (id, slot);
SELECT zdm_switch('typed');
CALL zdm_wait('typed', 'switched', '60 s');
DROP INDEX shifted_added;
SELECT zdm_resume('typed');
CALL zdm_wait('typed', 'switched', '60 s');
UPDATE shifted SET slot = slot + 1;
SELECT kind, message FROM zdm_usage('typed') WHERE kind = 'dependency';
SELECT zdm_rollback('typed');
CALL zdm_wait('typed', 'rolled_back', '60 s');
UPDATE shifted SET slot = slot + 1;
SELECT zdm_start('typed', 'switched');
CALL zdm_wait('typed', 'switched', '60 s');
SELECT zdm_contract('typed');
CALL zdm_wait('typed', 'done', '60 s');
UPDATE shifted SET slot = slot + 1;
CALL take('key', 'ALTER TABLE shifted ALTER id TYPE bigint');
CALL zdm_wait('key', 'ready', '60 s');
BEGIN;
SET CONSTRAINTS shifted_up DEFERRED;
INSERT INTO shifted VALUES (60, NULL, 61);
INSERT INTO shifted VALUES (61);
COMMIT;
SELECT zdm_start('key', 'switched');
CALL zdm_wait('key', 'switched', '60 s');
BEGIN;
SET CONSTRAINTS shifted_up DEFERRED;
INSERT INTO shifted (id, up) VALUES (62, 63);
INSERT INTO shifted (id) VALUES (63);
COMMIT;
SELECT zdm_contract('key');
CALL zdm_wait('key', 'done', '60 s');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'shifted'::regclass AND contype <> 'n' ORDER BY conname;

\echo # Refused, each by name
CREATE PROCEDURE refused(sql text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    PERFORM * FROM zdm_plan(sql);
    RAISE INFO 'not refused: %', sql;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO '%: %', SQLSTATE, message USING DETAIL = detail, HINT = hint;
END $$;
CREATE TABLE odd (id int PRIMARY KEY, d int4range, e text, f int, CONSTRAINT odd_f EXCLUDE (abs(f) WITH =));
CALL refused('ALTER TABLE odd ALTER f TYPE bigint');
CREATE FUNCTION fine(odd) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE POLICY whole ON odd USING (fine(odd));
CALL refused('ALTER TABLE odd RENAME e TO z');
DROP POLICY whole ON odd;
CREATE RULE reads_e AS ON INSERT TO odd DO ALSO INSERT INTO ours.team VALUES (NEW.e);
CALL refused('ALTER TABLE odd RENAME e TO z');
DROP RULE reads_e ON odd;
-- Publications of others, and policies, at which a plain change of type stops, too.
CREATE PUBLICATION theirs FOR TABLE odd (id, e);
ALTER PUBLICATION theirs OWNER TO rename_named_owner;
GRANT CREATE ON SCHEMA public TO rename_named_ann;
ALTER TABLE odd OWNER TO rename_named_ann;
SET ROLE rename_named_ann;
CALL refused('ALTER TABLE odd ALTER e TYPE varchar(9)');
RESET ROLE;
ALTER TABLE odd OWNER TO CURRENT_USER;
CALL refused('ALTER TABLE odd ALTER e TYPE varchar(9)');
DROP PUBLICATION theirs;
CREATE POLICY two ON odd USING (e = 'x');
CALL refused('ALTER TABLE odd ALTER e TYPE varchar(9)');

\echo # Published, whole
CREATE TABLE sent (id int PRIMARY KEY, n text, at timestamp, amount numeric);
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION in_schema FOR TABLES IN SCHEMA public;
CREATE PUBLICATION sent_columns FOR TABLE sent (id, n);
SET client_min_messages = notice;
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sent ALTER id TYPE bigint');
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sent RENAME n TO m');
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sent ALTER amount TYPE int');
CALL refused('ALTER TABLE sent ALTER at TYPE timestamptz USING at AT TIME ZONE ''UTC''');
SET client_min_messages = error;
CALL refused('ALTER TABLE sent ALTER id TYPE bigint; ALTER TABLE sent RENAME n TO m');
DROP PUBLICATION sent_columns;
ALTER TABLE sent REPLICA IDENTITY FULL;
CALL refused('ALTER TABLE sent ALTER id TYPE bigint');
SET client_min_messages = notice;
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sent RENAME n TO m');
SET client_min_messages = error;
ALTER TABLE sent REPLICA IDENTITY NOTHING;
CALL refused('ALTER TABLE sent ALTER id TYPE bigint');
CALL refused('ALTER TABLE sent RENAME n TO m');
DROP PUBLICATION everything;
DROP PUBLICATION in_schema;
-- Only of some columns, and not of this one: nobody notices.
ALTER TABLE sent REPLICA IDENTITY DEFAULT;
CREATE PUBLICATION sent_columns FOR TABLE sent (id);
SET client_min_messages = notice;
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE sent ALTER at TYPE timestamptz USING at AT TIME ZONE ''UTC''');
-- The owner is subject to its policies, so he could not fill it.
ALTER TABLE sent FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY;
SET client_min_messages = error;
GRANT ALL ON sent TO rename_named_ann;
ALTER TABLE sent OWNER TO rename_named_ann;
SET ROLE rename_named_ann;
CALL refused('ALTER TABLE sent RENAME at TO since');
RESET ROLE;
DROP PUBLICATION sent_columns;
DROP TABLE odd, sent, shifted CASCADE;
DROP SCHEMA before, plain, ours CASCADE;
DROP PUBLICATION before_list, before_filter, before_both, before_apart, plain_list, plain_filter, plain_both, plain_apart, ours_list, ours_filter, ours_both, ours_apart;
DROP OWNED BY rename_named_ann, rename_named_owner;
DROP ROLE rename_named_ann, rename_named_owner;
