-- A backfill changes rows as one plain UPDATE of an equal table does: generated columns, indexes, constraints, triggers,
-- foreign keys and privileges. Each case makes two equal tables, updates one and has the other filled.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE EXTENSION amcheck;
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 10);
CREATE TABLE seen (at_table name, trigger name, id int, old text, new text, depth int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME, TG_NAME, NEW.id, OLD.c, NEW.c, pg_trigger_depth()); RETURN NEW; END$$;
CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen SELECT TG_TABLE_NAME, TG_NAME, o.id, o.c, n.c, pg_trigger_depth() FROM o JOIN n USING (id); RETURN NULL; END$$;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN IF NEW.v % 7 = 0 THEN NEW.note = NEW.c || '!'; END IF; RETURN NEW; END$$;

-- Makes both, with what `more` adds to each ($ is its name).
CREATE PROCEDURE tables(more text DEFAULT '') LANGUAGE plpgsql AS $tables$
BEGIN
    DELETE FROM seen;
    EXECUTE (SELECT string_agg(replace($sql$
        DROP TABLE IF EXISTS child_$;
        DROP TABLE IF EXISTS $;
        CREATE TABLE $ (gone int, id int PRIMARY KEY, v int NOT NULL, c text CHECK (c <> 'bad'), note text, parent int REFERENCES parent,
            big text GENERATED ALWAYS AS (upper(c) || v) STORED, u int UNIQUE DEFERRABLE INITIALLY DEFERRED);
        ALTER TABLE $ DROP COLUMN gone;
        INSERT INTO $ (id, v, c, note) SELECT g, g, CASE WHEN g % 10 = 0 THEN 'given' END, repeat('x', g % 90) FROM generate_series(1, 3000) g;
        CREATE INDEX ON $ (lower(c)); CREATE INDEX ON $ (v) WHERE c IS NULL; CREATE INDEX ON $ (length(note)) INCLUDE (big);
        CREATE TRIGGER later AFTER UPDATE OF c ON $ FOR EACH ROW WHEN (OLD.c IS DISTINCT FROM NEW.c) EXECUTE FUNCTION note();
        CREATE TRIGGER other AFTER UPDATE OF note ON $ FOR EACH ROW EXECUTE FUNCTION note();
        CREATE CONSTRAINT TRIGGER last AFTER UPDATE ON $ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TABLE child_$ (id int REFERENCES $);
        INSERT INTO child_$ SELECT generate_series(1, 100);
        $sql$ || more, '$', t), ';') FROM unnest('{updated,filled}'::text[]) t);
END $tables$;
-- What must be equal, and that each index has what its table has.
CREATE FUNCTION outcome(OUT different bigint, OUT triggers text, OUT seen bigint, OUT missed bigint, OUT indexes bigint, OUT ended text)
LANGUAGE plpgsql AS $outcome$
BEGIN
    different = (SELECT count(*) FROM ((TABLE updated EXCEPT TABLE filled) UNION ALL (TABLE filled EXCEPT TABLE updated)) d);
    triggers = (SELECT string_agg(DISTINCT s.trigger, ' ') FROM seen s);
    seen = (SELECT count(*) FROM seen s WHERE at_table = 'filled');
    missed = (SELECT count(*) FROM (SELECT trigger, id, old, new, depth FROM seen s WHERE at_table = 'updated'
                                    EXCEPT ALL SELECT trigger, id, old, new, depth FROM seen s WHERE at_table = 'filled') d);
    PERFORM bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'filled'::regclass;
    indexes = (SELECT count(*) FROM pg_index WHERE indrelid = 'filled'::regclass);
    ended = (SELECT m.state || coalesce(': ' || message, '') FROM zdm.migrations m ORDER BY created_at DESC LIMIT 1);
END $outcome$;

-- Triggers after each row.
CALL tables();
UPDATE updated SET c = 'name ' || id, parent = 1 + id % 10, u = id WHERE c IS NULL;
SELECT zdm_backfill('filled', 'c = ''name '' || id, parent = 1 + id % 10, u = id', 'c IS NULL', 'after') > 0 AS made;
CALL zdm_wait('after', 'done', '60 s');
SELECT * FROM outcome();

-- One before it, which zdm has to lock the row for.
CALL tables('CREATE TRIGGER before BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION shout();');
UPDATE updated SET c = 'name ' || id WHERE c IS NULL;
SELECT zdm_backfill('filled', 'c = ''name '' || id', 'c IS NULL', 'before') > 0 AS made;
CALL zdm_wait('before', 'done', '60 s');
SELECT * FROM outcome();

-- One that sees all rows of a statement.
CALL tables('CREATE TRIGGER statement AFTER UPDATE ON $ REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION note_all();');
UPDATE updated SET c = 'name ' || id WHERE c IS NULL;
SELECT zdm_backfill('filled', 'c = ''name '' || id', 'c IS NULL', 'statement') > 0 AS made;
CALL zdm_wait('statement', 'done', '60 s');
SELECT * FROM outcome();

