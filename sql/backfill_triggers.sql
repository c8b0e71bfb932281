-- fire_triggers = false: a backfill changes rows as an UPDATE does while the table's own triggers are disabled. What the server
-- makes of constraints fires all the same. Each case makes two equal tables, updates one so and has the other filled.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION amcheck;
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 10);
CREATE TABLE seen (at_table name, trigger name, op text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME, TG_NAME, TG_WHEN || ' ' || TG_OP || ' ' || TG_LEVEL); RETURN coalesce(NEW, OLD); END$$;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.note = NEW.c || '!'; RETURN NEW; END$$;

-- Makes both, with what `more` adds to each ($ is its name).
CREATE PROCEDURE tables(more text DEFAULT '') LANGUAGE plpgsql AS $tables$
BEGIN
    DELETE FROM seen;
    EXECUTE (SELECT string_agg(replace($sql$
        DROP TABLE IF EXISTS child_$;
        DROP TABLE IF EXISTS $;
        CREATE TABLE $ (id int PRIMARY KEY, c text CHECK (c <> 'bad'), note text, parent int REFERENCES parent,
            big text GENERATED ALWAYS AS (upper(note) || id) STORED, u int UNIQUE DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO $ (id, c, note) SELECT g, CASE WHEN g % 10 = 0 THEN 'given' END, repeat('x', g % 90) FROM generate_series(1, 3000) g;
        CREATE INDEX ON $ (note);
        CREATE TRIGGER a_before BEFORE UPDATE OR DELETE ON $ FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER b_shout BEFORE UPDATE ON $ FOR EACH ROW EXECUTE FUNCTION shout();
        CREATE TRIGGER c_after AFTER UPDATE OR DELETE ON $ FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER d_statement BEFORE UPDATE OR DELETE ON $ FOR EACH STATEMENT EXECUTE FUNCTION note();
        CREATE TRIGGER e_old AFTER DELETE ON $ REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION note();
        CREATE TRIGGER e_both AFTER UPDATE ON $ REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION note();
        CREATE CONSTRAINT TRIGGER f_deferred AFTER UPDATE ON $ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TABLE child_$ (id int REFERENCES $ ON UPDATE CASCADE ON DELETE CASCADE);
        CREATE INDEX ON child_$ (id);
        INSERT INTO child_$ SELECT generate_series(1, 100);
        $sql$ || more, '$', t), ';') FROM unnest('{updated,filled}'::text[]) t);
END $tables$;
-- Runs it on `updated` without the owner's triggers.
CREATE PROCEDURE plainly(command text) LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE updated DISABLE TRIGGER USER;
    EXECUTE command;
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE updated ENABLE TRIGGER USER;
END $$;
CREATE FUNCTION outcome(OUT different bigint, OUT children bigint, OUT fired text, OUT indexes bigint, OUT ended text) LANGUAGE plpgsql AS $outcome$
BEGIN
    different = (SELECT count(*) FROM ((TABLE updated EXCEPT ALL TABLE filled) UNION ALL (TABLE filled EXCEPT ALL TABLE updated)) d);
    children = (SELECT count(*) FROM ((TABLE child_updated EXCEPT ALL TABLE child_filled) UNION ALL (TABLE child_filled EXCEPT ALL TABLE child_updated)) d);
    fired = (SELECT string_agg(DISTINCT s.trigger || ' ' || s.op, ', ') FROM seen s WHERE at_table = 'filled');
    PERFORM bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'filled'::regclass;
    indexes = (SELECT count(*) FROM pg_index WHERE indrelid = 'filled'::regclass);
    ended = (SELECT m.state || coalesce(': ' || message, '') FROM zdm.migrations m ORDER BY created_at DESC LIMIT 1);
END $outcome$;

-- Without it they fire.
CALL tables();
UPDATE updated SET c = 'name ' || id, parent = 1 + id % 10, u = id WHERE c IS NULL;
SELECT zdm_backfill('filled', 'c = ''name '' || id, parent = 1 + id % 10, u = id', 'c IS NULL', 'fired') > 0 AS made;
CALL zdm_wait('fired', 'done', '60 s');
SELECT * FROM outcome();

-- An UPDATE of a row that nobody has to be asked about.
CALL tables();
CALL plainly('UPDATE updated SET c = ''name '' || id, parent = 1 + id % 10, u = id WHERE c IS NULL');
SELECT zdm_backfill('filled', 'c = ''name '' || id, parent = 1 + id % 10, u = id', 'c IS NULL', 'silent', '{"fire_triggers": false}') > 0 AS made;
CALL zdm_wait('silent', 'done', '60 s');
SELECT * FROM outcome();
SELECT note FROM filled WHERE id = 3;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'filled'::regclass AND tgname = 'b_shout';

-- One by a statement that locks rows first: row security of which the owner is free. Keys, and rows that refer to them.
CALL tables('ALTER TABLE $ ENABLE ROW LEVEL SECURITY; ALTER TABLE $ ALTER parent SET DEFAULT 3;');
CALL plainly('UPDATE updated SET c = ''name '' || id, id = id + 10000, parent = DEFAULT WHERE c IS NULL');
SELECT zdm_backfill('filled', 'c = ''name '' || id, id = id + 10000, parent = DEFAULT', 'c IS NULL', 'locked', '{"fire_triggers": false}') > 0 AS made;
CALL zdm_wait('locked', 'done', '60 s');
SELECT * FROM outcome();

-- A DELETE, and what goes with it. It is said before it starts.
CALL tables();
CALL plainly('DELETE FROM updated WHERE id % 3 = 0');
SELECT zdm_create('delete', 'DELETE FROM filled WHERE id % 3 = 0') > 0 AS made;
SELECT zdm_set('delete', 'fire_triggers', 'false');
SELECT zdm_start('delete', 'done');
CALL zdm_wait('delete', 'done', '60 s');
SELECT * FROM outcome();

-- Constraints hold.
CALL tables();
SELECT zdm_backfill('filled', 'c = ''good'', parent = CASE id WHEN 1234 THEN 99 ELSE 1 END', 'c IS NULL', 'foreign', '{"fire_triggers": false}') > 0 AS made;
CALL zdm_wait('foreign', 'done', '60 s');
SELECT sqlstate, message FROM zdm.migrations WHERE name = 'foreign';
-- What has begun goes on as it began.
SELECT zdm_set('foreign', 'fire_triggers', 'true');
SELECT zdm_set('foreign', 'fire_triggers', NULL);
SELECT zdm_set('foreign', 'fire_triggers', 'off');
CALL tables();
SELECT zdm_backfill('filled', 'c = ''good'', u = CASE WHEN id IN (1233, 1234) THEN 7 END', 'c IS NULL', 'unique', '{"fire_triggers": false}') > 0 AS made;
CALL zdm_wait('unique', 'done', '60 s');
SELECT sqlstate, message FROM zdm.migrations WHERE name = 'unique';
SELECT DISTINCT trigger FROM seen WHERE at_table = 'filled';
