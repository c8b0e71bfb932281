-- DROP EXTENSION zdm is refused while a migration is live.
SET client_min_messages = warning;
CREATE FUNCTION migration(name text, state text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO zdm.migration (name, sql, checksum, owner, login, state, system_identifier, database_oid)
    VALUES (name, '', '', current_user::regrole, current_user::regrole, state, 0, 0) $$;
SELECT migration('not started', 'planned'), migration('finished', 'done'), migration('undone', 'rolled_back');
BEGIN;
DROP EXTENSION zdm;
ROLLBACK;
SELECT migration('add phone', 'migrating'), migration('it''s stuck', 'failed');
DO $$
BEGIN
    DROP EXTENSION zdm CASCADE;
EXCEPTION WHEN object_in_use THEN RAISE WARNING '% %', SQLSTATE, SQLERRM;
END $$;
DROP EXTENSION zdm CASCADE;
DROP EXTENSION IF EXISTS plpgsql, zdm;
-- Other statements pass, and other extensions.
DROP EXTENSION IF EXISTS citext;
DROP TABLE IF EXISTS nothing;
SELECT zdm.guard_drop();
UPDATE zdm.migration SET state = 'done' WHERE state IN ('migrating', 'failed');
DROP EXTENSION zdm;
SELECT count(*) FROM pg_extension WHERE extname = 'zdm';
