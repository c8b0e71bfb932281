-- RENAME COLUMN: what somebody gives to the new column between the start and contract, in which that column goes, is named before it would be lost,
-- and so is a child that would keep the column.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET zdm.quiet_period = 0;
SET client_min_messages = error;
CREATE ROLE rename_given_ann;
CREATE ROLE rename_given_bob;
CREATE PROCEDURE take(migration text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM zdm_create(migration, sql);
    PERFORM zdm_start(migration);
END $$;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- All that a column says by itself, where it says something.
CREATE FUNCTION columns(schema name) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s.%s %s storage %s compression %s target %s options %s acl %s comment %s', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                  attstorage, attcompression, nullif(attstattarget, -1),
                  (SELECT string_agg(o, ', ') FROM unnest(attoptions) o WHERE o !~ '^pg_attver='), replace(attacl::text, current_user, 'me'), col_description(attrelid, attnum))
      FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = schema::text::regnamespace AND relkind IN ('r', 'p') AND attnum > 0
       AND NOT attisdropped AND attname NOT IN ('id', 'part') ORDER BY attrelid::regclass::text COLLATE "C", attnum $$;

CREATE SCHEMA ours;
CREATE TABLE ours.thing (id int PRIMARY KEY, a text, c varchar(9), d text);
COMMENT ON COLUMN ours.thing.a IS 'as it was';
ALTER TABLE ours.thing ALTER a SET STORAGE EXTERNAL, ALTER a SET STATISTICS 50, ALTER a SET (n_distinct = 7, n_distinct_inherited = 9), ALTER a SET COMPRESSION pglz;
GRANT SELECT (a), UPDATE (a) ON ours.thing TO rename_given_ann WITH GRANT OPTION;
INSERT INTO ours.thing SELECT g, 'a' || g, g, 'd' FROM generate_series(1, 100) g;
-- A partition with nothing of its own, and one with all of it; and one that comes.
CREATE TABLE ours.item (id int, part text, a text) PARTITION BY LIST (part);
CREATE TABLE ours.item_1 PARTITION OF ours.item FOR VALUES IN ('1');
CREATE TABLE ours.item_2 PARTITION OF ours.item FOR VALUES IN ('2');
CREATE INDEX item_a ON ours.item (a);
COMMENT ON COLUMN ours.item.a IS 'of the table';
COMMENT ON COLUMN ours.item_2.a IS 'of one';
ALTER TABLE ONLY ours.item ALTER a SET STATISTICS 60;
ALTER TABLE ours.item_2 ALTER a SET STORAGE MAIN, ALTER a SET STATISTICS 70;
GRANT SELECT (a) ON ours.item TO rename_given_ann;
CREATE TRIGGER of_a AFTER UPDATE OF a ON ours.item FOR EACH ROW EXECUTE FUNCTION nothing();
INSERT INTO ours.item SELECT g, 1 + g % 2, 'a' || g FROM generate_series(1, 100) g;

