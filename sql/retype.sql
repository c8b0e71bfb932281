-- ALTER COLUMN TYPE that would rewrite: what is planned and what is refused, and one from end to end.
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
SET zdm.quiet_period = 0;
SET client_min_messages = warning;
CREATE ROLE retype_owner LOGIN;
-- That NOT NULL has a name depends on the server.
CREATE FUNCTION public.unnamed(command text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace(regexp_replace(command, 'ADD CONSTRAINT \S+_not_null(?:_copy)? NOT NULL (\w+);', 'ALTER COLUMN \1 SET NOT NULL;', 'g'),
    'ALTER TABLE \S+ RENAME CONSTRAINT \S+_not_null(_copy)? TO \S+_not_null(_copy)?; ', '', 'g');
CREATE SCHEMA r AUTHORIZATION retype_owner;
SET SESSION AUTHORIZATION retype_owner;
SET search_path = r, public;
SET zdm.quiet_period = 0;
SET timezone = 'Europe/Berlin';
CREATE TABLE kind (id int PRIMARY KEY, label text UNIQUE);
CREATE TABLE item (
    id bigint PRIMARY KEY,
    n int NOT NULL DEFAULT 7 CONSTRAINT item_n_check CHECK (n > 0),
    kind int REFERENCES kind,
    price text,
    seen timestamp,
    made timestamptz,
    doc json,
    big bigint,
    code varchar(20) CONSTRAINT item_code_key UNIQUE,
    serial_no serial,
    ident int GENERATED ALWAYS AS IDENTITY,
    twice int GENERATED ALWAYS AS (7 * 2) STORED,
    viewed int,
    label text REFERENCES kind (label),
    "Odd ""name" int);
CREATE INDEX item_n_idx ON item (n) WHERE n < 100;
CREATE VIEW seen AS SELECT viewed FROM item;
INSERT INTO kind VALUES (1, 'one'), (2, 'two');
INSERT INTO item (id, n, kind, price, seen, code) SELECT g, g, 1, g || '.5', '2020-01-01 12:00', 'c' || g FROM generate_series(1, 5) g;

-- What the server does in the catalog alone is done directly.
SELECT phase, kind, command FROM zdm_plan('ALTER TABLE item ALTER code TYPE varchar(30)');
SELECT phase, kind, command FROM zdm_plan('ALTER TABLE item ALTER code TYPE text');

-- The whole plan, with how each step is taken back.
SELECT phase, kind, public.unnamed(command), public.unnamed(undo), lock FROM zdm_plan('ALTER TABLE item ALTER COLUMN n TYPE bigint');
-- A primary key, with what refers to it; serial and identity.
SELECT phase, kind, public.unnamed(command), public.unnamed(undo), lock FROM zdm_plan('ALTER TABLE kind ALTER id TYPE bigint') WHERE kind <> 'verify';
SELECT public.unnamed(command), public.unnamed(undo) FROM zdm_plan('ALTER TABLE item ALTER serial_no TYPE bigint') WHERE phase = 'switch' AND kind = 'sync';
SELECT public.unnamed(command), public.unnamed(undo) FROM zdm_plan('ALTER TABLE item ALTER ident TYPE bigint') WHERE phase = 'switch' AND kind = 'sync';
-- What gives either type from the other.
SELECT command FROM zdm_plan('ALTER TABLE item ALTER price TYPE numeric(10,2) USING nullif(trim(price), '''')::numeric') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE item ALTER seen TYPE timestamptz USING seen AT TIME ZONE ''UTC''') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE item ALTER made TYPE timestamp USING item.made AT TIME ZONE ''UTC''') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE item ALTER doc TYPE jsonb') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE item ALTER code TYPE text COLLATE "C"') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE item ALTER kind TYPE bigint') WHERE kind = 'sync';
SELECT command FROM zdm_plan('ALTER TABLE r.item ALTER "Odd ""name" TYPE bigint USING n + "Odd ""name"') WHERE kind IN ('sync', 'verify');

-- What is refused.
SELECT zdm_create('bad', 'ALTER TABLE item ALTER seen TYPE timestamptz');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER made TYPE timestamp');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER n TYPE text');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER seen TYPE date');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER seen TYPE text');
SELECT zdm_create('bad', 'ALTER TABLE kind ALTER label TYPE text USING upper(label)');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER code TYPE text USING upper(code)');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER label TYPE varchar(9) USING upper(label)');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER twice TYPE bigint');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER viewed TYPE bigint');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER price TYPE int USING nothing(price)');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER n TYPE bigint, ADD COLUMN more int');
SELECT zdm_create('bad', 'ALTER TABLE item ALTER n TYPE bigint USING n + big; ALTER TABLE item ALTER big TYPE int');
SELECT zdm_create('bad', E'ALTER TABLE item ADD COLUMN late int;\nALTER TABLE item ALTER late TYPE bigint');
CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
SELECT zdm_create('bad', 'ALTER TABLE item ALTER n TYPE positive');

SELECT zdm_create('bad', 'ALTER TABLE item ALTER big TYPE int; CREATE VIEW b AS SELECT big FROM item');
SELECT zdm_create('bad', 'CREATE VIEW b AS SELECT big FROM item; ALTER TABLE item ALTER big TYPE int');
-- USING that is no cast of the column alone, or one that cuts.
CREATE TABLE cut (a varchar(20) CONSTRAINT cut_a UNIQUE, b text, i int CONSTRAINT cut_i UNIQUE);
SELECT zdm_create('bad', 'ALTER TABLE cut ALTER a TYPE varchar(2) USING a::varchar(2)');
SELECT zdm_create('bad', 'ALTER TABLE cut ALTER a TYPE text COLLATE "C" USING a::varchar(2)::text');
SELECT zdm_create('bad', 'ALTER TABLE cut ALTER a TYPE text COLLATE "C" USING b');
SELECT zdm_create('bad', 'ALTER TABLE cut ALTER i TYPE bigint USING i::smallint');
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE cut ALTER i TYPE bigint USING cut.i::bigint');
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE cut ALTER a TYPE text COLLATE "C" USING a::text');
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE cut ALTER a TYPE varchar(2)');
-- Equal under one collation, different under the other.
CREATE COLLATION r.no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE cased (a text COLLATE no_case CONSTRAINT cased_a UNIQUE, b text CONSTRAINT cased_b UNIQUE, c text COLLATE no_case);
CREATE UNIQUE INDEX cased_c ON cased (c COLLATE "C");
SELECT zdm_create('bad', 'ALTER TABLE cased ALTER a TYPE text COLLATE "C"');
SELECT zdm_create('bad', 'ALTER TABLE cased ALTER b TYPE text COLLATE r.no_case');
SELECT count(*) > 0 AS planned FROM zdm_plan('ALTER TABLE cased ALTER c TYPE text COLLATE "C"');
CREATE TYPE two AS (one int, other int);
CREATE TABLE composed (a two);
SELECT zdm_create('bad', 'ALTER TABLE composed ALTER a TYPE text USING a::text');
-- From a rollback on the old unique constraint has its name back; until contract it does not see what it can't hold.
SELECT zdm_create('conflict', 'ALTER TABLE cut ALTER i TYPE bigint') > 0 AS created;
SELECT note FROM zdm.steps WHERE migration = 'conflict' AND phase = 'switch' AND kind = 'sync';
SELECT zdm_start('conflict');
CALL zdm_wait('conflict', 'ready', '1 min');
SELECT zdm_switch('conflict');
CALL zdm_wait('conflict', 'switched', '1 min');
INSERT INTO cut (i) VALUES (1), (3000000000);
INSERT INTO cut (i) VALUES (1) ON CONFLICT ON CONSTRAINT cut_i DO UPDATE SET b = 'named';
INSERT INTO cut (i) VALUES (1) ON CONFLICT (i) DO UPDATE SET b = cut.b || ', by its column';
INSERT INTO cut (i) VALUES (3000000000) ON CONFLICT (i) DO UPDATE SET b = 'by its column';
INSERT INTO cut (i) VALUES (3000000000) ON CONFLICT ON CONSTRAINT cut_i DO UPDATE SET b = 'named';
SELECT i, b, zdm_i_old FROM cut ORDER BY i;

-- From the switch on a value that an INSERT without a list of columns has for the column goes to the old one, and is taken over.
CREATE TABLE placed (id serial PRIMARY KEY, n int DEFAULT 5, word text);
SELECT zdm_create('place', 'ALTER TABLE placed ALTER id TYPE bigint') > 0 AS created;
SELECT zdm_start('place', 'switched');
CALL zdm_wait('place', 'switched', '1 min');
INSERT INTO placed VALUES (100, 1, 'by place') RETURNING id;
INSERT INTO placed VALUES (101), (102) RETURNING id;
INSERT INTO placed (word) VALUES ('default');
INSERT INTO placed (id, word) VALUES (3000000000, 'by name');
INSERT INTO placed (id, zdm_id_old, word) VALUES (103, 103, 'both');
SET zdm.writes = 'old';
INSERT INTO placed VALUES (104) ON CONFLICT (id) DO NOTHING;
SET zdm.writes = 'new';
INSERT INTO placed VALUES (104, 4, 'again') ON CONFLICT (id) DO UPDATE SET word = EXCLUDED.word;
RESET zdm.writes;
-- It must be one of the old type.
INSERT INTO placed VALUES (3000000001);
COPY placed FROM STDIN;
105	5	three columns
\.
SELECT CASE WHEN word IS DISTINCT FROM 'default' THEN id END AS id, id IS NOT DISTINCT FROM zdm_id_old AS same, n, word FROM placed ORDER BY placed.id;
SELECT differences FROM zdm_verify('place');
SELECT zdm_contract('place', true, 'a test');
CALL zdm_wait('place', 'done', '1 min');
-- With a constant as its default, and a USING that reads another column.
SELECT zdm_create('place_n', 'ALTER TABLE placed ALTER n TYPE numeric USING n + id % 2') > 0 AS created;
SELECT zdm_start('place_n', 'switched');
CALL zdm_wait('place_n', 'switched', '1 min');
INSERT INTO placed (n, word, id) VALUES (1.5, 'by name', 200), (DEFAULT, 'default', 201), (NULL, 'null', 202);
INSERT INTO placed VALUES (7, 'by place', 203);
SELECT id, n, zdm_n_old, word FROM placed WHERE id BETWEEN 200 AND 300 ORDER BY id;

-- From end to end.
SELECT zdm_create('wider', 'ALTER TABLE item ALTER COLUMN n TYPE bigint') > 0 AS created;
SELECT zdm_start('wider');
CALL zdm_wait('wider', 'ready', '1 min');
INSERT INTO item (id, n) VALUES (10, 10);
INSERT INTO item (id) VALUES (11);
UPDATE item SET n = 20 WHERE id = 2;
SELECT id, n, zdm_n_new FROM item ORDER BY id;
SELECT * FROM zdm_verify('wider');
SELECT zdm_contract('wider');
SELECT zdm_switch('wider');
CALL zdm_wait('wider', 'switched', '1 min');
INSERT INTO item (id, n) VALUES (12, 3000000000);
INSERT INTO item (id) VALUES (13);
UPDATE item SET n = 4000000000 WHERE id = 3;
UPDATE item SET n = 30 WHERE id = 10;
UPDATE item SET n = NULL WHERE id = 10;
INSERT INTO item (id, n) VALUES (14, 0);
SELECT id, n, zdm_n_old, pg_typeof(n) FROM item ORDER BY id;
SELECT relation, differences, old_values, new_values FROM zdm_verify('wider');
SELECT relation, differences, old_values, new_values FROM zdm_verify('wider', going_back => true);
SELECT zdm_contract('wider');
CALL zdm_wait('wider', 'done', '1 min');
SELECT id, n FROM item ORDER BY id;
\d item
