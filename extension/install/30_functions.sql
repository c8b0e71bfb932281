CREATE FUNCTION zdm.sync() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';
COMMENT ON FUNCTION zdm.sync() IS 'row trigger that gives the columns a running migration fills to rows of applications that do not know them, and keeps old and new columns equal; made by zdm, its arguments are the rules';

CREATE FUNCTION zdm.stroke(tid) RETURNS boolean LANGUAGE c VOLATILE STRICT COST 0.0001 AS 'MODULE_PATHNAME', 'zdm_stroke';
COMMENT ON FUNCTION zdm.stroke(tid) IS 'called for each row that a backfill reads, where its worker rests between two strokes of work; true, but for a row that the backfill passes over';

CREATE FUNCTION @extschema@.zdm_version() RETURNS text LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_version() IS 'version of the loaded zdm library, e.g. 0.1.0';

CREATE FUNCTION @extschema@.zdm_plan(sql text,
        OUT step int, OUT phase text, OUT kind text, OUT relation text, OUT command text, OUT lock text,
        OUT scans boolean, OUT rewrites boolean, OUT rows bigint, OUT bytes bigint, OUT note text,
        OUT undo text, OUT removal boolean, OUT line int)
    RETURNS SETOF record LANGUAGE c STRICT AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_plan(text) IS 'the steps that a migration with this SQL would take; changes nothing. Raises ZD0nn for SQL that cannot be read and ZD1nn for what zdm refuses';

CREATE FUNCTION @extschema@.zdm_create(name text, sql text) RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_create(text, text) IS 'stores a migration and its plan and returns its id; the same name with the same SQL returns the same id, with other SQL raises ZD302';

CREATE FUNCTION @extschema@.zdm_start(name text, upto text DEFAULT 'ready') RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_start(text, text) IS 'starts a migration, or lets it go on, up to the state expanded, ready, switched (ready where there is nothing to switch) or done; returns at once, background workers begin when you commit';

CREATE FUNCTION @extschema@.zdm_switch(name text) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_switch(text) IS 'lets a ready migration whose plan has a switch phase go through it, to the state switched: new names and column types are there; an old name goes on for the old application, of a column there is one type at a time; zdm_rollback still goes back. It fails where an index, constraint or publication over the column has come, gone or been changed since the start (ZD211)';

CREATE FUNCTION @extschema@.zdm_contract(name text, force boolean DEFAULT false, reason text DEFAULT NULL,
        accept_differences boolean DEFAULT false) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_contract(text, boolean, text, boolean) IS 'enforces and removes what the migration says, once the gate is open; a shut (ZD401) or blind (ZD402) gate refuses unless forced with a reason, which is kept; a migration that has a switch must be switched first (ZD314). Rows in which old and new columns differ stop it (ZD210): accept_differences lets the old values of these go, when it has stopped at them or before, and is kept; at ready it is about the switch alone. It fails where somebody has put something on the new column of a rename, which goes here while the old one takes the name (ZD211)';