\echo # Settings of the new column
CALL take('m', 'ALTER TABLE ours.thing RENAME a TO b; ALTER TABLE ours.thing RENAME c TO "C x"; ALTER TABLE ours.thing RENAME d TO e');
CALL zdm_wait('m', 'ready', '60 s');
COMMENT ON COLUMN ours.thing.b IS 'another';
ALTER TABLE ours.thing ALTER b SET STORAGE MAIN, ALTER b SET STATISTICS 51, ALTER b SET (n_distinct = 8), ALTER b SET COMPRESSION default;
REVOKE UPDATE (b) ON ours.thing FROM rename_given_ann;
ALTER TABLE ours.thing ALTER "C x" SET STATISTICS 52;
COMMENT ON COLUMN ours.thing."C x" IS 'has come';
GRANT INSERT ("C x") ON ours.thing TO rename_given_bob;
-- The old column stays, and has what anybody gives it.
COMMENT ON COLUMN ours.thing.d IS 'kept';
ALTER TABLE ours.thing ALTER d SET STATISTICS 53, ALTER d SET (n_distinct = 3);
GRANT UPDATE (d) ON ours.thing TO rename_given_ann;
SELECT zdm_contract('m', force => true, reason => 'a test');
CALL zdm_wait('m', 'done', '60 s');
-- Some of it given to the old one as well, the rest made as it was.
COMMENT ON COLUMN ours.thing.a IS 'another';
ALTER TABLE ours.thing ALTER a SET STORAGE MAIN, ALTER a SET STATISTICS 51, ALTER b SET (n_distinct = 7), ALTER a SET COMPRESSION default;
GRANT UPDATE (b) ON ours.thing TO rename_given_ann WITH GRANT OPTION;
ALTER TABLE ours.thing ALTER "C x" SET STATISTICS -1;
COMMENT ON COLUMN ours.thing."C x" IS NULL;
GRANT INSERT (c) ON ours.thing TO rename_given_bob;
SELECT zdm_resume('m');
CALL zdm_wait('m', 'done', '60 s');
SELECT columns('ours');

\echo # In partitions
CALL take('p', 'ALTER TABLE ours.item RENAME a TO b');
CALL zdm_wait('p', 'ready', '60 s');
CREATE TABLE ours.item_3 PARTITION OF ours.item FOR VALUES IN ('3');
ALTER TABLE ours.item_3 RENAME TO item_three;
CREATE TABLE ours.item_4 (LIKE ours.item INCLUDING ALL);
ALTER TABLE ours.item ATTACH PARTITION ours.item_4 FOR VALUES IN ('4');
COMMENT ON COLUMN ours.item_1.b IS 'lost';
COMMENT ON COLUMN ours.item_2.b IS NULL;
ALTER TABLE ours.item_2 ALTER b SET STATISTICS 71;
ALTER TABLE ours.item_three ALTER b SET (n_distinct = 4);
ALTER TABLE ours.item_three ALTER a SET STATISTICS 44;
-- Not one of zdm's own, whatever it is called; in the table or below it.
CREATE INDEX zdm_mine ON ours.item_1 (b);
CREATE INDEX zdm_all ON ours.item (lower(b));
CREATE STATISTICS ours.zdm_of_both ON b, id FROM ours.item_2;
ALTER TABLE ours.item_2 ADD CONSTRAINT zdm_check CHECK (b <> 'lost');
-- What no column that is dropped leaves behind.
CREATE FUNCTION ours.finds() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT b FROM ours.item LIMIT 1; END;
CREATE FUNCTION ours.finds_1() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT b FROM ours.item_1 LIMIT 1; END;
ALTER TABLE ours.item ADD COLUMN made text GENERATED ALWAYS AS (lower(b)) STORED;
CREATE TRIGGER of_b AFTER UPDATE OF b ON ours.item FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER of_b_2 AFTER UPDATE OF b ON ours.item_2 FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE RULE of_b AS ON INSERT TO ours.item_1 WHERE new.b = 'x' DO ALSO NOTHING;
CREATE TABLE ours.above (LIKE ours.item_1);
SELECT zdm_contract('p', force => true, reason => 'a test');
CALL zdm_wait('p', 'done', '60 s');
DROP INDEX ours.zdm_mine, ours.zdm_all;
DROP STATISTICS ours.zdm_of_both;
ALTER TABLE ours.item_2 DROP CONSTRAINT zdm_check;
DROP FUNCTION ours.finds, ours.finds_1;
ALTER TABLE ours.item DROP COLUMN made;
DROP TRIGGER of_b ON ours.item;
DROP TRIGGER of_b_2 ON ours.item_2;
DROP RULE of_b ON ours.item_1;
COMMENT ON COLUMN ours.item_1.b IS NULL;
COMMENT ON COLUMN ours.item_2.b IS 'of one';
ALTER TABLE ours.item_2 ALTER b SET STATISTICS 70;
ALTER TABLE ours.item_three ALTER b RESET (n_distinct);
SELECT zdm_resume('p');
CALL zdm_wait('p', 'done', '60 s');
DROP TABLE ours.thing, ours.above;
SELECT columns('ours');

