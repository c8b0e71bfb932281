# Lag of a real standby: replay that stands still, WAL that comes to it slowly, a standby that dies. The
# backfill stops near its limit, says whose lag it is, and goes on by itself, to the last row.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use ZdmTest;

my $mb = 1 << 20;
my $rows = 100000;    # 22 MB of WAL, several times what a backfill may be ahead here

# What may be written beyond a limit in bytes: one batch, since the lag is read again before another that
# it may have no room for; and half a megabyte for all that is no batch.
my $others = $mb / 2;
# At 2 MB a second a batch has at most a quarter of a second's rows, by what recent ones cost. These were
# first after a checkpoint, so that each page was written whole, and no later ones cost twice that.
my $batch = 2 * 0.25 * 2 * $mb;

# The standbys give no feedback; without page rounds, rows would take several times the WAL, and other amounts.
my $primary = new_node('primary', streaming => 1, conf => "wal_keep_size = 512MB\nzdm.standby_grace = 0\n");
my $slow = add_standby($primary, 'slow_one', conf => "wal_retrieve_retry_interval = 100ms\n");
my $lost = add_standby($primary, 'lost_one');

sub value { return $_[0]->safe_psql('postgres', $_[1]) }
sub set_option { return value($primary, "SELECT zdm_set('$_[0]', '$_[1]', '$_[2]')") }
sub progress { return value($primary, "SELECT $_[1] FROM zdm.progress WHERE migration = '$_[0]' AND kind = 'backfill'") }

sub lag {
    return value($primary,
        q{SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint FROM pg_stat_replication WHERE application_name = 'slow_one'});
}

# A backfill of the table of its name.
sub begin {
    my ($name, $options) = @_;
    return value($primary, "SELECT zdm_backfill('$name', 'c = id', 'c IS NULL', '$name', '{\"duty\": 1, \"min_free_disk\": 0, $options}')");
}

# The same, with a standby whose replay stands still from some batch on.
sub begin_and_pause {
    my ($name, $standby, $options) = @_;
    my $stop = stop_at($primary, 'backfill:after_commit');
    begin($name, $options);
    ok(wait_at($primary, 'backfill:after_commit'), "$name: in the middle");
    $primary->wait_for_catchup($standby);
    value($standby, 'SELECT pg_wal_replay_pause()');
    ok(poll_until($standby, 'SELECT pg_get_wal_replay_pause_state()', 'paused'), "$name: the standby stands still");
    release($stop);
    return;
}

# It waits for a reason, and says so everywhere.
sub is_held {
    my ($name, $signal, $reason) = @_;
    ok(poll_until($primary, "SELECT throttled ~ '^$reason\$' FROM zdm.progress WHERE migration = '$name' AND kind = 'backfill'"),
        "$name: progress says whose lag it is");
    is(value($primary, "SELECT waiting_for ~ '^$reason\$' FROM zdm.migrations WHERE name = '$name'"), 't', "$name: status does");
    is(value($primary, "SELECT tripped AND since IS NOT NULL AND reason ~ '^$reason\$' FROM zdm.pressure WHERE migration = '$name' AND signal = '$signal'"),
        't', "$name: $signal does");
    is(value($primary, "SELECT message ~ '$reason' FROM zdm.events WHERE migration = '$name' AND kind = 'throttled'"), 't', "$name: an event does");
    return;
}

# While its signal is read time and again, nothing is filled.
sub stands_still {
    my ($name, $signal) = @_;
    my $filled = progress($name, 'rows_done');
    ok($filled > 0 && $filled < $rows, "$name: $filled rows are filled");
    for (1 .. 2) {
        my $at = value($primary, "SELECT read_at FROM zdm.pressure WHERE migration = '$name' AND signal = '$signal'");
        ok(poll_until($primary, "SELECT read_at > '$at' AND tripped FROM zdm.pressure WHERE migration = '$name' AND signal = '$signal'"),
            "$name: $signal is read again");
    }
    is(progress($name, 'rows_done'), $filled, "$name: and no more are");
    my $behind = lag();
    is(value($primary, "SELECT count(*) FROM $name WHERE c IS NOT NULL"), $filled, "$name: nor are there others");
    return $behind;
}

