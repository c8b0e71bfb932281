-- What a backfill waits for: each signal with its limit, who may see them, options and what is wrong with
-- them, a query of the owner's and what it may not do, signals that can't be read, hours of the day.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE ROLE pressure_alice LOGIN;
CREATE ROLE pressure_bob LOGIN;
CREATE ROLE pressure_watch LOGIN IN ROLE pg_monitor;
CREATE SCHEMA a AUTHORIZATION pressure_alice;
-- Waits until a condition holds; says so when it does not within a minute.
CREATE PROCEDURE until(condition text) LANGUAGE plpgsql AS $$
DECLARE held boolean;
BEGIN
    FOR i IN 1..600 LOOP
        EXECUTE 'SELECT ' || condition INTO held;
        IF held THEN RETURN; END IF;
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
    RAISE WARNING 'gave up waiting until %', condition;
END$$;

-- Before anything runs: the settings of the server.
SELECT signal, "limit", unit, tripped FROM zdm_pressure();
SET zdm.max_slot_wal = '5GB';
SET zdm.allowed_hours = 'at night';
SELECT signal, "limit", tripped, reason FROM zdm_pressure() WHERE signal IN ('slot_wal', 'allowed_hours');
RESET zdm.allowed_hours;
RESET zdm.max_slot_wal;
SET ROLE pressure_bob;
SET zdm.min_free_disk = 0;
SELECT count(*) FROM zdm_pressure() WHERE tripped;
SELECT count(*) FROM zdm_pressure('nothing');
RESET ROLE;

-- Options and what is wrong with them.
SET SESSION AUTHORIZATION pressure_alice;
SET search_path = a, public;
CREATE TABLE hold (why text);
CREATE TABLE t (id int PRIMARY KEY, c int);
INSERT INTO t SELECT g FROM generate_series(1, 20000) g;
SELECT zdm_create('planned', 'UPDATE a.t SET c = 1 WHERE c IS NULL') > 0 AS made;
SELECT zdm_set('planned', 'max_slot_wal', '1 GiB');
SELECT zdm_set('planned', 'max_dead_tuples', '-1');
SELECT zdm_set('planned', 'allowed_hours', '22-6');
SELECT zdm_set('planned', 'allowed_hours', '22:00-06:00 Europe/Nowhere');
SELECT zdm_set('planned', 'pressure_query', 'SELEC 1');
SELECT zdm_set('planned', 'pressure_query', 'DELETE FROM hold');
SELECT zdm_set('planned', 'pressure_query', 'SELECT 1; SELECT 2');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL', 'refused', '{"pressure_query": "SELECT 1; SELECT 2"}');
SELECT zdm_set('planned', 'min_free_disk', '1000000TB');
SELECT zdm_set('planned', 'max_replica_lag', '3');
SELECT signal, "limit", tripped, reason ~ ' are free on the disk of .* \(min_free_disk is 1000000\.0 TB\)$' AS said
  FROM zdm_pressure('planned') WHERE signal IN ('free_disk', 'replica_lag');
SELECT zdm_set('planned', 'min_free_disk', NULL);
-- A limit on dead rows is read from the table's options.
ALTER TABLE t SET (autovacuum_vacuum_threshold = 70, autovacuum_enabled = on);
SELECT zdm_set('planned', 'max_dead_tuples', '1000000');
SELECT "limit", tripped, reason FROM zdm_pressure('planned') WHERE signal = 'dead_tuples';
SELECT zdm_set('planned', 'max_dead_tuples', NULL);
SELECT tripped FROM zdm_pressure('planned') WHERE signal = 'free_disk';

-- What a query of the owner's may say, and what it may not do: it runs as the owner, reads only, for a second.
CREATE FUNCTION asked(query text) RETURNS TABLE (tripped boolean, reason text) LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    PERFORM zdm_set('planned', 'pressure_query', query);
    RETURN QUERY SELECT p.tripped, p.reason FROM zdm_pressure('planned') p WHERE p.signal = 'pressure_query';
