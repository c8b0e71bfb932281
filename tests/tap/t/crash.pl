# Each commit of each kind of step, and kill -9 of the worker or an immediate stop of the server around it:
# the migration ends done all the same, with the schema that plain SQL makes of an empty copy, all rows as
# expected, and nothing left behind.
# crash_back.pl does the same on the way back.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use ZdmCrash;
use ZdmCrashShop;

my $sources = $ENV{ZDM_ROOT} // die 'ZDM_ROOT does not name the sources';
my $node = new_node('main', conf => conf_for_waves($at_a_time), extension => 0);
make_shop($node);
my $sum_done = $node->safe_psql('base', $expected_done);
$node->safe_psql('plain', "SET ROLE app; SET search_path = shop, public; $migration");
my $dump_done = schema_dump($node, 'plain');

my %kinds = map { $_ => 1 } step_kinds($sources);
my %faults = fault_names($sources);
my %reached;

# Where the migration comes by, first without any crash.
my @points = trace($node, template => 'base', begin => begin_sql($migration, 'done'), until => 'done');
check_all($node, $dump_done, $sum_done, { db => 'traced', point => 'no crash' });
my @seen = split /\n/, $node->safe_psql('traced', 'SELECT DISTINCT kind FROM zdm.steps');
is(join(' ', sort @seen), join(' ', sort keys %kinds), 'the migration has a step of each kind');
for my $kind (sort keys %kinds) {
    my %of = map { $_ => 1 } grep { s/^\Q$kind\E:// } names(@points);
    ok($of{begin} && $of{intent} && $of{after_commit} && ($of{before_commit} || $of{before_mark}),
        "$kind has fault points before and after its commit: " . join ' ', sort keys %of);
}
$reached{$_}++ for names(@points);
$node->safe_psql('postgres', 'DROP DATABASE traced');

for my $part (in_parts(share(0, at_most_twice(@points)))) {
    my @cases = wave($node, template => 'base', begin => begin_sql($migration, 'done'), points => $part);
    ok(kill_workers($node), 'the server is back after kill -9 of ' . @cases . ' workers');
    let_go($node, @cases);
    finished($node, 'done', @cases);
    check_all($node, $dump_done, $sum_done, @cases);
    drop_all($node, @cases);
}

# The server stops at once: nobody starts the workers again until somebody calls zdm, whichever way.
my @calls = (
    q{SELECT zdm_resume('m');},
    q{CALL zdm_wait('m', 'done', '60 s');},
    q{SELECT zdm.ping('m');},
    q{SELECT zdm_start('m', 'done');});
for my $part (in_parts(share(1, at_most_twice(@points)))) {
    my @cases = wave($node, template => 'base', begin => begin_sql($migration, 'done'), points => $part);
    stop_now($node);
    let_go($node, @cases);
    my %status = in_each($node, q{SELECT state || ' ' || activity FROM zdm.migrations}, map { $_->{db} } @cases);
    my @live = grep { $status{ $_->{db} } !~ /^done / } @cases;
    is(join("\n", grep { !/^\w+ stopped: zdm_resume\('m'\)$/ } map { $status{ $_->{db} } } @live), '',
        'all that are not done say that they are stopped and what to call');
    my $n = 0;
    my %call = map { $_->{db} => $calls[ $n++ % @calls ] } @live;
    in_each($node, sub { "\\o /dev/null\nSET ROLE app;\n$call{$_[0]}\n\\o" }, map { $_->{db} } @live);
    finished($node, 'done', @cases);
    check_all($node, $dump_done, $sum_done, @cases);
    drop_all($node, @cases);
}

# A point that no case comes by, here or on the way back, tests nothing.
$reached{$_}++
    for names(make_end($node), trace($node, template => 'at_end', begin => back_sql(), until => 'rolled_back'));
for my $pattern (sort keys %faults) {
    ok(scalar(grep { /^$pattern$/ } keys %reached), "a case comes by $pattern ($faults{$pattern}[0])");
}

done_testing();
