-- Code that the owner of a table has put into its constraints, indexes, defaults, triggers and predicates
-- runs as him, in whatever call of whoever and in every worker, and can't become anybody else.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
SET zdm.quiet_period = 0;
CREATE ROLE sec_owner_alice LOGIN;
CREATE ROLE sec_owner_root SUPERUSER LOGIN;
CREATE SCHEMA a AUTHORIZATION sec_owner_alice;
GRANT USAGE ON SCHEMA a TO PUBLIC;

SET SESSION AUTHORIZATION sec_owner_alice;
-- In a worker: who it is, and whether it gets out.
CREATE TABLE a.log (what text, who text, session text, escaped text);
CREATE FUNCTION a.spy(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE escaped text := 'no'; attempt text;
BEGIN
    FOREACH attempt IN ARRAY ARRAY['RESET ROLE', 'SET ROLE sec_owner_root', 'RESET SESSION AUTHORIZATION',
                                   'SET SESSION AUTHORIZATION sec_owner_root', 'ALTER ROLE sec_owner_alice SUPERUSER',
                                   'UPDATE zdm.migration SET sql = sql', 'DELETE FROM zdm.step'] LOOP
        BEGIN
            EXECUTE attempt;
            IF current_user <> 'sec_owner_alice' OR attempt !~ 'RESET' THEN escaped := attempt; END IF;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    INSERT INTO a.log VALUES (what, current_user, session_user, escaped);
END$$;
CREATE FUNCTION a.checks(x int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM a.spy('check'); RETURN true; END$$;
CREATE FUNCTION a.indexes(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM a.spy('index'); RETURN x; END$$;
CREATE FUNCTION a.value(x int) RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM a.spy('value'); RETURN x; END$$;
CREATE FUNCTION a.holds(x int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM a.spy('predicate'); RETURN true; END$$;
CREATE FUNCTION a.fires() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM a.spy('trigger ' || TG_OP || ' ' || TG_WHEN); RETURN new; END$$;
CREATE TABLE a.t (id int PRIMARY KEY, v int);
INSERT INTO a.t SELECT g FROM generate_series(1, 3) g;
CREATE TRIGGER before BEFORE UPDATE ON a.t FOR EACH ROW EXECUTE FUNCTION a.fires();
CREATE TRIGGER after AFTER UPDATE ON a.t FOR EACH ROW EXECUTE FUNCTION a.fires();
CREATE CONSTRAINT TRIGGER deferred AFTER UPDATE ON a.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION a.fires();
SELECT zdm_create('of alice', $sql$
    ALTER TABLE a.t ADD COLUMN c int;
    UPDATE a.t SET c = coalesce(a.value(id), 0) WHERE c IS NULL AND a.holds(id);
    ALTER TABLE a.t ADD CONSTRAINT k CHECK (a.checks(id));
    CREATE INDEX i ON a.t (a.indexes(id));
$sql$) > 0 AS made;
TRUNCATE a.log;

-- A superuser drives it; it stays hers, and so does every bit of its code.
RESET SESSION AUTHORIZATION;
SELECT zdm_start('of alice', 'done');
CALL zdm_wait('of alice', 'ready', '60 s');
SELECT zdm_contract('of alice', true, 'test');
CALL zdm_wait('of alice', 'done', '60 s');
SELECT what, count(*) > 0 AS ran, min(who) AS first, max(who) AS last, min(session) AS session, max(escaped) AS escaped
  FROM a.log GROUP BY what ORDER BY what;
SELECT rolsuper FROM pg_roles WHERE rolname = 'sec_owner_alice';

-- Planning her table's migration as a superuser runs the code in her constraints as her. Functions that
-- claim to be immutable run while constants are folded; what they leave is in a sequence, because plans
-- are made in a transaction that goes away again.
SET SESSION AUTHORIZATION sec_owner_alice;
CREATE SEQUENCE a.as_alice;
CREATE SEQUENCE a.as_other;
CREATE FUNCTION a.constant(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval(CASE WHEN current_user = 'sec_owner_alice' THEN 'a.as_alice' ELSE 'a.as_other' END);
    RETURN x;
END$$;
GRANT ALL ON SEQUENCE a.as_alice, a.as_other TO PUBLIC;
CREATE TABLE a.u (id int PRIMARY KEY, v int, CHECK (a.constant(1) > 0), UNIQUE (v));
INSERT INTO a.u VALUES (1, 1);
CREATE INDEX ON a.u (v) WHERE a.constant(2) > 0;
CREATE INDEX ON a.u ((v + a.constant(3)));
ALTER SEQUENCE a.as_alice RESTART;
ALTER SEQUENCE a.as_other RESTART;
RESET SESSION AUTHORIZATION;
SELECT is_called FROM a.as_other;
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE a.u ADD COLUMN c int; CREATE INDEX ON a.u (id, v);');
SELECT is_called AS ran_as_alice FROM a.as_alice;
SELECT is_called AS ran_as_superuser FROM a.as_other;
-- Nor does it run as somebody who only refers to her table.
GRANT REFERENCES ON a.u TO PUBLIC;
CREATE ROLE sec_owner_bob LOGIN;
CREATE SCHEMA b AUTHORIZATION sec_owner_bob;
SET SESSION AUTHORIZATION sec_owner_bob;
CREATE TABLE b.t (id int PRIMARY KEY, u int);
INSERT INTO b.t VALUES (1, 1);
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE b.t ADD FOREIGN KEY (u) REFERENCES a.u (v);');
RESET SESSION AUTHORIZATION;
SELECT is_called AS ran_as_other FROM a.as_other;

-- A role that can't log in: its migration runs through a member, and never as a superuser.
CREATE ROLE sec_owner_team NOLOGIN;
GRANT sec_owner_team TO sec_owner_bob;
CREATE SCHEMA team AUTHORIZATION sec_owner_team;
SET SESSION AUTHORIZATION sec_owner_bob;
SET ROLE sec_owner_team;
CREATE TABLE team.log (who text, session text);
CREATE FUNCTION team.spy() RETURNS int LANGUAGE plpgsql AS $$BEGIN INSERT INTO team.log VALUES (current_user, session_user); RETURN 1; END$$;
CREATE TABLE team.t (id int PRIMARY KEY);
INSERT INTO team.t VALUES (1);
SELECT zdm_create('of team', 'ALTER TABLE team.t ADD COLUMN c int; UPDATE team.t SET c = coalesce(team.spy(), 0) WHERE c IS NULL;') > 0 AS made;
SELECT zdm_start('of team', 'done');
CALL zdm_wait('of team', 'done', '60 s');
SELECT owner, state FROM zdm.migrations;
SELECT DISTINCT who FROM team.log;
SELECT count(*) AS as_superuser FROM team.log JOIN pg_roles ON rolname = session WHERE rolsuper;
RESET SESSION AUTHORIZATION;

DROP OWNED BY sec_owner_alice, sec_owner_bob, sec_owner_team CASCADE;
DROP ROLE sec_owner_alice, sec_owner_bob, sec_owner_team, sec_owner_root;
