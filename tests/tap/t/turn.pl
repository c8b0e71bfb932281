# Indexes are built and dropped CONCURRENTLY by one migration at a time in a database: the others say whom they
# wait for, can be paused and taken back meanwhile, and go on when the first is through, or dead.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('turn');

sub value {
    my ($query, $db, @options) = @_;
    return $node->safe_psql($db // 'postgres', $query, @options);
}

# A table that is too large, unless it is to be small, for an index in a transaction.
sub table {
    my ($name, $rows) = @_;
    return "CREATE TABLE $name (id int, note text); INSERT INTO $name SELECT g, repeat('x', 1000)"
        . ' FROM generate_series(1, ' . ($rows // 2000) . ') g;';
}

# A migration with one index, on a table of its own of the same name.
sub begin_index {
    my ($name, %want) = @_;
    my $db = $want{db} // 'postgres';
    my $as = $want{as} ? "SET SESSION AUTHORIZATION $want{as};" : '';
    value($as . table($name, $want{rows}), $db);
    value("$as SELECT zdm_create('$name', 'CREATE INDEX ${name}_i ON $name (id)')", $db);
    value("$as SELECT zdm_start('$name')", $db);
    return;
}

sub indexes {
    return value(q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indisvalid AND c.relnamespace = 'public'::regnamespace});
}

sub waits_for {
    my ($name, $who, $pid) = @_;
    return poll_until($node, "SELECT waiting_for FROM zdm.migrations WHERE name = '$name'",
        "waiting for its turn: $who (pid $pid) builds or drops an index of this database now");
}

# The worker of a migration that is terminated comes back at once, and would compete.
sub end_for_good {
    my ($name, $end) = @_;
    my $pid = worker_pid($node, $name);
    value("UPDATE zdm.migration SET paused = true WHERE name = '$name'");
    $end->($pid);
    return ok(poll_until($node, "SELECT activity FROM zdm.migrations WHERE name = '$name'", "paused: zdm_resume('$name')"),
        "$name has no worker any more");
}

value(table('back') . <<'SQL');
CREATE ROLE turn_other LOGIN;
GRANT CREATE ON SCHEMA public TO turn_other;
CREATE DATABASE elsewhere;
SELECT zdm_create('back', $$ALTER TABLE back ADD COLUMN c int NOT NULL; UPDATE back SET c = 1 WHERE c IS NULL;
    CREATE INDEX back_i ON back (id)$$);
SELECT zdm_start('back', 'expanded');
SQL
value('CREATE EXTENSION zdm', 'elsewhere');
wait_state($node, 'back', 'expanded');

# --- one at a time ---
my $stop = stop_at($node, 'index:before_commit');
begin_index('first');
ok(wait_at($node, 'index:before_commit'), 'a migration is about to build its index');
my $pid = worker_pid($node, 'first');
begin_index('second');
ok(waits_for('second', 'migration "first"', $pid), 'another waits for its turn and says whose it is');
is(value(q{SELECT state FROM zdm.steps WHERE migration = 'second'}), 'pending', 'its step has not begun');
ok(poll_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity a JOIN zdm.migrations m ON m.worker_pid = a.pid
    WHERE m.name = 'second' AND a.xact_start IS NULL AND a.backend_xmin IS NULL}), 'it waits outside of transactions');
