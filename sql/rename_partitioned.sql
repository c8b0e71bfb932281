-- RENAME COLUMN of a partitioned table: the catalogs end as a plain RENAME COLUMN leaves them, in all partitions, or, after a
-- rollback, as they were.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '120s';
SET zdm.quiet_period = 0;
\pset format unaligned
\pset tuples_only on
CREATE ROLE rename_partitioned_reader;

-- The same tables in several schemas: leaves whose columns stand in another order, that are partitions of a partition, one in
-- another schema, and each has something of its own.
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE SCHEMA "$ 2";
        SET LOCAL search_path = $;
        CREATE TABLE parent (code text PRIMARY KEY);
        CREATE TABLE item (gone int, id bigint NOT NULL, region text NOT NULL, a text NOT NULL DEFAULT 'none'
                CONSTRAINT item_a_check CHECK (a <> '') CONSTRAINT item_a_fk REFERENCES parent ON UPDATE CASCADE DEFERRABLE,
            other int DEFAULT 1, CONSTRAINT item_both CHECK (length(a) + other > 2), last text) PARTITION BY LIST (region);
        ALTER TABLE item DROP COLUMN gone;
        CREATE TABLE item_a PARTITION OF item FOR VALUES IN ('a');
        CREATE TABLE item_b (last text, other int DEFAULT 1, odd int, a text NOT NULL DEFAULT 'none', region text NOT NULL, id bigint NOT NULL,
            CONSTRAINT item_a_check CHECK (a <> ''), CONSTRAINT item_both CHECK (length(a) + other > 2));
        ALTER TABLE item_b DROP COLUMN odd;
        ALTER TABLE item_b ADD CONSTRAINT item_b_fk FOREIGN KEY (a) REFERENCES parent ON UPDATE CASCADE DEFERRABLE;
        ALTER TABLE item ATTACH PARTITION item_b FOR VALUES IN ('b');
        CREATE TABLE item_c PARTITION OF item FOR VALUES IN ('c') PARTITION BY HASH (id);
        CREATE TABLE item_c0 PARTITION OF item_c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "$ 2"."C 1" PARTITION OF item_c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE item_rest PARTITION OF item DEFAULT;
        ALTER TABLE item ADD CONSTRAINT item_later CHECK (a <> 'never' OR last <> '') NOT VALID,
            ADD CONSTRAINT item_key UNIQUE (a, region, id) INCLUDE (other),
            ADD CONSTRAINT item_deferred UNIQUE (id, region, a) DEFERRABLE INITIALLY DEFERRED;
        CREATE INDEX mine ON item_a USING btree (a text_pattern_ops) WITH (fillfactor = 70);
        CREATE INDEX item_simple ON item (a text_pattern_ops);
        CREATE INDEX item_mixed ON item (other, a DESC NULLS LAST, lower(a)) INCLUDE (last) WHERE a <> 'x';
        CREATE UNIQUE INDEX item_unique ON item (region, id, a);
        CREATE INDEX item_untouched ON item (last);
        CREATE INDEX item_of_c ON item_c (last);
        -- Of leaves alone.
        CREATE INDEX own_index ON item_a (a DESC, (a || last)) WHERE a <> 'y';
        ALTER INDEX own_index ALTER COLUMN 2 SET STATISTICS 55;
        COMMENT ON INDEX own_index IS 'only here';
        CREATE UNIQUE INDEX own_unique ON "$ 2"."C 1" (a, id);
        ALTER TABLE item_a ADD CONSTRAINT own_check CHECK (a <> 'own');
        COMMENT ON CONSTRAINT own_check ON item_a IS 'not own';
        ALTER TABLE item_b ADD CONSTRAINT item_b_later CHECK (a <> 'own') NOT VALID;
        ALTER TABLE item_a ALTER a SET STATISTICS 99;
        COMMENT ON COLUMN item_b.a IS 'in b';
        GRANT SELECT (a) ON item_b TO rename_partitioned_reader;
        ALTER TABLE "$ 2"."C 1" ALTER a SET STORAGE EXTERNAL;
        ALTER TABLE ONLY item_c ALTER a SET (n_distinct = 7);
        ALTER TABLE item_b CLUSTER ON item_b_a_idx;
        ALTER TABLE item_a REPLICA IDENTITY USING INDEX item_a_region_id_a_idx;
        COMMENT ON INDEX item_b_a_idx IS 'of b';
        COMMENT ON CONSTRAINT item_b_fk ON item_b IS 'to parent';
        -- Of the table.
        ALTER TABLE ONLY item ALTER a SET STORAGE MAIN;
        ALTER TABLE ONLY item ALTER a SET STATISTICS 321;
        ALTER TABLE item ALTER a SET (n_distinct = -0.5);
        COMMENT ON COLUMN item.a IS 'what it''s called';
        COMMENT ON CONSTRAINT item_a_check ON item IS 'not empty';
        COMMENT ON CONSTRAINT item_key ON item IS 'one each';
        COMMENT ON INDEX item_mixed IS 'mixed';
        GRANT SELECT (a), UPDATE (a) ON item TO rename_partitioned_reader;
        CREATE STATISTICS item_stat (ndistinct, mcv) ON a, other FROM item;
        CREATE TABLE seen (what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SET search_path = $ AS
            'BEGIN INSERT INTO seen VALUES (TG_NAME || '' '' || TG_OP); RETURN NULL; END';
        CREATE TRIGGER any_write AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER of_a AFTER INSERT OR UPDATE OF last, a ON item FOR EACH ROW EXECUTE FUNCTION note('some');
        CREATE TRIGGER when_a AFTER UPDATE ON item FOR EACH ROW WHEN (OLD.a IS DISTINCT FROM NEW.a) EXECUTE FUNCTION note();
        CREATE TRIGGER of_a_statement AFTER UPDATE OF a ON item FOR EACH STATEMENT EXECUTE FUNCTION note();
        ALTER TABLE item ENABLE ALWAYS TRIGGER when_a;
        CREATE VIEW shown AS SELECT id, a, lower(t.a) AS low FROM item t WHERE a <> '';
        CREATE POLICY few ON item FOR SELECT TO rename_partitioned_reader USING (a <> 'hidden');
        -- A primary key with a sequence of its own.
        CREATE TABLE keyed (k serial, region text, n int, PRIMARY KEY (k, region)) PARTITION BY LIST (region);
        CREATE TABLE keyed_a PARTITION OF keyed FOR VALUES IN ('a');
        CREATE TABLE keyed_b (n int, region text NOT NULL, k int NOT NULL DEFAULT nextval('keyed_k_seq'), CONSTRAINT b_key PRIMARY KEY (k, region) WITH (fillfactor = 80));
        ALTER TABLE keyed ATTACH PARTITION keyed_b FOR VALUES IN ('b');
        CREATE TABLE keyed_c PARTITION OF keyed FOR VALUES IN ('c') PARTITION BY HASH (region);
        CREATE TABLE keyed_c0 PARTITION OF keyed_c FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        ALTER TABLE keyed_c RENAME CONSTRAINT keyed_c_pkey TO middle;
        COMMENT ON CONSTRAINT keyed_pkey ON keyed IS 'the key';
        COMMENT ON CONSTRAINT b_key ON keyed_b IS 'that of b';
        INSERT INTO parent SELECT 'p' || g FROM generate_series(1, 50) g;
        INSERT INTO parent VALUES ('none'), ('special');
        INSERT INTO item (id, region, a, last) SELECT g, (ARRAY['a', 'b', 'c', 'd'])[1 + g % 4], 'p' || 1 + g % 50, 'x' || g FROM generate_series(1, 2000) g;
        INSERT INTO keyed (region, n) SELECT (ARRAY['a', 'b', 'c'])[1 + g % 3], g FROM generate_series(1, 600) g;
        DELETE FROM seen;
    $sql$, '$', s);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH t AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN (place, place || ' 2'))
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s %s null %s default %s storage %s %s stat %s %s acl %s inherited %s %s: %s', t.relname, a.attname,
                   format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstorage, a.attcompression,
                   nullif(a.attstattarget, -1), (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), a.attacl,
                   a.attinhcount, a.attislocal, col_description(t.oid, a.attnum)) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('table %s kind %s identity %s options %s acl %s', relname, relkind, relreplident, reloptions, relacl) FROM t
        UNION ALL SELECT format('constraint %s %s %s valid %s local %s %s of %s: %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                   c.conislocal, c.coninhcount, (SELECT p.conname FROM pg_constraint p WHERE p.oid = c.conparentid), obj_description(c.oid, 'pg_constraint'))
          FROM t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype <> 'n'
        UNION ALL SELECT format('index %s cluster %s identity %s primary %s unique %s valid %s of %s: %s', pg_get_indexdef(i.indexrelid),
                   i.indisclustered, i.indisreplident, i.indisprimary, i.indisunique, i.indisvalid,
                   (SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = i.indexrelid),
                   obj_description(t.oid, 'pg_class')) FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('index column %s %s %s', t.relname, a.attnum, a.attstattarget) FROM t JOIN pg_attribute a ON a.attrelid = t.oid
         WHERE t.relkind IN ('i', 'I') AND a.attstattarget >= 0
        UNION ALL SELECT format('trigger %s %s: %s', pg_get_triggerdef(g.oid), g.tgenabled, obj_description(g.oid, 'pg_trigger'))
          FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
        UNION ALL SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid)) FROM t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
        UNION ALL SELECT format('policy %s %s', p.polname, pg_get_expr(p.polqual, p.polrelid)) FROM t JOIN pg_policy p ON p.polrelid = t.oid
        UNION ALL SELECT format('view %s %s', t.relname, pg_get_viewdef(t.oid)) FROM t WHERE t.relkind = 'v'
        UNION ALL SELECT format('sequence %s of %s', t.relname, a.attname) FROM t JOIN pg_sequence s ON s.seqrelid = t.oid
          LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
