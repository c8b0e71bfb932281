# pause, resume, set, wait, watch, rollback, backfill, status, history, doctor.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = '1s'\n", preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q{
    CREATE TABLE t (id int PRIMARY KEY, v int);
    INSERT INTO t SELECT i, NULL FROM generate_series(1, 20000) i;
    CREATE TABLE u (id int PRIMARY KEY, name text);
    INSERT INTO u SELECT i, 'n' FROM generate_series(1, 100) i;
    ANALYZE;
});
sub zdm { return zdm_cli($node, @_); }
sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name.sql";
}

my ($code, $out, $err) = zdm('status');
is($code, 0, 'status without migrations');
like($out, qr/No migrations yet/, 'says so');
is_deeply(decode_json((zdm('status', '--json'))[1])->{migrations}, [], 'also as JSON');
like((zdm('watch'))[1], qr/Nothing runs/, 'nothing to watch');
is((zdm('history'))[0], 0, 'no history');
($code, $out) = zdm('doctor');
is($code, 0, 'doctor');
like($out, qr/^ok    PostgreSQL \d+\.\d+ as .*^ok    zdm \S+ is installed/ms, 'checks server and extension');
like($out, qr/^ok    \d+ of 16 background worker slots are free/m, 'and workers');
$code = (zdm('doctor', '--json'))[1];
is(decode_json($code)->{schema}, 'zdm.doctor/1', 'doctor --json');

# A slow backfill to play with.
($code, $out, $err) = zdm('backfill', 't', '--set', 'v = 1', '--where', 'v IS NULL',
    '--name', 'slow one', '--max-rate', '500', '--no-wait');
is($code, 0, 'backfill --no-wait');
like($out, qr/^slow one is started\.\nNext: zdm watch 'slow one'$/, 'returns at once; names are quoted for the shell');
($code, $out, $err) = zdm('wait', 'slow one', '--for', 'done', '--timeout', '500ms');
is($code, 8, 'exit 8: wait');
is((zdm('watch', '--timeout', '500ms'))[0], 8, 'exit 8: watch');
like((zdm('status'))[1], qr/^slow one +migrating +0\/\d+ +running/m, 'status lists it');
($code, $out) = zdm('status', 'slow one');
like($out, qr/1\/\d+ migrate backfill public\.t\n +\d+\.\d %, [\d,]+ of about 20,000 rows/, 'status of one shows how far it is');
my $one = decode_json((zdm('status', 'slow one', '--json'))[1]);
is($one->{schema}, 'zdm.status/1', 'schema');
is($one->{migrations}[0]{progress}[0]{rows_estimate}, 20000, 'progress');
is($one->{migrations}[0]{plan}[0]{kind}, 'backfill', 'plan');

is((zdm('pause', 'slow one', '--reason', 'lunch'))[0], 0, 'pause');
like((zdm('status', 'slow one'))[1], qr/paused: lunch.*Next: zdm resume 'slow one'/s, 'status says why and what next');
($code, $out, $err) = zdm('wait', 'slow one', '--for', 'done', '--timeout', '500ms');
is($code, 8, 'exit 8: paused');
like($err, qr/paused: lunch/, 'wait says why it waits');
is((zdm('pause', 'slow one'))[0], 0, 'pause again: nothing to do');
is(decode_json((zdm('pause', 'slow one', '--json'))[1])->{migrations}[0]{pause_reason}, 'lunch', 'pause --json');

for my $case ([qw(max_rate 0)], [qw(max_bad_rows 3)], [qw(batch_target 20ms)], [qw(max_replica_lag 5s)], [qw(standby_grace 10s)], [qw(quiet_period 10m)], [qw(duty 0.9)], [qw(workers 4)], [qw(max_wal_rate 1000000)], [qw(duty default)]) {
    is((zdm('set', 'slow one', @$case))[0], 0, "set @$case");
}
is($node->safe_psql('postgres', q{SELECT options ->> 'batch_target', options ->> 'max_replica_lag', options ->> 'quiet_period', options ? 'duty' FROM zdm.migrations}),
    '20|5|600|f', 'values are in the unit of the option');
is((zdm('set', 'slow one', 'duty', '70'))[0], 2, 'exit 2: out of range');

is((zdm('resume', 'slow one'))[0], 0, 'resume');
($code, $out, $err) = zdm('watch', 'slow one');
is($code, 0, 'watch until it is done');
like($out, qr/^slow one is done, took /m, 'and says so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE v IS NULL'), '0', 'all filled');
is((zdm('pause', 'slow one'))[0], 2, 'exit 2: nothing to pause');
like((zdm('history', 'slow one'))[1], qr/ paused .*lunch.* resumed /s, 'history of one tells what happened');
is(decode_json((zdm('history', '--json'))[1])->{migrations}[0]{name}, 'slow one', 'history --json');

# watch --json: one object a line.
zdm('backfill', 't', '--set', 'v = 2', '--where', 'v = 1', '--name', 'two', '--yes', '--no-wait', '--max-rate', '10000',
    '--no-fire-triggers');
is($node->safe_psql('postgres', q{SELECT options ->> 'fire_triggers' FROM zdm.migrations WHERE name = 'two'}), 'false', 'backfill --no-fire-triggers');
($code, $out, $err) = zdm('watch', 'two', '--json');
is($code, 0, 'watch --json');
my @lines = map { decode_json($_) } split /\n/, $out;
cmp_ok(scalar @lines, '>', 1, 'a line for each change');
is($lines[-1]{migrations}[0]{state}, 'done', 'the last one is the end');
is($err, '', 'and nothing else');