is(value(q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CREATE INDEX'}), '0', 'and builds nothing');
begin_index('stranger', as => 'turn_other');
ok(waits_for('stranger', 'another migration', $pid), 'who may not see the first migration is not told its name');
begin_index('plain', rows => 10);
is(wait_state($node, 'plain', 'done'), 'done', 'an index of a small table, built in a transaction, needs no turn');
begin_index('elsewhere', db => 'elsewhere');
is(wait_state($node, 'elsewhere', 'done', undef, 'elsewhere'), 'done', 'each database has a turn of its own');
value(q{SELECT zdm_rollback('back')});
ok(waits_for('back', 'migration "first"', $pid), 'a rollback that drops an index waits for its turn too');

# --- what waits can be stopped ---
value(q{SELECT zdm_pause('second')});
ok(poll_until($node, q{SELECT activity, waiting_for IS NULL FROM zdm.migrations WHERE name = 'second'},
    q{paused: zdm_resume('second')|t}), 'it can be paused while it waits');
value(q{SELECT zdm_resume('second')});
ok(waits_for('second', 'migration "first"', $pid), 'resumed, it waits again');
value(q{CREATE INDEX second_i ON second (id)});
value(q{SELECT zdm_rollback('second')});
is(wait_state($node, 'second', 'rolled_back'), 'rolled_back', 'it can be rolled back while it waits');
is(value(q{SELECT count(*) FROM zdm.events WHERE migration = 'second' AND kind = 'step'}), '0', 'and had begun nothing');
is(indexes(), 'back_i plain_i second_i', 'what got the name meanwhile is not dropped');
is(worker_pid($node, 'first'), $pid, 'all the while the first one stood there');

release($stop);
is(wait_state($node, 'first', 'done'), 'done', 'the first migration ends');
is(wait_state($node, 'stranger', 'done'), 'done', 'then the others do');
is(wait_state($node, 'back', 'rolled_back'), 'rolled_back', 'and the rollback');
is(value(q{SELECT count(*) FROM zdm.migrations WHERE waiting_for IS NOT NULL}), '0', 'nobody waits any more');
is(indexes(), 'first_i plain_i second_i stranger_i', 'with valid indexes');

# --- it is given back after the statement ---
$stop = stop_at($node, 'index:after_commit');
begin_index('built');
ok(wait_at($node, 'index:after_commit'), 'a migration has built its index and goes on');
begin_index('next');
ok(poll_until($node, q{SELECT state FROM zdm.steps WHERE migration = 'next'}, 'done'), 'the next one builds, while the first still runs');
ok(worker_pid($node, 'built'), 'it does');
release($stop);
wait_state($node, $_, 'done') for 'built', 'next';

# --- who has it is terminated ---
$stop = stop_at($node, 'index:before_commit');
begin_index('ended');
ok(wait_at($node, 'index:before_commit'), 'a migration has the turn');
begin_index('heir');
ok(waits_for('heir', 'migration "ended"', worker_pid($node, 'ended')), 'another waits');
end_for_good('ended', sub { value("SELECT pg_terminate_backend($_[0], 60000)") });
ok(wait_at($node, 'index:before_commit'), 'which goes on when the first is terminated');
is(value(q{SELECT state FROM zdm.steps WHERE migration = 'heir'}), 'running', 'with its step');
value(q{SELECT zdm_resume('ended')});
ok(waits_for('ended', 'migration "heir"', worker_pid($node, 'heir')), 'the first one, resumed, waits for it');
release($stop);
is(wait_state($node, $_, 'done'), 'done', "$_ ends") for 'heir', 'ended';

# --- kill -9 ---
$stop = stop_at($node, 'index:before_commit');
begin_index('killed');
ok(wait_at($node, 'index:before_commit'), 'a migration has the turn');
begin_index('survivor');
ok(waits_for('survivor', 'migration "killed"', worker_pid($node, 'killed')), 'another waits');
end_for_good('killed', sub { kill9($node, $_[0]) });
release($stop);
is(wait_state($node, 'survivor', 'done'), 'done', 'which goes on when the first is killed');
is(value(q{SELECT waiting_for IS NULL FROM zdm.migrations WHERE name = 'survivor'}), 't', 'and waits for nothing any more');
value(q{SELECT zdm_resume('killed')});
is(wait_state($node, 'killed', 'done'), 'done', 'the killed one ends after it was resumed');
ok(poll_until($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}, '0'), 'no lock is left');

done_testing();
