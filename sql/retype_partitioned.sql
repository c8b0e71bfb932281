-- ALTER COLUMN TYPE of a partitioned table, when it would rewrite: the catalogs end as a plain ALTER leaves them, in all
-- partitions, or, after a rollback, as they were.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '120s';
SET zdm.quiet_period = 0;
\pset format unaligned
\pset tuples_only on
CREATE ROLE retype_partitioned_reader;

CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE SCHEMA "$ 2";
        SET LOCAL search_path = $;
        CREATE TABLE kind (id int PRIMARY KEY);
        CREATE TABLE item (gone int, id bigint NOT NULL, region text NOT NULL, n int NOT NULL DEFAULT 7
                CONSTRAINT item_n_check CHECK (n > 0) CONSTRAINT item_n_fk REFERENCES kind DEFERRABLE,
            code varchar(20), stamp timestamp, other int DEFAULT 1, CONSTRAINT item_both CHECK (n + other > 1), last text) PARTITION BY LIST (region);
        ALTER TABLE item DROP COLUMN gone;
        CREATE TABLE item_a PARTITION OF item FOR VALUES IN ('a');
        CREATE TABLE item_b (last text, other int DEFAULT 1, odd int, n int NOT NULL DEFAULT 7, region text NOT NULL, stamp timestamp, code varchar(20), id bigint NOT NULL,
            CONSTRAINT item_n_check CHECK (n > 0), CONSTRAINT item_both CHECK (n + other > 1));
        ALTER TABLE item_b DROP COLUMN odd;
        ALTER TABLE item_b ADD CONSTRAINT item_b_fk FOREIGN KEY (n) REFERENCES kind DEFERRABLE;
        ALTER TABLE item ATTACH PARTITION item_b FOR VALUES IN ('b');
        CREATE TABLE item_c PARTITION OF item FOR VALUES IN ('c') PARTITION BY HASH (id);
        CREATE TABLE item_c0 PARTITION OF item_c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE "$ 2"."C 1" PARTITION OF item_c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        ALTER TABLE item ADD CONSTRAINT item_key UNIQUE (n, region, id) INCLUDE (other);
        CREATE INDEX mine ON item_a USING btree (n) WITH (fillfactor = 70);
        CREATE INDEX item_simple ON item (n);
        CREATE INDEX item_mixed ON item (other, n DESC NULLS LAST, (n + 1)) WHERE n <> 5;
        CREATE UNIQUE INDEX item_unique ON item (region, id, n);
        CREATE INDEX item_code ON item (code);
        CREATE INDEX own_index ON item_a (n DESC, (n % 10)) WHERE n <> 6;
        COMMENT ON INDEX own_index IS 'only here';
        CREATE UNIQUE INDEX own_unique ON "$ 2"."C 1" (n, id);
        CREATE INDEX own_code ON item_b (lower(code));
        ALTER TABLE item_b ADD CONSTRAINT own_key UNIQUE (id, n);
        COMMENT ON CONSTRAINT own_key ON item_b IS 'of b alone';
        ALTER TABLE item_a ADD CONSTRAINT own_check CHECK (n <> 99999);
        COMMENT ON CONSTRAINT own_check ON item_a IS 'not so many';
        ALTER TABLE item_b ADD CONSTRAINT item_b_later CHECK (n <> 99999) NOT VALID;
        ALTER TABLE item_a ALTER n SET STATISTICS 99;
        COMMENT ON COLUMN item_b.n IS 'in b';
        GRANT SELECT (n) ON item_b TO retype_partitioned_reader;
        ALTER TABLE item_b CLUSTER ON item_b_n_idx;
        ALTER TABLE item_a REPLICA IDENTITY USING INDEX item_a_region_id_n_idx;
        COMMENT ON CONSTRAINT item_b_fk ON item_b IS 'to kind';
        COMMENT ON COLUMN item.n IS 'how many';
        COMMENT ON CONSTRAINT item_n_check ON item IS 'some';
        COMMENT ON CONSTRAINT item_key ON item IS 'one each';
        GRANT SELECT (n), UPDATE (n) ON item TO retype_partitioned_reader;
        CREATE STATISTICS item_stat (ndistinct, mcv) ON n, other FROM item;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.last := NEW.n; RETURN NEW; END';
        CREATE TRIGGER touch BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE TABLE keyed (k serial, region text, n int, PRIMARY KEY (k, region)) PARTITION BY LIST (region);
        CREATE TABLE keyed_a PARTITION OF keyed FOR VALUES IN ('a');
        CREATE TABLE keyed_b (n int, region text NOT NULL, k int NOT NULL DEFAULT nextval('keyed_k_seq'), CONSTRAINT b_key PRIMARY KEY (k, region) WITH (fillfactor = 80));
        ALTER TABLE keyed ATTACH PARTITION keyed_b FOR VALUES IN ('b');
        CREATE TABLE keyed_c PARTITION OF keyed FOR VALUES IN ('c') PARTITION BY HASH (region);
        CREATE TABLE keyed_c0 PARTITION OF keyed_c FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        ALTER TABLE keyed_c RENAME CONSTRAINT keyed_c_pkey TO middle;
        ALTER TABLE keyed_c0 REPLICA IDENTITY USING INDEX keyed_c0_pkey;
        COMMENT ON CONSTRAINT keyed_pkey ON keyed IS 'the key';
        COMMENT ON CONSTRAINT b_key ON keyed_b IS 'that of b';
        INSERT INTO kind SELECT g FROM generate_series(1, 60) g;
        INSERT INTO item (id, region, n, code, stamp) SELECT g, (ARRAY['a', 'b', 'c'])[1 + g % 3], 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(1, 1500) g;
        INSERT INTO keyed (region, n) SELECT (ARRAY['a', 'b', 'c'])[1 + g % 3], g FROM generate_series(1, 600) g;
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
        'ALTER TABLE ((ours\.(keyed|item)_\w+|"ours 2"\."C 1") ALTER COLUMN zdm_\w+_old|(\S+|"ours 2"\."C 1") ALTER COLUMN zdm_\w+_new) DROP NOT NULL; ', '', 'g') $$;
