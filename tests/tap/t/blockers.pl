# Whoever is in the way of a lock is named, with as much of his query as one may see; and whoever queues
# behind zdm does so for one deadline at most, however many locks it needs and however long others hold
# theirs. No clock is read here: what has to happen happens while the others still hold their locks.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('blockers', conf => "zdm.small_table = 0\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# A session with a name and an input that is still open: [run, pid, in, out, err].
sub session {
    my ($name, $role) = @_;
    my ($in, $out, $err) = ('', '', '');
    my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', $role, '-d', $node->connstr('postgres') . " application_name=$name" ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
    my $self = { run => $run, in => \$in, out => \$out, err => \$err, said => 0 };
    ($self->{pid}) = say_to($self, 'SELECT pg_backend_pid()') =~ /(\d+)/;
    return $self;
}

# Sends statements without waiting for them; waits until those sent so far are done.
sub send_to {
    my ($self, $sql) = @_;
    my $mark = 'said ' . ++$self->{said};
    ${ $self->{in} } .= "$sql;\n\\echo $mark\n";
    $self->{run}->pump_nb;
    return;
}

sub heard {
    my ($self) = @_;
    my $mark = "said $self->{said}\n";
    $self->{run}->pump until ${ $self->{out} } =~ /\Q$mark\E/ || !$self->{run}->pumpable;
    return ${ $self->{out} } =~ /\Q$mark\E/ ? ${ $self->{out} } : die "session ended: ${ $self->{err} }";
}

sub say_to {
    my ($self, $sql) = @_;
    ${ $self->{out} } = '';
    send_to($self, $sql);
    return heard($self);
}

sub finish {
    my ($self) = @_;
    ${ $self->{in} } .= "\\q\n";
    $self->{run}->finish;
    is(${ $self->{err} }, '', 'the session saw no error');
    return;
}

sub start {
    my ($name, $sql, $role) = @_;
    return value("SET ROLE $role; SELECT zdm_create('$name', \$\$$sql\$\$); SELECT zdm_start('$name', 'done')");
}

# The relation for which the worker of a migration queues right now; empty when it doesn't come to that
# within the limit.
sub queues_for {
    my ($name) = @_;
    my $sql = "SELECT l.relation::regclass FROM pg_locks l JOIN zdm.migrations m ON m.worker_pid = l.pid"
        . " WHERE NOT l.granted AND l.locktype = 'relation' AND m.name = '$name'";
    for (1 .. 100) {
        my $found = value($sql);
        return $found if $found ne '';
        select undef, undef, undef, 0.02;
    }
    return '';
}

my $waiting = 'SELECT waiting_for FROM zdm.migrations WHERE name = ';
value(q{CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE root SUPERUSER LOGIN; CREATE SCHEMA shop AUTHORIZATION ann; GRANT USAGE ON SCHEMA shop TO bob});
for my $t (qw(parent child t u)) {
    value("SET ROLE ann; CREATE TABLE shop.$t (id int PRIMARY KEY, r int, note text); GRANT ALL ON shop.$t TO bob;"
        . "INSERT INTO shop.$t SELECT g, g, repeat('x', 60) FROM generate_series(1, 2000) g; ANALYZE shop.$t");
}

# --- who it is, and what he does ---
my $bob = session('till', 'bob');
say_to($bob, q{BEGIN; SELECT count(*) FROM shop.t WHERE note <> 'secret'});
say_to($bob, q{SELECT count(*) FROM shop.u WHERE note <> 'secret'});
start('of ann', 'ALTER TABLE shop.t ADD COLUMN c int', 'ann');
start('of root', 'ALTER TABLE shop.u ADD COLUMN c int', 'root');
my $who = "^waiting for a lock: pid $bob->{pid} \\(till, role bob, idle in transaction, transaction open for \\d+ s\\) holds ACCESS SHARE on shop\\.";
ok(poll_until($node, "SELECT waiting_for ~ '${who}t\$' FROM zdm.migrations WHERE name = 'of ann'"),
    'a lock in the way: pid, application and role of its holder, and no query that ann may not see');
ok(poll_until($node, "SELECT waiting_for ~ '${who}u; last query: SELECT count\\(\\*\\) FROM shop\\.u WHERE note <> ''secret''' FROM zdm.migrations WHERE name = 'of root'"),
    'with the query for a superuser');
is(value("SET ROLE ann; SELECT count(*) FROM zdm.migrations WHERE waiting_for LIKE '%secret%'"), '0', 'ann sees no query');
is(value("SET ROLE ann; SELECT count(*) FROM zdm.migrations WHERE waiting_for LIKE '%(till, role bob%'"), '1', 'but the rest');
my $ann = session('office', 'ann');
is(say_to($ann, q{SELECT count(*) FROM shop.t; UPDATE shop.t SET r = 0 WHERE id = 1; SELECT count(*) FROM shop.u}), "2000\n2000\nsaid 2\n",
    'nobody queues while the holder holds');
say_to($bob, 'COMMIT');
is(wait_state($node, $_, 'done'), 'done', "$_ ends when he lets go") for 'of ann', 'of root';

