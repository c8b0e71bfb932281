# Workers that cannot start: no free slot, a role that may not log in or connect any more or was dropped,
# a database that is gone. Whoever calls is told what to do, it starts when that is done, and nobody
# tries every second for ever.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('slots', conf => "max_worker_processes = 3\n", extension => 0);

sub value {
    my ($query, $db) = @_;
    return $node->safe_psql($db // 'postgres', $query);
}

# What psql said on stderr.
sub told {
    my ($query, $db) = @_;
    my (undef, undef, $err) = $node->psql($db // 'postgres', $query, timeout => 60);
    return $err;
}

# How often the log has a line; registered workers that fail come back every second.
sub logged {
    my ($pattern) = @_;
    my $found = () = read_log($node) =~ /$pattern/g;
    return $found;
}

value('CREATE EXTENSION zdm');
my $status = q{SELECT state || ': ' || activity FROM zdm.migrations WHERE name = };

# --- no free slot ---
# One slot is the logical replication launcher's. Migrations that wait at a fault point have the others.
value(join ';', map { "CREATE TABLE t$_ (id int PRIMARY KEY); INSERT INTO t$_ VALUES (1)" } 1 .. 3);
my $stop = stop_at($node, 'ddl:before_commit');
for my $n (1, 2) {
    value("SELECT zdm_create('m$n', 'ALTER TABLE t$n ADD COLUMN c int'); SELECT zdm_start('m$n')");
    ok(poll_until($node, $status . "'m$n'", 'expanding: running'), "m$n has a slot");
}
my $err = told(q{SELECT zdm_create('m3', 'ALTER TABLE t3 ADD COLUMN c int'); SELECT zdm_start('m3')});
like($err, qr/WARNING:  ZD501: .*\n.*HINT:  .*max_worker_processes/s, 'no free slot: a warning says what to do');
is(value($status . q{'m3'}), q{expanding: stopped: zdm_resume('m3')}, 'and status what to call');
$err = told(q{SELECT zdm_resume('m3')});
like($err, qr/ZD501: /, 'still none');
$err = told(q{CALL zdm_wait('m3', 'done', '3 s')});
like($err, qr/ZD306: /, 'zdm_wait waits');
my $warnings = () = $err =~ /ZD501/g;
is($warnings, 1, 'and warns once');
# Whoever waits starts it when a slot is free.
my ($in, $out, $said) = ('', '', '');
my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL zdm_wait('m3', 'done', '100 s')} ],
    '<', \$in, '>', \$out, '2>', \$said, IPC::Run::timeout(120));
