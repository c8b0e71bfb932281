-- RENAME COLUMN: what the plan says, and that the catalogs end as a plain RENAME COLUMN leaves them, or, after a
-- rollback, as they were.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET zdm.quiet_period = 0;
CREATE ROLE rename_column_reader;
CREATE ROLE rename_column_writer;

-- The same tables in any schema.
CREATE PROCEDURE make(place text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', place);
    PERFORM set_config('search_path', place, true);
    CREATE TABLE parent (code text COLLATE "C" PRIMARY KEY);
    -- One of everything.
    CREATE TABLE thing (id int PRIMARY KEY, other int DEFAULT 1,
        a text COLLATE "C" NOT NULL DEFAULT 'none' || 'such' CONSTRAINT thing_a_check CHECK (a <> '')
            CONSTRAINT thing_a_fk REFERENCES parent ON UPDATE CASCADE DEFERRABLE,
        CONSTRAINT thing_both CHECK (length(a) + other > 2), last text);
    ALTER TABLE thing ADD CONSTRAINT thing_later CHECK (a <> 'never' OR last <> '') NOT VALID,
        ADD CONSTRAINT thing_a_key UNIQUE (a, id) INCLUDE (other) WITH (fillfactor = 70);
    ALTER TABLE thing ALTER a SET STORAGE EXTERNAL, ALTER a SET COMPRESSION pglz, ALTER a SET STATISTICS 321,
        ALTER a SET (n_distinct = -0.5, n_distinct_inherited = 7);
    CREATE INDEX thing_simple ON thing (a);
    CREATE INDEX thing_mixed ON thing (other, a COLLATE "POSIX" text_pattern_ops DESC NULLS LAST, lower(a)) INCLUDE (last)
        WITH (fillfactor = 60) WHERE a <> 'x';
    CREATE INDEX thing_expression ON thing ((a || last) text_pattern_ops, (length(a)));
    ALTER INDEX thing_expression ALTER COLUMN 2 SET STATISTICS 55;
    CREATE UNIQUE INDEX thing_unique ON thing (a, other, id) NULLS NOT DISTINCT;
    CREATE UNIQUE INDEX thing_identity ON thing (id, a);
    CREATE INDEX thing_hash ON thing USING hash (a);
    CREATE INDEX thing_else ON thing (other) WHERE a IS NOT NULL;
    CREATE INDEX thing_untouched ON thing (last);
    ALTER TABLE thing CLUSTER ON thing_simple;
    ALTER TABLE thing REPLICA IDENTITY USING INDEX thing_identity;
    COMMENT ON COLUMN thing.a IS 'what it''s called';
    COMMENT ON CONSTRAINT thing_a_check ON thing IS 'not empty';
    COMMENT ON CONSTRAINT thing_a_key ON thing IS 'one each';
    COMMENT ON INDEX thing_a_key IS 'of the key';
    COMMENT ON INDEX thing_mixed IS 'mixed';
    GRANT SELECT (a), UPDATE (a) ON thing TO rename_column_reader;
    GRANT INSERT (a, id) ON thing TO rename_column_writer WITH GRANT OPTION;
    GRANT SELECT (a) ON thing TO PUBLIC;
    CREATE STATISTICS thing_stat (ndistinct, mcv) ON a, other FROM thing;
    CREATE STATISTICS thing_expr ON (lower(a)) FROM thing;
    ALTER STATISTICS thing_stat SET STATISTICS 77;
    COMMENT ON STATISTICS thing_stat IS 'together';
    CREATE TABLE seen (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO seen VALUES (TG_NAME || ' ' || TG_OP); RETURN NULL; END $$;
    EXECUTE format('ALTER FUNCTION note() SET search_path = %I', place);
    CREATE TRIGGER any_write AFTER INSERT OR UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER of_a AFTER INSERT OR UPDATE OF last, a ON thing FOR EACH ROW EXECUTE FUNCTION note('some', 'words');
    CREATE TRIGGER when_a AFTER UPDATE ON thing FOR EACH ROW WHEN (OLD.a IS DISTINCT FROM NEW.a) EXECUTE FUNCTION note();
    CREATE TRIGGER off_a AFTER UPDATE OF a ON thing FOR EACH STATEMENT EXECUTE FUNCTION note();
    ALTER TABLE thing DISABLE TRIGGER off_a;
    ALTER TABLE thing ENABLE ALWAYS TRIGGER when_a;
    COMMENT ON TRIGGER of_a ON thing IS 'of a';
    CREATE CONSTRAINT TRIGGER later_a AFTER UPDATE OF a ON thing DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note();
    CREATE VIEW shown WITH (security_barrier = true) AS
        SELECT id, a, lower(t.a) AS low, p.code FROM thing t JOIN parent p ON p.code = t.a WHERE a <> '';
    CREATE VIEW only_a AS SELECT a FROM thing WITH CASCADED CHECK OPTION;
    GRANT SELECT ON shown TO rename_column_reader;
    CREATE VIEW on_top AS SELECT a FROM shown;
    -- A key that others refer to, with a sequence of its own.
    CREATE TABLE keyed (k serial PRIMARY KEY, up int CONSTRAINT keyed_up_fk REFERENCES keyed, n int);
    COMMENT ON CONSTRAINT keyed_pkey ON keyed IS 'the key';
    CREATE TABLE referring (id int, keyed int CONSTRAINT referring_fk REFERENCES keyed ON DELETE CASCADE,
        same int);
    ALTER TABLE referring ADD CONSTRAINT referring_later FOREIGN KEY (same) REFERENCES keyed NOT VALID;
    COMMENT ON CONSTRAINT referring_fk ON referring IS 'from outside';
    CREATE TABLE numbered (n bigint GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 3 CACHE 2 CYCLE MAXVALUE 99999) PRIMARY KEY, v int);
    INSERT INTO parent SELECT 'p' || g FROM generate_series(1, 50) g;
    INSERT INTO parent VALUES ('nonesuch');
    INSERT INTO thing (id, a, last) SELECT g, 'p' || 1 + g % 50, 'x' || g FROM generate_series(1, 2000) g;
    INSERT INTO keyed (up, n) SELECT g, g FROM generate_series(1, 500) g;
    INSERT INTO referring SELECT g, g, g FROM generate_series(1, 500) g;
    INSERT INTO numbered (v) SELECT g FROM generate_series(1, 300) g;
    DELETE FROM seen;
    PERFORM set_config('search_path', 'public', true);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql AS $$
    WITH t AS (SELECT * FROM pg_class WHERE relnamespace = place::text::regnamespace)
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s %s %s %s null %s default %s identity %s storage %s %s stat %s %s acl %s: %s', t.relname, a.attname,
                   format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attcompression, NOT a.attnotnull,
                   pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attstorage, a.attgenerated,
                   nullif(a.attstattarget, -1),
                   (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), a.attacl, col_description(t.oid, a.attnum)) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('table %s kind %s identity %s options %s acl %s', relname, relkind, relreplident, reloptions, relacl) FROM t
        UNION ALL SELECT format('constraint %s %s %s valid %s: %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                   obj_description(c.oid, 'pg_constraint')) FROM t JOIN pg_constraint c ON c.conrelid = t.oid
        UNION ALL SELECT format('index %s cluster %s identity %s primary %s unique %s valid %s options %s: %s', pg_get_indexdef(i.indexrelid),
                   i.indisclustered, i.indisreplident, i.indisprimary, i.indisunique, i.indisvalid, t.reloptions,
                   obj_description(t.oid, 'pg_class')) FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('index column %s %s %s', t.relname, a.attnum, a.attstattarget) FROM t JOIN pg_attribute a ON a.attrelid = t.oid
         WHERE t.relkind = 'i' AND a.attstattarget >= 0
        UNION ALL SELECT format('trigger %s %s: %s', pg_get_triggerdef(g.oid), g.tgenabled, obj_description(g.oid, 'pg_trigger'))
          FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
        UNION ALL SELECT format('statistics %s target %s: %s', pg_get_statisticsobjdef(s.oid), nullif(s.stxstattarget, -1),
                   obj_description(s.oid, 'pg_statistic_ext')) FROM t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
        UNION ALL SELECT format('view %s %s', t.relname, pg_get_viewdef(t.oid)) FROM t WHERE t.relkind = 'v'
        UNION ALL SELECT format('sequence %s of %s %s starts %s by %s to %s cache %s cycle %s', t.relname, a.attname, d.deptype, s.seqstart,
                   s.seqincrement, s.seqmax, s.seqcache, s.seqcycle)
          FROM t JOIN pg_sequence s ON s.seqrelid = t.oid LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid
           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
CREATE PROCEDURE take(migration text, upto text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration, upto);
END $$;

CALL make('before');
CALL make('plain');
CALL make('ours');
SELECT * FROM differing('before', 'ours');
SELECT count(*) > 60 AS enough_to_compare FROM shape('before');

\echo # The plan of a plain column
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': ' || command
       || coalesce(E'\n    undo: ' || undo, '') || E'\n    ' || coalesce(note, '')
  FROM zdm_plan('ALTER TABLE ours.keyed RENAME n TO m') ORDER BY step;
\echo # Of one with all
-- How views are written, and that NOT NULL has a name, depends on the server.
SELECT phase || ' ' || kind || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(replace(regexp_replace(regexp_replace(command, 'CREATE OR REPLACE VIEW [^;]*;', 'a view;', 'g'),
              ' ADD CONSTRAINT \S+ NOT NULL "New name";', ' ALTER COLUMN "New name" SET NOT NULL;'),
              'ALTER TABLE ours.thing RENAME CONSTRAINT zdm_thing_a_not_null_copy TO thing_a_not_null; ', ''), '; ', E';\n    ')
  FROM zdm_plan('ALTER TABLE ours.thing RENAME COLUMN a TO "New name"') ORDER BY step;

\set rename 'ALTER TABLE ours.thing RENAME COLUMN a TO "New name"; ALTER TABLE ours.keyed RENAME k TO key; ALTER TABLE ours.numbered RENAME n TO number;'

\echo # Back from ready
CALL take('back', 'ready', :'rename');
CALL zdm_wait('back', 'ready', '60 s');
SELECT count(*) AS unequal FROM ours.thing WHERE a IS DISTINCT FROM "New name";
SELECT count(*) AS unequal FROM ours.keyed WHERE k IS DISTINCT FROM key;
SELECT * FROM ours.seen;
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back', '60 s');
SELECT * FROM differing('before', 'ours');

\echo # Through to done, with writes of both versions at ready
CALL take('m', 'ready', :'rename');
CALL zdm_wait('m', 'ready', '60 s');
INSERT INTO ours.thing (id, a, last) VALUES (3001, 'p1', 'old');
INSERT INTO ours.thing (id, "New name", last) VALUES (3002, 'p2', 'new');
INSERT INTO ours.thing (id, last) VALUES (3003, 'neither');
SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
UPDATE ours.thing SET a = 'p3' WHERE id = 3001; SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
UPDATE ours.thing SET "New name" = 'p4' WHERE id = 3002; SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
UPDATE ours.thing SET other = 9 WHERE id = 3003; SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
SELECT id, a, "New name", other, last FROM ours.thing WHERE id > 3000 ORDER BY id;
UPDATE ours.thing SET a = '' WHERE id = 3001;
UPDATE ours.thing SET "New name" = '' WHERE id = 3001;
UPDATE ours.thing SET "New name" = NULL WHERE id = 3001;
BEGIN; UPDATE ours.thing SET "New name" = 'nobody' WHERE id = 3001; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK;
INSERT INTO ours.keyed (n) VALUES (-1) RETURNING k = key AS same;
INSERT INTO ours.keyed (key, n) VALUES (1001, -2) RETURNING k, key;
INSERT INTO ours.referring VALUES (1, 1001, 1001);
INSERT INTO ours.numbered (v) VALUES (-1) RETURNING n = number AS same;
SELECT zdm_contract('m', force => true, reason => 'a test');
CALL zdm_wait('m', 'done', '60 s');
ALTER TABLE plain.thing RENAME COLUMN a TO "New name";
ALTER TABLE plain.keyed RENAME k TO key;
ALTER TABLE plain.numbered RENAME n TO number;
SELECT * FROM differing('plain', 'ours');
SELECT id, "New name", other, last FROM ours.thing WHERE id > 3000 ORDER BY id;
-- The sequences go on where they were.
INSERT INTO ours.numbered (v) VALUES (-2);
SELECT v, number - lag(number) OVER (ORDER BY v DESC) AS later_by FROM ours.numbered WHERE v IN (-1, -2) ORDER BY v;
INSERT INTO ours.keyed (n) VALUES (-3) RETURNING key;
DELETE FROM ours.keyed WHERE key = 1001;
SELECT count(*) FROM ours.referring WHERE keyed = 1001;
SELECT a FROM ours.only_a WHERE a = 'p4' LIMIT 1;

\echo # Refused, each by name
CREATE TABLE odd (id int, a text, b int GENERATED ALWAYS AS (length(a)) STORED, c text, g text, h text, j text);
CREATE DOMAIN filled AS text NOT NULL;
CREATE TYPE two AS (one int, other int);
ALTER TABLE odd ADD k filled DEFAULT 'x', ADD l text CHECK (odd IS NOT NULL), ADD m text, ADD n text, ADD o two, ADD p tsvector;
CREATE MATERIALIZED VIEW odd_mat AS SELECT c FROM odd;
CREATE FUNCTION names_g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.g := 'x'; RETURN NEW; END $$;
CREATE VIEW odd_with AS WITH w AS (SELECT h FROM odd) SELECT * FROM w;
CREATE TABLE odd_target (id int PRIMARY KEY);
CREATE PROCEDURE refused(sql text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    PERFORM * FROM zdm_plan(sql);
    RAISE INFO 'not refused: %', sql;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO '%: %', SQLSTATE, message USING DETAIL = detail, HINT = hint;
END $$;
CALL refused('ALTER TABLE odd RENAME l TO z');
ALTER TABLE odd DROP CONSTRAINT odd_check, DROP l;
CALL refused('ALTER TABLE odd RENAME b TO z');
CALL refused('ALTER TABLE odd RENAME k TO z');
CREATE TRIGGER names_g BEFORE INSERT ON odd FOR EACH ROW EXECUTE FUNCTION names_g();
CALL refused('ALTER TABLE odd RENAME g TO z');
DROP TRIGGER names_g ON odd;
CREATE TRIGGER when_g BEFORE UPDATE ON odd FOR EACH ROW WHEN (OLD.j IS DISTINCT FROM NEW.j) EXECUTE FUNCTION names_g();
CALL refused('ALTER TABLE odd RENAME j TO z');
DROP TRIGGER when_g ON odd;
CREATE TRIGGER given_n BEFORE INSERT ON odd FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger(p, 'pg_catalog.english', n);
CALL refused('ALTER TABLE odd RENAME n TO z');
CALL refused('ALTER TABLE odd RENAME p TO z');
DROP TRIGGER given_n ON odd;
CALL refused('ALTER TABLE odd RENAME o TO z');
-- Together with others that would hold on to the column.
CALL refused('CREATE VIEW odd_view AS SELECT m FROM odd; ALTER TABLE odd RENAME m TO z');
CALL refused('ALTER TABLE odd RENAME m TO z; CREATE VIEW odd_view AS SELECT z FROM odd');
CREATE VIEW odd_view AS SELECT id, m FROM odd;
CALL refused('ALTER TABLE odd RENAME m TO z; CREATE OR REPLACE VIEW odd_view AS SELECT id, z AS m FROM odd');
DROP VIEW odd_view;
CALL refused('CREATE FUNCTION odd_m() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT m FROM odd; END; ALTER TABLE odd RENAME m TO z');
ALTER TABLE odd ADD UNIQUE (n), ADD UNIQUE (id);
CALL refused('ALTER TABLE odd_target ADD odd text; ALTER TABLE odd_target ADD FOREIGN KEY (odd) REFERENCES odd (n); ALTER TABLE odd RENAME n TO z');
CALL refused('CREATE TABLE odd_child (n text REFERENCES odd (n)); ALTER TABLE odd RENAME n TO z');
CALL refused('CREATE TABLE odd_child (LIKE odd); ALTER TABLE odd RENAME n TO z');
CALL refused('GRANT SELECT (n) ON odd TO public; ALTER TABLE odd RENAME n TO z');
SELECT count(*) > 0 FROM zdm_plan('ALTER TABLE odd_target ADD FOREIGN KEY (id) REFERENCES odd (id); ALTER TABLE odd RENAME n TO z; GRANT SELECT ON odd TO public; INSERT INTO odd_target SELECT id FROM odd');
CALL refused('ALTER TABLE odd RENAME m TO z; CREATE SEQUENCE odd_seq OWNED BY odd.z');
CALL refused('ALTER TABLE odd RENAME m TO z; ALTER TABLE odd ADD UNIQUE (n) INCLUDE (z)');
CALL refused('ALTER TABLE odd RENAME m TO z; CREATE POLICY odd_policy ON odd_target USING (EXISTS (SELECT FROM odd WHERE z = ''x''))');
CALL refused('ALTER TABLE odd RENAME nothing TO z');
CALL refused('ALTER TABLE odd RENAME g TO h');
CALL refused('ALTER TABLE odd ADD y int; ALTER TABLE odd RENAME y TO z');
CALL refused('ALTER TABLE odd RENAME m TO z; ALTER TABLE odd ALTER z SET NOT NULL');
CALL refused('ALTER TABLE odd DROP m; ALTER TABLE odd RENAME g TO m');
CALL refused('ALTER TABLE odd RENAME m TO z; ALTER TABLE odd ADD m int');
CALL refused('ALTER TABLE odd RENAME CONSTRAINT odd_n_key TO z');
SELECT phase || ' ' || kind || ': ' || command FROM zdm_plan(E'-- zdm: direct\nALTER TABLE odd RENAME m TO z');
SELECT phase || ' ' || kind || ': ' || command FROM zdm_plan('CREATE TABLE made (a int); ALTER TABLE made RENAME a TO b');
SELECT count(*) FROM zdm_plan('ALTER TABLE IF EXISTS nowhere RENAME a TO b; CREATE TABLE made (a int)');
SET client_min_messages = error;
DROP TABLE odd CASCADE;
DROP SCHEMA before, plain, ours CASCADE;
DROP ROLE rename_column_reader;
DROP ROLE rename_column_writer;
