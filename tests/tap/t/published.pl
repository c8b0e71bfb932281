# Published tables with real subscribers, while an application writes: the key of one becomes bigint, forward, back and
# forward again; a column that a publication lists and filters by is renamed. Who subscribes has what the plan says, stops where
# it says, and misses nothing.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $conf = "wal_level = logical\nautovacuum = off\nwal_retrieve_retry_interval = 100ms\nzdm.quiet_period = 0\n";
my $publisher = new_node('publisher', streaming => 1, conf => $conf, extension => 0);
my $subscriber = new_node('subscriber', streaming => 1, conf => $conf, extension => 0);

sub run_in {
    my ($node, $db, $sql) = @_;
    return $node->safe_psql($db, $sql);
}

# How a database publishes its tables.
my %publication = (
    tables => 'FOR TABLE users, orders',
    columns => 'FOR TABLE users (id, name, n), orders',
    schema => 'FOR TABLES IN SCHEMA public',
    everything => 'FOR ALL TABLES',
);
my $tables = <<'SQL';
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, n int NOT NULL DEFAULT 0);
CREATE TABLE orders (id serial PRIMARY KEY, buyer int NOT NULL CONSTRAINT orders_buyer REFERENCES users ON DELETE CASCADE, n int NOT NULL DEFAULT 0);
CREATE INDEX orders_buyer_idx ON orders (buyer);
SQL
my $rows = 2000;
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/writes.sql", <<"SQL");
\\set id random(1, $rows)
INSERT INTO users (name) VALUES ('new') RETURNING id \\gset new_
INSERT INTO orders (buyer) VALUES (:new_id);
UPDATE users SET n = n + 1 WHERE id = :id;
UPDATE orders SET n = n + 1 WHERE id = :id;
INSERT INTO users (name) VALUES ('gone') RETURNING id \\gset gone_
DELETE FROM users WHERE id = :gone_id;
SQL

sub at_work {
    my ($db) = @_;
    return IPC::Run::start([ 'pgbench', '-n', '-c', 1, '-R', 50, '-T', 900, '-f', "$folder/writes.sql", '-d', $publisher->connstr($db) ],
        '<', \undef, '>&', "$folder/$db.out");
}

