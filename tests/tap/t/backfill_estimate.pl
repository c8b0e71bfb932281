# zdm_estimate beside the backfill that it speaks of: what happens lies in the ranges that were given. No range of
# time is judged.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('estimate', conf => "autovacuum = off\nmax_wal_size = 4GB\ncheckpoint_timeout = 1h\nmax_prepared_transactions = 2\n");
my @names = qw(pages pages_sampled rows_min rows_max indexes hot moved_min moved_max wal_min wal_max table_growth_min
    table_growth_max index_growth_min index_growth_max seconds_min seconds_max);

sub value { return $node->safe_psql('postgres', $_[0]) }

sub literal { return "'" . ($_[0] =~ s/'/''/gr) . "'" }

sub estimate {
    my ($table, $set, $where) = @_;
    my %e;
    @e{@names} = split /\|/, value('SELECT ' . join(', ', @names) . " FROM zdm_estimate('$table', "
            . literal($set) . ', ' . literal($where) . q{, '{"duty": 1}')});
    return \%e;
}

# The table, and its partitions.
sub tree { return "(SELECT '$_[0]'::regclass UNION SELECT relid FROM pg_partition_tree('$_[0]'))" }

# Bytes of the table, with TOAST, and of its indexes.
sub sizes {
    return split /\|/, value("SELECT sum(pg_relation_size(oid) + CASE WHEN reltoastrelid = 0 THEN 0"
            . " ELSE pg_relation_size(reltoastrelid) END), sum(pg_indexes_size(oid)) FROM pg_class WHERE oid IN " . tree($_[0]));
}

# Of what is counted of changed rows.
sub counted { return value("SELECT $_[1] FROM pg_stat_user_tables WHERE relid IN " . tree($_[0])) }

sub within {
    my ($e, $what, $truth, $name) = @_;
    my ($low, $high) = @$e{"${what}_min", "${what}_max"};
    ok($low <= $truth && $truth <= $high, "$name: $what: $low <= $truth <= $high");
    return;
}

# Estimates a backfill, makes it, compares.
sub compare {
    my ($table, $set, $where) = @_;
    my $e = estimate($table, $set, $where);
    my $rows = value("SELECT count(*) FROM $table WHERE $where");
    my ($heap, $indexes) = sizes($table);
    value('CHECKPOINT');
    value("SELECT zdm_backfill('$table', " . literal($set) . ', ' . literal($where) . qq{, '$table', '{"duty": 1}')});
    is(wait_state($node, $table, 'done'), 'done', "$table: filled");
    my ($heap_now, $indexes_now) = sizes($table);
    my ($filled, $wal) = split /\|/,
        value("SELECT rows_done, wal_bytes FROM zdm.progress WHERE migration = '$table' AND kind = 'backfill'");
    is($filled, $rows, "$table: its rows");
    within($e, 'rows', $rows, $table);
    within($e, 'wal', $wal, $table);
    within($e, 'table_growth', $heap_now - $heap, $table);
    within($e, 'index_growth', $indexes_now - $indexes, $table);
    if ($rows > 0) {
        ok(poll_until($node, "SELECT sum(n_tup_upd) >= $rows FROM pg_stat_user_tables WHERE relid IN " . tree($table)),
            "$table: its statistics are in");
        within($e, 'moved', 1 - counted($table, 'sum(n_tup_hot_upd) / sum(n_tup_upd)'), $table);
    }
    note("$table took " . value("SELECT extract(epoch FROM finished_at - started_at) FROM zdm.progress"
                . " WHERE migration = '$table' AND kind = 'backfill'") . ' s');
    note(join(', ', map { "$_ $e->{$_}" } @names));
    return $e;
}

# A table of about 650 full pages, with four indexes.
sub narrow {
    my ($name) = @_;
    value("CREATE TABLE $name (id int PRIMARY KEY, email text, note text, a int, b int, c text);"
            . "INSERT INTO $name SELECT g, g || '\@example.org', repeat('x', 70), g % 100, (g * 7919) % 40000, NULL"
            . ' FROM generate_series(1, 40000) g;'
            . "CREATE INDEX ON $name (email); CREATE INDEX ON $name (note, id); CREATE INDEX ON $name (b);");
    value("VACUUM ANALYZE $name");
    return;
}

narrow($_) for qw(narrow indexed hundredth);
my $e = compare('narrow', q{c = 'unknown'}, 'c IS NULL');
is($e->{hot}, 't', 'narrow rows: HOT is possible');
is($e->{pages_sampled}, 300, 'a sample is read');
cmp_ok($e->{table_growth_max}, '<', 0.5 * $e->{pages} * 8192, 'and the range says something');
cmp_ok($e->{rows_min}, '>', 38000, 'about rows too');

$e = compare('indexed', q{email = 'new' || id, c = 'x'}, 'c IS NULL');
is($e->{hot}, 'f', 'an indexed column is set: HOT is not possible');
is($e->{moved_max}, 1, 'all rows go into all indexes');

$e = compare('hundredth', q{c = 'unknown'}, 'c IS NULL AND a = 1');
cmp_ok($e->{rows_max}, '<', 600, 'one row of a hundred');

