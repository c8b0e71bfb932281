# int to bigint of primary keys, one serial and one identity, with foreign keys that refer to them, while an application
# writes: it sees no error, nobody waits long, nothing that was written is lost, whichever way it goes; at the end the
# schema is that of the plain statement, or of the start. ZDM_KEY_ROWS sets the size (20000 rows).
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;

my $deadline = 100;
my $node = new_node('retype_key', conf => "zdm.lock_timeout = ${deadline}ms\nzdm.quiet_period = 0\n");
my $rows = $ENV{ZDM_KEY_ROWS} // 20_000;

sub value { return $node->safe_psql('postgres', $_[0]) }

my $tables = <<'SQL';
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, boss int REFERENCES users, n int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY CONSTRAINT orders_key PRIMARY KEY,
    buyer int NOT NULL CONSTRAINT orders_buyer REFERENCES users ON DELETE CASCADE, n int NOT NULL DEFAULT 0);
CREATE TABLE items (of int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE, what text);
CREATE TABLE logins (who int NOT NULL REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX ON orders (buyer, id);
-- What a DELETE of the application asks: without them it holds its locks as long as it reads whole tables.
CREATE INDEX ON users (boss);
CREATE INDEX ON items (of);
CREATE INDEX ON logins (who);
CREATE INDEX ON users (id) WHERE n > 10;
COMMENT ON CONSTRAINT orders_key ON orders IS 'the key';
COMMENT ON CONSTRAINT orders_buyer ON orders IS 'who buys';
ALTER TABLE orders CLUSTER ON orders_key, REPLICA IDENTITY USING INDEX orders_key;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, orders, items, logins TO app;
GRANT USAGE ON SEQUENCE users_id_seq TO app;
SQL
value(q{CREATE ROLE app LOGIN; ALTER ROLE app SET deadlock_timeout = '5ms'; CREATE DATABASE plain});
value($tables);
value("INSERT INTO users (name, boss) SELECT 'user ' || g, CASE WHEN g > 1 THEN 1 END FROM generate_series(1, $rows) g;"
    . "INSERT INTO orders (buyer) SELECT 1 + g % $rows FROM generate_series(1, $rows) g;"
    . "INSERT INTO items SELECT g, 'item' FROM generate_series(1, $rows) g; VACUUM ANALYZE");
my $change_users = 'ALTER TABLE users ALTER COLUMN id TYPE bigint;';
# The key of the other one together with all that refers to either: also a key and who refers to it, and two columns of a table.
my $change_orders = 'ALTER TABLE items ALTER COLUMN of TYPE bigint; ALTER TABLE users ALTER boss TYPE bigint;'
    . ' ALTER TABLE orders ALTER COLUMN id TYPE bigint, ALTER buyer TYPE bigint; ALTER TABLE logins ALTER who TYPE bigint;';
# The one thing that zdm does and a plain ALTER TYPE does not: a serial column's sequence gets the type as well.
$node->safe_psql('plain', "CREATE EXTENSION IF NOT EXISTS zdm; $tables $change_users ALTER SEQUENCE users_id_seq AS bigint; $change_orders");
my $start = dump_of('postgres');
my $plain = dump_of('plain');

# The schema, with the columns of each table in the order of their names.
sub dump_of { return columns_sorted(schema_dump($node, $_[0], '-N', 'zdm')); }

# What an application does to such tables. Prepared statements that return the key fail once with 0A000 after any change of its
# type, so the prepared half returns other columns only.
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/simple.sql", <<"SQL");
\\set id random(1, $rows)
SELECT * FROM users WHERE id = :id;
BEGIN;
INSERT INTO users (name, boss) VALUES ('by name', :id) RETURNING id \\gset new_
INSERT INTO orders (buyer) VALUES (:new_id) RETURNING id \\gset order_
INSERT INTO items (of, what) VALUES (:order_id, 'new');
INSERT INTO logins VALUES (:new_id);
END;
SELECT u.id, o.id, i.what FROM users u JOIN orders o ON o.buyer = u.id JOIN items i ON i.of = o.id WHERE u.id = :new_id;
INSERT INTO users (id, name) VALUES (:new_id, 'twice') ON CONFLICT (id) DO UPDATE SET n = users.n + 1;
INSERT INTO users (name) VALUES ('goes') RETURNING id \\gset gone_
INSERT INTO orders (buyer) VALUES (:gone_id);
DELETE FROM users WHERE id = :gone_id;
SQL
append_to_file("$folder/prepared.sql", <<"SQL");
\\set id random(1, $rows)
SELECT name FROM users WHERE id = :id;
UPDATE users SET n = n + 1 WHERE id = :id;
UPDATE orders SET n = n + 1 WHERE id = :id;
INSERT INTO items (of, what) SELECT id, 'prepared' FROM orders WHERE id = :id;
INSERT INTO users (name, boss) VALUES ('prepared', :id);
SELECT count(*) FROM orders WHERE buyer = :id;
SQL

my @runs;
for my $protocol ('simple', 'prepared') {
    push @runs, IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-c', 2, '-R', 40, '-T', 900, '-M', $protocol, '-f', "$folder/$protocol.sql",
            '-d', $node->connstr('postgres') ], '<', \undef, '>&', "$folder/$protocol.out");
}
my $sessions = q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'};
ok(poll_until($node, $sessions, '4'), 'the application is at work');
my $from = -s $node->logfile;

