-- zdm.sync used wrongly says so.
SET client_min_messages = warning;
CREATE TABLE t (id int, a text, c text, g text GENERATED ALWAYS AS (a || '!') STORED);
CREATE VIEW v AS SELECT id, a, c FROM t;
-- The error of one statement: its SQLSTATE and all that it says.
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, detail, hint);
END $$;
-- The same, without the hint, for an INSERT into t with a trigger that has these arguments.
CREATE FUNCTION refused(VARIADIC arguments text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION zdm.sync(%s)',
        (SELECT string_agg(quote_literal(a), ', ' ORDER BY n) FROM unnest(arguments) WITH ORDINALITY u(a, n)));
    RETURN regexp_replace(said('INSERT INTO t (id, a) VALUES (1, ''x'')'), E'\\n(Change|The arguments are).*', '');
END $$;
\pset format unaligned
\pset tuples_only on

-- Not as a row trigger before INSERT or UPDATE.
SELECT said('SELECT zdm.sync()');
CREATE FUNCTION direct() RETURNS int LANGUAGE c AS '$libdir/zdm', 'zdm_sync';
SELECT said('SELECT direct()');
SELECT said($$CREATE TRIGGER w BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '1', ''); INSERT INTO t VALUES (1)$$);
SELECT said($$CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '1', ''); INSERT INTO t VALUES (1)$$);
INSERT INTO t VALUES (0, 'kept');
SELECT said($$CREATE TRIGGER w BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '1', ''); DELETE FROM t$$);
SELECT said($$CREATE TRIGGER w INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION zdm.sync('pg_catalog', 'c', 'once', '1', ''); INSERT INTO v VALUES (1)$$);

-- Arguments.
SELECT refused('pg_catalog');
SELECT refused('pg_catalog', 'c', 'once', '1');
SELECT refused('pg_catalog', 'c', 'twice', '1', '');
SELECT refused('pg_catalog', 'c', 'once', '1', '', 'a', 'ONCE', '1', '');
SELECT refused('pg_catalog', '', 'once', '1', '');
SELECT refused('pg_catalog', 'c', 'once', ' ', '');
SELECT refused('', 'c', 'once', '1', '');
SELECT refused('pg_catalog, "', 'c', 'once', '1', '');
SELECT said($$CREATE TRIGGER w BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION zdm.sync(); INSERT INTO t VALUES (1)$$);

-- Columns.
SELECT refused('pg_catalog', 'nothing', 'once', '1', '');
INSERT INTO t (id, a) VALUES (1, 'x');
SELECT refused('pg_catalog', 'ctid', 'once', '1', '');
SELECT refused('pg_catalog', 'g', 'once', '1', '');
SELECT refused('pg_catalog', 'C', 'once', '1', '');

-- Expressions and conditions.
SELECT refused('pg_catalog', 'c', 'once', '1 +', '');
SELECT refused('pg_catalog', 'c', 'once', '1, 2', '');
SELECT refused('pg_catalog', 'c', 'once', '1 FROM t', '');
SELECT refused('pg_catalog', 'c', 'once', '1 AS x', '');
SELECT refused('pg_catalog', 'c', 'once', 'DISTINCT a', '');
SELECT refused('pg_catalog', 'c', 'once', '1 LIMIT 1', '');
SELECT refused('pg_catalog', 'c', 'once', '1; DROP TABLE t', '');
SELECT refused('pg_catalog', 'c', 'once', '1 UNION SELECT 2', '');
SELECT refused('pg_catalog', 'c', 'once', '*', '');
SELECT refused('pg_catalog', 'c', 'once', 't.*', '');
SELECT refused('pg_catalog', 'c', 'once', 'nothing', '');
SELECT refused('pg_catalog', 'c', 'once', 'other.a', '');
SELECT refused('pg_catalog', 'c', 'once', 'NEW.a', '');
SELECT refused('pg_catalog', 'c', 'once', '$1', '');
SELECT refused('pg_catalog', 'c', 'once', 'no_such(a)', '');
SELECT refused('pg_catalog', 'c', 'once', 'said(a)', '');
SELECT refused('pg_catalog', 'c', 'once', '(SELECT 1)', '');
SELECT refused('pg_catalog', 'c', 'once', 'count(*)', '');
SELECT refused('pg_catalog', 'c', 'once', 'row_number() OVER ()', '');
SELECT refused('pg_catalog', 'c', 'once', 'generate_series(1, 2)', '');
SELECT refused('pg_catalog', 'id', 'once', 'a', '');
SELECT refused('pg_catalog', 'id', 'once', $$'abc'$$, '');
SELECT refused('pg_catalog', 'c', 'once', '1', 'a');
SELECT refused('pg_catalog', 'c', 'once', '1', 'a = 1');
SELECT refused('pg_catalog', 'c', 'once', 'g', '');
SELECT refused('pg_catalog', 'c', 'once', '1', 'g IS NULL');
SELECT refused('pg_catalog', 'c', 'once', 't::text', '');
SELECT refused('pg_catalog', 'c', 'once', 'xmin::text', '');
SELECT refused('pg_catalog', 'c', 'once', 'tableoid::text', '');
SELECT refused('pg_catalog', 'c', 'step', 'now()::text', '');
SELECT refused('pg_catalog', 'c', 'step', 'a', 'random() < 1');
SELECT refused('pg_catalog', 'c', 'once', 'now()::text', '');
SELECT count(*) FROM t;
