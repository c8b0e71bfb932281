# A table and those that inherit from it as one queue, while things happen: workers are killed, several share the tables, and
# children are rewritten, renamed, cut off, dropped and made in the middle.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('backfill_children', conf => "autovacuum = off\nmax_worker_processes = 6\nzdm.workers = 3\n");
my $tables = 9;
my $each = 800;
my $rows = $tables * $each;

sub value { return $node->safe_psql('postgres', $_[0]) }

sub poll { return poll_until($node, $_[0], $_[1] // 't', 60) }

# A table and its children t_1, t_2, …, each with rows: some with another order of columns, the last one a child of the one
# before. And a table that notes how often each row was updated, and by which processes.
sub tree {
    my ($name) = @_;
    value("CREATE TABLE $name (id int, part int, pad text, n int); CREATE TABLE ${name}_log (id int, pid int DEFAULT pg_backend_pid());"
            . "CREATE FUNCTION ${name}_note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO ${name}_log VALUES (NEW.id); RETURN NULL; END'");
    for my $i (0 .. $tables - 1) {
        my $table = $i ? "${name}_$i" : $name;
        my $parent = $i == $tables - 1 ? "${name}_" . ($i - 1) : $name;
        value($i % 3
            ? "CREATE TABLE $table () INHERITS ($parent)"
            : "CREATE TABLE $table (n int, odd int, pad text, extra text, part int, id int); ALTER TABLE $table DROP COLUMN odd; ALTER TABLE $table INHERIT $parent")
            if $i;
        value("INSERT INTO $table (id, part, pad) SELECT $i * $each + g, $i, repeat('x', 200) FROM generate_series(1, $each) g;"
                . "CREATE TRIGGER note AFTER UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION ${name}_note()");
    }
    return;
}

sub fill {
    my ($table, $options) = @_;
    return value("SELECT zdm_backfill('$table', 'n = id * 2', 'n IS NULL', '$table', '{$options}') > 0");
}

sub events { return value("SELECT string_agg(message, '; ' ORDER BY id) FROM zdm.events WHERE migration = '$_[0]'") }

sub all_filled_once {
    my ($table) = @_;
    is(value("SELECT count(*) FROM $table WHERE n IS DISTINCT FROM id * 2"), 0, "$table: every row is filled");
    is(value("SELECT count(*), count(DISTINCT id) FROM ${table}_log"), "$rows|$rows", "$table: and once");
    is(value("SELECT rows_done, pages_done = pages, chunks_done, chunks FROM zdm.progress WHERE migration = '$table' AND kind = 'backfill'"),
        "$rows|t|$tables|$tables", "$table: progress adds up");
    return;
}

# --- kill -9 ---
tree('killed');
fill('killed', '"workers": 1, "max_rate": 4000');
for my $part (2, 6) {
    ok(poll("SELECT chunks_done >= $part FROM zdm.progress WHERE migration = 'killed' AND kind = 'backfill'"), "$part tables are done");
    ok(kill9($node, worker_pid($node, 'killed')), 'kill -9 of its worker');
}
value(q{SELECT zdm_set('killed', 'max_rate', '0')});
ok(wait_state($node, 'killed', 'done'), 'it goes on by itself');
all_filled_once('killed');

# --- several workers ---
tree('shared');
fill('shared', '"duty": 2, "max_rate": 3000');
ok(poll('SELECT count(DISTINCT pid) > 1 FROM shared_log'), 'two processes fill rows');
value(q{SELECT zdm_set('shared', 'max_rate', '0')});
ok(wait_state($node, 'shared', 'done'), 'to the end');
all_filled_once('shared');

# --- what happens to children in the middle ---
tree('varied');
my $stop = stop_at($node, 'backfill:chunk_done#1');
fill('varied', '"workers": 1');
ok(wait_at($node, 'backfill:chunk_done#1'), 'the first table is done');
value($_) for 'VACUUM FULL varied_3', 'TRUNCATE ONLY varied_4', 'ALTER TABLE varied_5 NO INHERIT varied', 'DROP TABLE varied_6',
    'ALTER TABLE varied_2 RENAME TO "varied other"',
    'CREATE TABLE varied_came () INHERITS (varied); INSERT INTO varied_came (id, part) SELECT -g, 99 FROM generate_series(1, 50) g';
release($stop);
ok(wait_state($node, 'varied', 'done'), 'it goes on to the end');
is(value('SELECT count(*) FROM varied WHERE n IS NULL AND part <> 99'), 0, 'rows of tables that stayed are filled');
is(value('SELECT count(*), count(n) FROM varied_came'), '50|0', 'those of one that came are left');
is(value(q{SELECT result ->> 'rows_left' FROM zdm.steps WHERE migration = 'varied' AND kind = 'last_pass'}), 50, 'and counted');
is(value('SELECT count(n) FROM varied_5'), 0, 'those of one that was cut off are no concern of it');
is(value('SELECT count(*) - count(DISTINCT id) FROM varied_log'), 0, 'no row was changed twice');
my $said = events('varied');
like($said, qr/table public\.varied_5 inherits no more: its rows are none of public\.varied any more/, 'it says what was cut off');
like($said, qr/table was dropped/, 'what was dropped');
like($said, qr/a child table was rewritten, begins again with \d+ pages of public\.varied_3 in 1 chunk/, 'and what was rewritten');

# --- DELETE, and a child that is locked ---
tree('emptied');
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{SET application_name = 'holder'; BEGIN; LOCK TABLE ONLY emptied_7});
value(q{SELECT zdm_create('emptied', 'DELETE FROM emptied WHERE id % 2 = 0'), zdm_set('emptied', 'workers', '1')});
value(q{SELECT zdm_start('emptied', 'done')});
ok(poll(q{SELECT waiting_for LIKE 'public.emptied_7 is locked by pid % (holder)' FROM zdm.migrations WHERE name = 'emptied'}),
    'a child that somebody has locked is named, and who');
$holder->query_safe('COMMIT');
$holder->quit;
ok(wait_state($node, 'emptied', 'done'), 'then it goes on');
is(value('SELECT count(*), count(*) FILTER (WHERE id % 2 = 0) FROM emptied'), $rows / 2 . '|0', 'and deletes in all tables');

# --- the triggers of all tables, through crashes, there and back ---
sub crashes_at {
    my ($point, $call) = @_;
    my $death = die_at($node, $point);
    my $log = -s $node->logfile;
    value($call);
    ok(wait_for_death($log), "a worker died at $point");
    poll_until($node, q{SELECT true});
    release($death);
    return;
}

sub wait_for_death {
    my ($from) = @_;
    my $end = time + 60;
    while (time < $end) {
        return 1 if substr(read_log($node), $from) =~ /terminated by signal 9/;
        select undef, undef, undef, 0.05;
    }
    return 0;
}

sub triggers { return value(q{SELECT count(*) FROM pg_trigger WHERE tgname = 'zz_zdm_sync'}) . '/'
        . value(q{SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relname ~ '^acted_'}) }

tree('trig');
my $sql = 'ALTER TABLE trig ADD COLUMN c int NOT NULL; UPDATE trig SET c = id WHERE c IS NULL';
value("SELECT zdm_create('back', '$sql'), zdm_create('trig', '$sql')");
crashes_at('sync:before_commit', q{SELECT zdm_start('back')});
ok(wait_state($node, 'back', 'ready'), 'it goes on');
is(triggers(), "$tables/$tables", 'with a trigger and evidence for each table');
crashes_at('undo_unsync:before_commit', q{SELECT zdm_rollback('back')});
ok(wait_state($node, 'back', 'rolled_back'), 'and back');
is(triggers(), '0/0', 'where none is left');
value(q{SELECT zdm_start('trig')});
ok(wait_state($node, 'trig', 'ready'), 'once more');
crashes_at('unsync:before_commit', q{SELECT zdm_contract('trig', true, 'test')});
ok(wait_state($node, 'trig', 'done'), 'to the end');
is(triggers(), '0/0', 'where none is left either');
is(value('SELECT count(*) FROM trig WHERE c IS DISTINCT FROM id'), 0, 'and all rows are filled');

$node->stop;
done_testing();