sub go_by {
    my $so_far = value(q{SELECT max(id) FROM users});
    return ok(poll_until($node, "SELECT max(id) > $so_far + 60 FROM users"), "$_[0]: the application goes on");
}

# Each transaction of the first script leaves a user who was named twice, with his order, item and login.
sub nothing_lost {
    my ($what) = @_;
    is(value(q{SELECT count(*) FROM users u LEFT JOIN orders o ON o.buyer = u.id LEFT JOIN items i ON i.of = o.id}
            . q{ LEFT JOIN logins l ON l.who = u.id WHERE u.name = 'by name' AND (i.what IS NULL OR l.who IS NULL)}), 0, "$what: what was written is there");
    return;
}

# How large the table and its indexes are, for the log.
sub note_size {
    my ($table, $when) = @_;
    note("$table $when: " . value("SELECT pg_size_pretty(pg_table_size('$table')) || ', indexes ' || pg_size_pretty(pg_indexes_size('$table'))"));
    return;
}

for my $case ([ 'users', $change_users ], [ 'orders', $change_orders ]) {
    my ($table, $sql) = @$case;
    my $before = dump_of('postgres');
    note_size($table, 'before');
    my $began = time;
    value("SELECT zdm_create('$table', '$sql'); SELECT zdm_start('$table')");
    is(wait_state($node, $table, 'ready'), 'ready', "$table: ready");
    note("$table: ready after " . (time - $began) . ' s');
    note_size($table, 'at ready');
    go_by("$table: ready");
    value("SELECT zdm_switch('$table')");
    is(wait_state($node, $table, 'switched'), 'switched', "$table: switched");
    is(value("SELECT pg_typeof(id) FROM $table LIMIT 1"), 'bigint', "$table: the key has its new type");
    go_by("$table: switched");
    is(value("SELECT count(*) FROM zdm_verify('$table') WHERE place IS NOT NULL"), 0, "$table: nothing differs");
    value("SELECT zdm_rollback('$table')");
    is(wait_state($node, $table, 'rolled_back'), 'rolled_back', "$table: rolled back under load");
    is(dump_of('postgres'), $before, "$table: the schema is as before");
    go_by("$table: rolled back");
    nothing_lost("$table rolled back");
    value("SELECT zdm_start('$table', 'switched')");
    is(wait_state($node, $table, 'switched'), 'switched', "$table: switched again");
    go_by("$table: switched again");
    value("SELECT zdm_contract('$table')");
    is(wait_state($node, $table, 'done'), 'done', "$table: done");
    note_size($table, 'at the end, after two times forward');
    go_by("$table: done");
    nothing_lost("$table done");
}
is(value($sessions), 4, 'no session of the application has ended');
my $log = slurp_file($node->logfile, $from);
$_->kill_kill(grace => 2) for @runs;
poll_until($node, $sessions, '0');
is(dump_of('postgres'), $plain, 'the schema is that of the plain statements');
is(value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^zdm_.*(copy|old)' OR relname ~ '^(acted|wrote|differs)_'}), 0, 'nothing is left behind');
value(q{SELECT setval('users_id_seq', 3000000000); INSERT INTO users (name) VALUES ('large');});
is(value(q{SELECT id FROM users WHERE name = 'large'}), 3000000001, 'and the sequence goes on beyond integers');

ok($log !~ m{\] (?!psql|zdm)\S* (ERROR|FATAL):}, 'no error of the application');
my @waits = $log =~ /acquired \w+Lock on relation \d+ of database \d+ after ([\d.]+) ms/g;
my ($longest) = (sort { $b <=> $a } @waits, 0);
note(scalar(@waits) . " waits for locks on tables of more than 5 ms, the longest of $longest ms");
cmp_ok($longest, '<', 4 * $deadline, 'nobody waited for longer than the deadline and a moment');
done_testing();
