-- RENAME COLUMN: the old column takes the name in the end. So what can't be copied, or not beside writes, follows it as in a plain RENAME COLUMN, and
-- holds for both columns until then.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET zdm.quiet_period = 0;
SET zdm.small_table = 0;
SET client_min_messages = error;
CREATE ROLE rename_follows_other;

CREATE PROCEDURE make(place text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', place);
    PERFORM set_config('search_path', place, true);
    CREATE TABLE late (id int CONSTRAINT late_pkey PRIMARY KEY DEFERRABLE, note text);
    CREATE TABLE thing (id int PRIMARY KEY, a text, b int, c int DEFAULT 0, d int4range, e text, f int, g int NOT NULL DEFAULT 7,
        twice int GENERATED ALWAYS AS (f * 2) STORED,
        CONSTRAINT thing_b UNIQUE NULLS NOT DISTINCT (b, id) DEFERRABLE, CONSTRAINT thing_c UNIQUE (id) INCLUDE (c) DEFERRABLE,
        CONSTRAINT thing_d EXCLUDE USING gist (d WITH &&), CONSTRAINT thing_f EXCLUDE (abs(f) WITH =) WHERE (f <> 0));
    CREATE TABLE elsewhere (e text);
    CREATE POLICY itself ON thing USING (EXISTS (SELECT FROM thing o WHERE o.a = thing.a));
    CREATE POLICY there ON elsewhere USING (EXISTS (SELECT FROM thing o WHERE o.e = elsewhere.e));
    CREATE MATERIALIZED VIEW counted AS SELECT a, count(*) AS many FROM thing GROUP BY a;
    CREATE VIEW within AS WITH words AS (SELECT id, e AS word FROM thing) SELECT word, id FROM words;
    CREATE VIEW writable AS SELECT id, a FROM thing WHERE a <> 'hidden' WITH CASCADED CHECK OPTION;
    CREATE FUNCTION first_a() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT a FROM thing ORDER BY id LIMIT 1; END;
    CREATE TABLE refers (sub int REFERENCES thing ON UPDATE CASCADE, g int DEFAULT 7, h int);
    CREATE TABLE parted (key int, part int, seq serial, other int, PRIMARY KEY (key, part)) PARTITION BY LIST (part);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
    ALTER TABLE parted_1 ADD CONSTRAINT parted_1_other UNIQUE (other), ALTER other SET NOT NULL;
    CREATE VIEW of_one AS SELECT other FROM parted_1;
    CREATE STATISTICS parted_1_both ON key, other FROM parted_1;
    CREATE TABLE refers_parted (key int, part int, FOREIGN KEY (key, part) REFERENCES parted ON UPDATE CASCADE);
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE thing (id, e)', place || '_theirs');
    EXECUTE format('ALTER PUBLICATION %I OWNER TO rename_follows_other', place || '_theirs');
    -- What only later servers have.
    IF current_setting('server_version_num')::int >= 170000 THEN
        ALTER TABLE parted ALTER seq DROP DEFAULT;
        EXECUTE 'ALTER TABLE parted ALTER seq ADD GENERATED ALWAYS AS IDENTITY';
    END IF;
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'CREATE TABLE booked (room int4range, at int4range, CONSTRAINT booked_key PRIMARY KEY (room, at WITHOUT OVERLAPS))';
        EXECUTE 'ALTER TABLE thing ADD CONSTRAINT not_so CHECK (c > 0) NOT ENFORCED, ADD CONSTRAINT not_yet NOT NULL c NOT VALID';
    ELSE
        CREATE TABLE booked (room int4range, at int4range, CONSTRAINT booked_key PRIMARY KEY (room, at));
    END IF;
    INSERT INTO late SELECT g, 'note ' || g FROM generate_series(1, 200) g;
    INSERT INTO booked SELECT int4range(g, g + 1), int4range(g, g + 1) FROM generate_series(1, 50) g;
    INSERT INTO thing (id, a, b, c, d, e, f) SELECT g, 'a' || g, g, g, int4range(g, g + 1), 'e' || g, g FROM generate_series(1, 200) g;
    INSERT INTO parted (key, part, other) SELECT g, 1 + g % 2, g FROM generate_series(1, 200) g;
    INSERT INTO refers SELECT g FROM generate_series(1, 20) g;
    INSERT INTO refers_parted SELECT g, 1 + g % 2 FROM generate_series(1, 20) g;
    PERFORM set_config('search_path', 'public', true);
END $make$;
CREATE FUNCTION shape(place name) RETURNS SETOF text LANGUAGE sql AS $$
    WITH t AS (SELECT * FROM pg_class WHERE relnamespace = place::text::regnamespace)
    SELECT replace(line, place, 'S') FROM (
        SELECT format('column %s.%s is the %s. %s null %s default %s identity %s generated %s acl %s', t.relname, a.attname,
                   row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                   pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attacl) AS line
          FROM t JOIN pg_attribute a ON a.attrelid = t.oid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('constraint %s %s %s valid %s late %s %s', t.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated, c.condeferrable, c.condeferred)
          FROM t JOIN pg_constraint c ON c.conrelid = t.oid
        UNION ALL SELECT format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid) FROM t JOIN pg_index i ON i.indexrelid = t.oid
        UNION ALL SELECT format('view %s', pg_get_viewdef(t.oid)) FROM t WHERE t.relkind IN ('v', 'm')
        UNION ALL SELECT format('function %s', pg_get_functiondef(p.oid)) FROM pg_proc p WHERE p.pronamespace = place::text::regnamespace
        UNION ALL SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid)) FROM t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
        UNION ALL SELECT format('sequence %s of %s', t.relname, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
          FROM t JOIN pg_depend d ON d.objid = t.oid AND d.deptype IN ('a', 'i') WHERE t.relkind = 'S'
        UNION ALL SELECT format('trigger %s of %s', g.tgname, t.relname) FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
        UNION ALL SELECT format('policy %s on %s using %s', p.polname, t.relname, pg_get_expr(p.polqual, p.polrelid)) FROM t JOIN pg_policy p ON p.polrelid = t.oid
        UNION ALL SELECT format('publication %s of %s %s', p.pubname, t.relname, (SELECT string_agg(a.attname, ', ' ORDER BY a.attname)
                   FROM unnest(r.prattrs::int2[]) n JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = n))
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
SELECT count(*) > 60 AS enough_to_compare FROM shape('before');
CREATE TABLE renames (n int, relation text, a text, b text);
INSERT INTO renames VALUES (1, 'late', 'id', 'nr'), (2, 'thing', 'id', 'nr'), (3, 'booked', 'room', 'place'), (4, 'parted', 'key', 'nr');
-- What else is called so there, each in its turn: of one policy, key or view they are not apart.
INSERT INTO renames SELECT 4 + row_number() OVER (), 'thing', x, 'new_' || x FROM unnest('{a,b,c,d,e,f,g}'::text[]) x;
INSERT INTO renames VALUES (12, 'booked', 'at', 'during'), (13, 'parted', 'seq', 'nth'), (14, 'parted', 'other', 'else');
CREATE PROCEDURE rename_plain() LANGUAGE plpgsql AS $$
DECLARE r renames;
BEGIN
    FOR r IN SELECT * FROM renames ORDER BY n LOOP
        EXECUTE format('ALTER TABLE plain.%I RENAME %I TO %I', r.relation, r.a, r.b);
    END LOOP;
END $$;

\echo # Back from ready, and done
CREATE PROCEDURE all_back() LANGUAGE plpgsql AS $$
DECLARE r renames;
BEGIN
    FOR r IN SELECT * FROM renames ORDER BY n LOOP
        CALL take('back_' || r.n, format('ALTER TABLE ours.%I RENAME %I TO %I', r.relation, r.a, r.b));
        COMMIT;
        CALL zdm_wait('back_' || r.n, 'ready', '60 s');
        PERFORM zdm_rollback('back_' || r.n);
        COMMIT;
        CALL zdm_wait('back_' || r.n, 'rolled_back', '60 s');
    END LOOP;
END $$;
CALL all_back();
SELECT * FROM differing('before', 'ours');

\echo # At ready all holds for both columns
CALL take('d', 'ALTER TABLE ours.thing RENAME d TO span');
CALL zdm_wait('d', 'ready', '60 s');
INSERT INTO ours.thing (id, d) VALUES (1000, int4range(5, 6));
INSERT INTO ours.thing (id, span) VALUES (1000, int4range(5, 6));
UPDATE ours.thing SET span = int4range(5, 6) WHERE id = 8;
INSERT INTO ours.thing (id, span) VALUES (1000, int4range(5, 6)) ON CONFLICT ON CONSTRAINT thing_d DO NOTHING;
SELECT zdm_rollback('d');
CALL zdm_wait('d', 'rolled_back', '60 s');
CALL take('key', 'ALTER TABLE ours.thing RENAME id TO nr');
CALL zdm_wait('key', 'ready', '60 s');
-- Foreign keys follow what either version writes; either key is found by its columns.
UPDATE ours.thing SET nr = 501 WHERE id = 1;
UPDATE ours.thing SET id = 502 WHERE nr = 2;
SELECT sub FROM ours.refers WHERE sub > 20 ORDER BY 1;
INSERT INTO ours.refers VALUES (9999);
INSERT INTO ours.thing (nr, a) VALUES (501, 'again') ON CONFLICT (nr) DO UPDATE SET a = 'again';
INSERT INTO ours.thing (id, a) VALUES (502, 'again') ON CONFLICT (id) DO UPDATE SET a = 'again';
SELECT id, nr, a, twice FROM ours.thing WHERE id > 500 ORDER BY 1;
SELECT zdm_rollback('key');
CALL zdm_wait('key', 'rolled_back', '60 s');
CALL take('f', 'ALTER TABLE ours.thing RENAME f TO h');
CALL zdm_wait('f', 'ready', '60 s');
-- What is generated from the column follows the new one.
UPDATE ours.thing SET h = 1000 WHERE id = 501 RETURNING f, h, twice;
INSERT INTO ours.thing (id, h) VALUES (503, 1001) RETURNING f, h, twice;
UPDATE ours.thing SET h = -1001 WHERE id = 502;
SELECT zdm_rollback('f');
CALL zdm_wait('f', 'rolled_back', '60 s');
CALL take('a', 'ALTER TABLE ours.thing RENAME a TO z');
CALL zdm_wait('a', 'ready', '60 s');
UPDATE ours.thing SET z = 'through z' WHERE id = 3;
UPDATE ours.writable SET a = 'through the view' WHERE id = 4;
UPDATE ours.writable SET a = 'hidden' WHERE id = 4;
SELECT id, a, z FROM ours.thing WHERE id IN (3, 4) ORDER BY 1;
SELECT zdm_rollback('a');
CALL zdm_wait('a', 'rolled_back', '60 s');
CALL take('parted', 'ALTER TABLE ours.parted RENAME key TO nr');
CALL zdm_wait('parted', 'ready', '60 s');
UPDATE ours.parted SET nr = 501 WHERE key = 1;
INSERT INTO ours.parted (nr, part, other) VALUES (501, 2, 501) ON CONFLICT (nr, part) DO UPDATE SET other = 601 RETURNING key, nr, other;
INSERT INTO ours.parted (key, part, other) VALUES (502, 1, 502) RETURNING key, nr, other;
SELECT * FROM ours.refers_parted WHERE key > 20;
SELECT zdm_rollback('parted');
CALL zdm_wait('parted', 'rolled_back', '60 s');
SELECT * FROM differing('before', 'ours');

\echo # Who accepts that values differ keeps those of the new column
CALL take('differ', 'ALTER TABLE ours.thing RENAME g TO new_g');
CALL zdm_wait('differ', 'ready', '60 s');
UPDATE ours.thing SET g = 70, new_g = 71 WHERE id IN (10, 11);
UPDATE ours.thing SET g = 80 WHERE id = 12;
SELECT id, g, new_g FROM ours.thing WHERE id BETWEEN 10 AND 13 ORDER BY 1;
SELECT zdm_contract('differ', force => true, reason => 'a test');
\set VERBOSITY terse
CALL zdm_wait('differ', 'done', '60 s');
SELECT id, g, new_g FROM ours.thing WHERE id BETWEEN 10 AND 13 ORDER BY 1;
SELECT zdm_contract('differ', force => true, reason => 'a test', accept_differences => true);
CALL zdm_wait('differ', 'done', '60 s');
SELECT id, new_g FROM ours.thing WHERE id BETWEEN 10 AND 13 ORDER BY 1;
SELECT kind, rows_done FROM zdm.progress WHERE migration = 'differ' AND kind = 'backfill' ORDER BY step;
ALTER TABLE ours.thing RENAME new_g TO g;

\echo # What is written between the comparison and the moment when the columns change hands is compared too
CREATE TABLE ours.late_one (id int PRIMARY KEY, a int UNIQUE, c int);
INSERT INTO ours.late_one SELECT g, g, g FROM generate_series(1, 100) g;
CREATE FUNCTION ours.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER of_a AFTER UPDATE OF a ON ours.late_one FOR EACH ROW EXECUTE FUNCTION ours.nothing();
CALL take('late', 'ALTER TABLE ours.late_one RENAME a TO b');
CALL zdm_wait('late', 'ready', '60 s');
CREATE VIEW ours.holds AS SELECT b FROM ours.late_one;
CREATE SEQUENCE ours.late_seq OWNED BY ours.late_one.b;
ALTER TABLE ours.late_one DISABLE TRIGGER of_a;
SELECT zdm_contract('late', force => true, reason => 'a test');
CALL zdm_wait('late', 'done', '60 s');
SELECT detail FROM zdm.migrations WHERE name = 'late';
DROP VIEW ours.holds;
DROP SEQUENCE ours.late_seq;
ALTER TABLE ours.late_one ENABLE TRIGGER of_a;
UPDATE ours.late_one SET a = 1001, b = 1002 WHERE id = 1;
SELECT zdm_resume('late');
CALL zdm_wait('late', 'done', '60 s');
SELECT id, a, b FROM ours.late_one WHERE id = 1;
-- Nothing happened yet, so there is a way back; and forward again, with what differs accepted, row by row or not at all.
SELECT zdm_rollback('late');
CALL zdm_wait('late', 'rolled_back', '60 s');
UPDATE ours.late_one SET a = 1 WHERE id = 1;
SELECT zdm_start('late');
CALL zdm_wait('late', 'ready', '60 s');
UPDATE ours.late_one SET a = CASE id WHEN 4 THEN 2004 ELSE 2005 END, b = CASE id WHEN 4 THEN 2005 ELSE 2004 END WHERE id IN (4, 5);
SELECT zdm_set('late', 'max_bad_rows', '100');
SELECT zdm_contract('late', force => true, reason => 'a test', accept_differences => true);
CALL zdm_wait('late', 'done', '60 s');
SELECT hint FROM zdm.migrations WHERE name = 'late';
UPDATE ours.late_one SET a = 3000 + id, b = 3000 + id WHERE id IN (4, 5);
SELECT zdm_resume('late');
CALL zdm_wait('late', 'done', '60 s');
SELECT id, b FROM ours.late_one WHERE id < 6 ORDER BY id;
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = 'ours.late_one'::regclass;
DROP TABLE ours.late_one;
DROP FUNCTION ours.nothing();

\echo # Done: the catalogs are those of plain SQL, the order of columns too
CREATE PROCEDURE all_done() LANGUAGE plpgsql AS $$
DECLARE r renames;
BEGIN
    FOR r IN SELECT * FROM renames ORDER BY n LOOP
        CALL take('done_' || r.n, format('ALTER TABLE ours.%I RENAME %I TO %I', r.relation, r.a, r.b));
        COMMIT;
        CALL zdm_wait('done_' || r.n, 'ready', '60 s');
        PERFORM zdm_contract('done_' || r.n, force => true, reason => 'a test');
        COMMIT;
        CALL zdm_wait('done_' || r.n, 'done', '60 s');
    END LOOP;
END $$;
CALL all_done();
CALL rename_plain();
SELECT * FROM differing('plain', 'ours');
SELECT count(*) > 60 FROM differing('before', 'ours');
SELECT ours.first_a();
INSERT INTO ours.thing (nr, new_a, new_f) VALUES (600, 'x', 6000) RETURNING new_g, twice;

DROP TABLE renames;
DROP SCHEMA before, plain, ours CASCADE;
DROP PUBLICATION before_theirs, plain_theirs, ours_theirs;
DROP ROLE rename_follows_other;
