# Copies of a database with live migrations: a dump restored on the same and on another server, and a
# database made from another. A copy never goes on by itself and says so; asked to, it goes on where the
# data is, whatever numbers and pages the tables have there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $here  = new_node('here');
my $there = new_node('there', extension => 0);

my $tables = <<'SQL';
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, person int NOT NULL);
CREATE TABLE spare (id int);
SQL
my %sql = (
    people => <<'SQL',
ALTER TABLE people ADD COLUMN phone text NOT NULL;
UPDATE people SET phone = 'of ' || name WHERE phone IS NULL;
CREATE INDEX people_phone_idx ON people (phone);
SQL
    orders => <<'SQL',
ALTER TABLE orders ADD COLUMN n int NOT NULL;
UPDATE orders SET n = id * 2 WHERE n IS NULL;
SQL
);

sub value { return $_[0]->safe_psql($_[1], $_[2]) }

sub told {
    my ($node, $db, $query) = @_;
    my (undef, undef, $err) = $node->psql($db, $query);
    return $err;
}

value($here, 'postgres', 'CREATE DATABASE plain; CREATE DATABASE source');
value($here, 'plain', "$tables $sql{people} $sql{orders}");
my @named = ('-t', 'people', '-t', 'orders');
my $schema = schema_dump($here, 'plain', @named);

value($here, 'source', 'CREATE EXTENSION zdm');
value($here, 'source', $tables);
value($here, 'source', q{INSERT INTO people SELECT g, 'name ' || g FROM generate_series(1, 30000) g;
    INSERT INTO orders SELECT g, g FROM generate_series(1, 1000) g; ANALYZE});

# One is ready, its trigger in place; the other in the middle of its backfill.
for my $name ('orders', 'people') {
    value($here, 'source', "SELECT zdm_create('$name', \$\$$sql{$name}\$\$); SELECT zdm_set('$name', 'quiet_period', '0')");
}
value($here, 'source', q{SELECT zdm_start('orders'); CALL zdm_wait('orders', 'ready', '100 s')});
my $stop = stop_at($here, 'backfill:after_commit', 'source');
value($here, 'source', q{SELECT zdm_set('people', 'batch_target', '1'); SELECT zdm_start('people')});
ok(wait_at($here, 'backfill:after_commit', undef, 'source'), 'a backfill is in the middle');
my $left = value($here, 'source', 'SELECT count(*) FROM people WHERE phone IS NULL');
cmp_ok($left, '>', 0, "$left rows are not filled yet");

# The copies. In the first the tables have other numbers; in the last, numbers and pages of the source.
my $dump = $here->basedir . '/dump.sql';
$here->command_ok([ 'pg_dump', '-d', $here->connstr('source'), '-f', $dump ], 'pg_dump');
value($there, 'postgres', 'CREATE DATABASE beyond');
value($here, 'postgres', 'CREATE DATABASE beside');
for my $copy ([ $here, 'beside' ], [ $there, 'beyond' ]) {
    my ($node, $db) = @$copy;
    $node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-o', '/dev/null', '-f', $dump ], "restored as $db");
}
value($here, 'source', q{SELECT zdm_set('people', 'batch_target', NULL)});
release($stop);
is(wait_state($here, 'people', 'ready', undef, 'source'), 'ready', 'the original goes on');
value($here, 'postgres', 'CREATE DATABASE template TEMPLATE source');

for my $copy ([ $here, 'beside' ], [ $there, 'beyond' ], [ $here, 'template' ]) {
    my ($node, $db) = @$copy;
    my $state = $db eq 'template' ? 'ready' : 'migrating';
    is(value($node, $db, q{SELECT name || ' ' || state || ': ' || activity FROM zdm.migrations WHERE name = 'people'}),
        "people $state: " . ($db eq 'template' ? q{waiting: zdm_contract('people')} : q{stopped in a copy of its database: zdm_resume('people')}),
        "$db says what it is");
    value($node, $db, q{SELECT zdm.ping('people'); SELECT zdm_create('spare', 'ALTER TABLE spare ADD COLUMN c int');
        SELECT zdm_start('spare', 'done'); CALL zdm_wait('spare', 'done', '60 s'); SELECT zdm_start('people')});
    is(scalar worker_pids($node, $db), 0, 'other calls do not start it');
    like(told($node, $db, q{CALL zdm_wait('people', 'done')}), qr/ZD312: .*zdm_resume\('people'\)/s, 'nor does zdm_wait, which says so');
    # The old application, which works there.
    value($node, $db, q{INSERT INTO people VALUES (100000, 'late'); INSERT INTO orders VALUES (100000, 1)});
    is(value($node, $db, q{SELECT phone FROM people WHERE id = 100000}), 'of late', 'the trigger fills rows');

    value($node, $db, q{SELECT zdm_set('people', 'batch_target', NULL)});
    value($node, $db, "SELECT zdm_resume('$_')") for 'people', 'orders';
    is(wait_state($node, 'people', 'ready', undef, $db), 'ready', 'zdm_resume goes on');
    is(value($node, $db, q{SELECT count(*) FROM zdm.events WHERE kind = 'adopted'}), '2', 'which is an event');
    is(value($node, $db, q{SELECT count(*) FROM people WHERE phone IS DISTINCT FROM 'of ' || name}), '0', 'all rows are filled');
    for my $name ('people', 'orders') {
        is(value($node, $db, "SELECT zdm_set('$name', 'quiet_period', '3600')"), '', 'a quiet period');
        value($node, $db, $name eq 'people' ? q{INSERT INTO people VALUES (100001, 'later')} : q{INSERT INTO orders VALUES (100001, 1)});
        like(told($node, $db, "SELECT zdm_contract('$name')"), qr/ZD401: /, "the gate of $name sees the old application there");
        value($node, $db, "SELECT zdm_contract('$name', true, 'test')");
        is(wait_state($node, $name, 'done', undef, $db), 'done', 'it ends');
    }
    is(schema_dump($node, $db, @named), $schema, 'with the schema of plain SQL');
    is(value($node, $db, q{SELECT count(*) FROM pg_trigger WHERE tgname = 'zz_zdm_sync'}), '0', 'no trigger is left');
    is(value($node, $db, q{SELECT string_agg(relname, ' ') FROM pg_class WHERE relname LIKE 'acted%'}), '', 'no evidence is left');
    is(value($node, $db, q{SELECT count(*) FILTER (WHERE phone IS DISTINCT FROM 'of ' || name), count(*) FROM people}), '0|30002', 'people has the right rows');
    is(value($node, $db, q{SELECT count(*) FILTER (WHERE n IS DISTINCT FROM id * 2), count(*) FROM orders}), '0|1002', 'orders, too');
}

done_testing();