CREATE FUNCTION @extschema@.zdm_verify(name text, examples bigint DEFAULT 20, of regclass DEFAULT NULL,
        first_page bigint DEFAULT 0, pages bigint DEFAULT NULL, going_back boolean DEFAULT false,
        OUT relation text, OUT differences bigint, OUT place text, OUT key text, OUT old_values jsonb, OUT new_values jsonb,
        OUT table_pages bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_verify(text, bigint, regclass, bigint, bigint, boolean) IS 'compares old and new columns from ready on, until the first removal: rows that differ, at most so many examples of each table, with the number of all of them in differences; one row without a place for a table in which none does. Of a part of one table with of, first_page and pages: each call is one snapshot, so large tables are better read in parts, as the command line does. With going_back: rows of which a rollback loses new values that the old columns do not have, or which it fails at (a NOT NULL that it brings back)';

CREATE FUNCTION @extschema@.zdm_rollback(name text, keep boolean DEFAULT false) RETURNS text LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_rollback(text, boolean) IS 'goes back to where the migration started, until its first removal (then ZD304), and says who uses what goes; keep stops, leaves the new structure and returns the SQL that cleans up later, each time that it is called';

CREATE FUNCTION @extschema@.zdm_usage(name text,
        OUT kind text, OUT relation text, OUT object text, OUT used_by text, OUT role text, OUT sessions bigint,
        OUT last_used timestamptz, OUT blocks boolean, OUT message text)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_usage(text) IS 'who uses what the migration has made and a rollback takes away: writes of new columns by applications, objects that depend on it (blocks: zdm_rollback refuses with ZD311), sessions that are connected now; in tables of up to zdm.small_table also rows whose new values the old columns do not have (loss) and rows that refuse a constraint which comes back (misfit), else that nobody looked (unread): zdm_verify with going_back does';

CREATE FUNCTION @extschema@.zdm_pause(name text, reason text DEFAULT NULL) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_pause(text, text) IS 'stops the migration after its current batch or statement, until zdm_resume';

CREATE FUNCTION @extschema@.zdm_resume(name text) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_resume(text) IS 'lets a paused, stopped or failed migration go on from where it is';

CREATE FUNCTION @extschema@.zdm_set(name text, option text, value text) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_set(text, text, text) IS 'changes an option of a running migration: batch_target (ms), duty (processors kept at work, 0.01 to 64; without it 0.2 while applications are busy, up to 1 while they are not), workers (at a table at most), max_rate (rows/s, 0 = off), max_wal_rate (bytes/s, 0 = off), max_bad_rows (that are passed over and listed in zdm.bad_rows, 0 = stop at the first), max_replica_lag (s), quiet_period (s), fire_triggers (true or false, before it starts: whether the table''s own triggers fire for the rows that it changes), standby_grace (s for which old row versions are kept beside a standby without hot_standby_feedback, 0 = off), and the other limits of zdm_pressure: max_replica_lag_bytes, max_slot_wal, max_archive_backlog, max_lock_waiters, max_requested_checkpoints, max_active_sessions, max_dead_tuples, min_free_disk, allowed_hours, pressure_query; null takes it back';

CREATE FUNCTION @extschema@.zdm_pressure(name text DEFAULT NULL,
        OUT signal text, OUT value float8, OUT "limit" float8, OUT unit text, OUT tripped boolean, OUT reason text)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_pressure(text) IS 'what a backfill would see that began now: each signal with its limit, and whether it would wait for it; of a migration with its options, else with the settings of the server';

CREATE FUNCTION @extschema@.zdm_backfill(target regclass, set_clause text, where_clause text DEFAULT NULL,
        name text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_backfill(regclass, text, text, text, jsonb) IS 'makes and starts a migration that is one batched UPDATE target SET set_clause WHERE where_clause; returns its id';

CREATE FUNCTION @extschema@.zdm_estimate(target regclass, set_clause text, where_clause text DEFAULT NULL,
        options jsonb DEFAULT '{}',
        OUT relation text, OUT pages bigint, OUT pages_sampled bigint, OUT rows_min bigint, OUT rows_max bigint,
        OUT indexes int, OUT hot boolean, OUT moved_min float8, OUT moved_max float8, OUT wal_min bigint, OUT wal_max bigint,
        OUT table_growth_min bigint, OUT table_growth_max bigint, OUT index_growth_min bigint, OUT index_growth_max bigint,
        OUT seconds_min float8, OUT seconds_max float8, OUT triggers text[], OUT horizon text, OUT notes text[])
    RETURNS record LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.zdm_estimate(regclass, text, text, jsonb) IS 'what zdm_backfill would do with the same arguments, told from up to 300 pages (of each partition); changes nothing. rows: that match; pages: to read; hot: whether updates can leave the indexes alone (null: not known); moved: share of the rows that go into every index again, 0 to 1; wal, table_growth (with TOAST), index_growth: bytes; seconds: under the load of this moment; triggers: that would fire; horizon: whose old transaction keeps room from being used again; notes: for people';

CREATE FUNCTION zdm.ping(name text) RETURNS boolean LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_ping';
COMMENT ON FUNCTION zdm.ping(text) IS 'starts the workers of a migration again where they should run and do not; true when it did';

CREATE PROCEDURE @extschema@.zdm_wait(name text, state text DEFAULT 'ready', timeout interval DEFAULT NULL) LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE @extschema@.zdm_wait(text, text, interval) IS 'waits until the migration has reached the state (switched: ready where there is nothing to switch); holds no snapshot. Raises ZD306 after timeout, and the error of the migration when it failed';

CREATE FUNCTION zdm.guard_drop() RETURNS event_trigger LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_guard_drop';
COMMENT ON FUNCTION zdm.guard_drop() IS 'refuses DROP EXTENSION zdm while a migration is live';
CREATE EVENT TRIGGER zdm_guard_drop ON ddl_command_start WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION zdm.guard_drop();
