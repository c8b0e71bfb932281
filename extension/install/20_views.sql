CREATE FUNCTION zdm.differing_writes(relation oid) RETURNS bigint LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_differing_writes';
COMMENT ON FUNCTION zdm.differing_writes(oid) IS 'rows of a table with a sync trigger that applications wrote with old and new columns that differ; null where nobody counts, and for who is no member of its owner''s role or of pg_monitor';

-- Each role sees the migrations that it owns, or whose owner it is a member of; members of pg_monitor see all.
CREATE VIEW zdm.migrations WITH (security_barrier) AS
SELECT m.id, m.name, m.state,
       CASE
           WHEN m.paused THEN 'paused: zdm_resume(' || quote_literal(m.name) || ')'
           WHEN w.pid IS NOT NULL THEN 'running'
           WHEN m.state = 'failed' THEN 'failed'
           WHEN m.state IN ('done', 'rolled_back', 'planned') THEN 'idle'
           -- A worker that finds the gate blind ends: only somebody's word can open it.
           WHEN m.state = 'ready' AND s.switches AND m.upto IN ('expanded', 'ready')
               THEN 'waiting: zdm_switch(' || quote_literal(m.name) || ')'
           WHEN (m.state = 'switched' OR (m.state = 'ready' AND NOT s.switches)) AND m.transition
                AND (m.upto <> 'done' OR m.waiting LIKE 'the gate is blind%')
               THEN 'waiting: zdm_contract(' || quote_literal(m.name) || ')'
           WHEN m.state = 'expanded' AND m.upto = 'expanded' THEN 'waiting: zdm_start(' || quote_literal(m.name) || ')'
           WHEN m.system_identifier <> (SELECT c.system_identifier FROM pg_control_system() c)
                OR m.database_oid <> (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
               THEN 'stopped in a copy of its database: zdm_resume(' || quote_literal(m.name) || ')'
           WHEN lower(current_setting('zdm.enabled', true)) IN ('off', 'false', 'no', '0')
               THEN 'stopped: zdm.enabled is off'
           WHEN NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = m.login)
               THEN 'stopped: its role ' || m.login || ' was dropped'
           ELSE 'stopped: zdm_resume(' || quote_literal(m.name) || ')'
       END AS activity,
       m.upto, m.transition, s.switches, m.paused, m.pause_reason,
       w.pid AS worker_pid,
       CASE WHEN locker.pid IS NOT NULL
            THEN format('waiting for pid %s (%s) to end its transaction', locker.pid, locker.application_name)
            ELSE m.waiting END AS waiting_for,
       m.waiting_since,
       m.owner::text AS owner, m.checksum, m.sql, m.options,
       s.steps, s.steps_done, s.point_of_no_return, s.removal_started,
       m.failed_state, m.failed_step, m.sqlstate, m.message, m.detail, m.hint,
       m.forced_reason, m.forced_by, d.differing_writes, m.differences_accepted_by,
       m.created_at, m.started_at, m.ready_at, m.switched_at, m.finished_at
  FROM zdm.migration m
  LEFT JOIN LATERAL (
       SELECT count(*) AS steps, count(*) FILTER (WHERE state IN ('done', 'skipped')) AS steps_done,
              coalesce(bool_or(phase = 'switch'), false) AS switches,
              min(step) FILTER (WHERE removal) AS point_of_no_return,
              coalesce(bool_or(removal AND state IN ('running', 'done')), false) AS removal_started
         FROM zdm.step WHERE migration_id = m.id) s ON true
  LEFT JOIN LATERAL (
       SELECT sum(zdm.differing_writes(relation_oid))::bigint AS differing_writes
         FROM zdm.step WHERE migration_id = m.id AND kind = 'sync' AND state = 'done' AND NOT parameters ? 'unseen'
          AND m.state NOT IN ('planned', 'done', 'rolled_back')) d ON true
  LEFT JOIN LATERAL (
       SELECT l.pid FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' AND l.objsubid = 23108
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.classid::bigint = (m.id >> 32) AND l.objid::bigint = (m.id & 4294967295)
        LIMIT 1) w ON true
  LEFT JOIN LATERAL (
       SELECT a.pid, a.application_name
         FROM pg_stat_progress_create_index p JOIN pg_stat_activity a ON a.pid = p.current_locker_pid
        WHERE p.pid = w.pid AND p.current_locker_pid <> 0) locker ON true
 WHERE pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE');

