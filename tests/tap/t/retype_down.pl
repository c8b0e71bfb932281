# text to int with -- zdm: down, while an application writes under either type: it sees no error, nothing that was written is
# lost, and what nobody wrote is the very text that it was, whichever way it goes; at the end the schema is that of the plain
# statement, or of the start. ZDM_DOWN_ROWS sets the size (20000 rows).
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;

my $node = new_node('retype_down', conf => "zdm.quiet_period = 0\n");
my $rows = $ENV{ZDM_DOWN_ROWS} // 20_000;

sub value { return $node->safe_psql('postgres', $_[0]) }
sub dump_of { return columns_sorted(schema_dump($node, $_[0], '-N', 'zdm')); }

# Each write gives `given` the number that it gives `price`.
my $tables = <<'SQL';
CREATE TABLE tariff (id serial PRIMARY KEY, price text NOT NULL CONSTRAINT tariff_price CHECK (price IS NOT NULL), given int NOT NULL, was text);
CREATE INDEX tariff_price_idx ON tariff (price DESC);
COMMENT ON COLUMN tariff.price IS 'in cents';
GRANT SELECT, INSERT, UPDATE, DELETE ON tariff TO app;
GRANT USAGE ON SEQUENCE tariff_id_seq TO app;
SQL
my $change = 'ALTER TABLE tariff ALTER COLUMN price TYPE int USING price::int;';
my $migration = "-- zdm: down price = price::text\n$change";
value('CREATE ROLE app LOGIN; CREATE DATABASE plain');
value($tables);
# Numbers that no cast writes so.
value("INSERT INTO tariff (price, given, was) SELECT v, v::int, v FROM (SELECT CASE g % 3 WHEN 0 THEN ' ' WHEN 1 THEN '+00' ELSE '' END || g AS v FROM generate_series(1, $rows) g) t; VACUUM ANALYZE");
$node->safe_psql('plain', "CREATE EXTENSION IF NOT EXISTS zdm; $tables $change");
my $before = dump_of('postgres');
my $plain = dump_of('plain');

my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/app.sql", <<"SQL");
\\set id random(1, $rows)
\\set n random(1, 100000)
\\set fresh random($rows + 1, $rows + 500)
INSERT INTO tariff (price, given) VALUES (:n, :n);
UPDATE tariff SET price = :n, given = :n, was = NULL WHERE id = :id AND id % 5 = 0;
UPDATE tariff SET price = ':n', given = :n WHERE id = :fresh;
DELETE FROM tariff WHERE id = :fresh + 500;
SELECT price FROM tariff WHERE id = :id;
SQL
my $app = IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-c', 2, '-R', 20, '-T', 900, '-M', 'simple', '-f', "$folder/app.sql",
        '-d', $node->connstr('postgres') ], '<', \undef, '>&', "$folder/app.out");
my $sessions = q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'};
ok(poll_until($node, $sessions, '2'), 'the application is at work');

sub go_by {
    my $so_far = value(q{SELECT last_value FROM tariff_id_seq});
    return ok(poll_until($node, "SELECT last_value > $so_far + 30 FROM tariff_id_seq"), "$_[0]: the application goes on");
}

# What differs from what was written, under either type.
sub all_there {
    my ($what, $type) = @_;
    is(value(q{SELECT pg_typeof(price) FROM tariff LIMIT 1}), $type, "$what: the type");
    is(value(q{SELECT count(*) FROM tariff WHERE price::text::int <> given}), 0, "$what: what was written is there");
    cmp_ok(value(q{SELECT count(*) FROM tariff WHERE was IS NULL}), '>', 30, "$what: and there is some");
    my $exact = $type eq 'text' ? 'price' : 'zdm_price_old';
    return if $what eq 'done';
    is(value(qq{SELECT count(*) FROM tariff WHERE $exact <> was}), 0, "$what: what nobody wrote is as it was");
    cmp_ok(value(q{SELECT count(*) FROM tariff WHERE was IS NOT NULL}), '>', $rows / 2, "$what: and there is some");
    return;
}