CREATE PROCEDURE take(migration text, upto text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration, upto);
END $$;
-- Statements without what only servers have whose NOT NULL is a constraint with a name (18).
CREATE FUNCTION unnamed(sql text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(sql, ' ADD CONSTRAINT \S+ NOT NULL ("[^"]+"|\S+);', ' ALTER COLUMN \1 SET NOT NULL;', 'g'),
        'ALTER TABLE \S+ RENAME CONSTRAINT \S*not_null\S* TO \S*not_null\S*;( |$)', '', 'g'),
        'ALTER TABLE (ours\.(keyed|item)_\w+|"ours 2"\."C 1") ALTER COLUMN zdm_\w+_old DROP NOT NULL; ', '', 'g') $$;
CALL make('before');
CALL make('plain');
CALL make('ours');
SELECT * FROM differing('before', 'ours');
SELECT count(*) > 150 AS enough_to_compare FROM shape('before');

\echo # The plan of a key
SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(unnamed(command), '; ', E';\n    ') || coalesce(E'\n    undo: ' || unnamed(undo), '')
  FROM zdm_plan('ALTER TABLE ours.keyed RENAME k TO key') ORDER BY step;
\echo # Of a column with all
SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(regexp_replace(unnamed(command), 'CREATE OR REPLACE VIEW [^;]*;', 'a view;', 'g'), '; ', E';\n    ')
  FROM zdm_plan('ALTER TABLE ours.item RENAME COLUMN a TO "New name"') ORDER BY step;

