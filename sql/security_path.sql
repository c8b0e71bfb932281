-- A superuser whose search_path begins with a schema of somebody else, who has put there functions,
-- operators, types and relations named like all that zdm uses: none is ever used, by no call and by no
-- worker.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET client_min_messages = warning;
CREATE ROLE sec_path_mallory LOGIN;
CREATE SCHEMA evil AUTHORIZATION sec_path_mallory;
CREATE SCHEMA app;
CREATE TABLE app.t (id int PRIMARY KEY, label text);
INSERT INTO app.t SELECT g FROM generate_series(1, 300) g;
SET SESSION AUTHORIZATION sec_path_mallory;
SET search_path = pg_catalog;
CREATE TABLE evil.log (what text, who text);
GRANT INSERT ON evil.log TO PUBLIC;
-- Says each thing once in a session; a worker leaves it in the table.
CREATE FUNCTION evil.alarm(what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE seen text := coalesce(current_setting('evil.seen', true), '');
BEGIN
    IF strpos(seen, what || '|') = 0 THEN
        PERFORM set_config('evil.seen', seen || what || '|', false);
        RAISE WARNING 'used: % as %', what, current_user;
        IF current_setting('transaction_read_only') = 'off' THEN
            INSERT INTO evil.log VALUES (what, current_user);
        END IF;
    END IF;
    RETURN NULL;
END$$;
ALTER FUNCTION evil.alarm(text) SET search_path = pg_catalog;
-- Functions: one of each name and number of arguments, for the types that they have in pg_catalog.
DO $do$
DECLARE f record; made int := 0;
BEGIN
    FOR f IN SELECT p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
                    pg_catalog.format_type(p.prorettype, NULL) AS result
               FROM pg_catalog.pg_proc p
              WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind = 'f' AND NOT p.proretset
                AND p.proname::pg_catalog.text IN ('now', 'clock_timestamp', 'md5', 'to_regclass', 'quote_ident', 'quote_literal',
                    'pg_has_role', 'has_any_column_privilege', 'has_table_privilege', 'pg_get_expr', 'pg_get_indexdef',
                    'pg_get_constraintdef', 'format_type', 'to_char', 'jsonb_object', 'jsonb_build_object', 'jsonb_typeof',
                    'regexp_replace', 'left', 'length', 'lower', 'floor', 'round', 'current_database', 'pg_backend_pid',
                    'pg_relation_size', 'pg_stat_get_xact_numscans', 'array_length', 'pg_advisory_lock', 'hashtext', 'concat',
                    'pg_is_in_recovery', 'obj_description', 'pg_table_is_visible', 'starts_with', 'strpos', 'array_position')
    LOOP
        CONTINUE WHEN pg_catalog.strpos(f.arguments, 'VARIADIC') > 0 OR pg_catalog.strpos(f.arguments, 'OUT') > 0
                   OR f.result LIKE 'any%' OR f.result IN ('void', 'trigger') OR f.arguments LIKE '%internal%';
        EXECUTE pg_catalog.format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$BEGIN PERFORM evil.alarm(%L); RETURN NULL; END$f$',
                                  f.proname, f.arguments, f.result, 'function ' || f.proname);
        made := made + 1;
    END LOOP;
    -- Operators, all that compare, join or look into values.
    FOR f IN SELECT o.oprname, pg_catalog.format_type(o.oprleft, NULL) AS l, pg_catalog.format_type(o.oprright, NULL) AS r,
                    pg_catalog.format_type(o.oprresult, NULL) AS result, o.oid
               FROM pg_catalog.pg_operator o
              WHERE o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace AND o.oprkind = 'b'
                AND o.oprleft::pg_catalog.regtype::pg_catalog.text IN ('oid', 'text', 'name', 'bigint', 'integer', 'smallint', 'jsonb', 'boolean', 'tid', '"char"', 'regclass', 'timestamp with time zone')
                AND o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '->>', '->', '&', '>>', '+', '-', '&&', '@>', '~~', '~')
    LOOP
        CONTINUE WHEN f.r LIKE 'any%' OR f.result LIKE 'any%';
        EXECUTE pg_catalog.format('CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$BEGIN PERFORM evil.alarm(%L); RETURN NULL; END$f$',
                                  f.oid, f.l, f.r, f.result, 'operator ' || f.oprname || ' of ' || f.l);
        EXECUTE pg_catalog.format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.op_%s)', f.oprname, f.l, f.r, f.oid);
        made := made + 1;
    END LOOP;
    -- Types: domains whose check sounds the alarm.
    FOR f IN SELECT typname FROM pg_catalog.pg_type
              WHERE typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                AND typname::pg_catalog.text IN ('regclass', 'regrole', 'jsonb', 'oid', 'name', 'regtype')
    LOOP
        EXECUTE pg_catalog.format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.alarm(%L) IS NULL)', f.typname, f.typname, 'type ' || f.typname);
        made := made + 1;
    END LOOP;
    -- Relations.
    FOR f IN SELECT relname FROM pg_catalog.pg_class
              WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace
                AND relname::pg_catalog.text IN ('pg_locks', 'pg_stat_activity', 'pg_class', 'pg_namespace', 'pg_index',
                    'pg_constraint', 'pg_roles', 'pg_database', 'pg_extension', 'pg_trigger', 'pg_proc', 'pg_type', 'pg_depend', 'pg_attrdef', 'pg_am', 'pg_inherits')
    LOOP
        EXECUTE pg_catalog.format('CREATE VIEW evil.%I AS SELECT r.* FROM pg_catalog.%I r WHERE evil.alarm(%L) IS NULL',
                                  f.relname, f.relname, 'relation ' || f.relname);
        made := made + 1;
    END LOOP;
    RAISE WARNING 'traps are set: %', made > 200;
