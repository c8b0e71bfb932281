# A server that is restarted in any state, a worker that somebody ends or cancels, and the kill switch:
# people are told what stands still and what to call, any call starts it again, and it ends as it should.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('restarted', extension => 0);

my $table = <<'SQL';
CREATE EXTENSION zdm;
CREATE TABLE t (id int PRIMARY KEY, note text);
INSERT INTO t SELECT g, repeat('x', 60) FROM generate_series(1, 5000) g;
CREATE TABLE u (id int);
ANALYZE t;
SQL
my $sql = <<'SQL';
ALTER TABLE t ADD COLUMN c int NOT NULL;
UPDATE t SET c = id * 2 WHERE c IS NULL;
SQL
my $status = q{SELECT state || ': ' || activity FROM zdm.migrations WHERE name = 'm'};
my $right = 'SELECT count(*) FILTER (WHERE c = id * 2), count(*) FROM t';

sub value {
    my ($db, $query) = @_;
    return $node->safe_psql($db, $query);
}

sub create {
    my ($db, $upto) = @_;
    return value($db, <<"SQL");
SELECT zdm_create('m', \$\$$sql\$\$);
SELECT zdm_set('m', 'quiet_period', '0');
SELECT zdm_start('m', '$upto');
SQL
}

# How to bring it to the state, where to stop it there, what starts it again, and how it ends. A caller
# who wants something else entirely starts it, too.
my %cases = (
    expanding => { upto => 'ready', stop => 'ddl:before_commit', call => q{CALL zdm_wait('m', 'ready', '100 s')}, end => 'ready' },
    expanded => { upto => 'expanded', call => q{SELECT zdm_start('m', 'ready')}, end => 'ready' },
    migrating => { upto => 'ready', stop => 'backfill:after_commit', call => q{SELECT zdm_create('other', 'ALTER TABLE u ADD COLUMN c int')}, end => 'ready' },
    ready => { upto => 'ready', call => q{SELECT zdm_contract('m', true, 'test')}, end => 'done' },
    contracting => { upto => 'ready', then => q{SELECT zdm_contract('m', true, 'test')}, stop => 'validate:before_commit', call => q{SELECT zdm_set('m', 'duty', '0.9')}, end => 'done' },
    rolling_back => { upto => 'ready', then => q{SELECT zdm_rollback('m')}, stop => 'undo_ddl:before_commit', call => q{SELECT zdm_rollback('m')}, end => 'rolled_back' },
);

my @stops;
for my $state (sort keys %cases) {
    my $case = $cases{$state};
    value('postgres', "CREATE DATABASE $state");
    value($state, $table);
    push @stops, stop_at($node, $case->{stop}, $state) if $case->{stop};
    create($state, $case->{upto});
    if ($case->{then}) {
        wait_state($node, 'm', 'ready', undef, $state);
        value($state, $case->{then});
    }
    ok($case->{stop} ? wait_at($node, $case->{stop}, undef, $state) : wait_state($node, 'm', $state, undef, $state),
        "a migration is $state");
    is(migration_state($node, 'm', $state), $state, 'it is');
}

$node->restart;
release($_) for @stops;

for my $state (sort keys %cases) {
    my $case = $cases{$state};
    my $says = $case->{stop} ? q{stopped: zdm_resume('m')}
        : $state eq 'ready' ? q{waiting: zdm_contract('m')} : q{waiting: zdm_start('m')};
    is(value($state, $status), "$state: $says", "after the restart it says what to call, in state $state");
    is(scalar worker_pids($node, $state), 0, 'and nothing runs');
    value($state, $case->{call});
    is(wait_state($node, 'm', $case->{end}, undef, $state), $case->{end}, "$case->{call} starts it again");
    if ($case->{end} eq 'rolled_back') {
        is(value($state, q{SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c'}), '0', 'and the column is gone');
        next;
    }
    value($state, q{SELECT zdm_contract('m', true, 'test')}) if $case->{end} eq 'ready';
    is(wait_state($node, 'm', 'done', undef, $state), 'done', 'it ends');
    is(value($state, $right), '5000|5000', 'with the right rows');
    is(value($state, q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass}), '0', 'and without the trigger');
}

# --- somebody ends the worker ---
value('postgres', $table);
my $stop = stop_at($node, 'backfill:after_commit');
create('postgres', 'ready');
ok(wait_at($node, 'backfill:after_commit'), 'a worker works');
my $pid = worker_pid($node, 'm');
value('postgres', "SELECT pg_terminate_backend($pid, 60000)");
ok(wait_at($node, 'backfill:after_commit'), 'ended by pg_terminate_backend, it comes back by itself');
isnt(worker_pid($node, 'm'), $pid, 'as another process');
is(value('postgres', $status), 'migrating: running', 'and runs');

# --- somebody cancels it ---
$pid = worker_pid($node, 'm');
value('postgres', "SELECT pg_cancel_backend($pid)");
ok(poll_until($node, $status, q{migrating: paused: zdm_resume('m')}), 'pg_cancel_backend is a pause');
is(value('postgres', q{SELECT pause_reason FROM zdm.migrations}), 'its statement was cancelled', 'with the reason');
ok(poll_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'zdm'}, '0'), 'the worker ends');
value('postgres', q{CALL zdm_wait('m', 'migrating', '10 s'); SELECT zdm.ping('m')});
is(value('postgres', $status), q{migrating: paused: zdm_resume('m')}, 'others do not start it');
value('postgres', q{SELECT zdm_resume('m')});
ok(wait_at($node, 'backfill:after_commit'), 'zdm_resume goes on');

# --- the kill switch ---
$node->append_conf('postgresql.conf', 'zdm.enabled = off');
$node->reload;
# New sessions have the setting, so it was read by all by the time that they are there.
ok(poll_until($node, 'SHOW zdm.enabled', 'off'), 'the kill switch is on');
release($stop);
ok(poll_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'zdm'}, '0'), 'the worker ends');
is(value('postgres', $status), 'migrating: stopped: zdm.enabled is off', 'and status says why');
my (undef, undef, $err) = $node->psql('postgres', q{SELECT zdm_resume('m')});
like($err, qr/NOTICE:  zdm\.enabled is off, so no migration runs\n.*HINT:  Set it to on/s, 'so does zdm_resume');
(undef, undef, $err) = $node->psql('postgres', q{CALL zdm_wait('m', 'ready', '1 s')});
like($err, qr/ZD306: .*zdm\.enabled is off/s, 'and zdm_wait');
is(scalar worker_pids($node), 0, 'nothing starts');
$node->append_conf('postgresql.conf', 'zdm.enabled = on');
$node->reload;
ok(poll_until($node, 'SHOW zdm.enabled', 'on'), 'the kill switch is off');
is(value('postgres', $status), q{migrating: stopped: zdm_resume('m')}, 'status says what to call');
value('postgres', q{CALL zdm_wait('m', 'ready', '100 s')});
is(value('postgres', $right), '5000|5000', 'and it goes on');

done_testing();
