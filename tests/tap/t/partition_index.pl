# The index of a partitioned table, while an application writes to it: workers are killed in the middle, partitions are
# made, attached, detached and dropped, and in the end the index is valid, everywhere.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;
use ZdmTest;
use ZdmWire;

my $node = new_node('partition_index', conf => "autovacuum = off\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# A table with partitions t_0 … t_4, the last two in a partition of their own, and one for all others.
sub table {
    my ($t) = @_;
    value("CREATE TABLE $t (id int, part int, n int) PARTITION BY LIST (part)");
    value("CREATE TABLE ${t}_sub PARTITION OF $t FOR VALUES IN (3, 4) PARTITION BY LIST (part)");
    for my $n (0 .. 4) {
        my $parent = $n < 3 ? $t : "${t}_sub";
        value("CREATE TABLE ${t}_$n PARTITION OF $parent FOR VALUES IN ($n)");
    }
    value("INSERT INTO $t SELECT g, g % 5, g FROM generate_series(1, 20000) g");
    return;
}

sub begin {
    my ($t, $sql) = @_;
    return value("SELECT zdm_create('$t', '" . ($sql // "CREATE INDEX ON $t (n)") . "'); SELECT zdm_start('$t', 'done')");
}

# All indexes in the tree of a table's index: how many, and how many are valid and attached.
sub tree {
    my ($t) = @_;
    return value("SELECT count(*), count(*) FILTER (WHERE i.indisvalid) FROM pg_partition_tree('${t}_n_idx') p"
            . ' JOIN pg_index i ON i.indexrelid = p.relid');
}

sub lacking {
    my ($t) = @_;
    return value("SELECT count(*) FROM pg_partition_tree('$t') p WHERE NOT EXISTS (SELECT FROM pg_index i"
            . " WHERE i.indrelid = p.relid AND i.indisvalid AND i.indexrelid IN (SELECT relid FROM pg_partition_tree('${t}_n_idx')))");
}

sub whole {
    my ($t, $count, $what) = @_;
    is(wait_state($node, $t, 'done'), 'done', "$what: it ends");
    is(tree($t), "$count|$count", "$what: all indexes are there and valid");
    is(lacking($t), 0, "$what: no partition lacks one");
    is(value("SELECT string_agg(indexrelid::regclass::text, ' ') FROM pg_index WHERE NOT indisvalid"), '', "$what: nothing is left over");
    return;
}

# An application that writes to all partitions, through the table, as fast as it can, each statement within a second.
my $writing = 1;
sub application {
    my ($t) = @_;
    my $sql = $node->basedir . "/$t.sql";
    append_to_file($sql, "\\set p random(0, 4)\n\\set i random(1, 1000000)\nSET lock_timeout = '5s';\n"
            . "INSERT INTO $t VALUES (:i, :p, :i);\nUPDATE $t SET n = n + 1 WHERE id = :i AND part = :p;\n");
    my ($in, $out) = ('', '');
    my $app = IPC::Run::start([ 'pgbench', '-n', '-f', $sql, '-c', 2, '-T', 600, $node->connstr('postgres') ],
        '<', \$in, '>', \$out, '2>&1');
    return { app => $app, out => \$out };
}

# --- kill -9 at each moment, under writes ---
for my $point (qw(ddl:before_commit ddl:after_commit index:intent index:before_commit index:before_mark index:after_commit
    attach:before_commit attach:after_commit whole_index:before_commit)) {
    my $t = 'k_' . $point =~ s/\W/_/gr;
    table($t);
    my $stop = stop_at($node, $point);
    begin($t);
    ok(wait_at($node, $point), "$point: reached");
    kill9($node, worker_pid($node, $t));
    release($stop);
    whole($t, 7, $point);
}

# --- an application that writes all the time ---
table('busy');
my $app = application('busy');
poll_until($node, "SELECT count(*) > 20100 FROM busy");
my $stop = stop_at($node, 'attach:before_commit');
begin('busy');
ok(wait_at($node, 'attach:before_commit'), 'all are built while an application writes');
kill9($node, worker_pid($node, 'busy'));
release($stop);
# The crash has ended it too.
$app->{app}->finish;
whole('busy', 7, 'under writes');
$app = application('busy');
my $before = value('SELECT count(*) FROM busy');
ok(poll_until($node, "SELECT count(*) > $before FROM busy"), 'and the application goes on');
$app->{app}->pump_nb;
$app->{app}->kill_kill(grace => 1);
unlike(${ $app->{out} }, qr/ERROR|FATAL/, 'it has seen no error');
$node->psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'});

# --- partitions that come and go meanwhile ---
table('moves');
$stop = stop_at($node, 'ddl:after_commit');
begin('moves');
ok(wait_at($node, 'ddl:after_commit'), 'the index of the table is there');
value(<<'SQL');
DROP TABLE moves_0;
ALTER TABLE moves DETACH PARTITION moves_1;
CREATE TABLE moves_5 PARTITION OF moves FOR VALUES IN (5);
CREATE TABLE moves_6 (n int, part int, id int);
INSERT INTO moves_6 VALUES (1, 6, 1);
ALTER TABLE moves_sub DETACH PARTITION moves_3;
CREATE TABLE moves_7 PARTITION OF moves FOR VALUES IN (7) PARTITION BY HASH (id);
CREATE TABLE moves_70 PARTITION OF moves_7 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE moves ATTACH PARTITION moves_6 FOR VALUES IN (6);
SQL
release($stop);
whole('moves', 8, 'while partitions come and go');
is(value(q{SELECT string_agg(message, '; ' ORDER BY id) FROM zdm.events WHERE migration = 'moves' AND message LIKE 'public.%'}),
    'public.moves_0 is no partition any more: nothing to do; public.moves_1 is no partition any more: nothing to do; '
    . 'public.moves_3 is no partition any more: nothing to do; public.moves_0 is no partition any more: nothing to do; '
    . 'public.moves_1 is no partition any more: nothing to do; public.moves_3 is no partition any more: nothing to do', 'events say so');

# The last one that lacks its index is detached instead: nobody else looks whether all have it now. And one that goes and comes
# back has its index from the server.
table('last');
$stop = stop_at($node, 'attach:after_commit#4');
begin('last');
ok(wait_at($node, 'attach:after_commit#4'), 'all but one are attached');
value('ALTER TABLE last_sub DETACH PARTITION last_4');
release($stop);
whole('last', 6, 'without the last one');
is(value(q{SELECT count(*) FROM pg_index WHERE indrelid = 'last_4'::regclass AND indisvalid}), 1, 'which keeps its index');

table('back');
$stop = stop_at($node, 'index:after_commit#1');
begin('back');
ok(wait_at($node, 'index:after_commit#1'), 'one index is built');
value('ALTER TABLE back DETACH PARTITION back_2; ALTER TABLE back ATTACH PARTITION back_2 FOR VALUES IN (2);'
    . ' ALTER TABLE back DETACH PARTITION back_0; ALTER TABLE back ATTACH PARTITION back_0 FOR VALUES IN (0)');
release($stop);
whole('back', 7, 'with two that went and came back');

# --- going back in the middle ---
table('undo');
$stop = stop_at($node, 'attach:after_commit#2');
begin('undo');
ok(wait_at($node, 'attach:after_commit#2'), 'some are attached');
value('ALTER TABLE undo DETACH PARTITION undo_0');
value(q{SELECT zdm_rollback('undo')});
release($stop);
is(wait_state($node, 'undo', 'rolled_back'), 'rolled_back', 'it goes back');
is(value(q{SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^undo'}), 0, 'no index is left');

# What a rollback leaves can be run as it stands.
table('kept');
$stop = stop_at($node, 'attach:after_commit#2');
begin('kept');
ok(wait_at($node, 'attach:after_commit#2'), 'some are attached');
my $sql = value(q{SELECT zdm_rollback('kept', keep => true)});
release($stop);
is(wait_state($node, 'kept', 'rolled_back'), 'rolled_back', 'it stays as it is');
is($node->psql('postgres', $sql, on_error_stop => 1), 0, "the SQL runs: $sql");
is(value(q{SELECT count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^kept'}), 0, 'and leaves no index');

# --- somebody holds a partition: he is named, and nobody waits behind zdm for long ---
table('held');
my $at = stop_at($node, 'attach:begin');
begin('held');
ok(wait_at($node, 'attach:begin'), 'all indexes are built');
my $holder = ZdmWire->new($node, 'postgres', user => scalar getpwuid $<, name => 'reader');
$holder->query('BEGIN');
$holder->query('SELECT count(*) FROM held_2');
release($at);
ok(poll_until($node, q{SELECT waiting_for LIKE '%reader%' FROM zdm.migrations WHERE name = 'held'}), 'who is in the way is named');
is(value('SELECT count(*) > 0 FROM held_2'), 't', 'others read on');
$holder->query('COMMIT');
$holder->close;
whole('held', 7, 'when he is through it goes on');

# --- a key: partitions leave, one comes empty, one with rows ---
table('keyed');
$stop = stop_at($node, 'index:intent');
begin('keyed', 'ALTER TABLE keyed ADD UNIQUE (id, part)');
ok(wait_at($node, 'index:intent'), 'the key of a first partition is about to be built');
value('ALTER TABLE keyed DETACH PARTITION keyed_1');
value('DROP TABLE keyed_4');
value("CREATE TABLE keyed_$_ PARTITION OF keyed FOR VALUES IN ($_)") for 5, 6;
value('INSERT INTO keyed VALUES (1, 5, 1)');
release($stop);
is(wait_state($node, 'keyed', 'failed'), 'failed', 'one with rows is not indexed under a lock');
like(value(q{SELECT message FROM zdm.migrations WHERE name = 'keyed'}), qr/ZD203: partition public\.keyed_5 has no UNIQUE \(id, part\)/, 'it says which');
value('ALTER TABLE keyed_5 ADD UNIQUE (id, part)');
value(q{SELECT zdm_resume('keyed')});
is(wait_state($node, 'keyed', 'done'), 'done', 'with a key of its own it goes on');
is(value(q{SELECT count(*), count(*) FILTER (WHERE i.indisvalid) FROM pg_partition_tree('keyed_id_part_key') p JOIN pg_index i ON i.indexrelid = p.relid}),
    '7|7', 'all parts of the key are there and valid');
is(value(q{SELECT string_agg(conname, ' ') FROM pg_constraint WHERE conrelid = 'keyed_1'::regclass}) // '', '', 'what left has none');

$node->stop;
done_testing();
