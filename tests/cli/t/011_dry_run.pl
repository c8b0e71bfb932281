# zdm backfill --dry-run: says what a backfill would do, changes nothing, and refuses what the backfill refuses.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main');
$node->safe_psql('postgres', q{
    CREATE TABLE t (id int PRIMARY KEY, a int, v text);
    INSERT INTO t SELECT i, i % 10, NULL FROM generate_series(1, 20000) i;
    CREATE INDEX ON t (a);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER audit AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION nothing();
    CREATE TABLE empty (v text);
    VACUUM ANALYZE;
});
sub zdm { return zdm_cli($node, @_); }

my ($code, $out, $err) = zdm('backfill', 't', '--set', q{v = 'x'}, '--where', 'v IS NULL', '--dry-run');
is($code, 0, 'exit 0');
like($out, qr/^public\.t: told from \d+ of \d+ pages$/m, 'the table, and how much of it was read');
like($out, qr/^  rows     20,000 to change$/m, 'rows');
like($out, qr/^  pages    \d+ to read$/m, 'pages');
like($out, qr/^  moves    \d+ % to \d+ % of the rows go into all 2 indexes again$/m, 'moves');
like($out, qr/^  WAL      \d\S* [kM]B to \d\S* MB$/m, 'WAL');
like($out, qr/^  table    grows by \S+ \S+ to \S+ \S+$/m, 'growth');
like($out, qr/^  indexes  grow by 0 bytes to \S+ \S+$/m, 'of indexes');
like($out, qr/^  time     \S+ m?s to \S+ (s|min.*)$/m, 'time');
like($out, qr/^  fires    audit$/m, 'triggers');
like($out, qr/^  note: Time is told from /m, 'what to think of it');
like($err, qr/^Nothing was changed\./m, 'and that nothing was changed');
unlike($out, qr/\033/, 'no colours in a pipe');
is($node->safe_psql('postgres', 'SELECT count(*) FROM zdm.migrations'), '0', 'nothing is stored');
is($node->safe_psql('postgres', 'SELECT count(v) FROM t'), '0', 'no row is changed');

($code, $out, $err) = zdm('backfill', 't', '--set', q{v = 'x'}, '--where', 'a = 3 AND v IS NULL', '--dry-run', '--json', '--max-rate', '100');
is($code, 0, '--json');
is($err, '', 'nothing else is said');
my $json = decode_json($out);
is($json->{schema}, 'zdm.estimate/1', 'schema');
is($json->{target}{database}, 'postgres', 'target');
is_deeply([ sort keys %$json ], [ sort qw(schema target relation pages pages_sampled rows_min rows_max indexes hot moved_min
    moved_max wal_min wal_max table_growth_min table_growth_max index_growth_min index_growth_max seconds_min seconds_max
    triggers horizon notes) ], 'fields');
is($json->{rows_max}, 2000, 'a number');
is_deeply($json->{triggers}, ['audit'], 'a list');
cmp_ok($json->{seconds_min}, '>=', 20, '--max-rate counts');

($code, $out) = zdm('backfill', 'empty', '--set', q{v = 'x'}, '--where', 'v IS NULL', '--dry-run');
is($code, 0, 'an empty table');
like($out, qr/^  rows   0 to change$/m, 'has nothing to change');

for my $case ([ 't', 'a = a + 1', 'ZD103' ], [ 't', 'x = 1', 'ZD005' ]) {
    my ($table, $set, $zd) = @$case;
    ($code, $out, $err) = zdm('backfill', $table, '--set', $set, '--dry-run');
    is($code, 2, "$zd: exit 2");
    is($out, '', "$zd: nothing on stdout");
    like($err, qr/$zd/, "$zd: with its code");
}
is((zdm('backfill', 'nowhere', '--set', 'v = 1', '--dry-run'))[0], 2, 'no such table');

done_testing();
