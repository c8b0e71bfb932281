-- What CREATE EXTENSION makes: who may do what with it, and that each thing that people see says what
-- it is.
\pset format unaligned
CREATE TEMP VIEW member AS
SELECT classid, objid FROM pg_depend
 WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'zdm');

-- As \dx+ lists them; newer servers add the types of the tables.
SELECT pg_describe_object(classid, objid, 0) AS object FROM member
 WHERE classid <> 'pg_type'::regclass ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- Views, their columns and functions without a comment: none.
SELECT pg_describe_object(classid, objid, 0) AS without_comment FROM member
 WHERE classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
   AND NOT (classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) = 'S')
   AND obj_description(objid, classid::regclass::name) IS NULL;
SELECT c.oid::regclass || '.' || a.attname AS column_without_comment
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL;

-- Who else than the owner has rights, and which: everybody may read the views.
SELECT c.relname, x.grantee, x.privilege_type, x.is_grantable
  FROM pg_class c, aclexplode(c.relacl) x
 WHERE c.relnamespace = 'zdm'::regnamespace AND x.grantee <> c.relowner ORDER BY c.relname;
SELECT x.grantee, x.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) x
 WHERE n.nspname = 'zdm' AND x.grantee <> n.nspowner;
SELECT count(*) AS tables_and_sequences_open_to_others
  FROM pg_class c WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind IN ('r', 'S')
   AND has_any_column_privilege('pg_monitor', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES');

-- Functions that run with the rights of their maker, or are not C: none.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass)
   AND (p.prosecdef OR l.lanname <> 'c' OR p.proacl IS NOT NULL);
-- The views hide what they filter from functions that leak.
SELECT relname, reloptions FROM pg_class
 WHERE relnamespace = 'zdm'::regnamespace AND relkind = 'v' ORDER BY relname;

-- Only superusers may install it; the loaded library is of the installed version.
SELECT superuser, trusted, relocatable FROM pg_available_extension_versions WHERE name = 'zdm';
SELECT zdm_version() = (SELECT extversion FROM pg_extension WHERE extname = 'zdm') AS fits;

-- Settings: only the kill switch wants a superuser; typing errors and nonsense are refused.
SELECT name, context, boot_val, unit FROM pg_settings WHERE name LIKE 'zdm.%' ORDER BY name;
\set VERBOSITY sqlstate
SET zdm.quite_period = 1;
SET zdm.lock_timeout = 0;
SET zdm.quiet_period = -1;
SET zdm.batch_target = 'NaN';
