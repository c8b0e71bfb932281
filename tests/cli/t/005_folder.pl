# zdm up DIR: in name order, done ones skipped, changed ones refused, stops at the first that is not done.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = '1s'\n", preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name") or die "$name: $!";
    print $out $sql;
    close($out);
    return;
}
sub states {
    return $node->safe_psql('postgres', q{SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM zdm.migrations});
}

is((zdm_cli($node, 'up', $folder))[0], 2, 'exit 2: a folder without migrations');

my $base = "CREATE TABLE customer (id int PRIMARY KEY, name text);\nINSERT INTO customer VALUES (1, 'a'), (2, 'b');\n";
file('001_base.sql', $base);
file('002_mail.sql', "ALTER TABLE customer ADD COLUMN mail text NOT NULL;\nUPDATE customer SET mail = 'x' WHERE mail IS NULL;\n");
file('003_index.sql', "CREATE INDEX customer_mail ON customer (mail);\n");
file('notes.txt', 'not SQL');
file('.#002_mail.sql', 'an editor was here');

my ($code, $out, $err) = zdm_cli($node, 'up', $folder);
is($code, 0, 'up DIR');
is(states(), '001_base done, 002_mail ready', 'stops at the first that is not done');
like($err, qr/002_mail is ready, not done\.\nNext: .*zdm contract 002_mail/, 'says what it waits for');
like($err, qr/1 migration waits? behind it|1 more migration waits behind it/, 'and what waits behind it');
like($out, qr/^Done: 1 of 3 migrations\.$/, 'sums up');

($code, $out, $err) = zdm_cli($node, 'up', $folder);
is($code, 0, 'again');
like($err, qr/001_base: done already/, 'what is done is skipped');
is(states(), '001_base done, 002_mail ready', 'all as before');

($code, $out, $err) = zdm_cli($node, 'up', $folder, '--to', 'done', '--json');
is($code, 0, '--to done takes each through contract');
is($err, '', 'no narration with --json');
my $json = decode_json($out);
is($json->{schema}, 'zdm.up/1', 'schema');
is_deeply([ map { "$_->{name} $_->{state}" } @{ $json->{migrations} } ],
    [ '001_base done', '002_mail done', '003_index done' ], 'all of them');
is($json->{stopped_at}, undef, 'stopped nowhere');

# Other line ends are no other file; other words are.
(my $crlf = $base) =~ s/\n/\r\n/g;
file('001_base.sql', "\xEF\xBB\xBF$crlf");
is((zdm_cli($node, 'up', $folder))[0], 0, 'CRLF is no change');
file('002_mail.sql', "ALTER TABLE customer ADD COLUMN mail text;\n");
($code, $out, $err) = zdm_cli($node, 'up', $folder);
is($code, 2, 'exit 2: a changed file that was applied');
like($err, qr/ZD302: .*002_mail.*Next: /s, 'which, and what to do');
file('002_mail.sql', "ALTER TABLE customer ADD COLUMN mail text NOT NULL;\nUPDATE customer SET mail = 'x' WHERE mail IS NULL;\n");

# A bad one is refused with its place, those behind it wait.
file('004_bad.sql', "ALTER TABLE nobody ADD COLUMN x int;\n");
file('005_later.sql', "CREATE TABLE later (id int);\n");
($code, $out, $err) = zdm_cli($node, 'up', $folder);
is($code, 2, 'exit 2: refused');
like($err, qr/ZD005.*004_bad\.sql:1:13/s, 'with the place');
unlike(states(), qr/00[45]/, 'and nothing behind it ran');

# One that fails stops the run with exit 1.
file('004_bad.sql', "ALTER TABLE customer ADD CONSTRAINT two CHECK (id < 2);\n");
($code, $out, $err) = zdm_cli($node, 'up', $folder);
is($code, 1, 'exit 1: rows violate the check');
like($err, qr/004_bad FAILED/, 'says why');
unlike(states(), qr/005/, 'and nothing behind it ran');
is((zdm_cli($node, 'up', $folder))[0], 1, 'exit 1 again');
$node->safe_psql('postgres', 'DELETE FROM customer WHERE id = 2');
zdm_cli($node, 'resume', '004_bad');
zdm_cli($node, 'wait', '004_bad', '--for', 'done', '--timeout', '60s');
is((zdm_cli($node, 'up', $folder))[0], 0, 'after the repair');
is(states(), '001_base done, 002_mail done, 003_index done, 004_bad done, 005_later done', 'all are done');

# A new database from many files at once.
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION zdm');
{
    # The old base file has other line ends here, which makes no difference.
    my ($fresh_code, $fresh_out) = zdm_cli($node, 'up', $folder, '--to', 'done', '-d', 'fresh');
    is($fresh_code, 1, 'exit 1: the check fails on fresh data, as it did before its repair');
}
file('004_bad.sql', "ALTER TABLE customer ADD CONSTRAINT two CHECK (id < 3);\n");
$node->safe_psql('postgres', 'CREATE DATABASE fresh2');
$node->safe_psql('fresh2', 'CREATE EXTENSION zdm');
($code, $out, $err) = zdm_cli($node, 'up', $folder, '--to', 'done', '-d', 'fresh2');
is($code, 0, 'all files into a new database');
like($out, qr/^Done: 5 of 5 migrations\.$/, 'all done');

# Removals ask per migration.
file('006_drop.sql', "DELETE FROM customer WHERE id = 1;\n");
($code, $out, $err) = zdm_cli($node, 'up', $folder, '-d', 'fresh2');
is($code, 2, 'exit 2: it deletes, and nobody said yes');
is($node->safe_psql('fresh2', 'SELECT count(*) FROM customer'), '2', 'nothing was touched');
is((zdm_cli($node, 'up', $folder, '-d', 'fresh2', '--yes'))[0], 0, 'with --yes');
is($node->safe_psql('fresh2', 'SELECT count(*) FROM customer'), '1', 'it is gone');

done_testing();