CREATE VIEW zdm.steps WITH (security_barrier) AS
SELECT m.name AS migration, s.step, s.phase, s.kind, s.relation, s.command,
       (SELECT string_agg(CASE WHEN u.command LIKE '%;' THEN u.command ELSE u.command || ';' END, ' ' ORDER BY u.part)
          FROM zdm.undo u
         WHERE u.migration_id = s.migration_id AND u.step = s.step AND u.kind <> 'count') AS undo, s.lock, s.scans, s.rewrites,
       s.rows, s.bytes, s.note, s.removal, s.line, s.state, s.result, s.started_at, s.finished_at
  FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration_id
 WHERE pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
 ORDER BY s.migration_id, s.step;

CREATE VIEW zdm.progress WITH (security_barrier) AS
SELECT m.name AS migration, s.step, s.kind, s.relation, s.state,
       count(c.*) AS chunks, count(c.*) FILTER (WHERE c.done) AS chunks_done,
       coalesce(sum(c.end_block - c.first_block), 0)::bigint AS pages,
       coalesce(sum(c.pages_done), 0)::bigint AS pages_done,
       round(CASE WHEN s.state = 'done' THEN 100
                  WHEN coalesce(sum(c.end_block - c.first_block), 0) = 0 THEN 0
                  ELSE least(100, 100.0 * sum(c.pages_done)
                                  / sum(c.end_block - c.first_block)) END, 1) AS percent,
       coalesce(sum(c.rows), 0)::bigint AS rows_done, s.rows AS rows_estimate,
       round((s.result ->> 'rows_per_second')::numeric, 0) AS rows_per_second,
       CASE WHEN s.state = 'running' THEN make_interval(secs => (s.result ->> 'eta_seconds')::float8) END AS eta,
       s.result ->> 'throttled' AS throttled,
       round(coalesce((s.result ->> 'throttled_seconds')::numeric, 0), 1) AS throttled_seconds,
       coalesce(sum(c.wal_bytes), 0)::bigint AS wal_bytes,
       s.started_at, s.finished_at
  FROM zdm.step s
  JOIN zdm.migration m ON m.id = s.migration_id
  LEFT JOIN zdm.chunk c ON c.migration_id = s.migration_id AND c.step = s.step
 WHERE s.kind IN ('backfill', 'delete', 'last_pass', 'verify', 'count')
   AND (pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE'))
 GROUP BY m.id, m.name, s.migration_id, s.step
 ORDER BY m.id, s.step;

-- Rows of a step that ended, or whose worker did, say nothing about now.
CREATE VIEW zdm.pressure WITH (security_barrier) AS
SELECT m.name AS migration, p.signal, p.value, p."limit", p.unit, p.tripped, p.since, p.reason, p.read_at
  FROM zdm.signal p
  JOIN zdm.migration m ON m.id = p.migration_id
  JOIN zdm.step s ON s.migration_id = p.migration_id AND s.step = p.step
 WHERE s.state = 'running'
   AND EXISTS (SELECT FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' AND l.objsubid = 23108
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND l.classid::bigint = (m.id >> 32) AND l.objid::bigint = (m.id & 4294967295))
   AND (pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE'))
 ORDER BY m.id, p.signal;

CREATE VIEW zdm.bad_rows WITH (security_barrier) AS
SELECT m.name AS migration, b.step, b.relation, b.place, b.key, b.sqlstate, b.message, b.at
  FROM zdm.bad_row b
  JOIN zdm.migration m ON m.id = b.migration_id
 WHERE pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
 ORDER BY b.migration_id, b.step, b.relation, b.place;

CREATE VIEW zdm.events WITH (security_barrier) AS
SELECT e.id, m.name AS migration, e.at, e.kind, e.step, e.message, e.detail
  FROM zdm.event e JOIN zdm.migration m ON m.id = e.migration_id
 WHERE pg_has_role(m.owner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
 ORDER BY e.id;

GRANT SELECT ON zdm.migrations, zdm.steps, zdm.progress, zdm.pressure, zdm.bad_rows, zdm.events TO PUBLIC;

COMMENT ON VIEW zdm.migrations IS 'migrations that you may see: state, what each is doing or waiting for, and why it failed';
COMMENT ON COLUMN zdm.migrations.id IS 'number of the migration, as zdm_create returned it';
COMMENT ON COLUMN zdm.migrations.name IS 'what zdm_create called it; the command line takes the name of the file';
COMMENT ON COLUMN zdm.migrations.state IS 'planned, expanding, expanded, migrating, ready, switching, switched, contracting, done, rolling_back, rolled_back or failed';
COMMENT ON COLUMN zdm.migrations.activity IS 'running, or what it waits for with the call that goes on; stopped: no worker runs it';
COMMENT ON COLUMN zdm.migrations.upto IS 'the state at which zdm_start was told to stop: expanded, ready, switched or done';
COMMENT ON COLUMN zdm.migrations.transition IS 'true when old and new application versions live side by side at ready, so that contract waits for you';
COMMENT ON COLUMN zdm.migrations.switches IS 'true when its plan has a switch phase, so that it stops at ready for zdm_switch and at switched for zdm_contract';
COMMENT ON COLUMN zdm.migrations.paused IS 'true from zdm_pause until zdm_resume';
COMMENT ON COLUMN zdm.migrations.pause_reason IS 'why it is paused, in the words of whoever paused it';
COMMENT ON COLUMN zdm.migrations.worker_pid IS 'process of the background worker that runs it now';
COMMENT ON COLUMN zdm.migrations.waiting_for IS 'what it waits for right now and who causes it';
COMMENT ON COLUMN zdm.migrations.waiting_since IS 'since when it waits for that';
COMMENT ON COLUMN zdm.migrations.owner IS 'role that made it and as which it runs';
COMMENT ON COLUMN zdm.migrations.checksum IS 'of the SQL with normalised line ends; the same name with another checksum is refused';
COMMENT ON COLUMN zdm.migrations.sql IS 'the SQL as it was given to zdm_create';
COMMENT ON COLUMN zdm.migrations.options IS 'what zdm_set changed for this migration';
COMMENT ON COLUMN zdm.migrations.steps IS 'number of steps in the plan';
COMMENT ON COLUMN zdm.migrations.steps_done IS 'number of steps that are done';
COMMENT ON COLUMN zdm.migrations.point_of_no_return IS 'number of the first step that removes something; null when no step does';
COMMENT ON COLUMN zdm.migrations.removal_started IS 'true once that step has begun: from then on zdm_rollback refuses';
COMMENT ON COLUMN zdm.migrations.failed_state IS 'the state in which it failed, to which zdm_resume takes it back';
COMMENT ON COLUMN zdm.migrations.failed_step IS 'number of the step that failed';
COMMENT ON COLUMN zdm.migrations.sqlstate IS 'SQLSTATE of the error with which it failed';
COMMENT ON COLUMN zdm.migrations.message IS 'the error with which it failed';
COMMENT ON COLUMN zdm.migrations.detail IS 'what happened';
COMMENT ON COLUMN zdm.migrations.hint IS 'what to do next';
COMMENT ON COLUMN zdm.migrations.forced_reason IS 'why contract was forced, whatever the gate would say';
COMMENT ON COLUMN zdm.migrations.forced_by IS 'the session user who forced it';
COMMENT ON COLUMN zdm.migrations.differing_writes IS 'rows that applications wrote with old and new columns that differ, as the sync triggers count them; null while there is none. Later writes may have made them equal again: zdm_verify looks';
COMMENT ON COLUMN zdm.migrations.differences_accepted_by IS 'the session user who let contract remove values that differ (zdm_contract, accept_differences)';
COMMENT ON COLUMN zdm.migrations.created_at IS 'when zdm_create made it';
COMMENT ON COLUMN zdm.migrations.started_at IS 'when zdm_start started it last';
COMMENT ON COLUMN zdm.migrations.ready_at IS 'when it became ready last';
COMMENT ON COLUMN zdm.migrations.switched_at IS 'when it was switched last; null in a migration without a switch';
COMMENT ON COLUMN zdm.migrations.finished_at IS 'when it was done or rolled back';
COMMENT ON VIEW zdm.steps IS 'the plan of each migration, step by step, with its lock, cost estimate (rows, bytes) and how to undo it';
COMMENT ON COLUMN zdm.steps.migration IS 'name of the migration';
COMMENT ON COLUMN zdm.steps.step IS 'number of the step; steps run in this order';
COMMENT ON COLUMN zdm.steps.phase IS 'expand, migrate, switch or contract';
COMMENT ON COLUMN zdm.steps.kind IS 'what zdm does: ddl, sync, backfill, last_pass, index, gate, verify, count, constraint, validate, …';
COMMENT ON COLUMN zdm.steps.relation IS 'table that the step is about';
COMMENT ON COLUMN zdm.steps.command IS 'the SQL of the step, complete';
COMMENT ON COLUMN zdm.steps.undo IS 'SQL that takes the step back; null when there is nothing to take back';
COMMENT ON COLUMN zdm.steps.lock IS 'strongest lock that the step takes on the relation';
COMMENT ON COLUMN zdm.steps.scans IS 'whether the step reads the whole table (never under a lock that blocks reads or writes)';
COMMENT ON COLUMN zdm.steps.rewrites IS 'whether the step writes a new copy of the table';
COMMENT ON COLUMN zdm.steps.rows IS 'rows to read or write, estimated from the catalogs';
COMMENT ON COLUMN zdm.steps.bytes IS 'size of the relation in bytes when planned, from the catalogs';
COMMENT ON COLUMN zdm.steps.note IS 'why the step is there and what applications see of it';
COMMENT ON COLUMN zdm.steps.removal IS 'true when it destroys what was there before the migration';
COMMENT ON COLUMN zdm.steps.line IS 'line of the statement in the SQL of the migration, from 1';
COMMENT ON COLUMN zdm.steps.state IS 'pending, running, done, undone or skipped';
COMMENT ON COLUMN zdm.steps.result IS 'what the step found or did, by name';
COMMENT ON COLUMN zdm.steps.started_at IS 'when it began';
COMMENT ON COLUMN zdm.steps.finished_at IS 'when it was done';
COMMENT ON VIEW zdm.bad_rows IS 'rows that a backfill passed over because their new value cannot be computed or written, where the option max_bad_rows allows that';
COMMENT ON COLUMN zdm.bad_rows.migration IS 'name of the migration';
COMMENT ON COLUMN zdm.bad_rows.step IS 'number of the step that passed the row over; the last pass tries all of them again';
COMMENT ON COLUMN zdm.bad_rows.relation IS 'the row''s table, or partition';
COMMENT ON COLUMN zdm.bad_rows.place IS 'where it was (ctid); an update moves it';
COMMENT ON COLUMN zdm.bad_rows.key IS 'its primary key, such as id = 7; null without one';
COMMENT ON COLUMN zdm.bad_rows.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN zdm.bad_rows.message IS 'what the server said';
COMMENT ON COLUMN zdm.bad_rows.at IS 'when it was tried';

COMMENT ON VIEW zdm.progress IS 'how far backfills, deletes and checking passes are: percent by pages, rows, rows/s, time left';
COMMENT ON COLUMN zdm.progress.migration IS 'name of the migration';
COMMENT ON COLUMN zdm.progress.step IS 'number of the step';
COMMENT ON COLUMN zdm.progress.kind IS 'backfill, delete, last_pass, verify or count';
COMMENT ON COLUMN zdm.progress.relation IS 'table that is gone through';
COMMENT ON COLUMN zdm.progress.state IS 'of the step: pending, running, done or undone';
COMMENT ON COLUMN zdm.progress.chunks IS 'ranges of pages that the table, or each of its partitions, is divided into';
COMMENT ON COLUMN zdm.progress.chunks_done IS 'of these, how many are done';
COMMENT ON COLUMN zdm.progress.pages IS 'pages of the fixed range';
COMMENT ON COLUMN zdm.progress.pages_done IS 'of these, how many are done';
COMMENT ON COLUMN zdm.progress.percent IS 'share of the pages in the fixed range that are done, 0 to 100';
COMMENT ON COLUMN zdm.progress.rows_done IS 'rows changed so far; by a count or verify: rows found';
COMMENT ON COLUMN zdm.progress.rows_estimate IS 'rows of the table, estimated when planned';
COMMENT ON COLUMN zdm.progress.rows_per_second IS 'recent rate';
COMMENT ON COLUMN zdm.progress.eta IS 'time left from the recent rate; null while unknown';
COMMENT ON COLUMN zdm.progress.throttled IS 'why it is held back at this moment; null when it is not';
COMMENT ON COLUMN zdm.progress.throttled_seconds IS 'seconds for which it was held back so far';
COMMENT ON COLUMN zdm.progress.wal_bytes IS 'bytes of WAL that its own batches wrote';
COMMENT ON COLUMN zdm.progress.started_at IS 'when the step began';
COMMENT ON COLUMN zdm.progress.finished_at IS 'when the step was done';
COMMENT ON VIEW zdm.pressure IS 'what the throttle of each running backfill, delete or checking pass sees: a row for each signal; it waits while one is tripped';
COMMENT ON COLUMN zdm.pressure.migration IS 'name of the migration';
COMMENT ON COLUMN zdm.pressure.signal IS 'what is looked at: replica_lag, slot_wal, free_disk, …';
COMMENT ON COLUMN zdm.pressure.value IS 'as it was read last; null where it is no number or could not be read';
COMMENT ON COLUMN zdm.pressure."limit" IS 'beyond which it trips (free_disk: below which); null when it never does';
COMMENT ON COLUMN zdm.pressure.unit IS 'of value and limit: s, bytes, files, …';
COMMENT ON COLUMN zdm.pressure.tripped IS 'whether it holds the step back; true also for one that cannot be read, unless it is switched off';
COMMENT ON COLUMN zdm.pressure.since IS 'since when it is tripped; null when it is not';
COMMENT ON COLUMN zdm.pressure.reason IS 'who or what it is, and how to get rid of it';
COMMENT ON COLUMN zdm.pressure.read_at IS 'when the row was written last';
COMMENT ON VIEW zdm.events IS 'what happened to each migration, in order, with time';
COMMENT ON COLUMN zdm.events.id IS 'number of the event; later ones have higher numbers';
COMMENT ON COLUMN zdm.events.migration IS 'name of the migration';
COMMENT ON COLUMN zdm.events.at IS 'when it happened';
COMMENT ON COLUMN zdm.events.kind IS 'created, note, state, step, paused, resumed, option, throttled, released, gate, forced, failed, …';
COMMENT ON COLUMN zdm.events.step IS 'number of the step that it is about; null when it is about none';
COMMENT ON COLUMN zdm.events.message IS 'what happened';
COMMENT ON COLUMN zdm.events.detail IS 'more about it, by name';