END$$;
CREATE FUNCTION writes() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO a.hold VALUES ('x'); RETURN true; END$$;
SELECT * FROM asked('SELECT true');
SELECT * FROM asked('SELECT false');
SELECT * FROM asked('SELECT NULL::text');
SELECT * FROM asked('SELECT why FROM hold');
SELECT * FROM asked('SELECT ''the queue is long''');
SELECT * FROM asked('SELECT 42');
SELECT * FROM asked('SELECT 1/0 = 0');
SELECT * FROM asked('WITH gone AS (DELETE FROM hold RETURNING 1) SELECT true FROM gone');
SELECT * FROM asked('SELECT writes()');
SELECT * FROM asked('SELECT pg_sleep(60)::text');
SELECT * FROM asked('SELECT why FROM zdm.signal');
RESET SESSION AUTHORIZATION;
SELECT * FROM a.asked('SELECT current_user::text');
SELECT * FROM a.asked('SELECT set_config(''role'', ''none'', false)');
-- A lock that would outlive it is taken back; one of the session's own stays.
SELECT pg_advisory_lock(41);
SELECT * FROM a.asked('SELECT pg_try_advisory_lock_shared(-42, 7)::text || pg_try_advisory_lock(1 << 20)::text');
SELECT classid, objid, objsubid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
SELECT pg_advisory_unlock(41);
SELECT * FROM a.asked('');
SELECT current_user = session_user AS unchanged, current_setting('transaction_read_only') AS read_only;

-- A backfill waits as long as the query says so, and everybody who may knows why.
SET SESSION AUTHORIZATION pressure_alice;
SET search_path = a, public;
INSERT INTO hold VALUES ('the queue is long');
SELECT zdm_backfill('t', 'c = 1', 'c IS NULL', 'held', '{"pressure_query": "SELECT why FROM hold"}') > 0 AS made;
CALL until($$EXISTS (SELECT FROM zdm.pressure WHERE tripped)$$);
SELECT migration, signal, tripped, since <= now() AS since, reason FROM zdm.pressure WHERE tripped;
SELECT waiting_for FROM zdm.migrations WHERE name = 'held';
SELECT count(*) AS signals FROM zdm.pressure;
SELECT count(*) AS filled FROM t WHERE c = 1;
SELECT * FROM zdm.signal;
SET SESSION AUTHORIZATION pressure_bob;
SELECT count(*) FROM zdm.pressure;
SET SESSION AUTHORIZATION pressure_watch;
SELECT count(*) > 0 AS seen FROM zdm.pressure;
SET SESSION AUTHORIZATION pressure_alice;
SET search_path = a, public;

-- All that trip are shown; options hold at once.
SELECT zdm_set('held', 'min_free_disk', '1000000TB');
SELECT zdm_set('held', 'allowed_hours', to_char(now() AT TIME ZONE 'UTC' + interval '11 hours', 'HH24:MI-')
    || to_char(now() AT TIME ZONE 'UTC' + interval '12 hours', 'HH24:MI') || ' UTC');
CALL until($$(SELECT count(*) = 3 FROM zdm.pressure WHERE tripped)$$);
SELECT signal, since IS NOT NULL AS since FROM zdm.pressure WHERE tripped;
SELECT regexp_replace(regexp_replace(waiting_for, '[0-9.]+ [kMGT]?B', 'N', 'g'), '[0-9]{2}:[0-9]{2}', 'H', 'g') AS waiting_for
  FROM zdm.migrations WHERE name = 'held';
SELECT zdm_set('held', 'allowed_hours', NULL);
CALL until($$(SELECT count(*) = 2 FROM zdm.pressure WHERE tripped)$$);
DELETE FROM hold;
CALL until($$(SELECT count(*) = 1 FROM zdm.pressure WHERE tripped)$$);
SELECT signal FROM zdm.pressure WHERE tripped;
SELECT zdm_set('held', 'min_free_disk', '0');
CALL zdm_wait('held', 'done', '60 s');
SELECT count(*) AS left_over FROM t WHERE c IS NULL;
SELECT count(*) FROM zdm.pressure;
SELECT kind, regexp_replace(message, '[0-9]+ s', 'N s') AS message FROM zdm.events
 WHERE migration = 'held' AND kind IN ('throttled', 'released') ORDER BY id;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM zdm.signal;

DROP SCHEMA a CASCADE;
DROP PROCEDURE until;
DELETE FROM zdm.migration;
DROP OWNED BY pressure_alice, pressure_bob, pressure_watch;
DROP ROLE pressure_alice, pressure_bob, pressure_watch;