sub subscribe {
    my ($db) = @_;
    (my $connection = $publisher->connstr($db)) =~ s{'}{}g;
    # A slot of its own in each database.
    run_in($subscriber, $db, "CREATE SUBSCRIPTION $db CONNECTION '$connection' PUBLICATION p");
    return ok(poll_until($subscriber, q{SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}, 't', undef, $db),
        "$db: the subscriber has its copy");
}

# Both sides, by what an application sees.
my $seen = q{SELECT 'user', id, name, n FROM users UNION ALL SELECT 'order', id, buyer::text, n FROM orders};

# The publisher's rows of a moment are those of the subscriber once it has applied what was written until then.
sub is_same {
    my ($db, $what, $bench) = @_;
    $bench->signal('STOP') if $bench;
    # A transaction that is open stays so for as long as the application stands still.
    poll_until($publisher, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench' AND state = 'active'}, 't', undef, $db);
    my $hash = "SELECT count(*), md5(string_agg(s::text, ',' ORDER BY s::text)) FROM ($seen) s";
    my $rows_now = run_in($publisher, $db, $hash);
    $publisher->wait_for_catchup($db);
    is(run_in($subscriber, $db, $hash), $rows_now, "$db: $what: the subscriber has what the publisher has");
    $bench->signal('CONT') if $bench;
    return;
}

sub goes_on {
    my ($db) = @_;
    my $so_far = run_in($publisher, $db, 'SELECT max(id) FROM orders');
    return poll_until($publisher, "SELECT max(id) > $so_far + 20 FROM orders", 't', undef, $db);
}

sub dump_of { return columns_sorted(schema_dump($publisher, $_[0], '-N', 'zdm')); }

my $change = 'ALTER TABLE users ALTER COLUMN id TYPE bigint;';
for my $db (sort keys %publication) {
    $_->safe_psql('postgres', "CREATE DATABASE $db") for $publisher, $subscriber;
    run_in($publisher, $db, "CREATE EXTENSION zdm; $tables CREATE PUBLICATION p $publication{$db}");
    my $before = dump_of($db);
    $publisher->safe_psql('postgres', "CREATE DATABASE plain_$db TEMPLATE $db");
    # The plain statement stops at a list.
    run_in($publisher, "plain_$db", $db eq 'columns' ? "ALTER PUBLICATION p DROP TABLE users; $change ALTER PUBLICATION p ADD TABLE users (id, name, n)" : $change);
    my $plain = dump_of("plain_$db");
    run_in($publisher, $db, "INSERT INTO users (name) SELECT 'user ' || g FROM generate_series(1, $rows) g;"
            . "INSERT INTO orders (buyer) SELECT g FROM generate_series(1, $rows) g; VACUUM ANALYZE");
    # Its own tables are published with all others.
    run_in($subscriber, $db, ($db eq 'everything' ? 'CREATE EXTENSION zdm;' : '') . $tables);
    subscribe($db);
    my $bench = at_work($db);

    my (undef, undef, $said) = $publisher->psql($db, "SELECT count(*) FROM zdm_plan('$change')");
    like($said, qr/subscribers need a column id that takes values of both integer and bigint, and binary = off/, "$db: the plan says what subscribers need");
    my $columns = $said =~ /need also (zdm_id_new bigint) and (zdm_id_old integer) there/ ? ", ADD COLUMN $1, ADD COLUMN $2" : '';
    is($columns eq '', $db eq 'columns', "$db: and whether they need more columns");
    my $prepare = "ALTER TABLE users ALTER id TYPE bigint$columns";
    # One does as told, another one only when it has stopped.
    run_in($subscriber, $db, $prepare) if $db ne 'tables';
    my $from = -s $subscriber->logfile;
    run_in($publisher, $db, "SELECT zdm_create('m', '$change'); SELECT zdm_start('m')");
    is(wait_state($publisher, 'm', 'ready', undef, $db), 'ready', "$db: ready");
    if ($db eq 'tables') {
        $subscriber->wait_for_log(qr/missing replicated column: "zdm_id_new"/, $from);
        pass("$db: without the column the subscriber stops");
        run_in($subscriber, $db, $prepare);
    }
    goes_on($db);
    is_same($db, 'ready', $bench);
    run_in($publisher, $db, q{SELECT zdm_switch('m')});
    is(wait_state($publisher, 'm', 'switched', undef, $db), 'switched', "$db: switched");
    goes_on($db);
    is_same($db, 'switched', $bench);
    run_in($publisher, $db, q{SELECT zdm_rollback('m')});
    is(wait_state($publisher, 'm', 'rolled_back', undef, $db), 'rolled_back', "$db: rolled back");
    goes_on($db);
    is_same($db, 'rolled back', $bench);
    is(dump_of($db), $before, "$db: rolled back: the schema is that of the start");
    run_in($publisher, $db, q{SELECT zdm_start('m', 'switched')});
    is(wait_state($publisher, 'm', 'switched', undef, $db), 'switched', "$db: switched again");
    run_in($publisher, $db, q{INSERT INTO users (id, name) OVERRIDING SYSTEM VALUE VALUES (3000000000, 'large'), (3000000001, 'large');
        UPDATE users SET n = 7 WHERE id = 3000000000; DELETE FROM users WHERE id = 3000000001;});
    goes_on($db);
    is_same($db, 'switched again, with large keys', $bench);
    is(run_in($subscriber, $db, 'SELECT n FROM users WHERE id = 3000000000'), 7, "$db: the subscriber has a large key");
    run_in($publisher, $db, q{SELECT zdm_contract('m')});
    is(wait_state($publisher, 'm', 'done', undef, $db), 'done', "$db: done");
    goes_on($db);
    is_same($db, 'done', $bench);
    run_in($subscriber, $db, 'ALTER TABLE users DROP COLUMN IF EXISTS zdm_id_new, DROP COLUMN IF EXISTS zdm_id_old');
    run_in($publisher, $db, 'UPDATE users SET n = n + 1; DELETE FROM users WHERE id = 3000000000');
    goes_on($db);
    $bench->kill_kill(grace => 2);
    is_same($db, 'the two columns are gone');
    is(dump_of($db), $plain, "$db: the schema is that of the plain statement");
    unlike(slurp_file("$folder/$db.out"), qr/ERROR|aborted/, "$db: the application saw no error");
    run_in($subscriber, $db, "DROP SUBSCRIPTION $db");
}

# --- RENAME COLUMN of one that a publication lists, and another one filters by ---
my $named = 'CREATE TABLE part (id int PRIMARY KEY, kind text NOT NULL, note text);';
$_->safe_psql('postgres', 'CREATE DATABASE listed') for $publisher, $subscriber;
run_in($publisher, 'listed', "CREATE EXTENSION zdm; $named ALTER TABLE part REPLICA IDENTITY DEFAULT;
    CREATE UNIQUE INDEX part_both ON part (id, kind); ALTER TABLE part REPLICA IDENTITY USING INDEX part_both;
    CREATE PUBLICATION p FOR TABLE part (id, kind) WHERE (kind <> 'secret');
    INSERT INTO part SELECT g, CASE WHEN g % 10 = 0 THEN 'secret' ELSE 'kind ' || g END, 'x' FROM generate_series(1, $rows) g");
run_in($subscriber, 'listed', "$named CREATE UNIQUE INDEX part_both ON part (id, kind); ALTER TABLE part REPLICA IDENTITY USING INDEX part_both");
subscribe('listed');
my $rename = 'ALTER TABLE part RENAME kind TO category;';
run_in($publisher, 'listed', "SELECT zdm_create('m', '$rename'); SELECT zdm_start('m')");
is(wait_state($publisher, 'm', 'ready', undef, 'listed'), 'ready', 'listed: ready');
# Both versions write.
run_in($publisher, 'listed', q{INSERT INTO part VALUES (5001, 'old', 'x'), (5002, 'secret', 'x'); INSERT INTO part (id, category) VALUES (5003, 'new'), (5004, 'secret');
    UPDATE part SET category = 'secret' WHERE id = 1; UPDATE part SET kind = 'known' WHERE id = 10; DELETE FROM part WHERE id = 2;});
my $rest = q{SELECT count(*), md5(string_agg(id || %s, ',' ORDER BY id)) FROM part WHERE %s <> 'secret'};

sub rest_is_same {
    my ($ours, $theirs, $what) = @_;
    $publisher->wait_for_catchup('listed');
    return is(run_in($subscriber, 'listed', sprintf $rest, $theirs, $theirs), run_in($publisher, 'listed', sprintf $rest, $ours, $ours), "listed: $what");
}
rest_is_same('kind', 'kind', 'until contract the subscriber gets the column under its old name');
is(run_in($subscriber, 'listed', q{SELECT count(*) FROM part WHERE kind = 'secret'}), 0, 'listed: and what the filter lets through');
my $from = -s $subscriber->logfile;
run_in($publisher, 'listed', q{SELECT zdm_contract('m', force => true, reason => 'a test')});
is(wait_state($publisher, 'm', 'done', undef, 'listed'), 'done', 'listed: done');
run_in($publisher, 'listed', q{INSERT INTO part VALUES (6001, 'x', 'late'), (6002, 'x', 'secret'); UPDATE part SET category = 'other' WHERE id = 3;
    UPDATE part SET category = 'secret' WHERE id = 4; DELETE FROM part WHERE id = 5});
$subscriber->wait_for_log(qr/missing replicated column: "category"/, $from);
pass('listed: the subscriber stops');
run_in($subscriber, 'listed', $rename);
rest_is_same('category', 'category', 'and goes on when the column is renamed there');
is(run_in($subscriber, 'listed', q{SELECT count(*) FROM part WHERE category = 'secret'}), 0, 'listed: with the filter');
run_in($subscriber, 'listed', 'DROP SUBSCRIPTION listed');

$subscriber->stop;
$publisher->stop;
done_testing();
