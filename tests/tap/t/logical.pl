# Logical decoding: what a backfill sends to subscribers, and to whoever decodes, comes out as a plain UPDATE's does.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $conf = "wal_level = logical\nautovacuum = off\n";
my $publisher = new_node('publisher', streaming => 1, conf => $conf);
my $subscriber = new_node('subscriber', streaming => 1, conf => $conf, extension => 0);
my $rows = 20000;

sub value { return $_[0]->safe_psql('postgres', $_[1]) }

# Equal tables: with a key, and one of which whole rows are sent; wide values out of line, which an UPDATE of
# another column does not send again.
my $shape = 'id int PRIMARY KEY, note text, wide text, c text, g text GENERATED ALWAYS AS (upper(c)) STORED';
for my $table (qw(plain zdm plain_full zdm_full plain_gone zdm_gone)) {
    value($_, "CREATE TABLE $table ($shape); ALTER TABLE $table ALTER wide SET STORAGE EXTERNAL") for $publisher, $subscriber;
    value($publisher, "INSERT INTO $table SELECT i, repeat('x', 60), CASE WHEN i % 500 = 0 THEN repeat('w', 3000) END
        FROM generate_series(1, $rows) i; CREATE INDEX ON $table (note, id)");
    # A generated column in such an identity is refused from 18 on.
    value($_, "ALTER TABLE $table ALTER g DROP EXPRESSION, REPLICA IDENTITY FULL") for $table =~ /full/ ? ($publisher, $subscriber) : ();
    value($publisher, "VACUUM ANALYZE $table");
}
value($publisher, 'CREATE PUBLICATION all_of_it FOR TABLE plain, zdm, plain_full, zdm_full, plain_gone, zdm_gone');
(my $connection = $publisher->connstr('postgres')) =~ s{'}{}g;
value($subscriber, "CREATE SUBSCRIPTION all_of_it CONNECTION '$connection' PUBLICATION all_of_it");
ok(poll_until($subscriber, q{SELECT count(*) = 6 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}), 'the subscriber has its copy');
value($publisher, q{SELECT pg_create_logical_replication_slot('decoder', 'test_decoding')});

sub filled {
    my ($table, $set, $where, $options) = @_;
    value($publisher, "SELECT zdm_backfill('$table', '$set', '$where', '$table', '{\"duty\": 1$options}')");
    is(wait_state($publisher, $table, 'done'), 'done', "$table: a backfill");
    return;
}

value($publisher, q{UPDATE plain SET c = 'c' || id WHERE c IS NULL});
filled('zdm', q{c = ''c'' || id}, 'c IS NULL', '');
value($publisher, q{UPDATE plain_full SET c = 'c' || id WHERE c IS NULL});
filled('zdm_full', q{c = ''c'' || id}, 'c IS NULL', ', "fire_triggers": false');
value($publisher, 'DELETE FROM plain_gone WHERE id % 2 = 0');
value($publisher, q{SELECT zdm_create('gone', 'DELETE FROM zdm_gone WHERE id % 2 = 0'); SELECT zdm_start('gone', 'done')});
is(wait_state($publisher, 'gone', 'done'), 'done', 'zdm_gone: a batched DELETE');
unlike(value($publisher, q{SELECT string_agg(message, ' ') FROM zdm.events}), qr/no page rounds/, 'a subscriber is no standby whose queries are in danger');

# --- the subscriber ---
$publisher->wait_for_catchup('all_of_it');
for my $pair ([ 'plain', 'zdm' ], [ 'plain_full', 'zdm_full' ], [ 'plain_gone', 'zdm_gone' ]) {
    my ($plain, $zdm) = @$pair;
    for my $node ($publisher, $subscriber) {
        my $name = $node->name;
        is(value($node, "SELECT count(*) FROM ((TABLE $plain EXCEPT ALL TABLE $zdm) UNION ALL (TABLE $zdm EXCEPT ALL TABLE $plain)) d"),
            0, "$name: $zdm is what $plain is");
    }
}
is(value($subscriber, "SELECT count(*) FROM zdm WHERE c = 'c' || id AND g = 'C' || id"), $rows, 'subscriber: all rows are filled');
is(value($subscriber, 'SELECT count(*) FROM zdm_gone'), $rows / 2, 'subscriber: half of the others are gone');

# --- what was decoded, row by row ---
value($publisher, q{CREATE TABLE decoded AS
    SELECT substring(data FROM '^table public\.(\w+):') AS relation, regexp_replace(data, '^table public\.\w+: ', '') AS change
      FROM pg_logical_slot_get_changes('decoder', NULL, NULL) WHERE data ~ '^table public\.(plain|zdm)'});
for my $pair ([ 'plain', 'zdm', $rows ], [ 'plain_full', 'zdm_full', $rows ], [ 'plain_gone', 'zdm_gone', $rows / 2 ]) {
    my ($plain, $zdm, $count) = @$pair;
    is(value($publisher, "SELECT count(*) FROM decoded WHERE relation = '$zdm'"), $count, "$zdm: each row is sent once");
    is(value($publisher, "SELECT count(*) FROM (SELECT change FROM decoded WHERE relation = '$plain' EXCEPT ALL
        SELECT change FROM decoded WHERE relation = '$zdm') d"), 0, "$zdm: with the same values as $plain");
}

$subscriber->stop;
$publisher->stop;
done_testing();