sub ends {
    my ($name) = @_;
    is(wait_state($primary, $name, 'done'), 'done', "$name: it ends by itself");
    is(value($primary, "SELECT count(*) FROM $name WHERE c = id"), $rows, "$name: all rows are filled");
    like(value($primary, "SELECT string_agg(kind, ' ' ORDER BY id) FROM zdm.events WHERE migration = '$name' AND kind IN ('throttled', 'released')"),
        qr/^throttled released( throttled released)*$/, "$name: the events have beginning and end");
    cmp_ok(progress($name, 'throttled_seconds'), '>', 0, "$name: and progress for how long");
    return;
}

# Between primary and standby: forwards what the primary sends at so many bytes a second. Returns its
# folder, to connect to as to the primary's, and its process, which ends with the test.
sub slow_line {
    my ($rate) = @_;
    my $dir = PostgreSQL::Test::Utils::tempdir_short();
    my $name = '.s.PGSQL.' . $primary->port;
    my $server = IO::Socket::UNIX->new(Local => "$dir/$name", Listen => 5) or die "no socket in $dir: $!";
    my $parent = $$;
    my $pid = fork // die "no process: $!";
    return ($dir, $pid) if $pid;
    $SIG{PIPE} = 'IGNORE';
    my $waiting = IO::Select->new($server);
    while (getppid == $parent) {
        my ($client) = map { $_->accept } $waiting->can_read(0.5) or next;
        my $source = IO::Socket::UNIX->new(Peer => $primary->host . "/$name") or next;
        my $both = IO::Select->new($client, $source);
        my $open = 1;
        while ($open && getppid == $parent) {
            for my $from ($both->can_read(0.5)) {
                my $n = sysread $from, my $data, 16384;
                $open = 0, last unless $n && print { $from == $client ? $source : $client } $data;
                sleep $n / $rate if $from == $source;
            }
        }
    }
    POSIX::_exit(0);
}

# All at once: what the tables cost is to be replayed before anything is measured.
for my $name (qw(dead bytes seconds slow)) {
    value($primary, "CREATE TABLE $name (id int PRIMARY KEY, note text);
        INSERT INTO $name SELECT g, repeat('x', 60) FROM generate_series(1, $rows) g; ANALYZE $name; ALTER TABLE $name ADD COLUMN c int");
    value($primary, "VACUUM $name");
}
value($primary, 'CHECKPOINT');

# --- a standby that dies while it is behind ---
# That is waited for while the rest of the test runs; nobody else's lag holds this one.
begin_and_pause('dead', $lost, '"max_replica_lag": 0, "max_replica_lag_bytes": "1MB", "max_wal_rate": "2MB"');
is_held('dead', 'replica_lag_bytes', 'standby lost_one is [0-9.]+ MB behind \(limit 1\.0 MB\)');
my $died = value($primary, 'SELECT now()');
$lost->stop('immediate');
my $gone = 'standby lost_one went away [0-9.]+ s ago \(waiting for it until 60\.0 s\)';
ok(poll_until($primary, "SELECT tripped AND reason ~ '^$gone\$' FROM zdm.pressure WHERE signal = 'replica_lag_bytes'"), 'dead: a standby that went away counts as tripped');
ok(poll_until($primary, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'lost_one'}, '0'), 'dead: it is not there any more');
set_option('dead', 'max_replica_lag_bytes', '1GB');
stands_still('dead', 'replica_lag_bytes');
# On a slow machine its minute ends while others' WAL is measured: next to nothing of it is this one's then.
set_option('dead', 'max_wal_rate', '10kB');

# --- replay stands still, lag in bytes ---
begin_and_pause('bytes', $slow, '"max_replica_lag": 0, "max_replica_lag_bytes": "4MB", "max_wal_rate": "2MB"');
is_held('bytes', 'replica_lag_bytes', 'standby slow_one is [0-9.]+ MB behind \(limit 4\.0 MB\)');
my $behind = stands_still('bytes', 'replica_lag_bytes');
note("bytes: the standby is $behind bytes behind");
cmp_ok($behind, '>', 4 * $mb, 'bytes: the lag has come to its limit');
cmp_ok($behind, '<', 4 * $mb + $batch + $others, 'bytes: and is beyond it by no more than a batch');
value($slow, 'SELECT pg_wal_replay_resume()');
ok(poll_until($primary, q{SELECT throttled IS NULL FROM zdm.progress WHERE migration = 'bytes' AND kind = 'backfill'}), 'bytes: it goes on when the standby does');
set_option('bytes', 'max_wal_rate', '0');
ends('bytes');