# Bad backfills.
for my $case (
    [ 'nobody', '--set', 'v = 1', '--where', 'v IS NULL' ],
    [ 't', '--set', 'v = v + 1' ],
    [ 't', '--set', 'nope = 1', '--where', 'nope IS NULL' ],
    [ 't', '--set', 'v = 1; DROP TABLE t', '--where', 'v IS NULL' ],
    [ 't', '--set', 'v = 1', '--where', 'v IS NULL', '--name', 'two' ],
    )
{
    ($code, $out, $err) = zdm('backfill', @$case);
    is($code, 2, "exit 2: backfill @$case");
}
is((zdm('backfill', 't', '--set', 'v = 3', '--where', 'v = 2'))[0], 2, 'exit 2: overwrites, nobody said yes');
is($node->safe_psql('postgres', q{SELECT count(*) FROM zdm.migrations}), '2', 'nothing was left of them');
($code, $out) = zdm('backfill', 't', '--set', 'v = 3', '--where', 'v = 2', '--yes', '--json');
is($code, 0, 'with --yes');
is(decode_json($out)->{migration}{state}, 'done', 'done');

# Rollback.
my $phone = file('phone', "ALTER TABLE u ADD COLUMN phone text NOT NULL;\nUPDATE u SET phone = 'x' WHERE phone IS NULL;\n");
my $before = schema_dump($node, 'postgres', '-t', 'u');
zdm('up', $phone);
($code, $out, $err) = zdm('rollback', 'phone');
is($code, 2, 'exit 2: rollback, nobody said yes');
like($err, qr/DROP COLUMN.*Nothing was touched/s, 'and what it would do');
is(migration_state($node, 'phone'), 'ready', 'nothing was touched');
$node->safe_psql('postgres', 'CREATE VIEW phones AS SELECT id, phone FROM u');
($code, $out, $err) = zdm('rollback', 'phone', '--yes');
is($code, 2, 'exit 2: a view uses the new column');
like($err, qr/ZD311: .*view public\.phones depends on column phone of table public\.u.*--keep/s, 'says so before anything');
($code, $out, $err) = zdm('rollback', 'phone', '--yes', '--json');
is(decode_json($err)->{code}, 'ZD311', 'as JSON too');
is(migration_state($node, 'phone'), 'ready', 'nothing was touched');
$node->safe_psql('postgres', 'DROP VIEW phones');
my $application = $node->background_psql('postgres');
$application->query_safe("SET application_name = 'billing'");
($code, $out, $err) = zdm('rollback', 'phone', '--yes');
is($code, 0, 'rollback --yes');
like($err, qr/Who uses what goes back, and would miss it:\n  no application wrote phone of public\.u itself\n  1 session of billing \(role \S+\) is connected and may use it$/m,
    'who uses it is shown first');
unlike($err, qr/^note:/m, 'and not twice');
$application->quit;
like($out, qr/^phone is rolled_back/, 'says so');
is(schema_dump($node, 'postgres', '-t', 'u'), $before, 'the table is as before');
is((zdm('rollback', 'phone'))[0], 0, 'again: nothing to do');
is((zdm('wait', 'phone', '--for', 'done', '--timeout', '5s'))[0], 1, 'exit 1: wait for done of what was rolled back');
is((zdm('wait', 'phone', '--for', 'rolled_back', '--timeout', '5s'))[0], 0, 'wait for rolled_back');

zdm('up', $phone);
($code, $out, $err) = zdm('rollback', 'phone', '--keep');
is($code, 0, 'rollback --keep');
like($out, qr/^DROP TRIGGER.*^ALTER TABLE .*DROP COLUMN phone;?$/ms, 'the SQL that cleans up is on stdout, last step first');
is($node->safe_psql('postgres', 'SELECT count(phone) FROM u'), '100', 'what was made stays');
$node->safe_psql('postgres', $out);
is(schema_dump($node, 'postgres', '-t', 'u'), $before, 'and that SQL cleans up');
zdm('up', $phone);
($code, $out) = zdm('rollback', 'phone', '--keep', '--json');
like(decode_json($out)->{clean_up_sql}, qr/DROP COLUMN/, 'rollback --keep --json');
my (undef, $again) = zdm('rollback', 'phone', '--keep', '--json');
is(decode_json($again)->{clean_up_sql}, decode_json($out)->{clean_up_sql}, 'whose SQL is given again to whoever lost it');

$node->safe_psql('postgres', decode_json($out)->{clean_up_sql});
zdm('up', $phone);
$node->safe_psql('postgres', q{INSERT INTO u VALUES (1000, 'by the new version', '123')});
($code, $out, $err) = zdm('rollback', 'phone', '--yes', '--json');
is($code, 0, 'rollback --json');
my @writes = grep { $_->{kind} eq 'write' } @{ decode_json($out)->{usage} };
is(scalar @writes, 1, 'has who uses it');
like($writes[0]{message}, qr/^an application wrote phone of public\.u itself \d+ s ago$/, 'the new version wrote it');
like($writes[0]{last_used}, qr/^\d{4}-\d\d-\d\dT/, 'and when');

# Unknown migrations: exit 2, with those that exist.
for my $command (qw(status watch pause resume contract rollback history)) {
    ($code, $out, $err) = zdm($command, 'typo');
    is($code, 2, "exit 2: $command typo");
    like($err, qr/ZD301: there is no migration "typo"/, 'says so');
}
is((zdm('wait', 'typo'))[0], 2, 'exit 2: wait typo');
like((zdm('status', 'typo'))[2], qr/slow one/, 'and lists what there is');
is((zdm('contract', 'phone'))[0], 2, 'exit 2: contract before ready');

done_testing();
