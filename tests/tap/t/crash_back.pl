# Each commit of each way to take a step back, and kill -9 of the worker or an immediate stop of the server
# around it: the migration ends rolled back all the same, and nothing tells that it was ever there.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use ZdmCrash;
use ZdmCrashShop;

my $node = new_node('main', conf => conf_for_waves($at_a_time), extension => 0);
make_shop($node);
my $dump_before = schema_dump($node, 'base');
my $sum_before = $node->safe_psql('base', $after);

# Back from the very end, and a crash in the middle of that. The way there is gone once: each case is a copy
# of where it ended.
my @forward = at_most_twice(make_end($node));
my %back = (template => 'at_end', begin => back_sql());
my @back = at_most_twice(trace($node, %back, until => 'rolled_back'));
check_all($node, $dump_before, $sum_before, { db => 'traced', point => 'no crash' });
my @undo = split /\n/, $node->safe_psql('traced', 'SELECT DISTINCT kind FROM zdm.undo ORDER BY 1');
$node->safe_psql('postgres', 'DROP DATABASE traced');
is("@undo", 'constraint count ddl drop_index index sync unsync validate', 'an undo of each kind');
for my $kind (@undo) {
    my %of = map { $_ => 1 } grep { s/^undo_\Q$kind\E:// } names(@back);
    ok($of{begin} && $of{intent} && $of{after_commit} && ($of{before_commit} || $of{before_mark}),
        "undo by $kind has fault points before and after its commit: " . join ' ', sort keys %of);
}
my @ways = (\&kill_workers, \&stop_now);
for my $way (0 .. $#ways) {
    my $crash = $ways[$way];
    for my $part (in_parts(share($way, @back))) {
        my @cases = wave($node, %back, points => $part);
        $crash->($node);
        let_go($node, @cases);
        in_each($node, q{SET ROLE app; SELECT zdm.ping('m');}, map { $_->{db} } @cases)
            if $crash == \&stop_now;
        finished($node, 'rolled_back', @cases);
        check_all($node, $dump_before, $sum_before, @cases);
        drop_all($node, @cases);
    }
}

# A crash on the way forward, and after it no wish to go on. crash.pl stops at each of these points, so a
# third of them will do here.
my @third = share(0, @forward[ grep { $_ % 3 == 0 } 0 .. $#forward ]);
for my $part (in_parts(@third)) {
    my @cases = wave($node, template => 'base', begin => begin_sql($reversible, 'done'), points => $part);
    stop_now($node);
    let_go($node, @cases);
    in_each($node, "\\o /dev/null\nSET ROLE app;\nSELECT zdm_rollback('m');\n\\o", map { $_->{db} } @cases);
    finished($node, 'rolled_back', @cases);
    check_all($node, $dump_before, $sum_before, @cases);
    drop_all($node, @cases);
}

done_testing();