-- Triggers that do not fire.
CALL tables('ALTER TABLE $ DISABLE TRIGGER later; ALTER TABLE $ ENABLE REPLICA TRIGGER last;');
UPDATE updated SET c = 'name ' || id WHERE c IS NULL;
SELECT zdm_backfill('filled', 'c = ''name '' || id', 'c IS NULL', 'off') > 0 AS made;
CALL zdm_wait('off', 'done', '60 s');
SELECT * FROM outcome();

-- A value from a subquery, a column of the key, a default, values out of line.
CALL tables('ALTER TABLE $ ALTER note SET DEFAULT ''none'', ALTER note SET STORAGE EXTERNAL; DROP TABLE child_$;');
UPDATE updated SET c = (SELECT 'parent ' || p.id FROM parent p WHERE p.id = 1 + updated.id % 10), id = id + 10000, note = DEFAULT
 WHERE c IS NULL AND id % 3 = 0;
UPDATE updated SET note = repeat('long', 1000) WHERE c = 'given';
SELECT zdm_backfill('filled', 'c = (SELECT ''parent '' || p.id FROM parent p WHERE p.id = 1 + filled.id % 10), id = id + 10000, note = DEFAULT',
    'c IS NULL AND id % 3 = 0', 'columns') > 0 AS made;
CALL zdm_wait('columns', 'done', '60 s');
SELECT zdm_backfill('filled', 'note = repeat(''long'', 1000)', 'c = ''given'' AND length(note) < 100', 'long') > 0 AS made;
CALL zdm_wait('long', 'done', '60 s');
SELECT * FROM outcome();

-- What an UPDATE refuses: a check, a foreign key, NOT NULL, a unique constraint. With the row filled by hand, it ends.
CREATE VIEW failure AS
SELECT name, sqlstate, message, regexp_replace(detail, '\(\d+,\d+\)', '(place)', 'g') AS detail FROM zdm.migrations WHERE state = 'failed';
CALL tables();
SELECT zdm_backfill('filled', 'c = CASE id WHEN 1234 THEN ''bad'' ELSE ''good'' END', 'c IS NULL', 'check') > 0 AS made;
CALL zdm_wait('check', 'done', '60 s');
SELECT * FROM failure;
SELECT c, v, parent, u FROM filled WHERE id = 1234;
UPDATE filled SET c = 'by hand' WHERE id IN (1233, 1234);
SELECT zdm_resume('check');
CALL zdm_wait('check', 'done', '60 s');
SELECT count(*) FROM filled WHERE c IS NULL;
CALL tables();
SELECT zdm_backfill('filled', 'c = ''good'', parent = CASE id WHEN 1234 THEN 99 ELSE 1 END', 'c IS NULL', 'foreign') > 0 AS made;
CALL zdm_wait('foreign', 'done', '60 s');
SELECT * FROM failure;
SELECT c, v, parent, u FROM filled WHERE id = 1234;
UPDATE filled SET c = 'by hand' WHERE id IN (1233, 1234);
SELECT zdm_resume('foreign');
CALL zdm_wait('foreign', 'done', '60 s');
SELECT count(*) FROM filled WHERE c IS NULL;
CALL tables();
SELECT zdm_backfill('filled', 'c = ''good'', v = CASE id WHEN 1234 THEN NULL ELSE -1 END', 'c IS NULL', 'null') > 0 AS made;
CALL zdm_wait('null', 'done', '60 s');
SELECT * FROM failure;
SELECT c, v, parent, u FROM filled WHERE id = 1234;
UPDATE filled SET c = 'by hand' WHERE id IN (1233, 1234);
SELECT zdm_resume('null');
CALL zdm_wait('null', 'done', '60 s');
SELECT count(*) FROM filled WHERE c IS NULL;
CALL tables();
SELECT zdm_backfill('filled', 'c = ''good'', u = CASE WHEN id IN (1233, 1234) THEN 7 END', 'c IS NULL', 'unique') > 0 AS made;
CALL zdm_wait('unique', 'done', '60 s');
SELECT * FROM failure;
SELECT c, v, parent, u FROM filled WHERE id = 1234;
UPDATE filled SET c = 'by hand' WHERE id IN (1233, 1234);
SELECT zdm_resume('unique');
CALL zdm_wait('unique', 'done', '60 s');
SELECT count(*) FROM filled WHERE c IS NULL;

-- An owner who took UPDATE from himself.
CREATE ROLE backfill_change_owner LOGIN;
CREATE SCHEMA mine AUTHORIZATION backfill_change_owner;
SET ROLE backfill_change_owner;
CREATE TABLE mine.t (id int PRIMARY KEY, c text);
INSERT INTO mine.t SELECT generate_series(1, 10);
SELECT zdm_create('mine', 'UPDATE mine.t SET c = ''x'' WHERE c IS NULL;') > 0 AS made;
REVOKE UPDATE ON mine.t FROM backfill_change_owner;
SELECT zdm_start('mine', 'done');
CALL zdm_wait('mine', 'done', '60 s');
SELECT state, sqlstate, message FROM zdm.migrations WHERE name = 'mine';
RESET ROLE;
DROP OWNED BY backfill_change_owner CASCADE;
DROP ROLE backfill_change_owner;
