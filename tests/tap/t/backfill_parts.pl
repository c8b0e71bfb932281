# A partitioned table as a queue of its partitions, while things happen: workers are killed, several share the partitions,
# and partitions are rewritten, renamed, detached, dropped and attached in the middle.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('backfill_parts', conf => "autovacuum = off\nmax_worker_processes = 6\nzdm.workers = 3\n");
my $leaves = 12;
my $each = 800;
my $rows = $leaves * $each;

sub value { return $node->safe_psql('postgres', $_[0]) }

sub poll { return poll_until($node, $_[0], $_[1] // 't', 60) }

# A table of small partitions t_0, t_1, …: some with another order of columns, the last two in a partition of their own. And one that notes how often each row was updated, and by which processes.
sub table {
    my ($name) = @_;
    value("CREATE TABLE $name (id int, part int, pad text, n int) PARTITION BY LIST (part)");
    my ($a, $b) = ($leaves - 2, $leaves - 1);
    value("CREATE TABLE ${name}_sub PARTITION OF $name FOR VALUES IN ($a, $b) PARTITION BY LIST (part)");
    for my $n (0 .. $leaves - 1) {
        my $parent = $n < $a ? $name : "${name}_sub";
        value($n % 3
            ? "CREATE TABLE ${name}_$n PARTITION OF $parent FOR VALUES IN ($n)"
            : "CREATE TABLE ${name}_$n (n int, odd int, pad text, part int, id int); ALTER TABLE ${name}_$n DROP COLUMN odd;"
                . " ALTER TABLE $parent ATTACH PARTITION ${name}_$n FOR VALUES IN ($n)");
    }
    value(<<"SQL");
INSERT INTO $name SELECT g, g % $leaves, repeat('x', 200), NULL FROM generate_series(1, $rows) g;
CREATE TABLE ${name}_log (id int, pid int DEFAULT pg_backend_pid());
CREATE FUNCTION ${name}_note() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO ${name}_log VALUES (NEW.id); RETURN NULL; END';
CREATE TRIGGER note AFTER UPDATE ON $name FOR EACH ROW EXECUTE FUNCTION ${name}_note();
SQL
    return;
}

sub fill {
    my ($table, $options) = @_;
    return value("SELECT zdm_backfill('$table', 'n = id * 2', 'n IS NULL', '$table', '{$options}') > 0");
}

sub events { return value("SELECT string_agg(message, '; ' ORDER BY id) FROM zdm.events WHERE migration = '$_[0]'") }

sub all_filled_once {
    my ($table, $what) = @_;
    is(value("SELECT count(*) FROM $table WHERE n IS DISTINCT FROM id * 2"), 0, "$what: every row is filled");
    is(value("SELECT count(*), count(DISTINCT id) FROM ${table}_log"), "$rows|$rows", "$what: and once");
    is(value("SELECT rows_done, pages_done = pages, chunks_done, chunks FROM zdm.progress"
                . " WHERE migration = '$table' AND kind = 'backfill'"),
        "$rows|t|$leaves|$leaves", "$what: progress adds up");
    return;
}

# --- kill -9 ---
table('killed');
fill('killed', '"workers": 1, "max_rate": 4000');
for my $part (2, 6) {
    ok(poll("SELECT chunks_done >= $part FROM zdm.progress WHERE migration = 'killed' AND kind = 'backfill'"),
        "$part partitions are done");
    ok(kill9($node, worker_pid($node, 'killed')), 'kill -9 of its worker');
}
value(q{SELECT zdm_set('killed', 'max_rate', '0')});
ok(wait_state($node, 'killed', 'done'), 'it goes on by itself');
all_filled_once('killed', 'killed');

# --- several workers ---
table('shared');
fill('shared', '"duty": 2, "max_rate": 3000');
ok(poll('SELECT count(DISTINCT pid) > 1 FROM shared_log'), 'two processes fill rows');
value(q{SELECT zdm_set('shared', 'max_rate', '0')});
ok(wait_state($node, 'shared', 'done'), 'to the end');
all_filled_once('shared', 'shared');
is(value('SELECT count(*) FROM (SELECT part FROM shared JOIN shared_log USING (id) GROUP BY part'
            . ' HAVING count(DISTINCT pid) > 1) several'), 0, 'each partition of one chunk has been one worker\'s');

# --- what happens to partitions in the middle ---
table('varied');
my $stop = stop_at($node, 'backfill:chunk_done#1');
fill('varied', '"workers": 1');
ok(wait_at($node, 'backfill:chunk_done#1'), 'the first partition is done');
value('VACUUM FULL varied_0');
value('VACUUM FULL varied_3');
value('TRUNCATE varied_4');
value('ALTER TABLE varied DETACH PARTITION varied_5');
value('DROP TABLE varied_6');
value('ALTER TABLE varied_7 RENAME TO "varied other"');
value(<<'SQL');
CREATE TABLE varied_came (pad text, part int, n int, id int);
INSERT INTO varied_came (id, part) SELECT -g, 99 FROM generate_series(1, 50) g;
ALTER TABLE varied ATTACH PARTITION varied_came FOR VALUES IN (99);
CREATE TABLE varied_here PARTITION OF varied FOR VALUES IN (98);
SQL
my $last = stop_at($node, 'last_pass:chunk_made');
release($stop);
ok(wait_at($node, 'last_pass:chunk_made'), 'it goes on to the last pass');
value('VACUUM FULL varied_9');
release($last);
ok(wait_state($node, 'varied', 'done'), 'and to the end');
is(value('SELECT count(*) FROM varied WHERE n IS NULL AND part <> 99'), 0, 'rows of partitions that stayed are filled');
is(value('SELECT count(*), count(n) FROM varied_came'), '50|0', 'those of one that came are left');
is(value(q{SELECT result ->> 'rows_left' FROM zdm.steps WHERE migration = 'varied' AND kind = 'last_pass'}), 50, 'and counted');
is(value('SELECT count(n) FROM varied_5'), 0, 'those of one that was detached are no concern of it');
is(value('SELECT count(*) - count(DISTINCT id) FROM varied_log'), 0, 'no row was changed twice');
is(value('SELECT count(*) FROM varied JOIN varied_log USING (id) WHERE part = 3'), $each, 'a rewritten partition was filled anew');
my $said = events('varied');
like($said, qr/partition public\.varied_5 was detached: its rows are none of public\.varied any more/, 'it says what was detached');
like($said, qr/partition was dropped/, 'what was dropped');
like($said, qr/a partition was rewritten, begins again with \d+ pages of public\.varied_3 in 1 chunk/, 'and what was rewritten');
like($said, qr/50 rows were written after the range was fixed/, 'and what is left');
is(value(q{SELECT count(*), sum((NOT done)::int) FROM zdm.chunk JOIN zdm.migration m ON m.id = migration_id
            WHERE m.name = 'varied' AND step = 1}), "$leaves|0", 'every partition has its chunk, and all are done');

# --- the last pass ---
table('passed');
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{SET application_name = 'holder'; BEGIN; SELECT FROM passed_8 WHERE id IN (8, 20) FOR UPDATE});
$stop = stop_at($node, 'last_pass:chunk_made');
fill('passed', '"workers": 1');
ok(wait_at($node, 'last_pass:chunk_made'), 'the last pass has begun');
value('DROP TABLE passed_2');
release($stop);
ok(poll(q{SELECT waiting_for LIKE 'rows of public.passed are locked by pid % (holder)' FROM zdm.migrations WHERE name = 'passed'}),
    'it waits for a row of a partition, and names who has it');
$holder->query_safe('COMMIT');
$holder->quit;
ok(wait_state($node, 'passed', 'done'), 'and ends then');
is(value('SELECT count(*) FROM passed WHERE n IS NULL'), 0, 'with all filled');

# --- a partition that is locked ---
table('locked');
$holder = $node->background_psql('postgres');
$holder->query_safe(q{SET application_name = 'holder'; BEGIN; LOCK TABLE ONLY locked_1});
fill('locked', '"workers": 1');
ok(poll(q{SELECT waiting_for LIKE 'public.locked_1 is locked by pid % (holder)' FROM zdm.migrations WHERE name = 'locked'}),
    'a partition that somebody has locked is named, and who');
is(value(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'zdm' AND NOT l.granted}), 0,
    'and not waited for in its queue');
