# Rows and tables that others have locked: never waited for, all else is done, and people are told who
# is in the way. Rows that refuse their value, and triggers that take it back, stop the backfill.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use ZdmTest;

my $node = new_node('locked', conf => "deadlock_timeout = 300ms\n");

# A session that has run some statements and stays open in its transaction; gives [session, pid].
sub session {
    my ($name, @statements) = @_;
    my ($in, $out, $err) = ('', '', '');
    my $run = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') . " application_name=$name" ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
    $in .= "BEGIN;\n" . join("\n", map { "$_;" } @statements) . "\n\\echo pid :BACKEND_PID\nSELECT 'pid ' || pg_backend_pid();\n";
    $run->pump until $out =~ /pid (\d+)/ || !$run->pumpable;
    my ($pid) = $out =~ /pid (\d+)/ or die "$name: $err";
    return [ $run, $pid, \$in, \$err ];
}

sub finish {
    my ($session, $how) = @_;
    ${ $session->[2] } .= "$how;\n\\q\n";
    $session->[0]->finish;
    is(${ $session->[3] }, '', "the session saw no error");
    return;
}

sub value { return $node->safe_psql('postgres', $_[0]) }

sub table {
    my ($name, $rows) = @_;
    value("CREATE TABLE $name (id int PRIMARY KEY, note text, c int);"
            . "INSERT INTO $name SELECT g, repeat('x', 60), NULL FROM generate_series(1, $rows) g");
    return;
}

sub backfill {
    my ($table, $set, $where) = @_;
    return value("SELECT zdm_backfill('$table', '$set', '$where', '$table', '{\"duty\": 1}') > 0");
}

# --- rows ---
table('t', 20000);
value('CREATE TABLE child (id int REFERENCES t)');
my $holder  = session('holder', 'SELECT count(*) FROM (SELECT id FROM t WHERE id IN (3, 9999) FOR UPDATE) x');
my $writer  = session('writer', q{UPDATE t SET note = 'y' WHERE id = 50}, 'DELETE FROM t WHERE id = 51', "INSERT INTO t VALUES (30000, 'late')");
my $checker = session('checker', 'INSERT INTO child SELECT generate_series(100, 110)');

backfill('t', 'c = 1', 'c IS NULL');
ok( poll_until($node, 'SELECT count(*) FROM t WHERE c IS NULL', '4'),
    'all is filled but the rows that others have locked; foreign key checks lock nothing');
is(value('SELECT array_agg(id ORDER BY id) FROM t WHERE c IS NULL'), '{3,50,51,9999}', 'these rows');
ok( poll_until($node,
        "SELECT waiting_for LIKE '%pid $writer->[1] (writer)%' FROM zdm.migrations WHERE name = 't'"),
    'status names who may have older rows that nobody sees yet');
finish($writer, 'COMMIT');
ok( poll_until($node,
        "SELECT waiting_for LIKE '%locked by pid $holder->[1] (holder)%' FROM zdm.migrations WHERE name = 't'"),
    'then who has a row locked');
ok( poll_until($node,
        "SELECT throttled LIKE '%(holder)%' FROM zdm.progress WHERE migration = 't' AND kind = 'last_pass'"),
    'and so does progress');
is(value('SELECT count(*) FROM t WHERE c IS NULL'), '2', 'all else is filled');
# The worker has nothing open while it waits.
is(value(q{SELECT count(*) FROM pg_stat_activity a JOIN zdm.migrations m ON m.worker_pid = a.pid WHERE backend_xmin IS NOT NULL AND state_change < now() - interval '1 second'}),
    '0', 'no snapshot is kept while it waits');
finish($holder, 'ROLLBACK');
is(wait_state($node, 't', 'done'), 'done', 'it ends when they let go');
is(value('SELECT count(*) FROM t WHERE c IS NULL'), '0', 'with nothing left');
finish($checker, 'ROLLBACK');

# --- columns of a key: foreign key checks are in the way, and not waited for either ---
value('CREATE TABLE k (id int PRIMARY KEY, u int UNIQUE); INSERT INTO k SELECT generate_series(1, 500); CREATE TABLE kc (id int REFERENCES k)');
$checker = session('checker', 'INSERT INTO kc VALUES (7)');
backfill('k', 'u = id', 'u IS NULL');
ok( poll_until($node,
        "SELECT waiting_for LIKE '%locked by pid $checker->[1] (checker)%' FROM zdm.migrations WHERE name = 'k'"),
    'a foreign key check keeps it from setting a key column of that row');
is(value('SELECT count(*) FROM k WHERE u IS NULL'), '1', 'of that row only');
finish($checker, 'COMMIT');
is(wait_state($node, 'k', 'done'), 'done', 'it ends');

# --- a DELETE ---
table('fewer', 3000);
$holder = session('holder', 'SELECT id FROM fewer WHERE id = 7 FOR UPDATE');
# Its page is full, so the row goes to the end of the table.
$writer = session('writer', q{UPDATE fewer SET note = repeat('y', 70) WHERE id = 8});
value(q{SELECT zdm_create('fewer', 'DELETE FROM fewer WHERE id <= 1000;'), zdm_start('fewer', 'done')});
ok( poll_until($node,
        "SELECT waiting_for LIKE '%locked by pid $holder->[1] (holder)%' FROM zdm.migrations WHERE name = 'fewer'"),
    'a DELETE waits in the end for a row that somebody has locked');
