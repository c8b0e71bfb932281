# RENAME COLUMN and ALTER COLUMN TYPE of a partitioned table, of a column that is in its primary key and one that is not, and ALTER COLUMN TYPE of an
# inheritance tree, and of two tables together, with kill -9 in the steps that do something for each table and in those that hand everything over, forward and back: it ends as
# without a crash.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmCrashShop qw(begin_sql share);
use ZdmTest;

my $node = new_node('parts_killed', extension => 0);

my $tables = <<'SQL';
CREATE EXTENSION zdm;
CREATE SCHEMA shop AUTHORIZATION app;
SET ROLE app;
SET search_path = shop;
CREATE TABLE kind (id int PRIMARY KEY);
CREATE TABLE item (k int, shard int, n int NOT NULL DEFAULT 7 CONSTRAINT item_n_check CHECK (n > 0) CONSTRAINT item_n_fk REFERENCES kind,
    PRIMARY KEY (k, shard), CONSTRAINT item_n_key UNIQUE (n, k, shard)) PARTITION BY LIST (shard);
CREATE TABLE item_1 PARTITION OF item FOR VALUES IN (1);
CREATE TABLE item_2 PARTITION OF item FOR VALUES IN (2) PARTITION BY HASH (shard);
CREATE TABLE item_20 PARTITION OF item_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE INDEX item_n_idx ON item (n, k);
CREATE INDEX item_1_own ON item_1 (n);
ALTER TABLE item_20 ADD CONSTRAINT item_20_own CHECK (n < 1000000);
CREATE TABLE tree (n int DEFAULT 7 CONSTRAINT tree_n_check CHECK (n > 0), m int, PRIMARY KEY (n));
CREATE TABLE tree_1 (n int CONSTRAINT tree_n_not_null NOT NULL DEFAULT 7, extra int, CONSTRAINT tree_1_own CHECK (n > extra) NO INHERIT) INHERITS (tree);
ALTER TABLE tree_1 ADD PRIMARY KEY (n);
CREATE TABLE tree_10 (m int, n int CONSTRAINT tree_n_not_null NOT NULL DEFAULT 7 CONSTRAINT tree_n_check CHECK (n > 0)) INHERITS (tree_1);
CREATE INDEX tree_10_own ON tree_10 (n, extra);
CREATE TABLE one (id int PRIMARY KEY, v int);
CREATE TABLE two (id int REFERENCES one ON DELETE SET NULL ON UPDATE CASCADE, w int);
SQL
my $rows = <<'SQL';
SET search_path = shop;
INSERT INTO kind SELECT g FROM generate_series(1, 60) g;
INSERT INTO item SELECT g, 1 + g % 2, 1 + g % 60 FROM generate_series(1, 2000) g;
INSERT INTO tree SELECT g, g FROM generate_series(1, 500) g;
INSERT INTO tree_1 (n, m) SELECT g, g FROM generate_series(501, 1000) g;
INSERT INTO tree_10 (n, m) SELECT g, g FROM generate_series(1001, 1500) g;
INSERT INTO one SELECT g, g FROM generate_series(1, 500) g;
INSERT INTO two SELECT g, g FROM generate_series(1, 500) g;
SQL
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE DATABASE base');
$node->safe_psql('base', $tables);
$node->safe_psql('postgres', 'CREATE DATABASE empty TEMPLATE base');
$node->safe_psql('base', $rows);

my %change = (
    rename => { sql => 'ALTER TABLE item RENAME COLUMN k TO key;', end => 'ready' },
    other => { sql => 'ALTER TABLE item RENAME COLUMN n TO amount;', end => 'ready' },
    retype => { sql => 'ALTER TABLE item ALTER COLUMN k TYPE bigint;', end => 'switched' },
    retype_other => { sql => 'ALTER TABLE item ALTER COLUMN n TYPE bigint;', end => 'switched' },
    both => { sql => 'ALTER TABLE two ALTER id TYPE bigint; ALTER TABLE one ALTER id TYPE bigint, ALTER v TYPE bigint;', end => 'switched' },
    tree => { sql => 'ALTER TABLE tree ALTER COLUMN n TYPE bigint;', end => 'switched' },
);
for my $name (sort keys %change) {
    $node->safe_psql('postgres', "CREATE DATABASE plain_$name TEMPLATE empty");
    $node->safe_psql("plain_$name", "SET ROLE app; SET search_path = shop; $change{$name}{sql}");
    $change{$name}{plain} = dump_of("plain_$name");
}
my $before = dump_of('base');
my $sums = 'SELECT sum(%s::numeric * %s * shard), count(*) FROM shop.item UNION ALL SELECT sum(n::numeric * m), count(n) FROM shop.tree'
    . ' UNION ALL SELECT sum(id::numeric * v * w), count(*) FROM shop.one JOIN shop.two USING (id)';
