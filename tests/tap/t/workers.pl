# Several workers at one table: they share its chunks, follow duty as it changes, stop together, and whatever
# ends one of them leaves its chunk to the others.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('workers', conf => "autovacuum = off\nmax_wal_size = 4GB\nmax_worker_processes = 6\nzdm.workers = 3\n");
my $rows = 40000;    # eight on a page: five chunks
my $wait = 60;

sub value { return $node->safe_psql('postgres', $_[0]) }

sub poll { return poll_until($node, $_[0], $_[1] // 't', $wait) }

# A table, and one that notes how often each row was updated, and by which processes.
sub table {
    my ($name) = @_;
    value(<<"SQL");
CREATE TABLE $name (id int PRIMARY KEY, pad text, n int);
INSERT INTO $name SELECT g, repeat('x', 900), NULL FROM generate_series(1, $rows) g;
CREATE TABLE ${name}_log (id int, pid int DEFAULT pg_backend_pid());
CREATE FUNCTION ${name}_note() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO ${name}_log VALUES (NEW.id); RETURN NULL; END';
CREATE TRIGGER note AFTER UPDATE ON $name FOR EACH ROW EXECUTE FUNCTION ${name}_note();
VACUUM ANALYZE $name;
SQL
    return;
}

sub fill {
    my ($table, $options, $set) = @_;
    $set //= 'n = id * 2';
    return value("SELECT zdm_backfill('$table', '$set', 'n IS NULL', '$table', '{$options}') > 0");
}

sub workers { return scalar worker_pids($node) }

sub all_filled_once {
    my ($table, $what) = @_;
    is(value("SELECT count(*) FROM $table WHERE n IS DISTINCT FROM id * 2"), 0, "$what: every row is filled");
    is(value("SELECT count(*), count(DISTINCT id) FROM ${table}_log"), "$rows|$rows", "$what: and once");
    is(value("SELECT rows_done, pages_done = pages, chunks_done = chunks FROM zdm.progress"
                . " WHERE migration = '$table' AND kind = 'backfill'"), "$rows|t|t", "$what: progress adds up");
    is(workers(), 0, "$what: no worker is left");
    return;
}

# --- duty says how many ---
table('varied');
fill('varied', '"duty": 2, "max_rate": 20000');
ok(poll(q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'two work');
value(q{SELECT zdm_set('varied', 'duty', '0.5')});
ok(poll(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'with less to do, one goes');
is(migration_state($node, 'varied'), 'migrating', 'while there is work');
value(q{SELECT zdm_set('varied', 'max_rate', '2000'), zdm_set('varied', 'duty', '2')});
ok(poll(q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'with more it comes back');
value(q{SELECT zdm_pause('varied')});
ok(poll(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'a pause stops both');
value(q{SELECT zdm_set('varied', 'max_rate', '0'), zdm_resume('varied')});
ok(wait_state($node, 'varied', 'done'), 'and they go on');
all_filled_once('varied', 'duty');
cmp_ok(value('SELECT count(DISTINCT pid) FROM varied_log'), '>', 1, 'several processes did it');

# --- no more than there may be ---
table('one');
fill('one', '"duty": 2, "workers": 1, "max_rate": 20000');
ok(poll(q{SELECT rows_done > 0 FROM zdm.progress WHERE migration = 'one' AND kind = 'backfill'}), 'one works');
is(workers(), 1, 'alone, as the option says');
value(q{SELECT zdm_set('one', 'max_rate', '0')});
ok(wait_state($node, 'one', 'done'), 'to the end');

# --- one of them ends ---
# Whoever helps, rather than runs it.
sub helper {
    my ($table) = @_;
    my $pid = q{(SELECT pid FROM pg_stat_activity WHERE backend_type = 'zdm' AND pid <>}
        . " (SELECT worker_pid FROM zdm.migrations WHERE name = '$table'))";
    my $worked = "SELECT count(*) > 0 FROM ${table}_log WHERE pid = $pid";
    return poll($worked) ? value("SELECT $pid") : undef;
}

table('ended');
fill('ended', '"duty": 2, "max_rate": 10000');
my $helper = helper('ended');
ok($helper, 'a helper has filled rows');
is(value("SELECT pg_terminate_backend($helper)"), 't', 'it is terminated');
value(q{SELECT zdm_set('ended', 'max_rate', '0')});
ok(wait_state($node, 'ended', 'done'), 'its chunk is taken up');
all_filled_once('ended', 'terminated');

table('killed');
fill('killed', '"duty": 2, "max_rate": 10000');
$helper = helper('killed');
ok($helper, 'a helper has filled rows');
ok(kill9($node, $helper), 'kill -9 of the helper');
value(q{SELECT zdm_set('killed', 'max_rate', '0')});
ok(wait_state($node, 'killed', 'done'), 'goes on by itself');
all_filled_once('killed', 'killed');

table('led');
fill('led', '"duty": 2, "max_rate": 10000');
ok(helper('led'), 'a helper has filled rows');
is(value(q{SELECT pg_terminate_backend(worker_pid) FROM zdm.migrations WHERE name = 'led'}), 't',
    'the worker that it helps is terminated');
value(q{SELECT zdm_set('led', 'max_rate', '0')});
ok(wait_state($node, 'led', 'done'), 'goes on by itself');
all_filled_once('led', 'without a leader');

table('cancelled');
fill('cancelled', '"duty": 2, "max_rate": 10000');
$helper = helper('cancelled');
value("SELECT pg_cancel_backend($helper)");
ok(poll(q{SELECT paused FROM zdm.migrations WHERE name = 'cancelled'}), 'a cancel is a pause');
value(q{SELECT zdm_set('cancelled', 'max_rate', '0'), zdm_resume('cancelled')});
ok(wait_state($node, 'cancelled', 'done'), 'until it is resumed');
all_filled_once('cancelled', 'cancelled');

# --- a row that can't be written, wherever it is ---
table('bad');
value("UPDATE bad SET pad = 'no' WHERE id = $rows - 10; ALTER TABLE bad ADD CHECK (NOT (pad = 'no' AND n > 0))");
fill('bad', '"duty": 2');
ok(poll(q{SELECT state = 'failed' FROM zdm.migrations WHERE name = 'bad'}), 'a bad row fails it');
like(value(q{SELECT message || ' ' || detail FROM zdm.migrations WHERE name = 'bad'}), qr/ZD205.*id = 39990/s,
    'and is named');
ok(poll(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'nobody works on');
value(q{ALTER TABLE bad DROP CONSTRAINT bad_check; SELECT zdm_resume('bad')});
ok(wait_state($node, 'bad', 'done'), 'mended, it goes on');
is(value('SELECT count(*) FROM bad WHERE n IS NULL'), 0, 'to the end');

# --- one helper takes long to stop when another has ended ---
table('slow');
value(<<'SQL');
CREATE FUNCTION dawdle(id int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF id % 100 = 0 AND current_setting('slow.slept', true) IS NULL
        AND NOT EXISTS (SELECT FROM zdm.migrations WHERE worker_pid = pg_backend_pid()) AND pg_try_advisory_lock(77) THEN
        PERFORM set_config('slow.slept', 'yes', false), pg_sleep(5);
    END IF;
    RETURN id * 2;
END $$;
SQL
fill('slow', '"duty": 3, "max_rate": 6000', 'n = coalesce(dawdle(id), 0)');
ok(poll(q{SELECT count(*) = 3 AND bool_or(wait_event = 'PgSleep') FROM pg_stat_activity WHERE backend_type = 'zdm'}),
    'three work, and a helper sleeps');
value(q{SELECT zdm_pause('slow')});
ok(poll(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'a pause stops all');
unlike(read_log($node), qr/terminated by signal 11/, 'and nothing else');
value(q{SELECT zdm_set('slow', 'max_rate', '0'), zdm_resume('slow')});
ok(wait_state($node, 'slow', 'done'), 'it goes on');
all_filled_once('slow', 'a slow helper');

# --- rewritten in the middle ---
table('moved');
fill('moved', '"duty": 2, "max_rate": 10000');
ok(helper('moved'), 'a helper has filled rows');
value('VACUUM FULL moved');
value(q{SELECT zdm_set('moved', 'max_rate', '0')});
ok(wait_state($node, 'moved', 'done'), 'goes on in the new file');
is(value('SELECT count(*) FROM moved WHERE n IS DISTINCT FROM id * 2'), 0, 'every row is filled');
is(value('SELECT count(*), count(DISTINCT id) FROM moved_log'), "$rows|$rows", 'and once');
like(value(q{SELECT string_agg(message, ' ') FROM zdm.events WHERE migration = 'moved'}),
    qr/was rewritten, begins again/, 'which is said');

# --- back, while several are at work ---
table('back');
my $before = schema_dump($node, 'postgres', '-t', 'back');
value(q{SELECT zdm_create('back', 'ALTER TABLE back ADD COLUMN extra int; UPDATE back SET extra = id WHERE extra IS NULL')});
value(q{SELECT zdm_set('back', 'duty', '2'), zdm_set('back', 'max_rate', '10000'), zdm_start('back')});
ok(helper('back'), 'a helper has filled rows');
value(q{SELECT zdm_rollback('back')});
ok(poll(q{SELECT state = 'rolled_back' FROM zdm.migrations WHERE name = 'back'}), 'taken back');
is(schema_dump($node, 'postgres', '-t', 'back'), $before, 'as it was');
is(workers(), 0, 'no worker is left');

# --- nobody else can be started ---
table('crowded');
value('CREATE TABLE t1 (id int, x int); INSERT INTO t1 SELECT g FROM generate_series(1, 10) g');
for my $n (1 .. 4) {
    value("CREATE TABLE busy$n (id int, x int); INSERT INTO busy$n SELECT g FROM generate_series(1, 1000) g");
    value("SELECT zdm_backfill('busy$n', 'x = id', 'x IS NULL', 'busy$n', '{\"max_rate\": 1}')");
}
ok(poll(q{SELECT count(*) = 4 FROM pg_stat_activity WHERE backend_type = 'zdm'}), 'four of the slots are taken');
fill('crowded', '"duty": 2');
ok(wait_state($node, 'crowded', 'done'), 'it is done by one worker');
like(value(q{SELECT string_agg(message, ' ') FROM zdm.events WHERE migration = 'crowded' AND kind = 'workers'}),
    qr/no background worker slot is free for helper 1/, 'and says why');
is(value('SELECT count(*), count(DISTINCT id), count(DISTINCT pid) FROM crowded_log'), "$rows|$rows|1", 'all rows, once');

unlike(read_log($node), qr/PANIC|TRAP:|WARNING:.*lock/, 'the log has no panic and no lock that was not ours');
done_testing();
