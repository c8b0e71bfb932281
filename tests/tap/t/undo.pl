# A rollback that brings back what was loosened makes nobody wait: what scans or builds does so under locks that
# block neither reads nor writes, and the others are held for moments. Rows that came in between and refuse a
# constraint are named, and nothing is lost.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;

my $deadline = 100;
my $node = new_node('undo', conf => "zdm.lock_timeout = ${deadline}ms\nmax_wal_size = 4GB\n");

sub value { return $node->safe_psql('postgres', $_[0]) }

# Each constraint that a migration may drop, on enough rows that building and checking takes a while.
value(<<'SQL');
CREATE ROLE app LOGIN;
ALTER ROLE app SET deadlock_timeout = '5ms';
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int CONSTRAINT orders_pkey PRIMARY KEY, user_id int NOT NULL CONSTRAINT orders_user_fk REFERENCES users,
    code text NOT NULL CONSTRAINT orders_code_key UNIQUE, price int NOT NULL CONSTRAINT orders_price_check CHECK (price > 0));
INSERT INTO users SELECT g, 'name ' || g FROM generate_series(1, 20000) g;
INSERT INTO orders SELECT g, 1 + g % 20000, md5(g::text), g FROM generate_series(1, 200000) g;
CREATE SEQUENCE fresh START 1000000;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON fresh TO app;
SQL
$node->safe_psql('postgres', 'VACUUM ANALYZE');
my $before = schema_dump($node, 'postgres', '-N', 'zdm');

my $loosen = <<'SQL';
ALTER TABLE orders DROP CONSTRAINT orders_code_key, DROP CONSTRAINT orders_user_fk, DROP CONSTRAINT orders_price_check,
    DROP CONSTRAINT orders_pkey, ALTER price DROP NOT NULL;
CREATE INDEX orders_user_id_idx ON orders (user_id);
ALTER TABLE orders ADD COLUMN note text NOT NULL;
UPDATE orders SET note = 'none' WHERE note IS NULL;
SQL

# Expanded: all constraints are gone.
sub loosened {
    my ($name) = @_;
    value("SELECT zdm_create('$name', \$\$$loosen\$\$)");
    value("SELECT zdm_start('$name', 'expanded')");
    return is(wait_state($node, $name, 'expanded'), 'expanded', "$name: the constraints are gone");
}

sub schema_is_back {
    return is(schema_dump($node, 'postgres', '-N', 'zdm'), $before, "$_[0]: the schema is as it was");
}

# Writers all the while. pgbench says at its end how many transactions failed.
my $load = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
append_to_file($load, <<'SQL');
\set id random(1, 200000)
UPDATE orders SET price = price + 1 WHERE id = :id;
INSERT INTO orders (id, user_id, code, price) SELECT n, 1 + n % 20000, md5(n::text), 1 FROM nextval('fresh') n;
SELECT count(*) FROM orders WHERE user_id = :id;
SQL
sub writers {
    my $out = '';
    my $run = IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-c', 3, '-R', 60, '-T', 600, '-f', $load,
            $node->connstr('postgres') ], '<', \undef, '>&', \$out);
    return $run;
}