# --- partitions: one that grows, one whose columns stand otherwise and of which few rows match, one without rows ---
value(q{CREATE TABLE parted (id int PRIMARY KEY, note text, c text) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100000);
    CREATE TABLE parted_2 (x int, c text, id int NOT NULL, note text); ALTER TABLE parted_2 DROP COLUMN x;
    ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100000) TO (200000);
    CREATE TABLE parted_3 PARTITION OF parted DEFAULT; CREATE INDEX ON parted (note);
    INSERT INTO parted SELECT g, repeat('x', 70), NULL FROM generate_series(1, 20000) g;
    INSERT INTO parted SELECT g, repeat('x', 70), CASE WHEN g % 20 <> 0 THEN 'set' END FROM generate_series(100001, 120000) g});
value('VACUUM ANALYZE parted');
$e = compare('parted', q{c = 'unknown' || parted.id}, 'parted.c IS NULL');
is($e->{hot}, 't', 'partitions: HOT is possible');
is($e->{indexes}, 2, 'the indexes of each');
is(value(q{BEGIN; SELECT rows_max < 100 FROM zdm_estimate('parted', 'c = ''x''', 'c IS NULL');
    SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relname LIKE 'parted\_%'; COMMIT}),
    "t\n0", 'partitions are not kept locked');

# --- values that lie beside the table, and ones that will ---
value(q{CREATE TABLE wide (id int PRIMARY KEY, body text, c text, d text);
    ALTER TABLE wide ALTER body SET STORAGE EXTERNAL, ALTER d SET STORAGE EXTERNAL;
    INSERT INTO wide SELECT g, repeat(md5(g::text), 150), NULL, NULL FROM generate_series(1, 3000) g});
value('VACUUM ANALYZE wide');
value('CREATE TABLE wider (LIKE wide INCLUDING STORAGE INCLUDING INDEXES); INSERT INTO wider SELECT * FROM wide');
value('VACUUM ANALYZE wider');
$e = compare('wide', q{c = 'unknown'}, 'c IS NULL');
cmp_ok($e->{table_growth_max}, '<', 3000 * 1000, 'what lies beside the table stays there');
$e = compare('wider', 'd = body', 'd IS NULL AND body IS NOT NULL');
cmp_ok($e->{table_growth_min}, '>', 3000 * 1000, 'and what will lie there counts');

# --- nothing there, nothing known ---
value('CREATE TABLE nothing (id int PRIMARY KEY, c text)');
$e = compare('nothing', q{c = 'x'}, 'c IS NULL');
is($e->{rows_max}, 0, 'an empty table');
value(q{CREATE TABLE unknown (id int, b text, c text);
    INSERT INTO unknown SELECT g, repeat('y', 50), NULL FROM generate_series(1, 30000) g; CREATE INDEX ON unknown (id)});
value(q{UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname LIKE 'unknown%'});
compare('unknown', q{c = 'x'}, 'c IS NULL AND id % 2 = 0');

# --- nothing is written, and little is locked ---
narrow('quiet');
value('CREATE TABLE log (t text)');
value(q{CREATE FUNCTION shout(t text) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN INSERT INTO log VALUES (t); RETURN t; END';
    CREATE FUNCTION tell(t text) RETURNS text LANGUAGE sql STABLE AS 'SELECT shout(t)'});
my $migrations = value('SELECT count(*) FROM zdm.migrations');
like(value(q{SELECT notes FROM zdm_estimate('quiet', 'c = coalesce(shout(email), ''x'')', 'c IS NULL AND shout(email) <> ''x''')}),
    qr/WHERE calls a volatile function.*SET calls a volatile function/, 'volatile functions are not called');
$e = estimate('quiet', q{c = coalesce(shout(email), 'x')}, 'c IS NULL');
is($e->{hot}, 't', 'the rest is told all the same');
like(value(q{SELECT notes FROM zdm_estimate('quiet', 'c = tell(email)', 'c IS NULL AND tell(email) IS NOT NULL')}),
    qr/WHERE writes, .*cannot execute INSERT in a read-only transaction/, 'a function that only pretends not to write is kept from it');
is(value('SELECT count(*) FROM log'), '0', 'nothing was written');
is(value('SELECT count(*) FROM zdm.migrations'), $migrations, 'no migration was made');
is(value(q{BEGIN; SELECT rows_min > 0 FROM zdm_estimate('quiet', 'c = ''x''', 'c IS NULL');
    SELECT string_agg(DISTINCT mode, ' ') FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
     WHERE l.pid = pg_backend_pid() AND c.relname LIKE 'quiet%'; COMMIT}), "t\nAccessShareLock", 'ACCESS SHARE and no more');

# --- who is in the way ---
value(q{BEGIN; LOCK TABLE quiet; PREPARE TRANSACTION 'holder'});
my (undef, undef, $stderr) = $node->psql('postgres', q{SET lock_timeout = '200ms'; SELECT * FROM zdm_estimate('quiet', 'c = ''x''', 'c IS NULL')});
like($stderr, qr/ZD313: .*locked/, 'a locked table is not waited for without an end');
value(q{ROLLBACK PREPARED 'holder'});
value(q{BEGIN; INSERT INTO log VALUES ('old'); PREPARE TRANSACTION 'old'});
my $held = value(q{SELECT table_growth_max FROM zdm_estimate('quiet', 'c = ''unknown''', 'c IS NULL')});
is(value(q{SELECT horizon FROM zdm_estimate('quiet', 'c = ''x''', 'c IS NULL')}), 'prepared transaction old', 'an old transaction is named');
value(q{ROLLBACK PREPARED 'old'});
cmp_ok($held, '>', value(q{SELECT table_growth_max FROM zdm_estimate('quiet', 'c = ''unknown''', 'c IS NULL')}),
    'and makes the table grow more');

done_testing();