# --- replay stands still, lag in time ---
begin_and_pause('seconds', $slow, '"max_replica_lag": 0.5, "max_wal_rate": "2MB"');
is_held('seconds', 'replica_lag', 'standby slow_one is [0-9.]+ s behind \(limit 0\.5 s\)');
$behind = stands_still('seconds', 'replica_lag');
note("seconds: the standby is $behind bytes behind");
# Half a second until the limit; then it looks ten times a second, but a reading may take a twentieth of
# the time at most: two seconds pass after two of 100 ms each.
cmp_ok($behind, '<', (0.5 + 2) * 2 * $mb + $batch + $others, 'seconds: what is not replayed was written until the limit');
value($slow, 'SELECT pg_wal_replay_resume()');
ok(poll_until($primary, q{SELECT throttled IS NULL FROM zdm.progress WHERE migration = 'seconds' AND kind = 'backfill'}), 'seconds: it goes on when the standby does');
set_option('seconds', 'max_wal_rate', '0');
ends('seconds');

# --- WAL comes slowly ---
# Half as fast as the backfill may write it: the standby would be 11 MB behind at the end. A batch's WAL
# is noted at once, with the next one, so the largest step in it is no less than the largest batch.
value($primary, q{
CREATE PROCEDURE watch(which text, INOUT most bigint, INOUT largest bigint, INOUT holds int) LANGUAGE plpgsql AS $$
DECLARE
    ends timestamptz := clock_timestamp() + '100 s';
    held boolean := false;
    before boolean;
    noted bigint := 0;
    noted_before bigint;
BEGIN
    WHILE clock_timestamp() < ends AND (SELECT state NOT IN ('done', 'failed') FROM zdm.migrations WHERE name = which) LOOP
        SELECT greatest(most, max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint)
          FROM pg_stat_replication WHERE application_name = 'slow_one' INTO most;
        before := held;
        noted_before := noted;
        SELECT wal_bytes, coalesce(throttled ~ '^standby slow_one is [0-9.]+ MB behind \(limit 2\.0 MB\)$', false)
          FROM zdm.progress WHERE migration = which AND kind = 'backfill' INTO noted, held;
        largest := greatest(largest, noted - noted_before);
        IF held AND NOT before THEN holds := holds + 1; END IF;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$});
my ($line, $forwarder) = slow_line(1.5 * $mb);
my $direct = value($slow, 'SHOW primary_conninfo');
$direct =~ s/'/''/g;
value($slow, "ALTER SYSTEM SET primary_conninfo = '$direct host=$line'");
value($slow, 'SELECT pg_reload_conf()');
ok(poll_until($slow, "SELECT sender_host = '$line' FROM pg_stat_wal_receiver WHERE status = 'streaming'"), 'slow: the standby is at a slow line');
$primary->wait_for_catchup($slow);
begin('slow', '"max_replica_lag": 0, "max_replica_lag_bytes": "2MB", "max_wal_rate": "3MB"');
my ($most, $largest, $holds) = split /\|/, value($primary, q{CALL watch('slow', 0, 0, 0)});
ends('slow');
note("slow: the standby was at most $most bytes behind, a batch at most $largest; its lag held the backfill $holds times");
cmp_ok($most, '>', 2 * $mb, 'slow: the lag came to its limit');
cmp_ok($most, '<', 2 * $mb + $largest + $others, 'slow: and never went beyond it by more than a batch');
cmp_ok($holds, '>=', 2, 'slow: it was held, went on, and was held again');

# --- nobody waits for the dead for ever ---
# Seen last within a look before it died.
ok(poll_until($primary, q{SELECT count(*) > 0 FROM zdm.events WHERE migration = 'dead' AND kind = 'released'}), 'dead: it goes on without the standby');
is(value($primary, "SELECT min(at) > timestamptz '$died' + interval '50 s' FROM zdm.events WHERE migration = 'dead' AND kind = 'released'"),
    't', 'dead: after a minute');
set_option('dead', 'max_wal_rate', '0');
ends('dead');
is(value($primary, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'lost_one'}), '0', 'dead: the standby never came back');

kill 'TERM', $forwarder;
waitpid $forwarder, 0;
done_testing();