sub call_for {
    my ($call, $state, $what) = @_;
    value("SELECT $call");
    return is(wait_state($node, 'm', $state), $state, "$what: $state");
}

sub nothing_differs { return is(value(q{SELECT count(*) FROM zdm_verify('m') WHERE place IS NOT NULL}), 0, "$_[0]: nothing differs") }

value("SELECT zdm_create('m', \$\$$migration\$\$)");
call_for(q{zdm_start('m')}, 'ready', 'there');
go_by('ready');
all_there('ready', 'text');
is(value(q{SELECT count(*) FROM tariff WHERE zdm_price_new IS DISTINCT FROM price::int}), 0, 'ready: the new column is filled and follows');
nothing_differs('ready');

call_for(q{zdm_rollback('m')}, 'rolled_back', 'back from ready');
go_by('back from ready');
all_there('back from ready', 'text');
is(dump_of('postgres'), $before, 'back from ready: the schema is as before');

call_for(q{zdm_start('m', 'switched')}, 'switched', 'there again');
go_by('switched');
all_there('switched', 'integer');
is(value(q{SELECT count(*) FROM tariff WHERE was IS NULL AND zdm_price_old::int IS DISTINCT FROM price}), 0, 'switched: the old column follows');
nothing_differs('switched');

call_for(q{zdm_rollback('m')}, 'rolled_back', 'back from switched');
go_by('back from switched');
all_there('back from switched', 'text');
is(dump_of('postgres'), $before, 'back from switched: the schema is as before');

call_for(q{zdm_start('m', 'switched')}, 'switched', 'once more');
go_by('switched again');
call_for(q{zdm_contract('m')}, 'done', 'at last');
go_by('done');
all_there('done', 'integer');

is(value($sessions), 2, 'no session of the application has ended');
$app->kill_kill(grace => 2);
poll_until($node, $sessions, '0');
my $out = slurp_file("$folder/app.out");
ok($out !~ /ERROR|FATAL|aborted/, 'no error of the application') or diag($out);
is(dump_of('postgres'), $plain, 'the schema is that of the plain statement');
is(value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^zdm_.*copy' OR relname ~ '^(acted|wrote|differs)_'}), 0, 'nothing is left behind');

# From int to text, of which no cast back is known. The old column may stay NULL; NOT NULL names that before a rollback.
value("CREATE TABLE plan (id int PRIMARY KEY, price int NOT NULL); INSERT INTO plan VALUES (1, 1)");
value("SELECT zdm_create('n', \$\$-- zdm: down price = CASE WHEN price ~ '^[0-9]{1,9}\$' THEN price::int END\nALTER TABLE plan ALTER price TYPE text\$\$); SELECT zdm_start('n', 'switched')");
is(wait_state($node, 'n', 'switched'), 'switched', 'NULL: switched');
value(q{INSERT INTO plan (id, price) VALUES (2, '99'), (3, 'much')});
is(value(q{SELECT string_agg(coalesce(zdm_price_old::text, '-'), ' ' ORDER BY id) FROM plan}), '1 99 -', 'the old column is NULL where the expression is');
like(value(q{SELECT new_values FROM zdm_verify('n', going_back => true) WHERE place IS NOT NULL}), qr/^[^\n]*much[^\n]*$/, 'a rollback would lose that row alone');
value(q{SELECT zdm_rollback('n')});
ok(poll_until($node, q{SELECT state || ' ' || left(message, 45) FROM zdm.migrations WHERE name = 'n'}, 'failed ZD202: 1 row of public.plan violates NOT NULL'), 'and stops at it');
value(q{UPDATE plan SET price = '98' WHERE id = 3; SELECT zdm_resume('n')});
is(wait_state($node, 'n', 'rolled_back'), 'rolled_back', 'until it is changed');
is(value(q{SELECT string_agg(price::text, ' ' ORDER BY id) || pg_typeof(min(price)) FROM plan}), '1 99 98integer', 'what was written is there as numbers');
done_testing();
