# Rows in which old and new columns differ stop contract before anything is removed: rows that were changed
# while the trigger was off, or to which an application wrote both. They are read in small snapshots, and
# nobody's lock is waited for.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = 0\n");
my $rows = 60000;
sub value { return $node->safe_psql('postgres', $_[0]) }

# Small enough to be quick, large enough for several batches.
sub ready {
    my ($name) = @_;
    value("CREATE TABLE $name (id int PRIMARY KEY, old text NOT NULL, pad text);"
            . "INSERT INTO $name SELECT g, 'old ' || g, repeat('x', 80) FROM generate_series(1, $rows) g;"
            . "SELECT zdm_create('$name', 'ALTER TABLE $name ADD COLUMN new text; UPDATE $name SET new = upper(old); ALTER TABLE $name DROP COLUMN old;');"
            . "SELECT zdm_set('$name', 'duty', '1'); SELECT zdm_start('$name');");
    is(wait_state($node, $name, 'ready'), 'ready', "$name is ready");
    return;
}

sub without_trigger {
    my ($table, $sql) = @_;
    value("ALTER TABLE $table DISABLE TRIGGER zz_zdm_sync; $sql; ALTER TABLE $table ENABLE ALWAYS TRIGGER zz_zdm_sync");
    return;
}

sub contract { return value("SELECT zdm_contract('$_[0]', force => true, reason => 'test')") }

sub failed {
    my ($name) = @_;
    return value("SELECT concat_ws('|', state, failed_state, sqlstate, message, detail) FROM zdm.migrations WHERE name = '$name'");
}

# --- a row made different by hand ---
ready('t');
is(value(q{SELECT string_agg(differences::text, ',') FROM zdm_verify('t')}), '0', 'all agree');
without_trigger('t', q{UPDATE t SET old = 'by hand' WHERE id = 41234});
value(q{UPDATE t SET old = 'both', new = 'sides' WHERE id = 7});
value(q{UPDATE t SET old = 'by the old application' WHERE id = 8});
is(value(q{SELECT string_agg(key, ',' ORDER BY key) FROM zdm_verify('t')}), 'id = 41234,id = 7', 'these differ');

# Between two batches no snapshot is held, and what has a row locked is in nobody's way.
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; SELECT FROM t WHERE id = 7 FOR UPDATE; UPDATE t SET pad = NULL WHERE id = 9');
my $hold = stop_at($node, 'verify:after_commit#2');
contract('t');
ok(wait_at($node, 'verify:after_commit#2'), 'contract compares');
is(value(q{SELECT count(*) FROM pg_stat_activity a JOIN zdm.migrations m ON m.worker_pid = a.pid WHERE backend_xmin IS NOT NULL}),
    '0', 'no snapshot between two batches');
is(value(q{SELECT state || ' ' || (pages_done BETWEEN 1 AND pages - 1) FROM zdm.progress WHERE migration = 't' AND kind = 'verify'}),
    'running true', 'progress shows how far it is');
release($hold);
is(wait_state($node, 't', 'failed'), 'failed', 'it fails');
like(failed('t'), qr/^failed\|contracting\|55000\|ZD210: 2 rows of public\.t differ: new is not what old gives\|For example: (?=.*id = 7[;.])(?=.*id = 41234[;.])\(\d+,\d+\), id = \d+; \(\d+,\d+\), id = \d+\. Nothing was removed\.$/,
    'with the rows by key');
$locker->query_safe('ROLLBACK');
$locker->quit;
is(value(q{SELECT count(old) FROM t}), $rows, 'nothing was removed');
is(value(q{SELECT count(*) FROM zdm.steps WHERE migration = 't' AND phase = 'contract' AND state = 'done' AND kind <> 'gate'}),
    '0', 'nor anything enforced');