is(value('SELECT array_agg(id) FROM fewer WHERE id <= 1000'), '{7,8}', 'all else is deleted');
value(q{SELECT zdm_pause('fewer')});
ok(poll_until($node, q{SELECT worker_pid IS NULL FROM zdm.migrations WHERE name = 'fewer'}), 'paused');
finish($writer, 'COMMIT');
value(q{SELECT zdm_resume('fewer')});
ok( poll_until($node, 'SELECT array_agg(id) FROM fewer WHERE id <= 1000', '{7}'),
    'another run finds the row that was moved');
ok( poll_until($node,
        "SELECT waiting_for LIKE '%locked by pid $holder->[1] (holder)%' FROM zdm.migrations WHERE name = 'fewer'"),
    'and waits for the locked one');
finish($holder, 'COMMIT');
is(wait_state($node, 'fewer', 'done'), 'done', 'it ends when they let go');
is(value('SELECT count(*), min(id) FROM fewer'), '2000|1001', 'with nothing left');

table('kept', 3000);
value(q{CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 7 THEN RETURN NULL; END IF; RETURN OLD; END';
        CREATE TRIGGER keep BEFORE DELETE ON kept FOR EACH ROW EXECUTE FUNCTION keep()});
value(q{SELECT zdm_create('kept', 'DELETE FROM kept WHERE id <= 1000;'), zdm_start('kept', 'done')});
is(wait_state($node, 'kept', 'done'), 'done', 'a row that a trigger keeps is not waited for');
like(value(q{SELECT string_agg(message, ' ') FROM zdm.events WHERE migration = 'kept'}),
    qr/deleted 999 rows .*; 1 are left: a trigger keeps them/, 'and is said');

# --- the table ---
table('whole', 5000);
my $locker = session('locker', 'LOCK TABLE whole IN SHARE MODE');
backfill('whole', 'c = 1', 'c IS NULL');
ok( poll_until($node,
        "SELECT waiting_for LIKE '%pid $locker->[1] (locker)%' FROM zdm.migrations WHERE name = 'whole'"),
    'a locked table is not waited for, and status says who has it');
is(value(q{SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'whole'::regclass}), '0', 'nobody queues');
finish($locker, 'COMMIT');
is(wait_state($node, 'whole', 'done'), 'done', 'it goes on');

# --- the table rewritten and truncated in the middle ---
table('moved', 30000);
my $stop = stop_at($node, 'backfill:after_commit');
backfill('moved', 'c = 1', 'c IS NULL');
ok(wait_at($node, 'backfill:after_commit'), 'stopped after a batch');
value(q{INSERT INTO moved SELECT g, repeat('y', 60), NULL FROM generate_series(30001, 40000) g});
value('VACUUM FULL moved');
release($stop);
is(wait_state($node, 'moved', 'done'), 'done', 'VACUUM FULL in the middle');
is(value('SELECT count(*) FROM moved WHERE c IS NULL'), '0', 'leaves nothing behind: it begins again');
is(value(q{SELECT count(*) FROM zdm.events WHERE migration = 'moved' AND message LIKE '%rewritten%'}), '1', 'and says so');

table('emptied', 30000);
$stop = stop_at($node, 'backfill:after_commit');
backfill('emptied', 'c = 1', 'c IS NULL');
ok(wait_at($node, 'backfill:after_commit'), 'stopped after a batch');
value('TRUNCATE emptied');
release($stop);
is(wait_state($node, 'emptied', 'done'), 'done', 'TRUNCATE in the middle');

# --- rows that refuse ---
table('bad', 5000);
value('ALTER TABLE bad ADD CHECK (c <> 4321)');
backfill('bad', 'c = id', 'c IS NULL');
is(wait_state($node, 'bad', 'failed'), 'failed', 'a row that refuses its value stops it');
like(value(q{SELECT concat_ws(' ', sqlstate, message, detail, hint) FROM zdm.migrations WHERE name = 'bad'}),
    qr/^23514 ZD205: .*bad_c_check.* row \(\d+,\d+\), id = 4321: .*zdm_resume\('bad'\)/s,
    'it is named, with its key and what to do');
value(q{ALTER TABLE bad DROP CONSTRAINT bad_c_check; SELECT zdm_resume('bad')});
is(wait_state($node, 'bad', 'done'), 'done', 'and it goes on when that is corrected');

table('undone', 500);
value(q{CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.c := NULL; RETURN NEW; END';
        CREATE TRIGGER undo BEFORE UPDATE ON undone FOR EACH ROW EXECUTE FUNCTION undo()});
backfill('undone', 'c = 1', 'c IS NULL');
is(wait_state($node, 'undone', 'failed'), 'failed', 'a trigger that takes the value back stops it');
like(value(q{SELECT message FROM zdm.migrations WHERE name = 'undone'}), qr/^ZD206: /, 'with the reason');

# --- the table gone ---
table('gone', 20000);
$stop = stop_at($node, 'backfill:after_commit');
backfill('gone', 'c = 1', 'c IS NULL');
ok(wait_at($node, 'backfill:after_commit'), 'stopped after a batch');
value('DROP TABLE gone');
release($stop);
is(wait_state($node, 'gone', 'failed'), 'failed', 'a table dropped in the middle stops it');
like(value(q{SELECT message FROM zdm.migrations WHERE name = 'gone'}), qr/^ZD204: table public\.gone was dropped/, 'by name');

# --- who waited ---
unlike(read_log($node), qr/still waiting for \w+Lock on (?:transaction|tuple|relation)/, 'nobody waited for anybody');

done_testing();