CALL make('before');
CALL make('plain');
CALL make('ours');
SELECT * FROM differing('before', 'ours');
SELECT count(*) > 120 AS enough_to_compare FROM shape('before');

\echo # What changes the catalog alone is run as it is
CREATE TABLE ours.cheap (id int, code varchar(20)) PARTITION BY LIST (id);
CREATE TABLE ours.cheap_1 PARTITION OF ours.cheap FOR VALUES IN (1);
SELECT phase, kind, lock, command FROM zdm_plan('ALTER TABLE ours.cheap ALTER code TYPE varchar(30)');
-- Unless a leaf has an index of its own, of which nothing is known; one of the table the server builds anew.
CREATE INDEX ON ours.cheap_1 (lower(code));
SELECT count(*) > 5 AS longer FROM zdm_plan('ALTER TABLE ours.cheap ALTER code TYPE varchar(30)');
DROP INDEX ours.cheap_1_lower_idx;
CREATE INDEX ON ours.cheap (code);
SELECT count(*) > 5 AS longer FROM zdm_plan('ALTER TABLE ours.cheap ALTER code TYPE varchar(30)');
DROP TABLE ours.cheap;

\echo # The plan of a key
SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(unnamed(command), '; ', E';\n    ') || coalesce(E'\n    undo: ' || replace(unnamed(undo), '; ', E';\n    '), '')
  FROM zdm_plan('ALTER TABLE ours.keyed ALTER k TYPE bigint') ORDER BY step;
\echo # Of a column with all
SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || replace(unnamed(command), '; ', E';\n    ')
  FROM zdm_plan('ALTER TABLE ours.item ALTER n TYPE bigint') ORDER BY step;

