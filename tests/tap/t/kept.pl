# zdm_rollback(keep) in the middle of a step: the SQL that it gives cleans up all that was made, whatever the
# worker was at, and is given again to whoever lost it.
use strict;
use warnings;
use File::Temp ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('kept', conf => "zdm.lock_timeout = 100ms\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# A session that runs a script while the test goes on; its output and errors go into one text.
sub begin_session {
    my ($sql) = @_;
    my $session = { out => '' };
    $session->{file} = File::Temp->new;
    print { $session->{file} } $sql;
    close $session->{file};
    $session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
            '-f', $session->{file}->filename ], '<', \undef, '>&', \$session->{out}, IPC::Run::timeout($ZdmTest::timeout));
    return $session;
}

sub end_session {
    my ($session) = @_;
    $session->{run}->finish;
    chomp $session->{out};
    return $session->{out};
}

value('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)');
my $before = schema_dump($node, 'postgres', '-t', 't');
my $sql = 'ALTER TABLE t ADD COLUMN c int NOT NULL; UPDATE t SET c = 1 WHERE c IS NULL';
my $column = q{SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c'};
my $keep = q{SELECT zdm_rollback('m', keep => true)};

sub create {
    my ($upto) = @_;
    return value("SELECT zdm_create('m', '$sql'); SELECT zdm_start('m', '$upto')");
}

# What is left goes by the SQL for later, after which the table is as it was.
sub cleans_up {
    my ($later) = @_;
    is(value($keep), $later, 'asked again, it gives the same SQL');
    is(value(q{SELECT zdm_rollback('m')}), '', 'a rollback of all of it does not');
    my ($code, undef, $err) = $node->psql('postgres', $later, on_error_stop => 1);
    is("$code $err", '0 ', 'the SQL runs');
    return is(schema_dump($node, 'postgres', '-t', 't'), $before, 'and cleans up');
}

# --- after a step's statements, before its commit ---
my $stop = stop_at($node, 'ddl:before_commit');
create('ready');
ok(wait_at($node, 'ddl:before_commit'), 'a step is about to commit');
my $session = begin_session($keep);
poll_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ 'keep => true' AND pid <> pg_backend_pid()
    AND (state = 'idle' OR wait_event_type = 'Lock')}, 't', 20);
release($stop);
my $later = end_session($session);
is(wait_state($node, 'm', 'rolled_back'), 'rolled_back', 'kept as it is');
is(value($column), '1', 'the step had happened');
like($later, qr/^ALTER TABLE public\.t DROP COLUMN c;$/m, 'so the SQL takes it back');
cleans_up($later);

# --- begun, and nothing happened yet ---
$stop = stop_at($node, 'ddl:intent');
create('ready');
ok(wait_at($node, 'ddl:intent'), 'a step has begun');
is(value($keep), '', 'there is nothing to clean up');
release($stop);
is(wait_state($node, 'm', 'rolled_back'), 'rolled_back', 'kept as it is');
is(value($column), '0', 'and the step does not happen any more');
cleans_up('');

# --- a caller whose transaction sees an older state ---
my @stops = map { stop_at($node, "ddl:$_") } 'intent', 'after_commit';
create('ready');
ok(wait_at($node, 'ddl:intent'), 'a step has begun');
my $gate = stop_at($node, 'gate of the test');
$session = begin_session("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT state FROM zdm.steps WHERE step = 1;\n"
    . "SELECT pg_advisory_lock(1514425, hashtext('gate of the test'));\n$keep;\nCOMMIT;\n");
ok(poll_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory'}), 'somebody has looked');
release($stops[0]);
ok(wait_at($node, 'ddl:after_commit'), 'then the step is done');
release($gate);
($later) = end_session($session) =~ /^running\n\n(.*)/s;
like($later // '', qr/^ALTER TABLE public\.t DROP COLUMN c;$/m, 'the SQL takes it back all the same');
release($stops[1]);
is(wait_state($node, 'm', 'rolled_back'), 'rolled_back', 'kept as it is');
cleans_up($later);

# --- a rollback that somebody is in the way of ---
create('expanded');
is(wait_state($node, 'm', 'expanded'), 'expanded', 'a migration is expanded');
$gate = stop_at($node, 'gate of the test');
$session = begin_session("BEGIN;\nSELECT count(*) FROM t;\nSELECT pg_advisory_lock(1514425, hashtext('gate of the test'));\nCOMMIT;\n");
ok(poll_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'advisory'}), 'somebody reads the table');
value(q{SELECT zdm_rollback('m')});
ok(poll_until($node, q{SELECT state, waiting_for LIKE 'waiting for a lock: %' FROM zdm.migrations}, 'rolling_back|t'), 'going back waits for him');
$later = value($keep);
is(wait_state($node, 'm', 'rolled_back'), 'rolled_back', 'kept as it is, it waits no longer');
release($gate);
end_session($session);
cleans_up($later);

done_testing();