my $sum = $node->safe_psql('base', sprintf $sums, 'k', 'n');

sub dump_of { return columns_sorted(schema_dump($node, $_[0], '-n', 'shop')) }
sub call { my ($db, $sql) = @_; return $node->safe_psql($db, "SET ROLE app; SELECT $sql") }

my $litter = q{SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%zdm%' UNION ALL SELECT conname FROM pg_constraint WHERE conname LIKE '%zdm%'}
    . q{ UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'zdm\_%' AND relkind IN ('i', 'I')}
    . q{ UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid};

sub go {
    my ($name, $db) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE base");
    $node->safe_psql($db, begin_sql($change{$name}{sql}, $change{$name}{end}));
    return;
}

sub killed_at {
    my ($point, $db, $session) = @_;
    ok(wait_at($node, $point, undef, $db), "$db: the worker is there");
    ok(kill9($node, worker_pids($node, $db)), "$db: the server is back after kill -9");
    release($session);
    # It may be at the end already.
    $node->psql($db, q{SET ROLE app; SELECT zdm_resume('m')});
    return;
}

sub ended {
    my ($db, $schema, @columns) = @_;
    is(dump_of($db), $schema, "$db: the schema is right");
    is($node->safe_psql($db, sprintf $sums, @columns), $sum, "$db: and so are the rows");
    is($node->safe_psql($db, $litter), '', "$db: nothing is left behind");
    return;
}

my $number = 0;

# Forward, with a crash on the way to where it waits or in contract.
sub forward {
    my ($name, $point, @columns) = @_;
    my $db = "forward_" . ++$number;
    note("$db: $name, $point");
    $node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE base");
    my $session = stop_at($node, $point, $db);
    $node->safe_psql($db, begin_sql($change{$name}{sql}, $change{$name}{end}));
    my $late = $point =~ /unsync/;
    killed_at($point, $db, $session) unless $late;
    is(wait_state($node, 'm', $change{$name}{end}, undef, $db), $change{$name}{end}, "$db: $change{$name}{end}");
    call($db, q{zdm_contract('m', true, 'a test')});
    killed_at($point, $db, $session) if $late;
    is(wait_state($node, 'm', 'done', undef, $db), 'done', "$db: done");
    ended($db, $change{$name}{plain}, @columns);
    return;
}

sub back {
    my ($name, $point) = @_;
    my $db = "back_" . ++$number;
    note("$db: $name, $point");
    go($name, $db);
    is(wait_state($node, 'm', $change{$name}{end}, undef, $db), $change{$name}{end}, "$db: $change{$name}{end}");
    my $session = stop_at($node, $point, $db);
    call($db, q{zdm_rollback('m')});
    killed_at($point, $db, $session);
    is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', "$db: rolled back");
    ended($db, $before, 'k', 'n');
    return;
}

forward('rename', $_, 'key', 'n') for share(0, qw(index:after_commit#2 ddl:before_commit#3 unsync:before_commit#1 unsync:after_commit#1));
forward('other', $_, 'k', 'amount') for share(1, qw(attach:before_commit#2 ddl:after_commit#2 last_pass:before_mark#1 unsync:before_commit#1));
forward('retype', $_, 'k', 'n') for share(2, qw(index:after_commit#3 sync:before_commit#2 sync:after_commit#2 unsync:before_commit#1));
forward('retype_other', $_, 'k', 'n') for share(3, qw(sync:before_commit#2 unsync:after_commit#1));
# Each table of the tree has its trigger before the switch.
forward('tree', $_, 'k', 'n') for share(8, qw(sync:before_commit#4 sync:after_commit#4 unsync:before_commit#1));
# The triggers of both tables come before, and the one that is referred to is the first.
forward('both', $_, 'k', 'n') for share(10, qw(sync:before_commit#3 sync:after_commit#3 unsync:before_commit#2));
back('rename', $_) for share(4, qw(undo_drop_index:before_mark#1 undo_ddl:before_commit#2));
back('other', $_) for share(5, qw(undo_ddl:after_commit#3 undo_drop_index:before_mark#2));
back('retype', $_) for share(6, qw(undo_sync:before_commit#1 undo_sync:after_commit#1 undo_ddl:before_commit#1));
back('retype_other', $_) for share(7, qw(undo_sync:before_commit#1 undo_ddl:before_commit#1));
back('tree', $_) for share(9, qw(undo_sync:before_commit#1 undo_sync:after_commit#1 undo_unsync:after_commit#2));
back('both', $_) for share(11, qw(undo_sync:before_commit#1 undo_sync:after_commit#1 undo_sync:before_commit#2));
done_testing();