\echo # A plain table
CREATE TABLE ours.plain (id int PRIMARY KEY, a text);
CALL take('f', 'ALTER TABLE ours.plain RENAME a TO b');
CALL zdm_wait('f', 'ready', '60 s');
CREATE FUNCTION ours.finds() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT b FROM ours.plain LIMIT 1; END;
ALTER TABLE ours.plain ADD COLUMN made text GENERATED ALWAYS AS (lower(b)) STORED;
CREATE TRIGGER of_b AFTER UPDATE OF b ON ours.plain FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE INDEX zdm_mine ON ours.plain (b);
-- As a module of labels would.
SET allow_system_table_mods = on;
INSERT INTO pg_seclabel SELECT attrelid, 'pg_class'::regclass, attnum, 'test', 'secret' FROM pg_attribute WHERE attrelid = 'ours.plain'::regclass AND attname = 'b';
RESET allow_system_table_mods;
SELECT zdm_contract('f', force => true, reason => 'a test');
CALL zdm_wait('f', 'done', '60 s');
SELECT zdm_rollback('f');
DROP FUNCTION ours.finds;
DROP TRIGGER of_b ON ours.plain;
ALTER TABLE ours.plain DROP COLUMN made;
SELECT zdm_rollback('f');
CALL zdm_wait('f', 'rolled_back', '60 s');

\echo # A change of type: what is there by then under such a name is copied, what comes later is noticed
CREATE INDEX zdm_theirs ON ours.plain (id);
CALL take('t', 'ALTER TABLE ours.plain ALTER id TYPE bigint');
CALL zdm_wait('t', 'ready', '60 s');
CREATE INDEX zdm_mine ON ours.plain (id);
CREATE FUNCTION ours.finds() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT id FROM ours.plain LIMIT 1; END;
SELECT zdm_start('t', 'switched');
CALL zdm_wait('t', 'switched', '60 s');
DROP INDEX ours.zdm_mine;
DROP FUNCTION ours.finds;
SELECT zdm_resume('t');
CALL zdm_wait('t', 'switched', '60 s');
SELECT zdm_contract('t', force => true, reason => 'a test');
CALL zdm_wait('t', 'done', '60 s');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'ours.plain'::regclass ORDER BY 1;

\echo # A child that left the tree and came back has the column by itself, and would keep it
CREATE TABLE ours.base (id int, a text);
CREATE TABLE ours.kid () INHERITS (ours.base);
CREATE TABLE ours."Grand 1" () INHERITS (ours.kid);
INSERT INTO ours.base VALUES (1, 'x');
INSERT INTO ours.kid VALUES (2, 'y');
INSERT INTO ours."Grand 1" VALUES (3, 'z');
CALL take('c', 'ALTER TABLE ours.base RENAME a TO b');
CALL zdm_wait('c', 'ready', '60 s');
ALTER TABLE ours.kid NO INHERIT ours.base;
ALTER TABLE ours.kid INHERIT ours.base;
SELECT zdm_contract('c', force => true, reason => 'a test');
CALL zdm_wait('c', 'done', '60 s');
SELECT detail, hint FROM zdm.migrations WHERE name = 'c';
\echo # Back: the child keeps what is its own
SELECT zdm_rollback('c');
CALL zdm_wait('c', 'rolled_back', '60 s');
SELECT attrelid::regclass, attname, attislocal, attinhcount FROM pg_attribute WHERE attrelid IN ('ours.base'::regclass, 'ours.kid'::regclass, 'ours."Grand 1"'::regclass)
   AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgname ~ 'zdm';
