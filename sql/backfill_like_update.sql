-- A backfill beside a plain UPDATE of an equal table, where tables have what few have: exclusion constraints, domains, row security,
-- rules, unlogged storage, triggers that change or skip rows, references from the table to itself. (backfill_change has the rest.)
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION amcheck;
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, at_table name, what text);
CREATE DOMAIN short AS text CHECK (length(VALUE) < 12);
CREATE DOMAIN given AS text NOT NULL DEFAULT 'none';
-- What a row trigger sees: its order among others, OLD and NEW.
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen (at_table, what) VALUES (TG_TABLE_NAME, concat_ws(' ', TG_NAME, TG_WHEN, TG_OP, OLD.id, OLD.c, NEW.c, NEW.note)); RETURN NEW; END$$;
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note = concat(OLD.note, '>', NEW.c); RETURN NEW; END$$;
CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN CASE WHEN NEW.id % 100 <> 7 THEN NEW END; END$$;
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen (at_table, what) SELECT TG_TABLE_NAME, (SELECT count(*) FROM o) || ' ' || (SELECT count(*) FROM n WHERE c IS NOT NULL); RETURN NULL; END$$;

CREATE PROCEDURE tables(columns text, more text DEFAULT '', kind text DEFAULT '') LANGUAGE plpgsql AS $tables$
BEGIN
    TRUNCATE seen;
    EXECUTE (SELECT string_agg(replace(format($sql$
        DROP TABLE IF EXISTS $;
        CREATE %s TABLE $ (id int PRIMARY KEY, c text, note text%s);
        INSERT INTO $ (id, note) SELECT g, 'n' || g FROM generate_series(1, 2000) g;
        CREATE INDEX ON $ (c);
        $sql$, kind, columns) || more, '$', t), ';') FROM unnest('{updated,filled}'::text[]) t);
END $tables$;
-- Updates one and has the other filled, waits, and compares them; the server's words on what both refuse.
CREATE PROCEDURE fill(name text, set_clause text, where_clause text) LANGUAGE plpgsql AS $fill$
BEGIN
    BEGIN
        EXECUTE format('UPDATE updated SET %s WHERE %s', replace(set_clause, '$', 'updated'), where_clause);
        SET CONSTRAINTS ALL IMMEDIATE;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'UPDATE: % %', SQLSTATE, replace(SQLERRM, 'updated', '$');
    END;
    COMMIT;
    BEGIN
        PERFORM zdm_backfill('filled', replace(set_clause, '$', 'filled'), where_clause, name);
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'zdm_backfill: % %', SQLSTATE, replace(SQLERRM, 'filled', '$');
    END;
    COMMIT;
    FOR i IN 1 .. 1200 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM zdm.migrations m WHERE m.name = fill.name AND m.state NOT IN ('done', 'failed'));
        PERFORM pg_sleep(0.05);
        COMMIT;
    END LOOP;
END $fill$;
CREATE FUNCTION outcome(OUT different bigint, OUT notes bigint, OUT noted boolean, OUT ended text) LANGUAGE plpgsql AS $outcome$
BEGIN
    different = (SELECT count(*) FROM ((TABLE updated EXCEPT ALL TABLE filled) UNION ALL (TABLE filled EXCEPT ALL TABLE updated)) d);
    notes = (SELECT count(*) FROM seen WHERE at_table = 'filled');
    -- The same of each row in the same order; rows come one after the other in both.
    noted = (SELECT array_agg(what ORDER BY n) FROM seen WHERE at_table = 'filled')
        IS NOT DISTINCT FROM (SELECT array_agg(what ORDER BY n) FROM seen WHERE at_table = 'updated');
    PERFORM bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'filled'::regclass AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree');
    ended = (SELECT m.state || coalesce(': ' || m.sqlstate || ' ' || m.message, '') FROM zdm.migrations m ORDER BY created_at DESC LIMIT 1);
END $outcome$;

