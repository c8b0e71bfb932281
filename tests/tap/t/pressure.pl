# Pressure from real servers: a standby that is slow counted in bytes, one that goes away, a slot that
# nobody reads, an archiver that is behind, applications that wait behind a batch. Each holds the backfill,
# says who it is, and lets it go on by itself.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $primary = new_node('primary', streaming => 1, conf => "archive_mode = on\narchive_command = 'true'\nwal_keep_size = 256MB\n");
my $standby = add_standby($primary, 'standby');

sub value { return $_[0]->safe_psql('postgres', $_[1]) }
sub set_option { return value($primary, "SELECT zdm_set('m', '$_[0]', " . (defined $_[1] ? "'$_[1]'" : 'NULL') . ')') }
sub filled { return value($primary, 'SELECT count(*) FROM t WHERE c IS NOT NULL') }

# The reason of a signal that is tripped, as soon as it is.
sub tripped {
    my ($signal, $reason) = @_;
    ok(poll_until($primary, "SELECT reason ~ '$reason' FROM zdm.pressure WHERE signal = '$signal' AND tripped"),
        "$signal holds it: $reason");
}

sub goes_on {
    my ($why) = @_;
    my $before = filled();
    ok(poll_until($primary, "SELECT count(*) > $before FROM t WHERE c IS NOT NULL"), "it goes on by itself: $why");
}

value($primary, q{CREATE TABLE t (id int PRIMARY KEY, note text);
    INSERT INTO t SELECT g, repeat('x', 60) FROM generate_series(1, 400000) g; ANALYZE t; ALTER TABLE t ADD COLUMN c int});
value($primary, 'VACUUM t');
$primary->wait_for_catchup($standby);

# --- bytes ---
my $stop = stop_at($primary, 'backfill:after_commit');
value($primary, q{SELECT zdm_backfill('t', 'c = id', 'c IS NULL', 'm',
    '{"max_replica_lag": 0, "max_replica_lag_bytes": "1MB", "max_rate": 2000, "batch_target": 5, "min_free_disk": 0}')});
ok(wait_at($primary, 'backfill:after_commit'), 'a backfill is in the middle');
$primary->wait_for_catchup($standby);
value($standby, 'SELECT pg_wal_replay_pause()');
ok(poll_until($standby, 'SELECT pg_get_wal_replay_pause_state()', 'paused'), 'the standby stands still');
release($stop);
tripped('replica_lag_bytes', '^standby standby is [0-9.]+ MB behind \(limit 1\.0 MB\)$');
is(value($primary, q{SELECT waiting_for ~ '^standby standby is ' FROM zdm.migrations}), 't', 'status says so');
# 2000 rows a second are less than 2 MB of WAL in the tenth of a second until it looks again.
cmp_ok(value($primary, q{SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint FROM pg_stat_replication}),
    '<', 4 << 20, 'the lag stays near its limit');
my $filled = filled();
sleep 1;
is(filled(), $filled, "nothing is filled meanwhile ($filled rows are)");
value($standby, 'SELECT pg_wal_replay_resume()');
goes_on('the standby does');
ok(poll_until($primary, q{SELECT NOT tripped AND since IS NULL FROM zdm.pressure WHERE signal = 'replica_lag_bytes'}), 'and shows it');
is(value($primary, q{SELECT string_agg(kind, ' ' ORDER BY id) FROM zdm.events WHERE kind IN ('throttled', 'released')}),
    'throttled released', 'the events have its beginning and its end');

# --- a standby that goes away ---
$standby->stop;
tripped('replica_lag_bytes', '^standby standby went away [0-9.]+ s ago');
$standby->start;
goes_on('it came back');
set_option('max_replica_lag_bytes', '0');

# --- a slot that nobody reads ---
value($primary, q{SELECT pg_create_physical_replication_slot('forgotten', true)});
set_option('max_slot_wal', '1MB');
tripped('slot_wal', '^slot forgotten keeps [0-9.]+ MB of WAL \(limit 1\.0 MB\), nobody reads it$');
value($primary, q{SELECT pg_drop_replication_slot('forgotten')});
goes_on('the slot is gone');

# --- an archiver that fails ---
value($primary, q{ALTER SYSTEM SET archive_command = 'false'});
value($primary, 'SELECT pg_reload_conf()');
set_option('max_archive_backlog', '2');
for (1 .. 4) { value($primary, 'SELECT pg_logical_emit_message(true, \'x\', \'y\')'); value($primary, 'SELECT pg_switch_wal()') }
tripped('archive_backlog', '^[0-9]+ WAL files wait to be archived \(limit 2\)');
value($primary, q{ALTER SYSTEM SET archive_command = 'true'});
value($primary, 'SELECT pg_reload_conf()');
goes_on('the archiver works again');

# --- applications behind a batch ---
set_option('max_lock_waiters', '1');
set_option('max_rate', '0');
$stop = stop_at($primary, 'backfill:before_commit');
ok(wait_at($primary, 'backfill:before_commit'), 'a batch has rows locked');
is(value($primary, q{SELECT count(*) FROM zdm.pressure WHERE signal = 'lock_waiters' AND tripped}), '0', 'nobody waits');
my $worker = worker_pid($primary, 'm');
my @waiters = map { $primary->background_psql('postgres') } 1 .. 3;
# Rows that the batch has locked, found by what is skipped.
my @rows = split /\n/, value($primary, q{SELECT id FROM t WHERE c IS NULL AND ctid NOT IN
    (SELECT ctid FROM t WHERE c IS NULL FOR UPDATE SKIP LOCKED) ORDER BY id LIMIT 3});
is(scalar @rows, 3, 'there are such rows');
$waiters[$_]->query_until(qr/begun/, "\\echo begun\nUPDATE t SET note = 'mine' WHERE id = $rows[$_];\n") for 0 .. 2;
ok(poll_until($primary, "SELECT count(*) FROM pg_stat_activity WHERE $worker = ANY (pg_blocking_pids(pid))", '3'), 'three applications wait for it');
is(value($primary, q{SELECT value::int FROM zdm_pressure('m') WHERE signal = 'lock_waiters'}), '3', 'whoever looks sees them');
release($stop);
tripped('lock_waiters', '^3 processes wait for locks of this migration');
$_->quit for @waiters;

set_option('duty', '1');
is(wait_state($primary, 'm', 'done'), 'done', 'it ends by itself');
is(value($primary, 'SELECT count(*) FROM t WHERE c = id'), '400000', 'all rows are filled');
is(value($primary, 'SELECT count(*) FROM zdm.signal'), '0', 'and nothing is left of what held it');
done_testing();