\echo # Back from ready
CALL take('back', 'ready', 'ALTER TABLE ours.item ALTER n TYPE bigint');
CALL take('back_key', 'ready', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('back', 'ready', '100 s');
CALL zdm_wait('back_key', 'ready', '100 s');
SELECT count(*) AS rows, count(*) FILTER (WHERE n IS DISTINCT FROM zdm_n_new) AS unequal FROM ours.item;
SELECT count(*) AS rows, count(*) FILTER (WHERE k IS DISTINCT FROM zdm_k_new) AS unequal FROM ours.keyed;
SELECT zdm_rollback('back');
SELECT zdm_rollback('back_key');
CALL zdm_wait('back', 'rolled_back', '100 s');
CALL zdm_wait('back_key', 'rolled_back', '100 s');
SELECT * FROM differing('before', 'ours');

\echo # Back from switched
CALL take('again', 'switched', 'ALTER TABLE ours.item ALTER n TYPE bigint');
CALL take('again_key', 'switched', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('again', 'switched', '100 s');
CALL zdm_wait('again_key', 'switched', '100 s');
INSERT INTO ours.keyed (k, region, n) VALUES (3000000000, 'c', -1) RETURNING k, zdm_k_old;
SELECT zdm_rollback('again');
CALL zdm_wait('again', 'rolled_back', '100 s');
SELECT zdm_rollback('again_key');
\set VERBOSITY terse
CALL zdm_wait('again_key', 'rolled_back', '100 s');
\set VERBOSITY default
DELETE FROM ours.keyed WHERE k = 3000000000;
-- A partition that came after the switch has no index for its old key.
CREATE TABLE ours.keyed_late PARTITION OF ours.keyed FOR VALUES IN ('late');
INSERT INTO ours.keyed (region, n) VALUES ('late', -4);
SELECT zdm_resume('again_key');
CALL zdm_wait('again_key', 'rolled_back', '100 s');
CREATE UNIQUE INDEX CONCURRENTLY keyed_late_k ON ours.keyed_late (zdm_k_old, region);
SELECT zdm_resume('again_key');
CALL zdm_wait('again_key', 'rolled_back', '100 s');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ours.keyed_late'::regclass AND contype = 'p';
DROP TABLE ours.keyed_late;
SELECT * FROM differing('before', 'ours');

\echo # Through to done
CALL take('m', 'ready', 'ALTER TABLE ours.item ALTER n TYPE bigint');
CALL take('key', 'ready', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('m', 'ready', '100 s');
CALL zdm_wait('key', 'ready', '100 s');
INSERT INTO ours.item (id, region, n) VALUES (3001, 'b', 11), (3002, 'c', 12) RETURNING n = zdm_n_new AS same;
INSERT INTO ours.item (id, region, n) VALUES (3003, 'b', 13);
UPDATE ours.item SET region = 'b', n = 13 WHERE id = 3002;
-- Partitions come and go.
CREATE TABLE ours.keyed_new PARTITION OF ours.keyed FOR VALUES IN ('new');
INSERT INTO ours.keyed (region, n) VALUES ('new', -4);
ALTER TABLE ours.item DETACH PARTITION ours.item_a;
SELECT zdm_switch('m');
CALL zdm_wait('m', 'switched', '100 s');
SELECT zdm_switch('key');
CALL zdm_wait('key', 'switched', '100 s');
SELECT state, message, hint FROM zdm.migrations WHERE name = 'key';
CREATE UNIQUE INDEX CONCURRENTLY keyed_new_k ON ours.keyed_new (zdm_k_new, region);
SELECT zdm_resume('key');
CALL zdm_wait('key', 'switched', '100 s');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ours.keyed_new'::regclass AND contype = 'p';
INSERT INTO ours.item (id, region, n) VALUES (3004, 'b', 14), (3005, 'c', 15);
INSERT INTO ours.item (id, region) VALUES (3006, 'b');
UPDATE ours.item SET region = 'c', n = 16 WHERE id = 3004;
UPDATE ours.item SET n = 17 WHERE id = 3002;
UPDATE ours.item SET n = NULL WHERE id = 3001;
UPDATE ours.item SET n = 0 WHERE id = 3002;
BEGIN; UPDATE ours.item SET n = 5000 WHERE id = 3002; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK;
INSERT INTO ours.keyed (region, n) VALUES ('a', -1) RETURNING k = zdm_k_old AS same;
INSERT INTO ours.keyed VALUES (4000, 'b', -2) RETURNING k, zdm_k_old, n;
SELECT tableoid::regclass, id, n, zdm_n_old, last FROM ours.item WHERE id > 3000 ORDER BY id;
SELECT relation, differences FROM zdm_verify('m') ORDER BY 1;
SELECT zdm_contract('m', true, 'a test');
CALL zdm_wait('m', 'done', '100 s');
SELECT zdm_contract('key', true, 'a test');
CALL zdm_wait('key', 'done', '100 s');
DROP TABLE ours.keyed_new, ours.item_a, plain.item_a;
ALTER TABLE plain.item ALTER n TYPE bigint;
ALTER TABLE plain.keyed ALTER k TYPE bigint;
-- The plain statement makes the parts of indexes, keys and foreign keys anew, under names of the server's choice, and forgets what was
-- said of them. Ours keep all that.
SELECT * FROM differing('plain', 'ours');
SELECT tableoid::regclass, id, n, pg_typeof(n) FROM ours.item WHERE id > 3000 ORDER BY id;
INSERT INTO ours.keyed (region, n) VALUES ('b', -3) RETURNING k;

\echo # With USING and down, in all leaves
CALL take('using', 'switched', E'-- zdm: down stamp = stamp AT TIME ZONE ''UTC''\nALTER TABLE ours.item ALTER stamp TYPE timestamptz USING stamp AT TIME ZONE ''UTC''');
CALL zdm_wait('using', 'switched', '100 s');
UPDATE ours.item SET stamp = '2025-05-05 05:05+00' WHERE id IN (3002, 3005);
SELECT tableoid::regclass, zdm_stamp_old FROM ours.item WHERE id IN (3002, 3005) ORDER BY id;
SELECT zdm_contract('using', true, 'a test');
CALL zdm_wait('using', 'done', '100 s');

\echo # Keys that leaves alone have
CREATE TABLE ours.own (id int NOT NULL, n int NOT NULL) PARTITION BY LIST (id);
CREATE TABLE ours.own_1 PARTITION OF ours.own (PRIMARY KEY (n)) FOR VALUES IN (1);
CREATE TABLE ours.own_2 PARTITION OF ours.own (CONSTRAINT own_2_key UNIQUE (n, id)) FOR VALUES IN (2);
COMMENT ON CONSTRAINT own_2_key ON ours.own_2 IS 'only here';
INSERT INTO ours.own VALUES (1, 1), (1, 2), (2, 1);
CREATE TABLE was AS SELECT shape('ours') AS line;
CALL take('own', 'switched', 'ALTER TABLE ours.own ALTER n TYPE bigint');
CALL zdm_wait('own', 'switched', '100 s');
INSERT INTO ours.own VALUES (1, 2);
SELECT zdm_rollback('own');
CALL zdm_wait('own', 'rolled_back', '100 s');
(TABLE was EXCEPT ALL SELECT shape('ours')) UNION ALL (SELECT shape('ours') EXCEPT ALL TABLE was);
CALL take('own_2', 'ready', 'ALTER TABLE ours.own ALTER n TYPE bigint');
CALL zdm_wait('own_2', 'ready', '100 s');
-- What comes there alone would be lost.
CREATE INDEX own_2_late ON ours.own_2 (n);
SELECT zdm_switch('own_2');
CALL zdm_wait('own_2', 'switched', '100 s');
DROP INDEX ours.own_2_late;
SELECT zdm_resume('own_2');
CALL zdm_wait('own_2', 'switched', '100 s');
SELECT zdm_contract('own_2', true, 'a test');
CALL zdm_wait('own_2', 'done', '100 s');
(TABLE was EXCEPT ALL SELECT shape('ours')) UNION ALL (SELECT shape('ours') EXCEPT ALL TABLE was) ORDER BY 1;
DROP TABLE was;

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
CREATE TABLE odd (id int, a int, b int, c int, d int, e int, key int, sub int) PARTITION BY LIST (key);
CREATE TABLE odd_1 PARTITION OF odd FOR VALUES IN (1);
CREATE TABLE odd_2 PARTITION OF odd FOR VALUES IN (2) PARTITION BY LIST (sub);
ALTER TABLE odd_1 ALTER a SET DEFAULT 3, ADD CONSTRAINT odd_1_b UNIQUE (b) DEFERRABLE;
CREATE VIEW odd_view AS SELECT c FROM odd_1;
ALTER TABLE odd ADD UNIQUE (d, key, sub);
CREATE TABLE refers (d int, key int, sub int, FOREIGN KEY (d, key, sub) REFERENCES odd (d, key, sub));
CALL refused('ALTER TABLE odd ALTER key TYPE bigint');
CALL refused('ALTER TABLE odd ALTER sub TYPE bigint');
CALL refused('ALTER TABLE odd ALTER a TYPE bigint');
CALL refused('ALTER TABLE odd ALTER b TYPE bigint');
CALL refused('ALTER TABLE odd ALTER c TYPE bigint');
CALL refused('ALTER TABLE odd ALTER d TYPE bigint');
CALL refused('ALTER TABLE odd ALTER e TYPE text');
CALL refused('ALTER TABLE ONLY odd ALTER e TYPE bigint');
CALL refused('ALTER TABLE odd_1 ALTER e TYPE bigint');
CALL refused('ALTER TABLE odd ALTER e TYPE bigint; ALTER TABLE odd ALTER id SET NOT NULL');
SELECT phase || ' ' || kind || ' [' || lock || ']: ' || command FROM zdm_plan(E'-- zdm: direct\nALTER TABLE odd ALTER e TYPE bigint');
DROP TABLE refers, odd CASCADE;
DROP SCHEMA before, "before 2", plain, "plain 2", ours, "ours 2" CASCADE;
DROP ROLE retype_partitioned_reader;