# Going back is still open; correcting one and accepting the other goes on.
value(q{UPDATE t SET new = upper(old) WHERE id = 41234; SELECT zdm_resume('t')});
ok(poll_until($node, q{SELECT message LIKE 'ZD210: 1 row of %' FROM zdm.migrations WHERE name = 't'}), 'resume compares again');
value(q{SELECT zdm_contract('t', accept_differences => true)});
is(wait_state($node, 't', 'done'), 'done', 'accepted by name it ends');
is(value(q{SELECT new FROM t WHERE id = 7}), 'sides', 'what the new column says stays');
is(value(q{SELECT message ~ '^\w+ accepted that 1 row of public\.t differs: .*id = 7$' FROM zdm.events WHERE migration = 't' AND kind = 'differences'}),
    't', 'history keeps how many they were and who accepted it');

# --- and back instead ---
ready('u');
without_trigger('u', q{UPDATE u SET new = 'other' WHERE id = 1});
contract('u');
is(wait_state($node, 'u', 'failed'), 'failed', 'the next one fails as well');
value(q{SELECT zdm_rollback('u')});
is(wait_state($node, 'u', 'rolled_back'), 'rolled_back', 'and goes back');
is(value(q{SELECT count(*) FROM u WHERE old = 'old ' || id}), $rows, 'with all old values');

# --- somebody has the table locked: not waited for in the queue, and named ---
ready('w');
my $holder = $node->background_psql('postgres');
my $point = stop_at($node, 'verify:intent');
contract('w');
ok(wait_at($node, 'verify:intent'), 'about to compare');
$holder->query_safe(q{SET application_name = 'holder'; BEGIN; LOCK TABLE w IN ACCESS EXCLUSIVE MODE});
release($point);
ok(poll_until($node, q{SELECT waiting_for LIKE '%(holder)%' FROM zdm.migrations WHERE name = 'w'}), 'it says who is in the way');
is(value(q{SELECT count(*) FROM pg_locks WHERE relation = 'w'::regclass AND NOT granted}), '0', 'and does not queue');
# A crash in the middle begins it again.
ok(kill9($node, worker_pid($node, 'w')), 'kill -9');
is(wait_state($node, 'w', 'done'), 'done', 'after which it ends');

# --- a rename: what is written after the comparison is compared before the columns change hands ---
sub renamed {
    my ($name) = @_;
    value("CREATE TABLE $name (id int PRIMARY KEY, a int); INSERT INTO $name SELECT g, g FROM generate_series(1, 100) g;"
            . "SELECT zdm_create('$name', 'ALTER TABLE $name RENAME a TO b'); SELECT zdm_start('$name')");
    is(wait_state($node, $name, 'ready'), 'ready', "$name: a rename is ready");
    return;
}
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{SET application_name = 'writer'});

# Contract finds somebody who writes, waits for his lock in contract, and then looks whether it is still so.
sub written_during {
    my ($name, $waiting) = @_;
    $writer->query_safe("BEGIN; UPDATE $name SET a = 1001, b = 1002 WHERE id = 1");
    contract($name);
    ok(poll_until($node, "SELECT waiting_for LIKE '$waiting' FROM zdm.migrations WHERE name = '$name'"), "$name: he is waited for, by name");
    is(value("UPDATE $name SET b = 5 WHERE id = 5 RETURNING a"), '5', "$name: nobody waits for that");
    $writer->query_safe('COMMIT');
    is(wait_state($node, $name, 'failed'), 'failed', "$name: it fails");
    like(failed($name), qr/ZD210: 1 row of public\.$name differs: b is not what a gives\|For example: \(\d+,\d+\), id = 1\./, "$name: with his row");
    value("UPDATE $name SET a = 7, b = 7 WHERE id = 1; SELECT zdm_resume('$name')");
    is(wait_state($node, $name, 'done'), 'done', "$name: corrected it ends");
    is(value("SELECT b FROM $name WHERE id = 1"), '7', "$name: with the value");
    return;
}
renamed('r');
written_during('r', 'waiting for a lock: %(writer%');
# Where rows were counted before, whoever is writing may be counted already and not be seen yet.
renamed('s');
value('UPDATE s SET a = 3, b = 4 WHERE id = 2');
value('UPDATE s SET a = 4 WHERE id = 2');
written_during('s', 'before rows are compared, %(writer%ROW EXCLUSIVE on public.s%');
$writer->quit;

done_testing();
