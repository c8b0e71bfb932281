# Queries on a standby that gives no feedback: they survive a backfill as they survive a plain UPDATE, since
# the backfill does not prune what it left behind before standby_grace is over.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $rows = 30000;
my $primary = new_node('primary', streaming => 1, conf => "autovacuum = off\nmax_wal_size = 4GB\nwal_keep_size = 1GB\n");

sub value { return $_[0]->safe_psql('postgres', $_[1]) }

# Full pages with indexes, so that it matters whether a row stays on its page.
sub table {
    my ($name, $count) = @_;
    value($primary, "CREATE TABLE $name (id int PRIMARY KEY, note text, c int) WITH (autovacuum_enabled = off);
        INSERT INTO $name SELECT g, repeat('x', 70) FROM generate_series(1, $count) g; CREATE INDEX ON $name (note, id)");
    value($primary, "VACUUM ANALYZE $name");
    return;
}
table($_, $rows) for qw(plain zdm pruned purged);
table('heard', $rows);
table('short', $rows);
table('many', 12000);
value($primary, 'CREATE ROLE grace_owner LOGIN; GRANT CREATE ON SCHEMA public TO grace_owner; ALTER TABLE zdm OWNER TO grace_owner');

# Whoever is in the way of replay is cancelled at once there.
my $standby = add_standby($primary, 'reader', conf => "hot_standby = on\nhot_standby_feedback = off\nmax_standby_streaming_delay = 0\n");

sub conflicts {
    $primary->wait_for_catchup($standby);
    return value($standby, q{SELECT sum(confl_snapshot) FROM pg_stat_database_conflicts});
}

# A query on the standby that has begun and goes on.
sub long_query {
    # Catching up is up to what was written; a commit of ours writes what workers and readers have left in memory.
    value($primary, q{SELECT pg_logical_emit_message(true, 'written', '')});
    $primary->wait_for_catchup($standby);
    my $reader = $standby->background_psql('postgres', on_error_stop => 0);
    $reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM plain');
    return $reader;
}

sub hot_percent {
    my ($table, $at_least) = @_;
    ok(poll_until($primary, "SELECT n_tup_upd >= $at_least FROM pg_stat_user_tables WHERE relname = '$table'"), "$table: its statistics are in");
    return value($primary, "SELECT 100 * n_tup_hot_upd / n_tup_upd FROM pg_stat_user_tables WHERE relname = '$table'");
}

# Until it has ended and its worker has gone. Whoever reads zdm's own tables then cleans up there, as readers do, so
# that is for when the query has ended; and asked of the standby, where nobody does.
sub ends {
    my ($name) = @_;
    ok(poll_until($standby, "SELECT state IN ('done', 'failed') FROM zdm.migration WHERE name = '$name'"), "$name ends");
    ok(poll_until($primary, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'its worker ends');
    return;
}

sub events { return value($primary, "SELECT string_agg(message, ' | ' ORDER BY id) FROM zdm.events WHERE migration = '$_[0]' AND kind = 'backfill'") }

# --- beside a plain UPDATE ---
my $reader = long_query();
value($primary, 'UPDATE plain SET c = id WHERE c IS NULL');
is(conflicts(), 0, 'a query on the standby survives a plain UPDATE');
value($primary, qq{SET ROLE grace_owner; SELECT zdm_backfill('zdm', 'c = id', 'c IS NULL', 'zdm', '{"duty": 1}')});
ends('zdm');
is(conflicts(), 0, 'the query survives a backfill of an equal table as well');
is($reader->query_safe('SELECT count(*) FROM zdm WHERE c IS NULL'), $rows, 'and sees what it saw');
$reader->quit;
is(migration_state($primary, 'zdm'), 'done', 'which is done');
is(value($standby, 'SELECT count(*) FROM zdm WHERE c = id'), $rows, 'while others see all rows filled');
like(events('zdm'), qr/no page rounds, .* because standby reader gives no hot_standby_feedback \(standby_grace is 30000 ms\)/,
    'an event says why there were no rounds');
cmp_ok(hot_percent('zdm', $rows), '<', 30, 'rows moved, as with a plain UPDATE');

# --- many batches, each of which writes its progress ---
$reader = long_query();
value($primary, qq{SELECT zdm_backfill('many', 'c = id', 'c IS NULL', 'many', '{"duty": 1, "batch_target": 1, "max_rate": 3000}')});
ends('many');
is(conflicts(), 0, 'a query survives that, too');
is($reader->query_safe('SELECT count(*) FROM many WHERE c IS NULL'), 12000, 'and sees what it saw');
$reader->quit;
is(value($primary, q{SELECT rows_done, pages_done = pages FROM zdm.progress WHERE migration = 'many' AND kind = 'backfill'}),
    '12000|t', 'its progress adds up');

# --- a DELETE ---
$reader = long_query();
value($primary, q{BEGIN; SELECT zdm_create('purge', 'DELETE FROM purged WHERE id % 2 = 0'); SELECT zdm_start('purge', 'done'); COMMIT});
ends('purge');
is(conflicts(), 0, 'a query survives a batched DELETE');
$reader->quit;
is(migration_state($primary, 'purge'), 'done', 'which is done');

# --- an estimate knows ---
like(value($primary, q{SELECT e FROM zdm_estimate('short', 'c = id', 'c IS NULL') e}), qr/Standby reader gives no hot_standby_feedback/, 'an estimate says it before');
unlike(value($primary, q{SELECT e FROM zdm_estimate('short', 'c = id', 'c IS NULL', '{"standby_grace": 0}') e}), qr/hot_standby_feedback/, 'but not without grace');

# --- a grace that rounds can wait for ---
value($primary, qq{SELECT zdm_backfill('short', 'c = id', 'c IS NULL', 'short', '{"duty": 1, "standby_grace": 0.05}')});
is(wait_state($primary, 'short', 'done'), 'done', 'a backfill with a short grace');
cmp_ok(hot_percent('short', $rows), '>', 50, 'goes in rounds');
unlike(events('short'), qr/no page rounds/, 'and says nothing else');
is(value($primary, 'SELECT count(*) FROM pg_replication_slots'), 0, 'no slot stays behind');

# --- without grace ---
my $before = conflicts();
$reader = long_query();
value($primary, qq{SELECT zdm_backfill('pruned', 'c = id', 'c IS NULL', 'pruned', '{"duty": 1, "standby_grace": 0}')});
is(wait_state($primary, 'pruned', 'done'), 'done', 'a backfill without grace');
cmp_ok(hot_percent('pruned', $rows), '>', 80, 'goes in rounds');
cmp_ok(conflicts(), '>', $before, 'which cancels the query');
eval { $reader->quit };

# --- a standby that says what its queries see ---
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1\n");
$standby->reload;
ok(poll_until($primary, 'SELECT count(*) = 1 FROM pg_stat_replication WHERE backend_xmin IS NOT NULL'), 'the standby gives feedback now');
value($primary, qq{SELECT zdm_backfill('heard', 'c = id', 'c IS NULL', 'heard', '{"duty": 1}')});
is(wait_state($primary, 'heard', 'done'), 'done', 'a backfill beside it');
unlike(events('heard'), qr/no page rounds/, 'goes in rounds as always, as far as the feedback lets it');

$standby->stop;
$primary->stop;
done_testing();