SELECT zdm_start('c');
ALTER TABLE ours.kid DROP COLUMN b;
\echo # And on
SELECT zdm_start('c');
CALL zdm_wait('c', 'ready', '60 s');
ALTER TABLE ours.kid NO INHERIT ours.base;
ALTER TABLE ours.kid INHERIT ours.base;
SELECT zdm_contract('c', force => true, reason => 'a test');
CALL zdm_wait('c', 'done', '60 s');
ALTER TABLE ours.kid NO INHERIT ours.base;
SELECT zdm_resume('c');
CALL zdm_wait('c', 'done', '60 s');
ALTER TABLE ours.kid DROP COLUMN b;
ALTER TABLE ours.kid RENAME a TO b;
ALTER TABLE ours.kid INHERIT ours.base;
SELECT tableoid::regclass, base FROM ours.base ORDER BY id;

\echo # One that came to have the column from another table too
CREATE TABLE ours.second (id int, b text);
CALL take('s', 'ALTER TABLE ours.base RENAME b TO d');
CALL zdm_wait('s', 'ready', '60 s');
ALTER TABLE ours.second ADD COLUMN d text;
ALTER TABLE ours."Grand 1" INHERIT ours.second;
SELECT zdm_contract('s', force => true, reason => 'a test');
CALL zdm_wait('s', 'done', '60 s');
ALTER TABLE ours."Grand 1" NO INHERIT ours.second;
SELECT zdm_resume('s');
CALL zdm_wait('s', 'done', '60 s');
-- The table itself.
CREATE TABLE ours.alone (id int, a text);
CALL take('h', 'ALTER TABLE ours.alone RENAME a TO d');
CALL zdm_wait('h', 'ready', '60 s');
ALTER TABLE ours.second DROP COLUMN b;
ALTER TABLE ours.alone INHERIT ours.second;
SELECT zdm_contract('h', force => true, reason => 'a test');
CALL zdm_wait('h', 'done', '60 s');
ALTER TABLE ours.alone NO INHERIT ours.second;
SELECT zdm_resume('h');
CALL zdm_wait('h', 'done', '60 s');

\echo # Two columns of an index that one partition, or child, alone has
CREATE PROCEDURE refused(sql text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    PERFORM * FROM zdm_plan(sql);
    RAISE INFO 'not refused: %', sql;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE INFO '%: %', SQLSTATE, message USING DETAIL = detail, HINT = hint;
END $$;
CREATE TABLE ours.pair (part text, a text, c text, d text) PARTITION BY LIST (part);
CREATE TABLE ours.pair_1 PARTITION OF ours.pair FOR VALUES IN ('1');
CREATE INDEX pair_1_both ON ours.pair_1 (a, lower(c));
CALL refused('ALTER TABLE ours.pair RENAME a TO b; ALTER TABLE ours.pair RENAME c TO e');
CALL refused('ALTER TABLE ours.pair RENAME a TO b; ALTER TABLE ours.pair RENAME d TO e');
CALL refused('ALTER TABLE ours.pair DROP COLUMN c; ALTER TABLE ours.pair RENAME a TO b');
CREATE TABLE ours.pairs (a text, c text, d text);
CREATE TABLE ours.pairs_1 (own int) INHERITS (ours.pairs);
CREATE INDEX pairs_1_both ON ours.pairs_1 (a, c);
CREATE INDEX pairs_1_own ON ours.pairs_1 (c, own);
CALL refused('ALTER TABLE ours.pairs RENAME a TO b; ALTER TABLE ours.pairs RENAME c TO e');
CALL refused('ALTER TABLE ours.pairs RENAME d TO b; ALTER TABLE ours.pairs RENAME c TO e');

DROP SCHEMA ours CASCADE;
DROP OWNED BY rename_given_ann, rename_given_bob;
DROP ROLE rename_given_ann, rename_given_bob;
