# The client may go away, and so may the server: neither harms the migration.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep);
use ZdmTest;

my $node = new_node('main');
$node->safe_psql('postgres', q{
    CREATE TABLE t (id int PRIMARY KEY, v int);
    INSERT INTO t SELECT i, NULL FROM generate_series(1, 20000) i;
});
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';

my $value = 0;

# A migration that takes until its rate is set free: its name.
sub slow {
    my ($where) = $value ? "v = $value" : 'v IS NULL';
    $value++;
    my ($code, $out, $err) = zdm_cli($node, 'backfill', 't', '--set', "v = $value", '--where', $where,
        '--name', "slow$value", '--max-rate', '200', '--yes', '--no-wait');
    is($code, 0, "slow$value runs") or diag($err);
    return "slow$value";
}
sub free { return zdm_cli($node, 'set', $_[0], 'max_rate', '0'); }

# A command of zdm in the background: (handle, output so far).
sub start {
    my (@arguments) = @_;
    my $out = '';
    my $run = IPC::Run::start([ $ENV{ZDM}, @arguments ], '<', \undef, '>&', \$out, IPC::Run::timeout(300));
    return ($run, \$out);
}

sub wait_for {
    my ($run, $out, $what) = @_;
    for (1 .. 600) {
        $run->pump_nb;
        return 1 if $$out =~ $what;
        sleep 0.05;
    }
    diag("never said $what:\n$$out");
    return 0;
}

# Ctrl-C detaches: exit 130, and the server goes on.
my $name = slow();
my ($run, $out) = start('watch', $name);
ok(wait_for($run, $out, qr/$name is migrating/), 'watching');
$run->signal('INT');
$run->finish;
is($run->full_result(0) >> 8, 130, 'exit 130: detached by Ctrl-C');
like($$out, qr/Detached: the server goes on with $name\.\n.*zdm watch $name .*zdm pause $name .*zdm rollback $name/,
    'says that the server goes on, and how to steer it');
is(migration_state($node, $name), 'migrating', 'which it does');

# kill -9 harms nothing.
($run, $out) = start('watch', $name);
ok(wait_for($run, $out, qr/$name is migrating/), 'watching');
$run->signal('KILL');
$run->finish;
is(migration_state($node, $name), 'migrating', 'kill -9 of the client harms nothing');
free($name);
ok(wait_state($node, $name, 'done'), 'it is done');

# The same in the middle of up.
$node->safe_psql('postgres', 'CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u SELECT generate_series(1, 1000)');
my $folder = PostgreSQL::Test::Utils::tempdir();
open(my $file, '>', "$folder/up.sql") or die;
print $file "ALTER TABLE u ADD COLUMN a text NOT NULL;\nUPDATE u SET a = 'x' WHERE a IS NULL;\n";
close($file);
for (1 .. 5) {
    ($run, $out) = start('up', "$folder/up.sql");
    sleep 0.02 * $_;
    $run->signal('KILL');
    $run->finish;
}
is((zdm_cli($node, 'up', "$folder/up.sql"))[0], 0, 'up after five killed ones');
is(migration_state($node, 'up'), 'ready', 'is ready');

# The server goes away under a watcher and comes back: it connects again and starts the worker.
$name = slow();
($run, $out) = start('watch', $name);
my ($wait, $wait_out) = start('wait', $name, '--for', 'done');
ok(wait_for($run, $out, qr/$name is migrating/), 'watching');
stop_now($node);
ok(wait_for($run, $out, qr/connection lost.*connected again/s), 'it connects again');
free($name);
$run->finish;
is($run->full_result(0) >> 8, 0, 'and watches to the end');
like($$out, qr/worker started again|$name is done/, 'nobody else had to start the worker');
$wait->finish;
is($wait->full_result(0) >> 8, 0, 'so does wait');
is(migration_state($node, $name), 'done', 'done');

# A session that is ended by somebody.
$name = slow();
($run, $out) = start('watch', $name);
ok(wait_for($run, $out, qr/$name is migrating/), 'watching');
$node->safe_psql('postgres',
    q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'zdm' AND backend_type = 'client backend'});
ok(wait_for($run, $out, qr/connected again/), 'it connects again');

# status starts the worker again, too.
$node->stop('immediate');
$run->signal('INT');
$run->finish;
is($run->full_result(0) >> 8, 130, 'Ctrl-C works while the server is away');
$node->start;
my ($code, $text, $err) = zdm_cli($node, 'status', $name);
is($code, 0, 'status after a restart');
like($err, qr/no worker ran it, started one again/, 'starts the worker');
free($name);
ok(wait_state($node, $name, 'done'), 'done');

# The server stays away: exit 6 when the time is over.
$name = slow();
($run, $out) = start('wait', $name, '--for', 'done', '--timeout', '4s');
sleep 0.7;
$node->stop('immediate');
$run->finish;
is($run->full_result(0) >> 8, 6, 'exit 6: the server does not come back');
like($$out, qr/ZD802: .*does not come back.*The server side is unaffected/s, 'and that this end matters to nobody');
$node->start;
free($name);
is((zdm_cli($node, 'wait', $name, '--for', 'done', '--timeout', '60s'))[0], 0, 'wait starts the worker again');

done_testing();
