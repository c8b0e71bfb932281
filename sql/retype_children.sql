-- ALTER COLUMN TYPE, when it would rewrite, of tables from which others inherit: the catalogs end as a plain ALTER leaves them, in all
-- tables, or, after a rollback, as they were. Children that differ, that come and that go.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET statement_timeout = '120s';
SET zdm.quiet_period = 0;
\pset format unaligned
\pset tuples_only on

CREATE ROLE retype_children_reader;
-- Children with a key, indexes and checks of their own, over columns of their own too; with a dropped column, in another order and with the columns
-- of the table above as their own; in another schema; a child of a child. All of them have rows.
CREATE PROCEDURE make(s text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE replace($sql$
        CREATE SCHEMA $;
        CREATE SCHEMA "$ 2";
        SET LOCAL search_path = $;
        CREATE TABLE kind (id int PRIMARY KEY);
        INSERT INTO kind SELECT generate_series(1, 2000);
        CREATE TABLE base (gone int, id bigint NOT NULL, n int NOT NULL DEFAULT 7 CONSTRAINT base_n_check CHECK (n > 0) CONSTRAINT base_n_fk REFERENCES kind,
            code varchar(10), stamp timestamp, last text, CONSTRAINT alone CHECK (n <> 13000) NO INHERIT, CONSTRAINT base_key UNIQUE (n, id));
        ALTER TABLE base DROP COLUMN gone;
        COMMENT ON COLUMN base.n IS 'how many';
        COMMENT ON CONSTRAINT base_n_check ON base IS 'some';
        CREATE INDEX base_n ON base (n DESC) WHERE n <> 5;
        CREATE STATISTICS base_stat (ndistinct) ON n, id FROM base;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.last := NEW.n; RETURN NEW; END';
        CREATE TRIGGER touch BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE TABLE kid_a (CONSTRAINT a_key UNIQUE (n, id)) INHERITS (base);
        COMMENT ON CONSTRAINT a_key ON kid_a IS 'one each';
        ALTER TABLE kid_a REPLICA IDENTITY USING INDEX a_key;
        CREATE TABLE kid_b (extra int NOT NULL DEFAULT 1, wide int GENERATED ALWAYS AS (extra * 2) STORED, CONSTRAINT b_check CHECK (n > extra) NO INHERIT) INHERITS (base);
        COMMENT ON CONSTRAINT b_check ON kid_b IS 'of b';
        CREATE INDEX kid_b_extra ON kid_b (extra, n) WHERE wide > 0;
        CREATE TABLE grand (more text, CONSTRAINT grand_check CHECK (n < 1000000 OR more IS NULL)) INHERITS (kid_b);
        ALTER TABLE grand ADD PRIMARY KEY (n, id);
        ALTER TABLE grand ADD CONSTRAINT later CHECK (n <> 99) NOT VALID;
        CREATE UNIQUE INDEX grand_more ON grand (lower(more), n, id);
        COMMENT ON INDEX grand_more IS 'more';
        CREATE TABLE kid_c (last text, odd int, n int CONSTRAINT base_n_not_null NOT NULL DEFAULT 7 CONSTRAINT base_n_check CHECK (n > 0), stamp timestamp, code varchar(10), id bigint NOT NULL);
        ALTER TABLE kid_c DROP COLUMN odd;
        ALTER TABLE kid_c INHERIT base;
        ALTER TABLE kid_c ALTER n SET STATISTICS 99;
        COMMENT ON COLUMN kid_c.n IS 'in c';
        GRANT SELECT (n) ON kid_c TO retype_children_reader;
        CREATE TABLE grand_c () INHERITS (kid_c);
        CREATE TABLE grand_d (own int, n int CONSTRAINT base_n_not_null NOT NULL DEFAULT 7 CONSTRAINT base_n_check CHECK (n > 0), id bigint NOT NULL, code varchar(10), stamp timestamp, last text);
        ALTER TABLE grand_d INHERIT kid_c;
        CREATE TABLE "$ 2"."Kid 1" () INHERITS (base);
        CREATE INDEX "Kid 1 idx" ON "$ 2"."Kid 1" (n, code);
        CREATE TABLE keyed (k serial PRIMARY KEY, v int);
        CREATE TABLE refers (k int CONSTRAINT refers_fk REFERENCES keyed, v int);
        CREATE TABLE keyed_a () INHERITS (keyed);
        ALTER TABLE keyed_a ADD CONSTRAINT a_pkey PRIMARY KEY (k) WITH (fillfactor = 80);
        COMMENT ON CONSTRAINT a_pkey ON keyed_a IS 'that of a';
        ALTER TABLE keyed_a CLUSTER ON a_pkey;
        CREATE TABLE keyed_b () INHERITS (keyed);
        CREATE TABLE keyed_bb (w int) INHERITS (keyed_b);
        ALTER TABLE keyed_bb ADD PRIMARY KEY (v, k) INCLUDE (w);
        INSERT INTO base (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(1, 200) g;
        INSERT INTO kid_a (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(1001, 1200) g;
        INSERT INTO kid_b (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(2001, 2100) g;
        INSERT INTO grand (id, n, code, stamp, more) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01', 'm' || g FROM generate_series(3001, 3100) g;
        INSERT INTO kid_c (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(4001, 4100) g;
        INSERT INTO grand_c (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(4501, 4600) g;
        INSERT INTO grand_d (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(4701, 4800) g;
        INSERT INTO "$ 2"."Kid 1" (id, n, code, stamp) SELECT g, 10 + g % 50, 'c' || g, '2024-01-01' FROM generate_series(5001, 5100) g;
        INSERT INTO keyed (v) SELECT generate_series(1, 100);
        INSERT INTO refers SELECT k, v FROM keyed;
        INSERT INTO keyed_a (v) SELECT generate_series(101, 200);
        INSERT INTO keyed_b (v) SELECT generate_series(201, 300);
        INSERT INTO keyed_bb (v) SELECT generate_series(301, 400);
    $sql$, '$', s);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH t AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN (place, place || ' 2'))
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s %s null %s default %s storage %s stat %s acl %s inherited %s %s: %s', t.relname, a.attname,
                   format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstorage,
                   nullif(a.attstattarget, -1), a.attacl, a.attinhcount, a.attislocal, col_description(t.oid, a.attnum)) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('table %s identity %s of %s', relname, relreplident, (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                   FROM pg_inherits WHERE inhrelid = t.oid)) FROM t WHERE relkind = 'r'
        UNION ALL SELECT format('constraint %s %s %s valid %s local %s %s %s: %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated,
                   c.conislocal, c.coninhcount, c.connoinherit, obj_description(c.oid, 'pg_constraint'))
          FROM t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype <> 'n'
        UNION ALL SELECT format('index %s cluster %s identity %s primary %s unique %s valid %s: %s', pg_get_indexdef(i.indexrelid),
                   i.indisclustered, i.indisreplident, i.indisprimary, i.indisunique, i.indisvalid, obj_description(t.oid, 'pg_class'))
          FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('trigger %s %s', pg_get_triggerdef(g.oid), g.tgenabled) FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
        UNION ALL SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid)) FROM t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
        UNION ALL SELECT format('sequence %s %s of %s', t.relname, s.seqtypid::regtype, a.attname) FROM t JOIN pg_sequence s ON s.seqrelid = t.oid
          LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) x $$;
CREATE FUNCTION differing(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT shape(one) EXCEPT ALL SELECT shape(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT shape(two) EXCEPT ALL SELECT shape(one)) x (s)) ORDER BY 1 $$;
-- Rows as JSON, with the table that each is in.
CREATE FUNCTION rows_of(place name) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOR name IN SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE nspname IN (place, place || ' 2') AND relkind = 'r' LOOP
        RETURN QUERY EXECUTE format('SELECT %L || '' '' || to_jsonb(t) FROM ONLY %s t', replace(name, place, 'S'), name);
    END LOOP;
END $$;
CREATE FUNCTION other_rows(one name, two name) RETURNS SETOF text LANGUAGE sql AS $$
    (SELECT '- ' || s FROM (SELECT rows_of(one) EXCEPT ALL SELECT rows_of(two)) x (s)) UNION ALL
    (SELECT '+ ' || s FROM (SELECT rows_of(two) EXCEPT ALL SELECT rows_of(one)) x (s)) ORDER BY 1 $$;
-- What zdm leaves nowhere.
CREATE VIEW litter AS
    SELECT 'trigger on ' || tgrelid::regclass FROM pg_trigger WHERE tgname ~ 'zdm'
    UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname FROM pg_attribute WHERE attname ~ '^zdm_.*_(new|old)$' AND NOT attisdropped
      AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')
    UNION ALL SELECT 'index ' || oid::regclass FROM pg_class WHERE relname ~ '^zdm_' AND relkind = 'i' AND relnamespace <> 'zdm'::regnamespace
    UNION ALL SELECT 'constraint ' || conname || ' on ' || conrelid::regclass FROM pg_constraint WHERE conname ~ '^zdm_' AND connamespace <> 'zdm'::regnamespace
    UNION ALL SELECT 'sequence ' || oid::regclass FROM pg_class WHERE relname ~ '^(acted|wrote|differs)_\d+' AND relkind = 'S'
    ORDER BY 1;
CREATE PROCEDURE take(migration text, upto text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration, upto);
END $$;
CREATE FUNCTION said(migration text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(state || ': ' || message || E'\n' || detail || E'\n' || hint, '\(\d+,\d+\)', '(here)', 'g') FROM zdm.migrations WHERE name = migration $$;
-- The statements of a step but those about NOT NULL, which is a constraint with a name on some servers (18).
CREATE FUNCTION lines(sql text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(line, E';\n    ' ORDER BY n) FROM regexp_split_to_table(rtrim(sql, ';'), '; ?[\n ]') WITH ORDINALITY x (line, n) WHERE line !~* 'not[_ ]null' $$;
CALL make('before');
CALL make('plain');
CALL make('ours');
ANALYZE;
SELECT * FROM differing('before', 'ours');
SELECT * FROM other_rows('before', 'ours');
TABLE litter;
SELECT count(*) > 90 AS enough_to_compare FROM shape('before');

\echo # The plan of a key
SELECT phase || ' ' || kind || coalesce(' ' || relation, '') || coalesce(' [' || lock || ']', '') || CASE WHEN removal THEN ' REMOVAL' ELSE '' END || ': '
       || lines(command) || coalesce(E'\n    undo: ' || lines(undo), '')
  FROM zdm_plan('ALTER TABLE ours.keyed ALTER k TYPE bigint') WHERE kind IN ('index', 'sync', 'unsync') AND (phase <> 'expand' OR relation = 'ours.keyed_a') ORDER BY step;
\echo # Of a column with all: what is done in children, beside triggers
SELECT phase || ' ' || kind || ' ' || relation || ': ' || lines(command) FROM zdm_plan('ALTER TABLE ours.base ALTER n TYPE bigint')
 WHERE relation <> 'ours.base' AND kind <> 'sync' ORDER BY step;

\echo # Back from ready
CALL take('back', 'ready', 'ALTER TABLE ours.base ALTER n TYPE bigint');
CALL take('back_key', 'ready', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('back', 'ready', '100 s');
CALL zdm_wait('back_key', 'ready', '100 s');
SELECT count(*) AS rows, count(*) FILTER (WHERE n IS DISTINCT FROM zdm_n_new) AS unequal FROM ours.base;
SELECT count(*) AS rows, count(*) FILTER (WHERE k IS DISTINCT FROM zdm_k_new) AS unequal FROM ours.keyed;
INSERT INTO ours.grand_d (id, n) VALUES (9001, 70) RETURNING zdm_n_new;
UPDATE ours.base SET n = 71 WHERE id = 9001 RETURNING tableoid::regclass, zdm_n_new;
DELETE FROM ours.base WHERE id = 9001;
SELECT zdm_rollback('back');
SELECT zdm_rollback('back_key');
CALL zdm_wait('back', 'rolled_back', '100 s');
CALL zdm_wait('back_key', 'rolled_back', '100 s');
SELECT * FROM differing('before', 'ours');
SELECT * FROM other_rows('before', 'ours');
TABLE litter;

\echo # Back from switched, where a value does not fit
CALL take('again', 'switched', 'ALTER TABLE ours.base ALTER n TYPE bigint');
CALL take('again_key', 'switched', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('again', 'switched', '100 s');
CALL zdm_wait('again_key', 'switched', '100 s');
INSERT INTO ours.keyed_bb (k, v) VALUES (3000000000, -1) RETURNING k, zdm_k_old;
INSERT INTO ours.grand_c (id, n) VALUES (9001, 3000000000), (9002, 80) RETURNING n, zdm_n_old;
INSERT INTO ours.kid_c VALUES (NULL, 81, NULL, NULL, 9003) RETURNING n, zdm_n_old;
INSERT INTO ours.kid_b (id, n, extra) VALUES (9003, 3, 5);
INSERT INTO ours.kid_c (id, n) VALUES (9003, 0);
INSERT INTO ours.grand_d (id, n) VALUES (9003, 0);
INSERT INTO ours.kid_a (id, n) VALUES (1001, 11);
INSERT INTO ours.kid_a (id, n) VALUES (9003, NULL);
UPDATE ours.grand SET n = 10, id = 3050 WHERE id = 3100;
SELECT relation, differences FROM zdm_verify('again') ORDER BY 1;
SELECT kind, regexp_replace(message, '\(\d+,\d+\)', '(here)') FROM zdm_usage('again') WHERE kind IN ('misfit', 'loss');
SELECT zdm_rollback('again');
CALL zdm_wait('again', 'rolled_back', '100 s');
SELECT said('again');
SELECT zdm_rollback('again_key');
CALL zdm_wait('again_key', 'rolled_back', '100 s');
SELECT said('again_key');
DELETE FROM ours.keyed WHERE k = 3000000000;
UPDATE ours.base SET n = 82 WHERE id = 9001 RETURNING tableoid::regclass, zdm_n_old;
SELECT zdm_resume('again');
CALL zdm_wait('again', 'rolled_back', '100 s');
SELECT zdm_resume('again_key');
CALL zdm_wait('again_key', 'rolled_back', '100 s');
SELECT tableoid::regclass, id, n, last FROM ours.base WHERE id > 9000 ORDER BY id;
DELETE FROM ours.base WHERE id > 9000;
SELECT * FROM differing('before', 'ours');
SELECT * FROM other_rows('before', 'ours');
TABLE litter;

\echo # Differences in children are found, and stop the switch and contract
CALL take('m', 'ready', 'ALTER TABLE ours.base ALTER n TYPE bigint');
CALL take('key', 'switched', 'ALTER TABLE ours.keyed ALTER k TYPE bigint');
CALL zdm_wait('m', 'ready', '100 s');
CALL zdm_wait('key', 'switched', '100 s');
SELECT parameters ->> 'locks' FROM zdm.step WHERE migration_id = (SELECT id FROM zdm.migration WHERE name = 'm') AND phase = 'switch' AND kind = 'sync';
ALTER TABLE ours.grand DISABLE TRIGGER zz_zdm_sync;
UPDATE ours.grand SET zdm_n_new = 5000 WHERE id = 3001;
ALTER TABLE ours.grand ENABLE ALWAYS TRIGGER zz_zdm_sync;
SELECT relation, differences, old_values, new_values FROM zdm_verify('m') WHERE differences > 0;
SELECT zdm_switch('m');
CALL zdm_wait('m', 'switched', '100 s');
SELECT said('m');
UPDATE ours.base SET zdm_n_new = n WHERE id = 3001;
SELECT zdm_resume('m');
CALL zdm_wait('m', 'switched', '100 s');
ALTER TABLE ours.keyed_bb DISABLE TRIGGER zz_zdm_sync;
UPDATE ours.keyed_bb SET zdm_k_old = k + 1000 WHERE v = 301;
ALTER TABLE ours.keyed_bb ENABLE ALWAYS TRIGGER zz_zdm_sync;
SELECT relation, differences, old_values, new_values FROM zdm_verify('key') WHERE differences > 0;
SELECT zdm_contract('key', true, 'a test');
CALL zdm_wait('key', 'done', '100 s');
SELECT said('key');
UPDATE ours.keyed SET zdm_k_old = k WHERE v = 301;
SELECT zdm_resume('key');
CALL zdm_wait('key', 'done', '100 s');

\echo # Through to done
INSERT INTO ours.kid_b (id, n) VALUES (9001, 90) RETURNING zdm_n_old;
UPDATE ours.base SET n = n + 1 WHERE id IN (1001, 2001, 3001, 4001, 4501, 4701, 5001);
DELETE FROM ours.base WHERE id IN (9001, 3002);
SELECT zdm_contract('m', true, 'a test');
CALL zdm_wait('m', 'done', '100 s');
UPDATE plain.base SET n = n + 1 WHERE id IN (1001, 2001, 3001, 4001, 4501, 4701, 5001);
DELETE FROM plain.base WHERE id = 3002;
ALTER TABLE plain.base ALTER n TYPE bigint;
ALTER TABLE plain.keyed ALTER k TYPE bigint;
-- The plain statement forgets the sequence.
SELECT * FROM differing('plain', 'ours');
SELECT * FROM other_rows('plain', 'ours');
TABLE litter;

\echo # With USING and down, in all tables
CALL take('using', 'switched', E'-- zdm: down stamp = stamp AT TIME ZONE ''UTC''\nALTER TABLE ours.base ALTER stamp TYPE timestamptz USING stamp AT TIME ZONE ''UTC''');
CALL zdm_wait('using', 'switched', '100 s');
UPDATE ours.base SET stamp = '2025-05-05 05:05+00' WHERE id IN (1002, 4702);
SELECT tableoid::regclass, zdm_stamp_old FROM ours.base WHERE id IN (1002, 4702) ORDER BY id;
SELECT zdm_rollback('using');
CALL zdm_wait('using', 'rolled_back', '100 s');
SELECT tableoid::regclass, stamp FROM ours.base WHERE id IN (1002, 4702) ORDER BY id;
UPDATE ours.base SET stamp = '2024-01-01' WHERE id IN (1002, 4702);
SELECT * FROM differing('plain', 'ours');
SELECT * FROM other_rows('plain', 'ours');
TABLE litter;

\echo # Children that leave, or are dropped, in each phase: those that leave keep nothing but the names of copies
-- A tree whose child t_1 has a key, an index and a check of its own, and a child.
CREATE PROCEDURE grow() LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS t, t_1, t_11, t_2, late CASCADE;
    CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 7 CONSTRAINT t_check CHECK (n > 0));
    CREATE TABLE t_1 (own int DEFAULT 3, CONSTRAINT t_1_check CHECK (n > own) NO INHERIT) INHERITS (t);
    ALTER TABLE t_1 ADD PRIMARY KEY (n, id);
    CREATE INDEX t_1_own ON t_1 (own, n);
    CREATE TABLE t_11 (n int CONSTRAINT t_n_not_null NOT NULL DEFAULT 7 CONSTRAINT t_check CHECK (n > 0)) INHERITS (t_1);
    CREATE TABLE t_2 () INHERITS (t);
    INSERT INTO t SELECT g, g FROM generate_series(1, 10) g;
    INSERT INTO t_1 SELECT g, g FROM generate_series(11, 20) g;
    INSERT INTO t_11 SELECT g, g FROM generate_series(21, 30) g;
    INSERT INTO t_2 SELECT g, g FROM generate_series(31, 40) g;
END $$;
CREATE PROCEDURE walk(upto text, event text, to_state text) LANGUAGE plpgsql AS $$
DECLARE name text := upto || ' | ' || event || ' | ' || to_state; sums text; line text;
BEGIN
    CALL grow();
    PERFORM zdm_create(name, 'ALTER TABLE t ALTER n TYPE bigint');
    PERFORM zdm_start(name, upto);
    COMMIT;
    CALL zdm_wait(name, upto, '60 s');
    EXECUTE event;
    COMMIT;
    IF to_state = 'rolled_back' THEN
        PERFORM zdm_rollback(name);
    ELSE
        IF upto <> 'switched' THEN
            IF upto = 'expanded' THEN PERFORM zdm_start(name); COMMIT; CALL zdm_wait(name, 'ready', '60 s'); END IF;
            PERFORM zdm_switch(name);
            COMMIT;
            CALL zdm_wait(name, 'switched', '60 s');
        END IF;
        PERFORM zdm_contract(name, true, 'a test');
    END IF;
    COMMIT;
    CALL zdm_wait(name, to_state, '60 s');
    RAISE INFO '% => %', name, (SELECT state FROM zdm.migrations m WHERE m.name = walk.upto || ' | ' || walk.event || ' | ' || to_state);
    FOR line IN SELECT * FROM litter LOOP RAISE INFO '     left: %', line; END LOOP;
    SELECT string_agg(format('%s %s %s', tableoid::regclass, count, sum), ', ' ORDER BY tableoid::regclass::text) INTO sums FROM (SELECT tableoid, count(*), sum(n) FROM t GROUP BY 1) x;
    RAISE INFO '     %', sums;
END $$;
CALL walk('expanded', 'ALTER TABLE t_1 NO INHERIT t', 'done');
CALL walk('expanded', 'ALTER TABLE t_1 NO INHERIT t', 'rolled_back');
CALL walk('ready', 'ALTER TABLE t_1 NO INHERIT t', 'done');
CALL walk('ready', 'ALTER TABLE t_1 NO INHERIT t', 'rolled_back');
CALL walk('switched', 'ALTER TABLE t_1 NO INHERIT t', 'done');
CALL walk('switched', 'ALTER TABLE t_1 NO INHERIT t', 'rolled_back');
CALL walk('expanded', 'DROP TABLE t_1 CASCADE', 'rolled_back');
CALL walk('ready', 'DROP TABLE t_1 CASCADE', 'done');
CALL walk('switched', 'DROP TABLE t_1 CASCADE', 'done');
CALL walk('switched', 'DROP TABLE t_1 CASCADE', 'rolled_back');

\echo # What comes on the column of a child alone, or goes there, stops the switch: it would be lost, or come back
CALL grow();
CALL take('hangs', 'ready', 'ALTER TABLE t ALTER n TYPE bigint');
CALL zdm_wait('hangs', 'ready', '60 s');
CREATE INDEX t_2_late ON t_2 (n);
ALTER TABLE t_11 ADD CONSTRAINT t_11_late CHECK (n < 1000);
CREATE VIEW t_11_view AS SELECT n FROM t_11;
DROP INDEX t_1_own;
CREATE INDEX t_1_own ON t_1 (own, n) WHERE n > 1;
ALTER TABLE t_1 DROP CONSTRAINT t_1_check;
SELECT zdm_switch('hangs');
CALL zdm_wait('hangs', 'switched', '60 s');
SELECT said('hangs');
DROP VIEW t_11_view;
DROP INDEX t_2_late, t_1_own;
CREATE INDEX t_1_own ON t_1 (own, n);
ALTER TABLE t_11 DROP CONSTRAINT t_11_late;
ALTER TABLE t_1 ADD CONSTRAINT t_1_check CHECK (n > own) NO INHERIT;
SELECT zdm_resume('hangs');
CALL zdm_wait('hangs', 'switched', '60 s');
SELECT zdm_rollback('hangs');
CALL zdm_wait('hangs', 'rolled_back', '60 s');
TABLE litter;

\echo # A child that comes when there are triggers already: before the switch
CALL grow();
CALL take('early', 'expanded', 'ALTER TABLE t ALTER n TYPE bigint');
CALL zdm_wait('early', 'expanded', '60 s');
CREATE TABLE late () INHERITS (t_1);
INSERT INTO late (id, n) VALUES (51, 51);
SELECT zdm_start('early');
CALL zdm_wait('early', 'ready', '60 s');
SELECT * FROM late;
SELECT zdm_rollback('early');
CALL zdm_wait('early', 'rolled_back', '60 s');
SELECT tableoid::regclass, count(*), sum(n) FROM t GROUP BY 1 ORDER BY 1;
TABLE litter;
CALL take('late', 'ready', 'ALTER TABLE t ALTER n TYPE bigint');
CALL zdm_wait('late', 'ready', '60 s');
CREATE TABLE later () INHERITS (t);
SELECT zdm_switch('late');
CALL zdm_wait('late', 'switched', '60 s');
SELECT said('late');
ALTER TABLE later NO INHERIT t;
SELECT zdm_resume('late');
CALL zdm_wait('late', 'switched', '60 s');
SELECT zdm_contract('late', true, 'a test');
CALL zdm_wait('late', 'done', '60 s');
ALTER TABLE later ALTER n TYPE bigint, DROP COLUMN zdm_n_new;
ALTER TABLE later INHERIT t;
INSERT INTO later VALUES (71, 5000000000);
SELECT tableoid::regclass, count(*), sum(n) FROM t GROUP BY 1 ORDER BY 1;
TABLE litter;
\echo # After it, forward
CALL grow();
CALL take('forward', 'switched', 'ALTER TABLE t ALTER n TYPE bigint');
CALL zdm_wait('forward', 'switched', '60 s');
CREATE TABLE late () INHERITS (t_1);
INSERT INTO late (id, n) VALUES (61, 61);
SELECT relation, differences FROM zdm_verify('forward') ORDER BY relation;
SELECT zdm_contract('forward', true, 'a test');
CALL zdm_wait('forward', 'done', '60 s');
SELECT said('forward');
ALTER TABLE late NO INHERIT t_1;
SELECT zdm_resume('forward');
CALL zdm_wait('forward', 'done', '60 s');
ALTER TABLE late DROP COLUMN zdm_n_old;
ALTER TABLE late INHERIT t_1;
SELECT tableoid::regclass, count(*), sum(n) FROM t GROUP BY 1 ORDER BY 1;
TABLE litter;
\echo # And back
CALL grow();
CALL take('back_late', 'switched', 'ALTER TABLE t ALTER n TYPE bigint');
CALL zdm_wait('back_late', 'switched', '60 s');
CREATE TABLE late () INHERITS (t_1);
INSERT INTO late (id, n) VALUES (61, 61);
SELECT zdm_rollback('back_late');
CALL zdm_wait('back_late', 'rolled_back', '60 s');
SELECT said('back_late');
UPDATE late SET zdm_n_old = n;
SELECT zdm_resume('back_late');
CALL zdm_wait('back_late', 'rolled_back', '60 s');
SELECT said('back_late');
ALTER TABLE late NO INHERIT t_1;
SELECT zdm_resume('back_late');
CALL zdm_wait('back_late', 'rolled_back', '60 s');
DROP TABLE late;
SELECT tableoid::regclass, count(*), sum(n) FROM t GROUP BY 1 ORDER BY 1;
TABLE litter;
\echo # Between plan and start
CALL grow();
SELECT zdm_create('planned', 'ALTER TABLE t ALTER n TYPE bigint') > 0;
CREATE TABLE late () INHERITS (t);
SELECT zdm_start('planned', 'switched');
CALL zdm_wait('planned', 'switched', '60 s');
SELECT tgrelid::regclass FROM pg_trigger WHERE tgname ~ 'zdm' ORDER BY 1;
SELECT zdm_contract('planned', true, 'a test');
CALL zdm_wait('planned', 'done', '60 s');
TABLE litter;
DROP TABLE t CASCADE;

\echo # Two columns at once, where a child has one by itself, and another one leaves
CREATE TABLE two (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL);
CREATE TABLE two_1 (CONSTRAINT two_1_key UNIQUE (a, b)) INHERITS (two);
CREATE TABLE two_2 (b int CONSTRAINT two_b_not_null NOT NULL) INHERITS (two);
ALTER TABLE two_2 ADD PRIMARY KEY (b, a);
INSERT INTO two_1 VALUES (1, 1, 1);
INSERT INTO two_2 VALUES (2, 2, 2);
CALL take('two', 'switched', 'ALTER TABLE two ALTER a TYPE bigint, ALTER b TYPE bigint');
CALL zdm_wait('two', 'switched', '60 s');
SELECT zdm_rollback('two');
CALL zdm_wait('two', 'rolled_back', '60 s');
TABLE litter;
CALL take('two', 'ready', 'ALTER TABLE two ALTER a TYPE bigint, ALTER b TYPE bigint');
CALL zdm_wait('two', 'ready', '60 s');
ALTER TABLE two_1 NO INHERIT two;
CREATE INDEX zdm_two_2_late ON two_2 (b);
SELECT zdm_switch('two');
CALL zdm_wait('two', 'switched', '60 s');
SELECT said('two');
DROP INDEX zdm_two_2_late;
SELECT zdm_resume('two');
CALL zdm_wait('two', 'switched', '60 s');
INSERT INTO two_2 (id, a, b) VALUES (3, 5000000000, 6000000000);
SELECT zdm_contract('two', true, 'a test');
CALL zdm_wait('two', 'done', '60 s');
INSERT INTO two_1 (id, a, b) VALUES (1, 1, 1);
INSERT INTO two_1 (id, a, b) VALUES (4, 1, 4);
SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute WHERE attrelid IN ('two'::regclass, 'two_1'::regclass, 'two_2'::regclass) AND attnum > 1 AND NOT attisdropped ORDER BY 1, attname;
SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('two_1'::regclass, 'two_2'::regclass) AND contype IN ('p', 'u') ORDER BY 1;
SELECT tableoid::regclass, * FROM two ORDER BY id;
TABLE litter;
DROP TABLE two_1, two CASCADE;

\echo # What changes the catalog alone is run as it is, and taken back
CREATE TABLE c (id int, code varchar(10));
CREATE TABLE c_1 (own int) INHERITS (c);
CREATE TABLE c_11 (code varchar(10)) INHERITS (c_1);
INSERT INTO c_11 VALUES (1, 'x');
SELECT phase, kind, lock, rewrites, command, undo FROM zdm_plan('ALTER TABLE c ALTER code TYPE varchar(20)');
CALL take('wider', 'done', 'ALTER TABLE c ALTER code TYPE varchar(20)');
CALL zdm_wait('wider', 'done', '60 s');
SELECT attrelid::regclass, format_type(atttypid, atttypmod), attislocal FROM pg_attribute WHERE attname = 'code' AND attrelid::regclass::text ~ '^c' ORDER BY 1;
CREATE INDEX ON c_11 (lower(code));
SELECT count(*) FROM zdm_plan('ALTER TABLE c ALTER code TYPE varchar(30)');
SELECT count(*) FROM zdm_plan('ALTER TABLE c ALTER code TYPE varchar(5)');
\echo # What a child has by itself, with and without children
SELECT count(*) > 5, count(DISTINCT relation) FROM zdm_plan('ALTER TABLE c_1 ALTER own TYPE bigint');
CALL take('own', 'switched', 'ALTER TABLE c_1 ALTER own TYPE bigint');
CALL zdm_wait('own', 'switched', '60 s');
INSERT INTO c_11 (id, code, own) VALUES (2, 'y', 5000000000);
SELECT zdm_contract('own', true, 'a test');
CALL zdm_wait('own', 'done', '60 s');
SELECT tableoid::regclass, * FROM c ORDER BY id;
SELECT * FROM c_11 ORDER BY id;
TABLE litter;
DROP TABLE c CASCADE;

\echo # Refused, each by name
\set VERBOSITY default
CREATE PROCEDURE refused(sql text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    PERFORM * FROM zdm_plan(sql);
    RAISE INFO 'not refused: %', sql;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO '%: %', SQLSTATE, regexp_replace(message, 'pg_temp_\d+', 'pg_temp') USING DETAIL = detail, HINT = hint;
END $$;
-- Sets a tree right with what a child of it has, asks, and takes it away.
CREATE PROCEDURE with_that(sql text, change text DEFAULT 'ALTER TABLE odd ALTER a TYPE bigint') LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE sql;
        RAISE INFO '%', sql;
        CALL refused(change);
        RAISE EXCEPTION 'done';
    EXCEPTION WHEN OTHERS THEN
        IF SQLERRM <> 'done' THEN RAISE; END IF;
    END;
END $$;
CREATE TABLE elsewhere (id int PRIMARY KEY, a int);
CREATE TABLE odd (id int, a int DEFAULT 3, b int NOT NULL);
CREATE TABLE mid (x int) INHERITS (odd);
CREATE TABLE low (y int) INHERITS (mid);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION names_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := 1; RETURN NEW; END';
CALL with_that('SELECT 1');
CALL with_that('CREATE STATISTICS low_stat ON a, b FROM low');
CALL with_that('CREATE TRIGGER low_of BEFORE UPDATE OF a ON low FOR EACH ROW EXECUTE FUNCTION nothing()');
CALL with_that('CREATE TRIGGER low_when BEFORE UPDATE ON low FOR EACH ROW WHEN (NEW.a > 1) EXECUTE FUNCTION nothing()');
CALL with_that('CREATE TRIGGER low_body BEFORE UPDATE ON low FOR EACH ROW EXECUTE FUNCTION names_it()');
CALL with_that('CREATE RULE low_rule AS ON UPDATE TO low DO INSTEAD NOTHING');
CALL with_that('ALTER TABLE low ADD CONSTRAINT low_fk FOREIGN KEY (a) REFERENCES elsewhere');
CALL with_that('ALTER TABLE low ADD UNIQUE (a); ALTER TABLE elsewhere ADD CONSTRAINT to_low FOREIGN KEY (a) REFERENCES low (a)');
CALL with_that('CREATE VIEW low_view AS SELECT a FROM low');
CALL with_that('CREATE POLICY low_policy ON low USING (a > 1)');
-- A warning about wal_level has other words in other versions.
SET client_min_messages = error;
CALL with_that('ALTER TABLE low ADD PRIMARY KEY (id); CREATE PUBLICATION low_pub FOR TABLE low (a, id)');
CALL with_that('ALTER TABLE low ADD PRIMARY KEY (id); CREATE PUBLICATION low_pub FOR TABLE low; ALTER TABLE low REPLICA IDENTITY FULL');
CALL with_that('ALTER TABLE low ADD PRIMARY KEY (id); CREATE PUBLICATION low_pub FOR TABLE low', E'-- zdm: down a = 1\nALTER TABLE odd ALTER a TYPE text USING a::text || ''x''');
SET client_min_messages = warning;
CALL with_that('ALTER TABLE low ALTER a SET DEFAULT 4');
CALL with_that('ALTER TABLE mid ALTER a DROP DEFAULT');
CALL with_that('ALTER TABLE low ALTER a SET NOT NULL');
CALL with_that('ALTER TABLE low ADD PRIMARY KEY (a)');
CALL with_that('CREATE TABLE both_of () INHERITS (mid, elsewhere)');
CALL with_that('ALTER TABLE low ADD CONSTRAINT low_key UNIQUE (a) DEFERRABLE');
CALL with_that('ALTER TABLE low ADD CONSTRAINT low_not EXCLUDE (a WITH =)');
CALL with_that('ALTER TABLE low ADD CONSTRAINT low_nulls UNIQUE NULLS NOT DISTINCT (a)');
CALL with_that('ALTER TABLE mid ADD CONSTRAINT mid_check CHECK (a > x)');
CALL with_that('ALTER TABLE mid ADD CONSTRAINT mid_check CHECK (a > x) NO INHERIT');
CALL with_that('ALTER TABLE low ADD CONSTRAINT low_row CHECK (low IS NOT NULL)');
CALL with_that('ALTER TABLE low ADD COLUMN zdm_a_new int');
CALL with_that('ALTER TABLE low ADD COLUMN zdm_a_old int');
CALL with_that('ALTER TABLE low ADD COLUMN g int GENERATED ALWAYS AS (a + 1) STORED');
CALL with_that('CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE far () INHERITS (odd) SERVER nowhere');
CALL with_that('CREATE TEMPORARY TABLE low_temporary () INHERITS (low)');
-- What a child has beside that may be of any kind.
CALL with_that('CREATE DOMAIN d AS int CHECK (VALUE > 0); ALTER TABLE low ADD COLUMN dom d DEFAULT 1, ADD COLUMN ser serial, ADD COLUMN ident int GENERATED ALWAYS AS IDENTITY, ADD CONSTRAINT own CHECK (a + dom + ser + ident > 0), ADD UNIQUE (a, ser, dom, ident)');
CALL with_that('SELECT 1', 'ALTER TABLE ONLY odd ALTER a TYPE bigint');
CALL with_that('SELECT 1', 'ALTER TABLE mid ALTER a TYPE bigint');
CALL with_that('SELECT 1', 'ALTER TABLE odd ALTER a TYPE text');
CALL with_that('SELECT 1', 'ALTER TABLE odd ALTER a TYPE bigint; ALTER TABLE low ALTER y TYPE bigint');
CALL with_that('CREATE TABLE up (a int, b int NOT NULL, id int); ALTER TABLE odd ALTER a DROP DEFAULT; ALTER TABLE odd INHERIT up');
SELECT phase || ' ' || kind || ' ' || coalesce(relation, '') || ' [' || coalesce(lock, '') || ']: ' || command FROM zdm_plan(E'-- zdm: direct\nALTER TABLE odd ALTER a TYPE bigint');
CALL refused('ALTER TABLE odd ALTER a TYPE text USING ''n'' || a');
DROP TABLE elsewhere, odd CASCADE;
DROP SCHEMA before, "before 2", plain, "plain 2", ours, "ours 2" CASCADE;
DROP ROLE retype_children_reader;
