# zdm verify, and zdm contract --accept-differences.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = '0'\n");
my $folder = PostgreSQL::Test::Utils::tempdir();
sub zdm { return zdm_cli($node, @_); }
sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name.sql";
}

$node->safe_psql('postgres', q{
    CREATE TABLE users (id int PRIMARY KEY, tel text NOT NULL, pad text);
    INSERT INTO users SELECT i, '0' || i, repeat('x', 300) FROM generate_series(1, 20000) i;
    CREATE TABLE other (id int PRIMARY KEY);
});
my $phone = file('phone', <<'SQL');
ALTER TABLE users ADD COLUMN phone text;
UPDATE users SET phone = '+' || tel;
ALTER TABLE users DROP COLUMN tel;
SQL
my ($code, $out, $err) = zdm('plan', $phone);
like($out, qr/verify/, 'the plan shows that columns are compared');
is((zdm('verify', 'phone'))[0], 2, 'exit 2: no such migration');
is((zdm('up', $phone, '--to', 'expanded'))[0], 0, 'expanded');
($code, $out, $err) = zdm('verify', 'phone');
is($code, 2, 'exit 2: before ready');
like($err, qr/ZD303.*zdm wait phone/s, 'and what to wait for');
is((zdm('up', $phone))[0], 0, 'ready');

($code, $out, $err) = zdm('verify', 'phone');
is($code, 0, 'exit 0: no differences');
is($out, "public.users: old and new agree in all rows\n", 'in words');
($code, $out) = zdm('verify', 'phone', '--json');
is($code, 0, 'the same as JSON');
my $json = decode_json($out);
is_deeply([ @$json{qw(schema name differences exit_code)} ], [ 'zdm.verify/1', 'phone', 0, 0 ], 'with its schema');
is_deeply($json->{tables}[0]{rows}, [], 'and no rows');
cmp_ok($json->{tables}[0]{pages}, '>', 512, 'read in several parts');

# The first and the last page.
$node->safe_psql('postgres', q{UPDATE users SET tel = 'b', phone = E'\tc' WHERE id IN (1, 20000)});
($code, $out, $err) = zdm('verify', 'phone');
is($code, 1, 'exit 1: differences');
like($out, qr/^public\.users: 2 rows differ\n +row +key +old +new\n +\(\d+,\d+\) +id = \d+ +tel = b +phone =  c *\n +\(\d+,\d+\) +id = \d+ +tel = b/m,
    'shows the rows');
like($err, qr/Next: .*zdm contract phone --accept-differences/, 'and what to do');
($code, $out) = zdm('verify', 'phone', '--examples', '1');
like($out, qr/2 rows differ.*\.\.\. and 1 more/s, 'as many as asked for');
is((zdm('verify', 'phone', '--examples', 'all'))[0], 2, 'exit 2: no number');
($code, $out, $err) = zdm('verify', 'phone', '--json');
is($code, 1, 'exit 1 with --json');
$json = decode_json($out);
is($json->{exit_code}, 1, 'in the object too');
is_deeply([ sort map { $_->{key} } @{ $json->{tables}[0]{rows} } ], [ 'id = 1', 'id = 20000' ], 'keys');
is_deeply($json->{tables}[0]{rows}[0]{new}, { phone => "\tc" }, 'values as they are');
is($err, '', 'nothing else');

($code, $out, $err) = zdm('contract', 'phone', '--yes', '--force', '--reason', 'test');
is($code, 1, 'exit 1: contract fails');
like($err, qr/ZD210: 2 rows of public\.users differ.*id = .*zdm verify phone.*zdm resume phone.*zdm contract phone --accept-differences/s,
    'with what to do, as commands');
($code, $out, $err) = zdm('contract', 'phone', '--accept-differences', '--yes');
is($code, 0, 'accepted');
like($out, qr/^phone is done/m, 'it ends');
like((zdm('status', 'phone'))[1], qr/values that differ may go, says /, 'status tells who said so');
like((zdm('history', 'phone'))[1], qr/^\S+ +accepted .*^\S+ +differences .*2 rows of public\.users differ/ms, 'and history');
ok(decode_json((zdm('status', 'phone', '--json'))[1])->{migrations}[0]{differences_accepted_by}, 'also as JSON');
($code, $out, $err) = zdm('verify', 'phone');
is($code, 2, 'exit 2: nothing left to compare');

is((zdm('up', file('other', 'ALTER TABLE other ADD COLUMN c int; UPDATE other SET c = 1 WHERE c IS NULL; ALTER TABLE other ALTER COLUMN c SET NOT NULL;')))[0], 0, 'one without a column that goes');
($code, $out) = zdm('verify', 'other');
is($code, 0, 'exit 0: nothing to compare');
like($out, qr/^Nothing to compare/, 'and it says so');
is((zdm('verify', 'other', '--json'))[0], 0, 'the same as JSON');

done_testing();
