-- ALTER COLUMN TYPE with -- zdm: down, which says what gives the old value: what is planned, what is refused, and one from
-- end to end. And new generated columns.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = notice;
CREATE ROLE down_owner LOGIN;
CREATE SCHEMA d AUTHORIZATION down_owner;
SET SESSION AUTHORIZATION down_owner;
SET search_path = d, public;
SET zdm.quiet_period = 0;
CREATE TABLE item (
    id int PRIMARY KEY,
    price text CONSTRAINT item_price_check CHECK (price IS NOT NULL),
    unit text DEFAULT 'EUR',
    n int,
    at timestamptz,
    code text CONSTRAINT item_code_key UNIQUE,
    kind int REFERENCES item,
    upper_unit text GENERATED ALWAYS AS (upper(unit)) STORED,
    "Odd ""name" text);
INSERT INTO item (id, price, n, at, code, "Odd ""name") SELECT g, CASE WHEN g % 2 = 0 THEN ' ' ELSE '' END || g, g, '2024-01-01 12:00Z', g, g FROM generate_series(1, 20) g;

\echo # What is planned, under the names of each time; and what does not come back as it was
SELECT phase || ' ' || kind || ': ' || command || E'\n    ' || note FROM zdm_plan(E'-- zdm: down price = price::text\nALTER TABLE item ALTER COLUMN price TYPE int USING price::int') WHERE kind IN ('backfill', 'sync', 'verify', 'unsync');
\echo ## other columns too, qualified
SELECT command FROM zdm_plan(E'-- zdm: down price = item.price || '' '' || coalesce(d.item.unit, ''-'')\nALTER TABLE d.item ALTER price TYPE numeric USING split_part(trim(price), '' '', 1)::numeric') WHERE kind IN ('sync', 'verify');
SELECT command FROM zdm_plan(E'-- zdm: down "Odd ""name" = repeat(''1'', "Odd ""name")\nALTER TABLE item ALTER "Odd ""name" TYPE int USING length("Odd ""name")') WHERE kind = 'sync';
\echo ## where no cast back is known
SELECT command FROM zdm_plan(E'-- zdm: down n = CASE WHEN n ~ ''^[0-9]{1,9}$'' THEN n::int END\nALTER TABLE item ALTER n TYPE text') WHERE kind IN ('sync', 'verify');
SELECT command FROM zdm_plan(E'-- zdm: down at = at::timestamp AT TIME ZONE ''UTC''\nALTER TABLE item ALTER at TYPE date USING (at AT TIME ZONE ''UTC'')::date') WHERE kind = 'sync';
\echo ## instead of a cast back that is known
SELECT command FROM zdm_plan(E'-- zdm: down n = least(n, 2147483647)::int\nALTER TABLE item ALTER n TYPE bigint') WHERE kind = 'sync';
\echo ## what may fail, and what is never NULL
SELECT note FROM zdm_plan(E'-- zdm: down n = 100 / nullif(n, 0)\nALTER TABLE item ALTER n TYPE bigint') WHERE kind = 'sync' AND phase = 'switch';
SELECT note FROM zdm_plan(E'-- zdm: down price = coalesce(price::text, ''-'')\nALTER TABLE item ALTER price TYPE int USING price::int') WHERE kind = 'sync' AND phase = 'switch';

\echo # Tried on rows: one that fails is named
SET client_min_messages = warning;
INSERT INTO item (id, price, n) VALUES (21, 'x', 0);
SELECT zdm_plan(E'-- zdm: down price = price::text\nALTER TABLE item ALTER COLUMN price TYPE int USING price::int'); \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down n = 100 / n\nALTER TABLE item ALTER n TYPE bigint'); \echo :SQLSTATE
SELECT count(*) > 0 FROM zdm_plan(E'-- zdm: down price = price::text\nALTER TABLE item ALTER COLUMN price TYPE int USING CASE WHEN price ~ ''^ *[0-9]+$'' THEN price::int END');
DELETE FROM item WHERE id = 21;