\set rename 'ALTER TABLE ours.item RENAME COLUMN a TO "New name"; ALTER TABLE ours.keyed RENAME k TO key;'
\echo # Back from ready
CALL take('back', 'ready', :'rename');
CALL zdm_wait('back', 'ready', '100 s');
SELECT count(*) AS rows, count(*) FILTER (WHERE a IS DISTINCT FROM "New name") AS unequal FROM ours.item;
SELECT count(*) AS rows, count(*) FILTER (WHERE k IS DISTINCT FROM key) AS unequal FROM ours.keyed;
SELECT * FROM ours.seen;
SELECT zdm_rollback('back');
CALL zdm_wait('back', 'rolled_back', '100 s');
SELECT * FROM differing('before', 'ours');

\echo # Through to done, with writes of both versions at ready
CALL take('m', 'ready', :'rename');
CALL zdm_wait('m', 'ready', '100 s');
INSERT INTO ours.item (id, region, a, last) VALUES (3001, 'a', 'p1', 'old'), (3002, 'c', 'p1', 'old');
INSERT INTO ours.item (id, region, "New name", last) VALUES (3003, 'b', 'p2', 'new'), (3004, 'c', 'p2', 'new');
INSERT INTO ours.item (id, region, last) VALUES (3005, 'c', 'neither');
SELECT what, count(*) FROM ours.seen GROUP BY 1 ORDER BY 1; DELETE FROM ours.seen;
UPDATE ours.item SET a = 'p3' WHERE id = 3001; SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
UPDATE ours.item SET "New name" = 'p4' WHERE id = 3004; SELECT what FROM ours.seen ORDER BY what; DELETE FROM ours.seen;
-- One that moves.
UPDATE ours.item SET region = 'b', "New name" = 'p5' WHERE id = 3002;
UPDATE ours.item SET region = 'c', a = 'p6' WHERE id = 3003;
SELECT tableoid::regclass, id, a, "New name", last FROM ours.item WHERE id > 3000 ORDER BY id;
UPDATE ours.item SET a = '' WHERE id = 3001;
UPDATE ours.item SET "New name" = '' WHERE id = 3001;
UPDATE ours.item SET "New name" = 'own' WHERE id = 3001;
UPDATE ours.item SET "New name" = NULL WHERE id = 3001;
BEGIN; UPDATE ours.item SET "New name" = 'nobody' WHERE id = 3001; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK;
INSERT INTO ours.keyed (region, n) VALUES ('a', -1) RETURNING k = key AS same;
INSERT INTO ours.keyed (key, region, n) VALUES (1001, 'c', -2) RETURNING k, key;
-- Partitions come and go.
CREATE TABLE ours.keyed_new PARTITION OF ours.keyed FOR VALUES IN ('new');
INSERT INTO ours.keyed (region, n) VALUES ('new', -4);
CREATE TABLE ours.item_new PARTITION OF ours.item FOR VALUES IN ('new');
INSERT INTO ours.item (id, region, "New name", last) VALUES (3010, 'new', 'p2', 'new');
ALTER TABLE ours.item DETACH PARTITION ours.item_rest;
-- What somebody puts on the new column of one partition would go with it.
CREATE INDEX item_a_lost ON ours.item_a ("New name");
ALTER TABLE ours.item_b ADD CONSTRAINT item_b_lost CHECK ("New name" <> 'lost'), ALTER "New name" SET DEFAULT 'lost';
GRANT SELECT ("New name") ON ours.item_c TO PUBLIC;
SELECT zdm_contract('m', force => true, reason => 'a test');
CALL zdm_wait('m', 'done', '100 s');
DROP INDEX ours.item_a_lost;
ALTER TABLE ours.item_b DROP CONSTRAINT item_b_lost, ALTER "New name" DROP DEFAULT;
REVOKE SELECT ("New name") ON ours.item_c FROM PUBLIC;
SELECT zdm_resume('m');
CALL zdm_wait('m', 'done', '100 s');
SELECT count(*) FROM pg_constraint WHERE conrelid::regclass::text ~ 'keyed' AND contype = 'p';
-- What left has both columns still, and all that hung on the old one.
SELECT string_agg(attname, ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'ours.item_rest'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'ours.item_rest'::regclass ORDER BY indexrelid::regclass::text COLLATE "C";
DROP TABLE ours.item_rest, ours.item_new, ours.keyed_new;
DROP TABLE plain.item_rest;
ALTER TABLE plain.item RENAME COLUMN a TO "New name";
ALTER TABLE plain.keyed RENAME k TO key;
SELECT * FROM differing('plain', 'ours');
SELECT tableoid::regclass, id, "New name", other, last FROM ours.item WHERE id > 3000 ORDER BY id;
INSERT INTO ours.keyed (region, n) VALUES ('b', -3) RETURNING key;

\echo # At once, also of a partition key
CALL take('direct', 'done', E'-- zdm: direct\nALTER TABLE ours.keyed RENAME region TO place');
SELECT step, parameters ->> 'locks' FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id WHERE m.name = 'direct';
CALL zdm_wait('direct', 'done', '100 s');
ALTER TABLE plain.keyed RENAME region TO place;
SELECT * FROM differing('plain', 'ours');

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
CREATE TABLE odd (id int, a text, b text, c text, d text, e text, f text, g text, h text, i text, j text, k text, l text, key text, sub text) PARTITION BY LIST (key);
CREATE TABLE odd_1 PARTITION OF odd FOR VALUES IN ('1');
CREATE TABLE odd_2 PARTITION OF odd FOR VALUES IN ('2') PARTITION BY LIST (sub);
CREATE TABLE odd_3 PARTITION OF odd FOR VALUES IN ('3');
ALTER TABLE odd_1 ALTER k SET DEFAULT 'x';
CREATE INDEX odd_2_d ON odd_2 (d);
CREATE FUNCTION names_h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.h := 'x'; RETURN NEW; END $$;
CREATE TRIGGER names_h BEFORE INSERT ON odd_3 FOR EACH ROW EXECUTE FUNCTION names_h();
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER of_i AFTER UPDATE OF i ON odd FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE odd_3 DISABLE TRIGGER of_i;
CREATE RULE reads_j AS ON UPDATE TO odd_3 DO ALSO SELECT NEW.j;
CALL refused('ALTER TABLE odd RENAME key TO z');
CALL refused('ALTER TABLE odd RENAME sub TO z');
CALL refused('ALTER TABLE odd RENAME d TO z');
CALL refused('ALTER TABLE odd RENAME h TO z');
CALL refused('ALTER TABLE odd RENAME i TO z');
CALL refused('ALTER TABLE odd RENAME j TO z');
CALL refused('ALTER TABLE odd RENAME k TO z');
CALL refused('ALTER TABLE ONLY odd RENAME l TO z');
CALL refused('ALTER TABLE odd_1 RENAME l TO z');
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE TABLE far (id int, a text) PARTITION BY LIST (id);
CREATE FOREIGN TABLE far_1 PARTITION OF far FOR VALUES IN (1) SERVER nowhere;
CALL refused('ALTER TABLE far RENAME a TO z');
SELECT phase || ' ' || kind || ' [' || lock || ']: ' || command || ' undo: ' || undo FROM zdm_plan(E'-- zdm: direct\nALTER TABLE odd RENAME key TO z');
DROP TABLE odd CASCADE;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
DROP SCHEMA before, "before 2", plain, "plain 2", ours, "ours 2" CASCADE;
DROP ROLE rename_partitioned_reader;