-- Row triggers: those before see what those before them made, those after see the end; batches come in the order of the rows.
CALL tables('', 'CREATE TRIGGER a BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION note(); CREATE TRIGGER b BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION change();
    CREATE TRIGGER c BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION note();');
CALL fill('before', 'c = ''x'' || id', 'c IS NULL');
SELECT * FROM outcome();
CALL tables('', 'CREATE TRIGGER a AFTER UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION note(); CREATE TRIGGER b AFTER UPDATE OF note ON $ FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TRIGGER c AFTER UPDATE OF c ON $ FOR EACH ROW WHEN (NEW.id % 2 = 0) EXECUTE FUNCTION note();');
CALL fill('after', 'c = ''x'' || id', 'c IS NULL');
SELECT different, notes, ended FROM outcome();
SELECT count(*) FROM (SELECT what FROM seen WHERE at_table = 'filled' EXCEPT ALL SELECT what FROM seen WHERE at_table = 'updated') d;
-- A statement is a batch here: its tables have the batch's rows, all together those of the UPDATE.
CALL tables('', 'CREATE TRIGGER s AFTER UPDATE ON $ REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION count_rows();');
CALL fill('statement', 'c = ''x'' || id', 'c IS NULL');
SELECT different, ended FROM outcome();
SELECT at_table, sum(split_part(what, ' ', 1)::int), sum(split_part(what, ' ', 2)::int), count(*) > 1 AS several FROM seen GROUP BY at_table ORDER BY 1;
-- A trigger that skips rows: they are left, and a backfill says so.
CALL tables('', 'CREATE TRIGGER s BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION skip();');
CALL fill('skip', 'c = ''x'' || id', 'c IS NULL');
SELECT different, ended FROM outcome();
SELECT message FROM zdm.events WHERE migration = 'skip' AND kind = 'left';

-- Domains: their checks, and NOT NULL, as an UPDATE refuses it.
CALL tables(', d short, e given', 'UPDATE $ SET note = ''longer than that'' WHERE id = 1500;');
CALL fill('domain', 'd = note, e = DEFAULT', 'd IS NULL');
SELECT different > 0 AS different, ended FROM outcome();
UPDATE filled SET d = 'by hand' WHERE id = 1500;
UPDATE updated SET d = 'by hand' WHERE id = 1500;
UPDATE updated SET d = note, e = DEFAULT WHERE d IS NULL;
SELECT zdm_resume('domain');
CALL zdm_wait('domain', 'done', '60 s');
SELECT different, ended FROM outcome();

-- Exclusion constraints, checked at once and at the end.
CALL tables(', r int4range, EXCLUDE USING gist (r WITH &&)');
CALL fill('exclude', 'c = ''x'', r = int4range(id * 10, id * 10 + 10)', 'c IS NULL');
SELECT different, ended FROM outcome();
CALL tables(', r int4range, EXCLUDE USING gist (r WITH &&)');
CALL fill('overlap', 'c = ''x'', r = int4range(id * 10, id * 10 + CASE id WHEN 1000 THEN 11 ELSE 10 END)', 'c IS NULL');
SELECT ended FROM outcome();
CALL tables(', r int4range, EXCLUDE USING gist (r WITH &&) DEFERRABLE INITIALLY DEFERRED');
CALL fill('deferred', 'c = ''x'', r = int4range(id * 10, id * 10 + 10)', 'c IS NULL');
SELECT different, ended FROM outcome();
CALL tables(', r int4range, EXCLUDE USING gist (r WITH &&) DEFERRABLE INITIALLY DEFERRED');
CALL fill('deferred overlap', 'c = ''x'', r = int4range(id * 10, id * 10 + CASE id WHEN 1000 THEN 11 ELSE 10 END)', 'c IS NULL');
SELECT ended FROM outcome();

-- References from the table to itself, both ways; a key that moves takes its children along.
CALL tables(', up int', 'UPDATE $ SET up = id / 2 WHERE id > 1; ALTER TABLE $ ADD FOREIGN KEY (up) REFERENCES $ ON UPDATE CASCADE;');
CALL fill('tree', 'c = ''x'', up = CASE WHEN $.up IS NULL THEN 1 ELSE (id + 1) / 2 END', 'c IS NULL');
SELECT different, ended FROM outcome();
-- Children in later batches may move behind the range by that. They are left then, which is said, and are for a second one.
CALL fill('keys', 'id = $.id + 5000, c = ''y''', 'c = ''x''');
SELECT coalesce((SELECT split_part(e.message, ' ', 1)::bigint FROM zdm.events e WHERE e.migration = 'keys' AND e.kind = 'left'), 0)
    = (SELECT count(*) FROM filled WHERE c = 'x') AS said;
VACUUM filled;
CALL fill('keys again', 'id = $.id + 5000, c = ''y''', 'c = ''x''');
VACUUM filled;
CALL fill('keys at last', 'id = $.id + 5000, c = ''y''', 'c = ''x''');
SELECT different, ended FROM outcome();

-- Unlogged.
CALL tables('', '', 'UNLOGGED');
CALL fill('unlogged', 'c = ''x'' || id', 'c IS NULL');
SELECT * FROM outcome();

-- Row security: an owner stands above his policies, unless he is forced below them. Then rows would be left, so it is refused.
CREATE ROLE backfill_like_owner LOGIN;
GRANT CREATE ON SCHEMA public TO backfill_like_owner;
CALL tables('', 'ALTER TABLE $ ENABLE ROW LEVEL SECURITY; CREATE POLICY odd ON $ USING (id % 2 = 1); ALTER TABLE $ OWNER TO backfill_like_owner;');
SET ROLE backfill_like_owner;
CALL fill('owner', 'c = ''x'' || id', 'c IS NULL');
RESET ROLE;
SELECT * FROM outcome();
CALL tables('', 'ALTER TABLE $ FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY; CREATE POLICY odd ON $ USING (id % 2 = 1); ALTER TABLE $ OWNER TO backfill_like_owner;');
SET ROLE backfill_like_owner;
CALL fill('forced', 'c = ''x'' || id', 'c IS NULL');
RESET ROLE;
SELECT count(c) FROM filled;

-- Rules: refused where they would rewrite the statement.
CALL tables('', 'CREATE RULE insert_rule AS ON INSERT TO $ DO ALSO NOTIFY x; CREATE RULE off AS ON UPDATE TO $ DO INSTEAD NOTHING; ALTER TABLE $ DISABLE RULE off;');
CALL fill('other rules', 'c = ''x'' || id', 'c IS NULL');
SELECT * FROM outcome();
ALTER TABLE filled ENABLE RULE off;
SELECT zdm_backfill('filled', 'note = NULL', 'note IS NOT NULL');
CREATE RULE "on Delete" AS ON DELETE TO filled DO ALSO INSERT INTO seen (what) VALUES (OLD.c);
SELECT zdm_create('rule', 'DELETE FROM filled WHERE id = 1');
SELECT zdm_create('direct', E'-- zdm: direct\nDELETE FROM filled WHERE id = 1;') > 0 AS made;
DROP OWNED BY backfill_like_owner CASCADE;
DROP ROLE backfill_like_owner;
