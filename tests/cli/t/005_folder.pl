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

# What a new database is made of: about fifty files as they pile up in some years, with columns, tables and
# indexes that went again. Nobody is there who could need them, so no gate is blind.
my $years = PostgreSQL::Test::Utils::tempdir();
my @years = (
    "CREATE TABLE account (id int PRIMARY KEY, name text NOT NULL, fax text, old_code int);\n"
        . "INSERT INTO account SELECT i, 'name ' || i, 'fax ' || i, i FROM generate_series(1, 500) i;\n",
    (map { "CREATE TABLE list_$_ (id int PRIMARY KEY, account_id int, label text DEFAULT 'none');\n" } 1 .. 10),
    (map { "ALTER TABLE list_$_ ADD CONSTRAINT list_${_}_account_fk FOREIGN KEY (account_id) REFERENCES account (id);\n" } 1 .. 10),
    (map { "CREATE INDEX list_${_}_label_idx ON list_$_ (label);\n" } 1 .. 5),
    (map { "ALTER TABLE list_$_ ADD COLUMN note text NOT NULL DEFAULT 'x';\n" } 1 .. 5),
    "INSERT INTO list_1 SELECT i, i, 'label ' || i FROM generate_series(1, 300) i;\n",
    "ALTER TABLE account ADD COLUMN mail text NOT NULL;\nUPDATE account SET mail = name || '\@example.com' WHERE mail IS NULL;\n",
    "ALTER TABLE account DROP COLUMN fax;\n",
    "DROP TABLE list_10;\n",
    "DROP INDEX list_5_label_idx;\n",
    "CREATE VIEW account_name AS SELECT id, name FROM account;\n",
    "DROP VIEW account_name;\n",
    "ALTER TABLE list_1 ADD CONSTRAINT list_1_label_check CHECK (label <> '');\n",
    "ALTER TABLE list_1 ALTER COLUMN label DROP DEFAULT;\n",
    "ALTER TABLE list_2 DROP CONSTRAINT list_2_account_fk;\nALTER TABLE list_2 DROP COLUMN account_id;\n",
    "DELETE FROM list_1 WHERE id > 200;\n",
    "ALTER TABLE account DROP COLUMN old_code;\nALTER TABLE account ADD COLUMN code int;\nCREATE UNIQUE INDEX account_code_key ON account (code);\n",
    (map { "COMMENT ON TABLE list_$_ IS 'list $_';\n" } 1 .. 7),
);
for my $i (0 .. $#years) {
    open(my $sql, '>:raw', sprintf('%s/%03d_year.sql', $years, $i + 1)) or die $!;
    print $sql $years[$i];
    close($sql);
}
cmp_ok(scalar @years, '>=', 50, 'a folder of fifty');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(plain grown);
# NOT NULL on a new column without a value is what plain SQL can't do on a table with rows.
$node->safe_psql('plain', s/(ADD COLUMN mail text) NOT NULL;(.*)$/$1;$2 ALTER TABLE account ALTER COLUMN mail SET NOT NULL;/sr) for @years;
$node->safe_psql('grown', 'CREATE EXTENSION zdm');
($code, $out, $err) = zdm_cli($node, 'up', $years, '--to', 'done', '--yes', '-d', 'grown');
is($code, 0, 'a new database from fifty files, removals among them');
like($out, qr/^Done: ${\scalar @years} of ${\scalar @years} migrations\.$/, 'all done');
diag($err) if $code;
is(schema_dump($node, 'grown', '-n', 'public'), schema_dump($node, 'plain', '-n', 'public'), 'its schema is that of plain SQL');
my $rows = q{SELECT (SELECT string_agg(a::text, ',' ORDER BY id) FROM account a), (SELECT string_agg(l::text, ',' ORDER BY id) FROM list_1 l)};
is($node->safe_psql('grown', $rows), $node->safe_psql('plain', $rows), 'and so are its rows');
like($node->safe_psql('grown', q{SELECT string_agg(message, E'\n') FROM zdm.events WHERE kind = 'gate'}),
    qr/can't see who still reads public\.account\.fax\. That does not count: nobody else is connected/,
    'an event says why a gate that could not see was opened');

# The same with somebody there: it stops.
file('007_blind.sql', "ALTER TABLE customer DROP COLUMN mail;\n");
my $somebody = $node->background_psql('fresh2');
$somebody->query_safe('SELECT 1');
($code, $out, $err) = zdm_cli($node, 'up', $folder, '--to', 'done', '--yes', '-d', 'fresh2');
is($code, 4, 'exit 4: somebody is connected who may read it');
like($err, qr/ZD402.*if nobody else were connected to the database: 1 other is\./s, 'and why that counts');
$somebody->quit;
is($node->poll_query_until('fresh2', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'fresh2' AND backend_type = 'client backend'}),
    1, 'he goes');
is((zdm_cli($node, 'up', $folder, '--to', 'done', '--yes', '-d', 'fresh2'))[0], 0, 'then it goes on');

done_testing();