\echo # What is refused
SELECT zdm_plan('ALTER TABLE item ALTER n TYPE text') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down n = n\nALTER TABLE item ALTER n TYPE text') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = nothing::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = zdm_price_new::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = zdm_price_old\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = lower(price)\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = price || upper_unit\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = price || ctid::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = (SELECT max(i.unit) FROM item i)\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down price = price::text || at::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
CREATE FUNCTION secret(int) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1::text;
REVOKE EXECUTE ON FUNCTION secret FROM PUBLIC;
SELECT zdm_plan(E'-- zdm: down price = secret(price)\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
\echo ## unique columns and foreign keys
SELECT zdm_plan(E'-- zdm: down code = code::text\nALTER TABLE item ALTER code TYPE int USING code::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down id = id::int\nALTER TABLE item ALTER id TYPE bigint') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down kind = kind::int\nALTER TABLE item ALTER kind TYPE bigint') IS NULL; \echo :SQLSTATE
\echo ## the wrong place
SELECT zdm_plan(E'-- zdm: up price = price::int\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down code = code\nALTER TABLE item ALTER code TYPE varchar') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: down unit = price::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE
SELECT zdm_plan(E'-- zdm: direct\n-- zdm: down price = price::text\nALTER TABLE item ALTER price TYPE int USING price::int') IS NULL; \echo :SQLSTATE

\echo # From end to end; what the expression gives is no number
CREATE TABLE tariff (id int PRIMARY KEY, price text NOT NULL, unit text NOT NULL DEFAULT 'EUR');
INSERT INTO tariff SELECT g, g::text FROM generate_series(1, 4) g;
INSERT INTO tariff VALUES (5, ' 5');
SELECT zdm_create('given', E'-- zdm: down price = CASE WHEN price < 1000 THEN price || '' '' || unit END\nALTER TABLE tariff ALTER COLUMN price TYPE int USING price::int') > 0;
SELECT zdm_start('given');
CALL zdm_wait('given', 'ready', '1 min');
INSERT INTO tariff VALUES (10, '10');
UPDATE tariff SET price = '20' WHERE id = 2;
SELECT id, price, zdm_price_new FROM tariff ORDER BY id;
SELECT count(*) FROM zdm_verify('given');
SELECT zdm_switch('given');
CALL zdm_wait('given', 'switched', '1 min');
INSERT INTO tariff (id, price) VALUES (11, 11);
UPDATE tariff SET price = 30 WHERE id = 3;
UPDATE tariff SET unit = 'CHF' WHERE id IN (4, 11);
INSERT INTO tariff (id, price) VALUES (12, 5000);
SELECT id, price, zdm_price_old, unit, pg_typeof(price) FROM tariff ORDER BY id;
SELECT count(*) FROM zdm_verify('given');
\echo ## what a rollback would lose
SELECT differences, old_values, new_values FROM zdm_verify('given', going_back => true) WHERE differences > 0;
SELECT zdm_contract('given');
CALL zdm_wait('given', 'done', '1 min');
SELECT * FROM tariff ORDER BY id;

\echo # A stored generated column would rewrite the table: what to write instead
-- What differs by server is that from 18 on there are others.
CREATE FUNCTION instead(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    PERFORM zdm_plan(sql);
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', message, detail, replace(hint, 'Write VIRTUAL for STORED, or let', 'Let'));
END $$;
CREATE TABLE sale (id int PRIMARY KEY, price numeric NOT NULL, quantity int NOT NULL, "My note" text);
INSERT INTO sale SELECT g, g, 2, 'x' FROM generate_series(1, 10) g;
SELECT instead('ALTER TABLE sale ADD COLUMN total numeric(9,2) GENERATED ALWAYS AS (price * quantity) STORED');
SELECT instead('ALTER TABLE sale ADD COLUMN "The total" text NOT NULL GENERATED ALWAYS AS ("My note" || ''$$'' || id::text) STORED UNIQUE');
SELECT instead('ALTER TABLE sale ADD COLUMN total numeric GENERATED ALWAYS AS (price * nothing) STORED');
SELECT instead('ALTER TABLE sale ADD COLUMN at text GENERATED ALWAYS AS (now()::text) STORED');
SELECT instead('ALTER TABLE sale ADD COLUMN IF NOT EXISTS price numeric GENERATED ALWAYS AS (1) STORED');
\echo ## and that it works
SELECT regexp_replace(instead('ALTER TABLE sale ADD COLUMN total numeric(9,2) NOT NULL GENERATED ALWAYS AS (price * quantity) STORED'), '.*: (ALTER TABLE)', '\1') AS plain \gset
SELECT zdm_create('plain', :'plain') > 0;
SELECT zdm_start('plain');
CALL zdm_wait('plain', 'ready', '1 min');
INSERT INTO sale VALUES (11, 11, 3);
UPDATE sale SET quantity = 5 WHERE id = 1;
SELECT zdm_contract('plain');
CALL zdm_wait('plain', 'done', '1 min');
INSERT INTO sale VALUES (12, 12, 3);
UPDATE sale SET quantity = 5 WHERE id = 2;
SELECT count(*), count(*) FILTER (WHERE total = price * quantity) FROM sale;
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'sale'::regclass AND attname = 'total';

\echo # A virtual one is an entry in the catalog, where the server has them
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\set as_planned t
\if :has_virtual
SELECT count(*) = 1 AND bool_and(phase = 'expand' AND kind = 'ddl' AND note LIKE 'changes the catalog only%' AND undo = 'ALTER TABLE d.sale DROP COLUMN twice;'
    AND command = 'ALTER TABLE d.sale ADD COLUMN twice int GENERATED ALWAYS AS (quantity * 2) VIRTUAL;') AS as_planned
  FROM zdm_plan('ALTER TABLE sale ADD COLUMN twice int GENERATED ALWAYS AS (quantity * 2) VIRTUAL') \gset
\endif
SELECT :'as_planned';
