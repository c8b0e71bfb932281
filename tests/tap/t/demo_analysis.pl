# What the demo says about waits, phases and latencies is only as good as its reading of the logs.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../demo/perl";
use File::Temp 'tempdir';
use Test::More;
use Demo::Load qw(application_errors figures latencies);
use Demo::Numbers qw(commas median percentile);
use Demo::Phases qw(phase_at phase_seconds phases);
use Demo::ServerLog qw(read_log);
use Demo::Transactions qw(longest_gap);
use Demo::Waits qw(describe note_workers waits_for_hand waits_for_zdm);

my $folder = tempdir(CLEANUP => 1);
sub write_file { open my $out, '>', "$folder/$_[0]" or die $!; print $out $_[1]; close $out; return "$folder/$_[0]" }

sub entry {
    my ($second, $pid, $application, $message, %more) = @_;
    my $detail = $more{detail} ? qq(,"detail":"$more{detail}") : '';
    my $code = $more{code} ? qq(,"state_code":"$more{code}") : '';
    my $severity = $more{code} ? 'ERROR' : 'LOG';
    my $type = $more{type} // 'client backend';
    my $user = $more{user} // 'shop_app';
    return sprintf qq({"timestamp":"2026-11-23 09:26:%06.3f UTC","user":"%s","pid":%d,"error_severity":"%s"%s,)
        . qq("message":"%s"%s,"application_name":"%s","backend_type":"%s"}\n),
        $second, $user, $pid, $severity, $code, $message, $detail, $application, $type;
}
sub connected {
    my ($pid, $application, $user) = @_;
    return entry(0, $pid, '', "connection authorized: user=$user database=shop application_name=$application", user => $user);
}
sub waits {
    my ($second, $pid, $application, $lock, $holders, $queue, $took) = @_;
    return entry($second, $pid, $application, "process $pid still waiting for $lock after 5.100 ms",
            detail => "Process holding the lock: $holders. Wait queue: $queue.")
        . entry($second + $took / 1000 - 0.0051, $pid, $application, "process $pid acquired $lock after $took ms");
}

my $log = read_log(write_file('server.json', join '',
    connected(10, 'old-1', 'shop_app'), connected(11, 'old-1', 'shop_app'), connected(12, 'old-2', 'shop_app'),
    connected(20, 'by_hand', 'shop_owner'), connected(30, 'zdm', 'shop_owner'),
    entry(1, 40, '', 'automatic vacuum', type => 'autovacuum worker'),
    # For a row that zdm's worker 50 holds, and 11 behind 10 at that moment.
    waits(10, 10, 'old-1', 'ShareLock on transaction 7', '50', '10', '40.500'),
    waits(10.01, 11, 'old-1', 'ExclusiveLock on tuple (1,2) of relation 16388', '10', '11', '35.000'),
    # Behind an attempt of the worker to get its lock; and for another application, later.
    waits(11, 12, 'old-2', 'RowExclusiveLock on relation 16388 of database 5', '11', '50, 12', '60.000'),
    waits(12, 12, 'old-2', 'ShareLock on transaction 8', '10', '12', '90.000'),
    # For autovacuum, for the change by hand, for a process that nobody knows.
    waits(13, 10, 'old-1', 'AccessShareLock on relation 16388 of database 5', '40', '10', '20.000'),
    waits(14, 10, 'old-1', 'AccessShareLock on relation 16388 of database 5', '20', '10', '2000.000'),
    waits(15, 12, 'old-2', 'ShareLock on transaction 9', '51', '12', '8.000'),
    # Given up.
    entry(16, 11, 'old-1', 'process 11 still waiting for AccessShareLock on relation 16388 of database 5 after 5.000 ms',
        detail => 'Process holding the lock: 20. Wait queue: 11.'),
    entry(20.995, 11, 'old-1', 'canceling statement due to statement timeout', code => '57014'),
    entry(21, 12, 'report', 'cached plan must not change result type', code => '0A000'),
    entry(21, 20, 'by_hand', 'column contains null values', code => '23502', user => 'shop_owner'),
));
note_workers($log, [{ workers => [50] }]);
my $base = $log->{waits}[0]{from} - 9.9949;

my @mine = waits_for_zdm($log, $base, $base + 60);
is_deeply([map { "$_->{pid} $_->{ms}" } @mine], ['12 60.000', '10 40.500', '11 35.000', '12 8.000'],
    'waits for zdm: as holder, ahead in the queue, behind somebody who waits for it, for an unknown process');
my @hand = waits_for_hand($log, $base, $base + 60);
is_deeply([map { sprintf '%d %.0f', $_->{pid}, $_->{ms} } @hand], ['11 5000', '10 2000'],
    'waits for the change by hand, one of which was given up');
is(describe($mine[0], { 16388 => 'users' }), '60.0 ms for RowExclusiveLock on table users (old-2)', 'a wait in words');
my @later = waits_for_zdm($log, $base + 12, $base + 60);
is(scalar @later, 1, 'only those of the time asked for');

my ($errors, $replans) = application_errors($log, $base, $base + 60);
is(join(' ', map { $_->{sqlstate} } @$errors), '57014', 'errors of the applications only');
is(scalar @$replans, 1, 'what the plan announced is counted apart');

my $marks = { before => 100, up => 110, ready => 150, finished => 180, end => 200 };
my $steps = [
    { kind => 'ddl', phase => 'expand', from => 110.5 }, { kind => 'index', phase => 'expand', from => 112 },
    { kind => 'backfill', phase => 'migrate', from => 120 }, { kind => 'analyze', phase => 'migrate', from => 148 },
    { kind => 'gate', phase => 'contract', from => 151 }, { kind => 'validate', phase => 'contract', from => 170 },
    { kind => 'ddl', phase => 'contract', from => 175 }, { kind => 'ddl', phase => 'contract', from => undef },
];
my $stretches = phases($marks, $steps);
is(join(' ', map { "$_->{name}:$_->{from}-$_->{to}" } @$stretches),
    'before:100-110 expand:110-112 index build:112-120 backfill:120-150 ready:150-170 validate:170-175 contract:175-180 after:180-200',
    'phases without holes');
is(phase_at($stretches, 149), 'backfill', 'a moment has its phase');
is(phase_at($stretches, 99), undef, 'or none');
is(phase_seconds($stretches, 'ready'), 20, 'and a phase its length');

mkdir "$folder/load";
write_file('load/old-1.77', "0 1 2000 0 111 500000 100\n1 2 90000 4 121 0 0\n0 3 failed 0 121 5\n0 3 1000 0 130 0");
write_file('load/old-2.78.1', "0 1 4000 0 119 999999 0\n");
write_file('load/new-1.79', "0 1 6000 1 155 0 0\n");
write_file('load/old-1.out', "not a log\n");
my $latencies = latencies("$folder/load", $stretches);
is_deeply($latencies, { expand => { old => [2] }, 'index build' => { old => [4] }, backfill => { old => [90] }, ready => { new => [6] } },
    'transactions by phase and application; neither failed ones nor half a line');
is_deeply([longest_gap("$folder/load", 0, 110, 130)], [10.000001], 'the longest time without a transaction of a kind');
is_deeply([figures([1 .. 200])], [200, 100, 198, 200], 'n, p50, p99, max');
is(percentile([], 0.5), undef, 'of nothing: nothing');
is(median(3, 1, 2, 10), 2.5, 'median');
is(commas(1234567), '1,234,567', 'commas');
done_testing();