# --- one who is in the queue behind zdm ---
# The holder's transaction is young, so zdm tries; the reader gets through while the holder still holds.
value(q{ALTER DATABASE postgres SET zdm.lock_timeout = '1s'});
my $queued = '';
for my $try (1 .. 20) {
    say_to($bob, 'BEGIN');
    say_to($bob, 'SELECT count(*) FROM shop.t');
    start("queue $try", "ALTER TABLE shop.t ADD COLUMN d$try int", 'ann');
    $queued = queues_for("queue $try");
    send_to($ann, 'SELECT count(*) FROM shop.t');
    like(heard($ann), qr/2000/, 'a reader behind zdm gets through before the holder ends') if $queued ne '';
    is(migration_state($node, "queue $try"), 'expanding', 'zdm does not');
    ok(poll_until($node, "SELECT waiting_for LIKE '%pid $bob->{pid} (till%' FROM zdm.migrations WHERE name = 'queue $try'"), 'and says who holds');
    say_to($bob, 'COMMIT');
    is(wait_state($node, "queue $try", 'done'), 'done', 'then it does');
    last if $queued ne '';
}
is($queued, 'shop.t', 'zdm was in the queue');

# --- two tables, each held by somebody else ---
# One deadline for both: the one that is free is not kept while the other is waited for.
value(q{ALTER DATABASE postgres SET zdm.lock_timeout = '10s'});
my $cat = session('cellar', 'bob');
my %holder = ('shop.child' => $bob, 'shop.parent' => $cat);
my ($first, $other);
for my $try (1 .. 20) {
    say_to($holder{$_}, "BEGIN; UPDATE $_ SET note = 'y' WHERE id = 1") for sort keys %holder;
    start("two $try", "ALTER TABLE shop.child ADD CONSTRAINT child_fk$try FOREIGN KEY (r) REFERENCES shop.parent (id)", 'ann');
    $first = queues_for("two $try");
    if ($first ne '') {
        ($other) = grep { $_ ne $first } keys %holder;
        send_to($ann, "UPDATE $first SET note = 'z' WHERE id = 2");
        ok(poll_until($node, "SELECT count(*) FROM pg_locks WHERE pid = $ann->{pid} AND NOT granted", '1'), "an application queues behind zdm for $first");
        say_to($holder{$first}, 'COMMIT');
        heard($ann);
        pass('and gets through when its holder ends, while the other table is still held');
        is(value("SELECT count(*) FROM pg_locks l JOIN zdm.migrations m ON m.worker_pid = l.pid WHERE NOT l.granted"), '0',
            'zdm queues for neither');
        ok(poll_until($node, "SELECT waiting_for LIKE '%pid $holder{$other}{pid} (%) holds ROW EXCLUSIVE on $other%' FROM zdm.migrations WHERE name = 'two $try'"),
            'and says who holds the other');
    }
    else {
        say_to($holder{'shop.child'}, 'COMMIT');
        $other = 'shop.parent';
    }
    say_to($holder{$other}, 'COMMIT');
    is(wait_state($node, "two $try", 'done'), 'done', 'it ends when both are free');
    last if $first ne '';
}
isnt($first, '', 'zdm was in the queue');
value(q{ALTER DATABASE postgres RESET zdm.lock_timeout});
finish($cat);

# --- autovacuum ---
value(q{ALTER TABLE shop.u SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
    UPDATE shop.u SET r = r + 1});
value(q{ALTER SYSTEM SET autovacuum_naptime = '1s'});
$node->reload;
ok(poll_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%VACUUM%shop.u%'}, '1'),
    'autovacuum is at work on the table');
start('vacuumed', 'ALTER TABLE shop.u ADD COLUMN e int', 'ann');
is(wait_state($node, 'vacuumed', 'done'), 'done', 'it is no reason to wait');
like(read_log($node), qr/canceling autovacuum task\n.{0,400}automatic vacuum of table "postgres\.shop\.u"/s, 'it gave way');
value(q{ALTER TABLE shop.u SET (autovacuum_enabled = off)});

# --- an index build waits for who might still look at the table, and makes nobody wait ---
say_to($bob, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.parent');
start('indexed', 'CREATE INDEX t_note_idx ON shop.t (note)', 'ann');
ok(poll_until($node, $waiting . q{'indexed'}, "waiting for pid $bob->{pid} (till) to end its transaction"),
    'an index build waits for a reader, who is named');
say_to($ann, q{INSERT INTO shop.t VALUES (5000, 1, 'new'); UPDATE shop.t SET note = 'new' WHERE id = 2; SELECT count(*) FROM shop.t});
is(migration_state($node, 'indexed'), 'expanding', 'others read and write the table meanwhile');
say_to($bob, 'COMMIT');
is(wait_state($node, 'indexed', 'done'), 'done', 'it ends when the reader does');
is(value(q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop.t_note_idx'::regclass}), 't', 'the index is valid');
finish($_) for $ann, $bob;

done_testing();