ok(poll_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL zdm_wait%'}, '1'), 'somebody waits');
release($stop);
ok($waiter->finish, 'it starts when slots are free again');
is(wait_state($node, $_, 'done'), 'done', "$_ ends") for qw(m1 m2 m3);

# --- the owner may not log in any more, or not connect ---
value('CREATE ROLE ann LOGIN; CREATE ROLE ben LOGIN; CREATE ROLE team NOLOGIN; CREATE SCHEMA a AUTHORIZATION ann');
value(q{SET ROLE ann; CREATE TABLE a.t (id int PRIMARY KEY); INSERT INTO a.t SELECT generate_series(1, 1000); CREATE TABLE a.u (id int)});
$stop = stop_at($node, 'backfill:after_commit');
value(q{SET ROLE ann; SELECT zdm_create('of ann', 'ALTER TABLE a.t ADD COLUMN c int; UPDATE a.t SET c = 1 WHERE c IS NULL'); SELECT zdm_start('of ann', 'done')});
ok(wait_at($node, 'backfill:after_commit'), 'a worker of ann works');
my $flag = value('SHOW server_version_num') >= 170000;
for my $case (
    [ 'ALTER ROLE ann NOLOGIN', 'ALTER ROLE ann LOGIN', qr/ZD502: role ann cannot log in.*HINT:  ALTER ROLE ann LOGIN/s,
        qr/role "ann" is not permitted to log in/ ],
    [ 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'GRANT CONNECT ON DATABASE postgres TO ann',
        qr/ZD502: role ann may not connect.*HINT:  GRANT CONNECT ON DATABASE postgres TO ann/s, qr/permission denied for database "postgres"/ ])
{
    my ($close, $open, $error, $log) = @$case;
    next if $close =~ /NOLOGIN/ && $flag;    # newer servers let workers in all the same
    value($close);
    value(q{SELECT pg_terminate_backend(worker_pid, 60000) FROM zdm.migrations WHERE name = 'of ann'});
    ok(poll_until($node, 'SELECT true') && poll_log($log), "$close: the worker cannot come back");
    ok(poll_until($node, $status . q{'of ann'}, q{migrating: stopped: zdm_resume('of ann')}), 'it is stopped');
    like(told("SELECT zdm_resume('of ann')"), $error, 'zdm_resume says what to do');
    like(told("CALL zdm_wait('of ann', 'done', '60 s')"), $error, 'and zdm_wait, at once');
    like(told("SELECT zdm_start('of ann', 'done')"), $error, 'and zdm_start');
    is(told(q{SELECT zdm_create('other', 'CREATE TABLE x ()')}), '', 'who wants something else is not told');
    value(q{SELECT zdm_start('other', 'done'); CALL zdm_wait('other', 'done', '60 s')});
    value($open);
    value(q{SELECT zdm_resume('of ann')});
    ok(wait_at($node, 'backfill:after_commit'), "$open: it goes on");
}

# --- roles that are dropped ---
value(q{REASSIGN OWNED BY ann TO ben; DROP OWNED BY ann; DROP ROLE ann});
value(q{SELECT pg_terminate_backend(worker_pid, 60000) FROM zdm.migrations WHERE name = 'of ann'});
ok(poll_log(qr/role with OID \d+ does not exist/), 'the worker of a role that was dropped cannot come back');
ok(poll_until($node, "SELECT activity ~ '^stopped: its role \\d+ was dropped' FROM zdm.migrations WHERE name = 'of ann'"), 'status says so');
like(told("CALL zdm_wait('of ann', 'done', '60 s')"), qr/ZD503: role \d+ was dropped/, 'and zdm_wait');
# Whoever has its tables now goes on with it, but never a superuser: the SQL is not his.
my @tables = split /\n/, value(q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relowner = 'ben'::regrole});
ok(@tables > 0, 'its tables have another owner');
value(join ';', map { "ALTER TABLE $_ OWNER TO CURRENT_USER" } @tables);
my $owner = q{SELECT owner FROM zdm.migrations WHERE name = 'of ann'};
my $dropped = value($owner);
for my $call (q{zdm_resume('of ann')}, q{zdm_rollback('of ann')}, q{zdm_rollback('of ann', keep => true)}) {
    like(told("SELECT $call"), qr/ZD506: .*superuser.*DETAIL: .*HINT:  Give its tables/s, "$call is refused when a superuser has them");
}
is(value($owner), $dropped, 'and nothing has changed');
value(join ';', map { "ALTER TABLE $_ OWNER TO ben" } @tables);
value(q{GRANT CONNECT ON DATABASE postgres TO ben; SELECT zdm_resume('of ann')});
ok(wait_at($node, 'backfill:after_commit'), 'zdm_resume gives it to the owner of its tables');
is(value(q{SELECT owner FROM zdm.migrations WHERE name = 'of ann'}), 'ben', 'who owns it now');
release($stop);
value(q{SELECT zdm_rollback('of ann')});
is(wait_state($node, 'of ann', 'rolled_back'), 'rolled_back', 'and can take it back');

# --- a database that is dropped while its worker is away for a moment ---
value('CREATE DATABASE brief');
value('CREATE EXTENSION zdm; CREATE TABLE t (id int)', 'brief');
$stop = stop_at($node, 'ddl:before_commit', 'brief');
# More than one step: who lets go of the stop may be ended before the worker is, which must not be through by then.
value(q{SELECT zdm_create('m', 'ALTER TABLE t ADD COLUMN c int; UPDATE t SET c = 1 WHERE c IS NULL; CREATE INDEX ON t (c); ALTER TABLE t ALTER c SET NOT NULL');}
    . q{SELECT zdm_start('m', 'done')}, 'brief');
ok(wait_at($node, 'ddl:before_commit', undef, 'brief'), 'a worker works there');
value('DROP DATABASE brief WITH (FORCE)');
release($stop);
my $gone = qr/FATAL:  database (?:\d+|"brief") does not exist/;
ok(poll_log($gone), 'the worker of a database that was dropped cannot come back');

# Three seconds: whoever tried every second would have done so by then.
value('CREATE TABLE paused (id int)');
value(q{SELECT zdm_create('paused', 'ALTER TABLE paused ADD COLUMN c int; UPDATE paused SET c = 1 WHERE c IS NULL')});
like(told(q{CALL zdm_wait('paused', 'ready', '3 s')}), qr/ZD306: /, 'some time goes by');
is(logged($_), 1, "tried once: $_") for ($flag ? () : qr/is not permitted to log in/), qr/permission denied for database/,
    qr/role with OID \d+ does not exist/, $gone;

done_testing();

# Polls the log, too, has a limit.
sub poll_log {
    my ($pattern) = @_;
    my $end = time + $ZdmTest::timeout;
    while (time < $end) {
        return 1 if read_log($node) =~ $pattern;
        select undef, undef, undef, 0.05;
    }
    diag("the log has no $pattern");
    return 0;
}