loosened('calm');
# Updates look for rows by a key that is not there any more: an index that has nothing to do with zdm helps them.
value('CREATE INDEX spare ON orders (id)');
my $from = -s $node->logfile;
my $run = writers();
ok(poll_until($node, q{SELECT count(*) >= 3 FROM pg_stat_activity WHERE usename = 'app'}), 'writers write');
value(q{SELECT zdm_rollback('calm')});
is(wait_state($node, 'calm', 'rolled_back'), 'rolled_back', 'a rollback under load');
my $app = value(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'});
is($app, 3, 'no writer has ended with an error');
$run->kill_kill(grace => 2);
value('DROP INDEX spare');
my $log = slurp_file($node->logfile, $from);
my @waits = $log =~ /acquired \w+Lock on relation \d+ of database \d+ after ([\d.]+) ms/g;
my ($longest) = (sort { $b <=> $a } @waits, 0);
note(scalar(@waits) . " waits for locks on tables of more than 5 ms, the longest of $longest ms");
# The deadline, the moment that the locks are held, and a slow machine.
cmp_ok($longest, '<', 4 * $deadline, 'nobody waited for longer than the deadline and a moment');
unlike($log, qr/ERROR:(?! canceling statement due to lock timeout)/, 'no errors');
schema_is_back('calm');

# What the worker holds while it scans or builds, and that writes go through meanwhile.
sub weak_locks_only {
    my ($what) = @_;
    is(value(q{SELECT DISTINCT l.mode FROM pg_locks l JOIN zdm.migrations m ON m.worker_pid = l.pid}
            . q{ WHERE l.relation = 'orders'::regclass AND l.granted AND l.mode <> 'AccessShareLock'}),
        'ShareUpdateExclusiveLock', "$what: the lock blocks no writes");
    is(value(q{SELECT count(*) FROM pg_locks l JOIN zdm.migrations m ON m.worker_pid = l.pid WHERE l.granted}
            . q{ AND l.relation = 'users'::regclass AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')}),
        0, "$what: nor does that on the referenced table");
    is(value(q{SET lock_timeout = '2s'; UPDATE orders SET price = price + 1 WHERE id < 10;}
            . q{ UPDATE users SET name = name || '!' WHERE id < 10; SELECT 'written'}),
        'written', "$what: an application writes");
    return;
}

# A transaction that has written to the table and stays open: a build waits for it.
sub open_transaction {
    my ($in, $out) = ("BEGIN; UPDATE orders SET price = price + 1 WHERE id = 77;\n\\echo begun\n", '');
    my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
        '<', \$in, '>', \$out, IPC::Run::timeout($ZdmTest::timeout));
    $session->pump until $out =~ /begun/ || !$session->pumpable;
    return sub { $in .= "COMMIT;\n\\q\n"; $session->finish; return };
}

loosened('held');
my @parts = ([ 'validate', 1 ], [ 'index', 1 ], [ 'validate', 2 ], [ 'validate', 3 ], [ 'index', 2 ]);
my %hold;
for my $part (@parts) {
    my $point = "undo_$part->[0]:before_commit#$part->[1]";
    $hold{$point} = stop_at($node, $point);
}
value(q{SELECT zdm_rollback('held')});
for my $part (@parts) {
    my ($kind, $n) = @$part;
    my $point = "undo_$kind:before_commit#$n";
    ok(wait_at($node, $point), "the worker is at $point");
    if ($kind eq 'validate') {
        weak_locks_only("VALIDATE $n");
        release($hold{$point});
        next;
    }
    my $commit = open_transaction();
    release($hold{$point});
    ok(poll_until($node, q{SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting for%'}),
        'the build waits for an old transaction');
    weak_locks_only("build $n");
    $commit->();
}
is(wait_state($node, 'held', 'rolled_back'), 'rolled_back', 'held: it went on to the end');
schema_is_back('held');

# Rows that came in between: named, one constraint after the other, the last dropped first.
my $failure = q{SELECT sqlstate || ' ' || message || ' | ' || detail || ' | ' || hint FROM zdm.migrations WHERE name = 'rows'};
loosened('rows');
value(q{INSERT INTO orders VALUES (-1, 1, 'null', NULL, ''), (-2, 1, 'minus', -5, ''), (-3, 0, 'orphan', 5, ''),
    (-4, 1, 'twice', 5, ''), (-5, 1, 'twice', 5, ''), (-6, 1, 'same', 5, ''), (-6, 1, 'key', 5, '')});
value(q{SELECT zdm_rollback('rows')});
my @refused = (
    [ qr/^23502 ZD202: 1 rows? of public\.orders violates? NOT NULL of price \| For example: \(\d+,\d+\)\./, 'UPDATE orders SET price = 1 WHERE id = -1' ],
    [ qr/^23505 .*orders_pkey.* \| Key \(id\)=\(-6\) is duplicated/, q{DELETE FROM orders WHERE code = 'same'} ],
    [ qr/^23514 ZD202: 1 rows? .* violates? orders_price_check \| For example: .*id = -2\b/, 'UPDATE orders SET price = 5 WHERE id = -2' ],
    [ qr/^23503 ZD202: 1 rows? .* violates? orders_user_fk \| For example: .*id = -3\b/, 'UPDATE orders SET user_id = 1 WHERE id = -3' ],
    [ qr/^23505 .*orders_code_key.* \| Key \(code\)=\(twice\) is duplicated/, 'DELETE FROM orders WHERE id = -5' ]);
for my $refused (@refused) {
    my ($text, $cure) = @$refused;
    is(wait_state($node, 'rows', 'failed'), 'failed', 'it stops');
    my $said = value($failure);
    like($said, $text, 'and says at which rows');
    like($said, qr/zdm_resume\('rows'\); or .*zdm_rollback\('rows', keep => true\)/, 'and what to do');
    is(value(q{SELECT count(*) FROM pg_index WHERE NOT indisvalid}), 0, 'no invalid index stays');
    value($cure);
    value(q{SELECT zdm_resume('rows')});
}
is(wait_state($node, 'rows', 'rolled_back'), 'rolled_back', 'with the rows corrected it ends');
schema_is_back('rows');
is(value('SELECT count(*) FROM orders WHERE id < 0'), 5, 'no other row was touched');
value('DELETE FROM orders WHERE id < 0');

# Left as it is in the middle, the rest is SQL for later.
loosened('kept');
value(q{INSERT INTO orders VALUES (-2, 1, 'minus', -5, '')});
value(q{SELECT zdm_rollback('kept')});
is(wait_state($node, 'kept', 'failed'), 'failed', 'it stops');
my $later = value(q{SELECT zdm_rollback('kept', keep => true)});
is(wait_state($node, 'kept', 'rolled_back'), 'rolled_back', 'kept as it is');
value('DELETE FROM orders WHERE id < 0');
is($later, <<"SQL", 'the SQL for later is what is left, safe to run');
SET lock_timeout = '${deadline}ms';
ALTER TABLE public.orders ADD CONSTRAINT orders_price_check CHECK (price > 0) NOT VALID;
SET lock_timeout = 0;
ALTER TABLE public.orders VALIDATE CONSTRAINT orders_price_check;
SET lock_timeout = '${deadline}ms';
ALTER TABLE public.orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID;
SET lock_timeout = 0;
ALTER TABLE public.orders VALIDATE CONSTRAINT orders_user_fk;
CREATE UNIQUE INDEX CONCURRENTLY orders_code_key ON public.orders USING btree (code);
SET lock_timeout = '${deadline}ms';
ALTER TABLE public.orders ADD CONSTRAINT orders_code_key UNIQUE USING INDEX orders_code_key;
SQL
my ($in, $out) = ($later, '');
IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ], '<', \$in, '>&', \$out);
is($out, '', 'it runs');
schema_is_back('kept');

# An index that somebody made under the name before the step began is not the migration's to drop.
my $hold = stop_at($node, 'index:begin');
value(q{SELECT zdm_create('taken', 'CREATE INDEX orders_price_idx ON orders (price)'); SELECT zdm_start('taken')});
ok(wait_at($node, 'index:begin'), 'the step is about to begin');
value('CREATE INDEX orders_price_idx ON orders (price) WHERE price > 5');
release($hold);
is(wait_state($node, 'taken', 'failed'), 'failed', 'the name is taken');
value(q{SELECT zdm_rollback('taken')});
is(wait_state($node, 'taken', 'rolled_back'), 'rolled_back', 'and the migration goes');
like(value(q{SELECT pg_get_indexdef('orders_price_idx'::regclass)}), qr/WHERE/, 'the index stays');

done_testing();
