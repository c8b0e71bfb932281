# zdm plan: shows everything, changes nothing, and points at what it refuses.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main');
# Columns count characters where the database knows them.
$node->safe_psql('postgres', q{CREATE DATABASE utf8 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'});
$node->safe_psql('utf8', 'CREATE EXTENSION zdm');
$ENV{PGDATABASE} = 'utf8';
$node->safe_psql('utf8', q{
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 5000) i;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int, created_at timestamptz);
    ANALYZE;
});
my $folder = PostgreSQL::Test::Utils::tempdir();

sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name";
}

my $sql = <<'SQL';
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'unknown' WHERE phone IS NULL;
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX orders_created_at_idx ON orders (created_at);
ALTER TABLE users DROP COLUMN name;
SQL
my $path = file('001_phone.sql', $sql);
my $before = schema_dump($node, 'utf8');
my ($code, $out, $err) = zdm_cli($node, 'plan', $path);
is($code, 0, 'plan');
like($out, qr/^001_phone: \d+ steps$/m, 'name and number of steps');
like($out, qr/^expand\n.*^migrate\n.*^contract\n/ms, 'by phase');
like($out, qr/lock ACCESS EXCLUSIVE/, 'locks');
like($out, qr/reads the whole table, about 5,000 rows \(\d+ kB\)/, 'scans and estimates');
like($out, qr/^  ---- point of no return.*! removes/ms, 'the point of no return stands before the removal');
like($out, qr/^Point of no return: step \d+ \(contract\)/m, 'and is said in words');
like($out, qr/^Contract waits for you, and for its gate/m, 'what contract waits for');
like($err, qr/Nothing was changed\. Run it: zdm up/, 'what comes next');
unlike($out, qr/\033/, 'no colours in a pipe');
is(schema_dump($node, 'utf8'), $before, 'the schema is as before');
is($node->safe_psql('utf8', 'SELECT count(*) FROM zdm.migrations'), '0', 'nothing is stored');

($code, $out, $err) = zdm_cli($node, 'plan', '--color', 'always', $path);
like($out, qr/\033\[/, 'colours when told');

($code, $out, $err) = zdm_cli($node, 'plan', '--json', $path);
is($code, 0, 'plan --json');
is($err, '', 'nothing else is said');
my $plan = decode_json($out);
is($plan->{schema}, 'zdm.plan/1', 'schema');
is($plan->{name}, '001_phone', 'name');
my ($removal) = grep { $_->{removal} } @{ $plan->{steps} };
is($plan->{point_of_no_return}, $removal->{step}, 'point of no return');
is_deeply([ sort keys %$removal ],
    [qw(bytes command kind line lock note phase relation removal rewrites rows scans step undo)],
    'fields of a step');

(my $crlf = $sql) =~ s/\n/\r\n/g;
is(decode_json((zdm_cli($node, 'plan', '--json', file('001_phone.sql', "\xEF\xBB\xBF$crlf")))[1])->{steps}[1]{command},
    $plan->{steps}[1]{command}, 'line ends and byte order marks change nothing');

# BEGIN and COMMIT are left out, and it says so.
my $wrapped = file('wrapped.sql', "BEGIN;\nALTER TABLE users ADD COLUMN x int;\nCOMMIT;\n");
($code, $out, $err) = zdm_cli($node, 'plan', $wrapped);
is($code, 0, 'a file with BEGIN and COMMIT');
like($err, qr/^note: .*BEGIN is ignored/m, 'says that they are ignored');
like(decode_json((zdm_cli($node, 'plan', '--json', $wrapped))[1])->{notes}[0], qr/BEGIN is ignored/, 'as JSON too');

# Refusals: exit 2, code, line, column, the line itself with a caret.
for my $case (
    [ 'syntax', "SELECT 1;\nALTER TABEL users;\n", 'ZD001', 2, 7, 'ALTER TABEL users;' ],
    [ 'table', "ALTER TABLE\n\tusrs ADD x int;\n", 'ZD005', 2, 2, "\tusrs ADD x int;" ],
    [ 'not null', "ALTER TABLE users\n  ADD COLUMN x int NOT NULL;\n", 'ZD102', 2, 3, '  ADD COLUMN x int NOT NULL;' ],
    [ 'psql', "\\set x 1\n", 'ZD003', 1, 1, '\\set x 1' ],
    [ 'umlaut', "/* \xC3\xA4\xC3\xB6 */ LOCK users;\n", 'ZD101', 1, 10, "/* \xC3\xA4\xC3\xB6 */ LOCK users;" ],
    )
{
    my ($name, $text, $zd, $line, $column, $source) = @$case;
    my $bad = file("bad.sql", $text);
    ($code, $out, $err) = zdm_cli($node, 'plan', $bad);
    is($code, 2, "$name: exit 2");
    is($out, '', "$name: nothing on stdout");
    like($err, qr/^error: $zd: line $line, column $column: /m, "$name: code and place");
    (my $blanks = substr($source, 0, $column - 1 + ($name eq 'umlaut' ? 2 : 0))) =~ s/[^\t]/ /g;
    $blanks = ' ' x ($column - 1) if $name eq 'umlaut';
    like($err, qr/^\s+--> \Q$bad\E:$line:$column\n\s+$line \| \Q$source\E\n\s+\| \Q$blanks\E\^$/m, "$name: caret");
    like($err, qr/^  Next: /m, "$name: what to do");
    my $json = decode_json((zdm_cli($node, 'plan', '--json', $bad))[2]);
    is_deeply([ @$json{qw(schema code line column exit_code)} ], [ 'zdm.error/1', $zd, $line, $column, 2 ],
        "$name: as JSON");
}
($code, $out, $err) = zdm_cli($node, 'plan', file('empty.sql', "-- nothing\n"));
is($code, 2, 'an empty file: exit 2');
like($err, qr/ZD002/, 'with its code');
is((zdm_cli($node, 'plan', file('bytes.sql', "SELECT '\xff';")))[0], 2, 'bytes that are no UTF-8: exit 2');

done_testing();
