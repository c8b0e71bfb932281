# A streaming standby: its lag holds the backfill, which says so and goes on when the standby has caught
# up; promoted in the middle of a backfill, it goes on where the data is when somebody calls.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $primary = new_node('primary', streaming => 1);
my $standby = add_standby($primary, 'standby');

sub value { return $_[0]->safe_psql('postgres', $_[1]) }

value($primary, q{CREATE TABLE t (id int PRIMARY KEY, note text);
    INSERT INTO t SELECT g, repeat('x', 60) FROM generate_series(1, 60000) g; ANALYZE t});
$primary->wait_for_catchup($standby);
my $sql = <<'SQL';
ALTER TABLE t ADD COLUMN c int NOT NULL;
UPDATE t SET c = id * 2 WHERE c IS NULL;
SQL

# --- lag ---
my $stop = stop_at($primary, 'backfill:after_commit');
value($primary, "SELECT zdm_create('m', \$\$$sql\$\$)");
value($primary, "SELECT zdm_set('m', '$_')") for q{quiet_period', '0}, q{max_replica_lag', '0.3}, q{batch_target', '2};
value($primary, q{SELECT zdm_start('m')});
ok(wait_at($primary, 'backfill:after_commit'), 'a backfill is in the middle');
$primary->wait_for_catchup($standby);
value($standby, 'SELECT pg_wal_replay_pause()');
ok(poll_until($standby, 'SELECT pg_get_wal_replay_pause_state()', 'paused'), 'the standby stands still');
release($stop);
ok( poll_until($primary, q{SELECT throttled ~ '^standby standby is [0-9.]+ s behind \(limit 0\.3 s\)$' FROM zdm.progress WHERE kind = 'backfill'}),
    'its lag holds the backfill, and progress says why');
is(value($primary, q{SELECT waiting_for ~ '^standby standby is ' FROM zdm.migrations}), 't', 'so does status');
ok(poll_until($primary, q{SELECT throttled_seconds > 1 FROM zdm.progress WHERE kind = 'backfill'}), 'and for how long');
my $filled = value($primary, 'SELECT count(*) FROM t WHERE c IS NOT NULL');
cmp_ok($filled, '<', 60000, "it holds: $filled rows are filled");
ok(poll_until($primary, q{SELECT throttled_seconds > 2 FROM zdm.progress WHERE kind = 'backfill'}), 'it goes on waiting');
is(value($primary, 'SELECT count(*) FROM t WHERE c IS NOT NULL'), $filled, 'and fills nothing meanwhile');
is(value($primary, q{SELECT count(*) FROM pg_stat_activity a JOIN zdm.migrations m ON m.worker_pid = a.pid WHERE a.backend_xmin IS NOT NULL AND a.state_change < now() - interval '1 second'}),
    '0', 'with no snapshot');

# --- promotion in the middle ---
# The replayed part is what it goes on with; the rest of the primary's work is lost with it.
$stop = stop_at($primary, 'backfill:after_commit');
value($standby, 'SELECT pg_wal_replay_resume()');
ok(wait_at($primary, 'backfill:after_commit'), 'it goes on when the standby does');
ok(poll_until($primary, q{SELECT throttled IS NULL FROM zdm.progress WHERE kind = 'backfill'}), 'nothing holds it');
value($primary, q{INSERT INTO t VALUES (100000, 'late')});
$primary->wait_for_catchup($standby);
my (undef, undef, $err) = $standby->psql('postgres', q{SELECT zdm_resume('m')});
like($err, qr/ZD310: /, 'a standby refuses zdm_resume');
(undef, undef, $err) = $standby->psql('postgres', q{CALL zdm_wait('m', 'ready', '2 s')});
like($err, qr/ZD306: /, 'zdm_wait waits, and takes no worker slot for later');
is(value($standby, q{SELECT state FROM zdm.migrations}), 'migrating', 'but shows its state');
$primary->stop('immediate');
release($stop);
$standby->promote;
is(value($standby, q{SELECT state || ': ' || activity FROM zdm.migrations}), q{migrating: stopped: zdm_resume('m')}, 'promoted, it says what to call');
cmp_ok(value($standby, 'SELECT count(*) FROM t WHERE c IS NULL'), '>', 0, 'rows are left');
value($standby, q{CALL zdm_wait('m', 'ready', '100 s')});
is(migration_state($standby, 'm'), 'ready', 'zdm_wait starts it there');
is(value($standby, q{SELECT count(*) FROM zdm.events WHERE kind = 'adopted'}), '0', 'it is no copy');
value($standby, q{INSERT INTO t VALUES (100001, 'later'); SELECT zdm_contract('m', true, 'test'); CALL zdm_wait('m', 'done', '100 s')});
is(value($standby, q{SELECT count(*) FILTER (WHERE c = id * 2), count(*), sum(c) FROM t}), '60002|60002|' . (60000 * 60001 + 400002), 'and ends with the right rows');
is(value($standby, q{SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal}), '0', 'without the trigger');

done_testing();