END$do$;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
RESET SESSION AUTHORIZATION;

-- The traps work.
SET search_path = evil, pg_catalog, public;
SELECT md5('x'::pg_catalog.text);
SELECT 1::pg_catalog.oid = 1::pg_catalog.oid;
SELECT '{}'::jsonb;
SELECT count(*) FROM pg_am;
DELETE FROM evil.log;
SET evil.seen = '';

-- All calls, and a worker with this path among the settings of its migration.
SET zdm.quiet_period = 0;
SELECT step, kind FROM zdm_plan('ALTER TABLE app.t ADD COLUMN c pg_catalog.int4 NOT NULL; UPDATE app.t SET c = 1 WHERE c IS NULL;');
SELECT zdm_create('m', 'ALTER TABLE app.t ADD COLUMN c pg_catalog.int4 NOT NULL; UPDATE app.t SET c = 1 WHERE c IS NULL;
    ALTER TABLE app.t ADD COLUMN parent pg_catalog.int4;
    ALTER TABLE app.t ADD CONSTRAINT parent FOREIGN KEY (parent) REFERENCES app.t (id);
    CREATE INDEX by_label ON app.t (label); ALTER TABLE app.t ADD CONSTRAINT u UNIQUE (id, c);');
SELECT zdm_create('m', 'SELECT 1');
SELECT zdm_set('m', 'duty', '1');
SELECT zdm_start('m', 'expanded');
CALL zdm_wait('m', 'expanded', '60 s');
SELECT zdm_pause('m', 'for a moment');
SELECT zdm_resume('m');
SELECT zdm.ping('m') IS NOT NULL AS pinged;
SELECT zdm_start('m');
CALL zdm_wait('m', 'ready', '60 s');
INSERT INTO app.t VALUES (301);
SELECT zdm_rollback('m');
CALL zdm_wait('m', 'rolled_back', '60 s');
CALL zdm_wait('m', 'done', '60 s');
SELECT zdm_start('m');
CALL zdm_wait('m', 'ready', '60 s');
SELECT zdm_contract('m');
CALL zdm_wait('m', 'done', '60 s');
SELECT zdm_backfill('app.t', 'label = ''x''', 'label IS NULL', 'b', '{"duty": 1}');
CALL zdm_wait('b', 'done', '60 s');
SELECT zdm_version() IS NOT NULL AS version;
SELECT name, state FROM zdm.migrations ORDER BY id;
SELECT DISTINCT state FROM zdm.steps;
SELECT kind, percent FROM zdm.progress;
SELECT DISTINCT kind FROM zdm.events WHERE id IS NOT NULL;
SELECT zdm_create('n', 'DROP TABLE app.t');
SELECT zdm_rollback('n');
DROP EXTENSION zdm;
SET search_path = pg_catalog;
-- What the workers used; the traps that were shown to work are this session's own.
SELECT DISTINCT what, who FROM evil.log WHERE what NOT IN ('function md5', 'operator = of oid', 'type jsonb');
SELECT count(*) FROM app.t WHERE c = 1 AND label = 'x';
DROP SCHEMA evil CASCADE;
DROP SCHEMA app CASCADE;
DROP ROLE sec_path_mallory;