$holder->query_safe('COMMIT');
$holder->quit;
ok(wait_state($node, 'locked', 'done'), 'then it goes on');
all_filled_once('locked', 'locked');

# --- DELETE ---
table('emptied');
value(q{SELECT zdm_create('emptied', 'DELETE FROM emptied WHERE id % 2 = 0'), zdm_set('emptied', 'workers', '1')});
$stop = stop_at($node, 'delete:chunk_done#1');
value(q{SELECT zdm_start('emptied', 'done')});
ok(wait_at($node, 'delete:chunk_done#1'), 'the first partition is done');
value('ALTER TABLE emptied DETACH PARTITION emptied_4; VACUUM FULL emptied_6');
value(<<'SQL');
CREATE TABLE emptied_came (LIKE emptied);
INSERT INTO emptied_came SELECT -g, 99 FROM generate_series(1, 50) g;
ALTER TABLE emptied ATTACH PARTITION emptied_came FOR VALUES IN (99);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE emptied_far PARTITION OF emptied FOR VALUES IN (100) SERVER nowhere;
SQL
release($stop);
ok(wait_state($node, 'emptied', 'done'), 'it goes on to the end');
value('DROP FOREIGN TABLE emptied_far');
is(value('SELECT count(*) FROM emptied WHERE id % 2 = 0 AND part <> 99'), 0, 'rows of partitions that stayed are deleted');
is(value('SELECT count(*) FROM emptied_4 WHERE id % 2 = 0'), $each, 'those of one that was detached are kept');
is(value('SELECT count(*) FROM emptied_came'), 50, 'those of one that came are kept');
like(events('emptied'), qr/25 rows that match are left in partitions of public\.emptied that were attached since it began/,
    'and counted');
like(events('emptied'), qr/partition public\.emptied_far was attached since it began and can't be read: its rows are not counted/,
    'and of those that can not be counted it is said');

# --- the table itself is gone ---
table('gone');
$stop = stop_at($node, 'backfill:chunk_done#1');
fill('gone', '"workers": 1');
ok(wait_at($node, 'backfill:chunk_done#1'), 'the first partition is done');
value('DROP TABLE gone');
release($stop);
ok(wait_state($node, 'gone', 'failed'), 'a table that was dropped fails it');
like(value(q{SELECT message FROM zdm.migrations WHERE name = 'gone'}), qr/ZD204: table public\.gone/, 'and is named');

$node->stop;
done_testing();
