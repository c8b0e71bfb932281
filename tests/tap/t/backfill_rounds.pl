# Page rounds: a backfill leaves rows on their pages and indexes alone where that is possible, says who keeps it
# from that, goes on without it after a while, and does not try where it can't be.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $node = new_node('rounds', conf => "autovacuum = off\nmax_wal_size = 4GB\n");
my $rows = 40000;

sub value { return $node->safe_psql('postgres', $_[0]) }

# A table of about 650 full pages, with three indexes.
sub table {
    my ($name, @more) = @_;
    value("CREATE TABLE $name (id int PRIMARY KEY, email text, note text, c text);"
            . "INSERT INTO $name SELECT g, g || '\@example.org', repeat('x', 70), NULL FROM generate_series(1, $rows) g;"
            . "CREATE INDEX ON $name (email); CREATE INDEX ON $name (note, id);"
            . join('', map { "$_;" } @more));
    value("VACUUM ANALYZE $name");
    return;
}

sub backfill {
    my ($table, $set, $where) = @_;
    return value("SELECT zdm_backfill('$table', '$set', '$where', '$table', '{\"duty\": 1}') > 0");
}

sub sizes { return split /\|/, value("SELECT pg_relation_size('$_[0]'), pg_indexes_size('$_[0]')") }

# WAL bytes, heap growth and index growth in percent, HOT updates in percent.
sub cost {
    my ($table, $work) = @_;
    my ($heap, $indexes) = sizes($table);
    my $from = value('SELECT pg_current_wal_insert_lsn()');
    $work->();
    my $wal = value("SELECT pg_current_wal_insert_lsn() - '$from'::pg_lsn");
    my ($heap_now, $indexes_now) = sizes($table);
    ok(poll_until($node, "SELECT n_tup_upd >= $rows FROM pg_stat_user_tables WHERE relname = '$table'"), 'its statistics are in');
    my $hot = value("SELECT 100 * n_tup_hot_upd / n_tup_upd FROM pg_stat_user_tables WHERE relname = '$table'");
    return ($wal, 100 * $heap_now / $heap - 100, 100 * $indexes_now / $indexes - 100, $hot);
}

# Records in the WAL by which rows were locked since then.
sub row_locks {
    my ($from) = @_;
    my $to = value('SELECT pg_current_wal_flush_lsn()');
    # Not all files there have something in them.
    my ($out, $err) = run_command([ 'pg_waldump', '-r', 'Heap', '-p', $node->data_dir . '/pg_wal', '-s', $from, '-e', $to,
        map { value("SELECT pg_walfile_name('$_')") } $from, $to ]);
    die $err if $err ne '';
    return scalar(() = $out =~ /desc: LOCK/g);
}

# --- beside a plain UPDATE of an equal table ---
table($_) for qw(plain zdm);
value('CHECKPOINT');
my @plain = cost('plain', sub { value(q{UPDATE plain SET c = 'unknown' WHERE c IS NULL}) });
value('CHECKPOINT');
my $before_zdm = value('SELECT pg_current_wal_insert_lsn()');
my @zdm = cost('zdm', sub { backfill('zdm', q{c = ''unknown''}, 'c IS NULL'); wait_state($node, 'zdm', 'done') });
note(sprintf('%-6s WAL %d, heap +%.0f %%, indexes +%.0f %%, HOT %d %%', @$_)) for [ 'plain', @plain ], [ 'zdm', @zdm ];
is(value('SELECT count(*) FROM zdm WHERE c IS NULL'), '0', 'all rows are filled');
cmp_ok($zdm[0], '<', 0.7 * $plain[0], 'with much less WAL than a plain UPDATE');
cmp_ok($zdm[1], '<', 20, 'the table hardly grows');
cmp_ok($zdm[2], '<', 40, 'its indexes hardly grow');
cmp_ok($zdm[3], '>', 80, 'most rows stay on their page');
# The server itself writes one for a row that moves to another page.
cmp_ok(row_locks($before_zdm), '<', 0.25 * $rows, 'no row is locked before it is changed');

# --- somebody's snapshot sees all old versions ---
table('held');
my $reader = $node->background_psql('postgres');
my $pid = $reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_backend_pid()');
$reader->query_safe(q{SET application_name = 'reader'});
backfill('held', q{c = ''unknown''}, 'c IS NULL');
ok( poll_until($node, "SELECT waiting_for LIKE 'pid $pid (reader) has a snapshot that still sees%' FROM zdm.migrations WHERE name = 'held'"),
    'status says whose snapshot it is');
is(wait_state($node, 'held', 'done'), 'done', 'it goes on without room, and ends');
is(value('SELECT count(*) FROM held WHERE c IS NULL'), '0', 'all rows are filled');
is($reader->query_safe(q{SELECT count(*) FROM held WHERE c IS NULL}), $rows, 'the snapshot sees what it saw');
$reader->quit;

# --- where no update can be HOT, pages are gone over once ---
table('indexed', 'CREATE INDEX ON indexed (c)');
backfill('indexed', q{c = ''unknown''}, 'c IS NULL');
is(wait_state($node, 'indexed', 'done'), 'done', 'an indexed column');
is(value('SELECT count(*) FROM indexed WHERE c IS NULL'), '0', 'all rows are filled');

table('touched', 'CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.email = NEW.id || NEW.c; RETURN NEW; END$$',
    'CREATE TRIGGER touch BEFORE UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch()');
my $before_touched = value('SELECT pg_current_wal_insert_lsn()');
backfill('touched', q{c = ''unknown''}, 'c IS NULL');
is(wait_state($node, 'touched', 'done'), 'done', 'a trigger that sets an indexed column');
is(value(q{SELECT count(*) FROM touched WHERE c IS NULL OR email NOT LIKE '%unknown'}), '0', 'all rows are filled');
cmp_ok(row_locks($before_touched), '>=', $rows, 'each is locked first, since the trigger would wait for it');

# --- files of WAL are made before anybody needs them ---
sub files_ahead {
    return value(q{SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' AND name > pg_walfile_name(pg_current_wal_insert_lsn())});
}
table('ahead');
for (1 .. 500) {
    last if files_ahead() == 0;
    value(q{SELECT pg_logical_emit_message(false, 'fill', '')});
    value('SELECT pg_switch_wal()');
}
is(files_ahead(), '0', 'no file of WAL is left to write to next');
backfill('ahead', q{c = ''unknown''}, 'c IS NULL');
is(wait_state($node, 'ahead', 'done'), 'done', 'it is filled');
cmp_ok(files_ahead(), '>=', 1, 'the next file is there');

$node->stop;
done_testing();
