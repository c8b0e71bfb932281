# A backfill with sync among writers that know nothing of it, with the worker killed again and again. At the
# end no row matches, none was filled twice, no application waited long for a batch, and no batch
# waited for a row.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use ZdmTest;

my $rows  = 60000;
my $kills = 4;

# deadlock_timeout is when a wait gets into the log: batches are to last 50 ms.
my $node = new_node('fire', conf => "deadlock_timeout = 1s\nshared_buffers = 64MB\n");
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE account (id int PRIMARY KEY, note text, n int NOT NULL DEFAULT 0);
INSERT INTO account SELECT g, repeat('x', 80), 0 FROM generate_series(1, $rows) g;
CREATE INDEX ON account (n);
CREATE TABLE pin (id int REFERENCES account ON DELETE CASCADE);
CREATE SEQUENCE fresh START 1000000;
-- Who gave each row its value. An application's session has a name, the worker's has none.
CREATE TABLE filled (id int, by text, pid int);
CREATE FUNCTION note_fill() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF to_jsonb(OLD) ->> 'level' IS NULL AND to_jsonb(NEW) ->> 'level' IS NOT NULL THEN
        INSERT INTO public.filled VALUES (NEW.id, current_setting('application_name'), pg_backend_pid());
    END IF;
    RETURN NULL;
END \$\$;
CREATE TRIGGER note_fill AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION note_fill();
SQL

my %script = (
    update => <<"SQL",
\\set id random(1, $rows)
UPDATE account SET n = n + 1 WHERE id = :id;
SQL
    insert => <<"SQL",
\\set id random(1, $rows)
INSERT INTO account (id, note) VALUES (nextval('fresh'), 'new');
DELETE FROM account WHERE id = :id;
SQL
    hold => <<"SQL",
\\set id random(1, $rows)
BEGIN;
SELECT note FROM account WHERE id BETWEEN :id AND :id + 3 ORDER BY id FOR UPDATE;
\\sleep 120 ms
UPDATE account SET note = 'held' WHERE id = :id;
COMMIT;
SQL
    undo => <<"SQL",
\\set id random(1, $rows)
BEGIN;
UPDATE account SET n = n - 1 WHERE id = :id;
INSERT INTO account (id, note) VALUES (nextval('fresh'), 'undone');
\\sleep 30 ms
ROLLBACK;
SQL
    pin => <<"SQL",
\\set id random(1, $rows)
BEGIN;
INSERT INTO pin SELECT id FROM account WHERE id = :id;
\\sleep 50 ms
COMMIT;
SQL
);

my $dir  = PostgreSQL::Test::Utils::tempdir();
my $stop = "$dir/stop";
my @writers;
for my $name (sort keys %script) {
    open my $file, '>', "$dir/$name.sql" or die $!;
    print $file $script{$name};
    close $file;
    # A kill of the worker ends the sessions of all: start again until told to stop.
    my $loop = "while ! [ -e '$stop' ]; do pgbench -n -f '$dir/$name.sql' -T 600 -R 40 -c 1 postgres; sleep 0.1; done";
    local $ENV{PGHOST}    = $node->host;
    local $ENV{PGPORT}    = $node->port;
    local $ENV{PGAPPNAME} = "app $name";
    my $said = '';
    push @writers, [ $name, \$said, IPC::Run::start([ 'sh', '-c', $loop ], '<', \undef, '>&', \$said) ];
}

$node->safe_psql('postgres', <<'SQL');
SELECT zdm_create('level', 'ALTER TABLE account ADD COLUMN level int NOT NULL;
UPDATE account SET level = 1 WHERE level IS NULL;');
SELECT zdm_set('level', 'max_rate', '8000');
SELECT zdm_start('level');
SQL

my %ours;    # process ids of the workers
my $killed = 0;
while ($killed < $kills) {
    my $pid = worker_pid($node, 'level') or last;
    $ours{$pid} = 1;
    my $until = time + 0.8 + rand 0.7;
    my $state = '';
    while (time < $until) {
        my ($code, $out) = $node->psql('postgres', q{SELECT state FROM zdm.migrations});
        $state = $out if $code == 0;
        last if $state eq 'ready';
        sleep 0.05;
    }
    last if $state eq 'ready';
    kill9($node, $pid) or last;
    $killed++;
    # Counted in one statement: progress commits with the rows.
    my $same = $node->safe_psql('postgres', <<'SQL');
SELECT coalesce((SELECT sum(c.rows) FROM zdm.chunk c JOIN zdm.step USING (migration_id, step) WHERE kind IN ('backfill', 'last_pass')), 0)
     = (SELECT count(*) FROM filled WHERE by NOT LIKE 'app %')
SQL
    is($same, 't', "after kill $killed, progress tells exactly the rows that we filled");
}
is($killed, $kills, 'the worker was killed in the middle of the work');
$node->safe_psql('postgres', q{SELECT zdm_set('level', 'max_rate', NULL)});
$ours{ worker_pid($node, 'level') // 0 } = 1;
is(wait_state($node, 'level', 'ready'), 'ready', 'it came to ready under load');

is($node->safe_psql('postgres', 'SELECT count(*) FROM account WHERE level IS NULL'),
    '0', 'no row is left, and none comes up while the writers go on');
sleep 1;
is($node->safe_psql('postgres', 'SELECT count(*) FROM account WHERE level IS NULL'), '0', 'nor later');

open my $file, '>', $stop or die $!;
close $file;
$node->psql('postgres',
    q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'app %'});
for my $writer (@writers) {
    my ($name, $said, $run) = @$writer;
    $run->finish;
    # Lost connections are the kills' doing.
    my @errors = grep { /ERROR/ } split /\n/, $$said;
    is("@errors", '', "the writer $name saw no error");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT id FROM filled GROUP BY id HAVING count(*) > 1) twice'),
    '0', 'no row was filled twice');
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM filled WHERE by NOT LIKE 'app %'}), 't', 'we filled rows');
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM filled WHERE by LIKE 'app %'}),
    't', 'and so did the trigger, for rows that applications wrote');

# Who waited for whom.
my $log = read_log($node);
my (@waited, @blocked);
while ($log =~ /^.*? \[(\d+)\] .*? LOG:  process \d+ still waiting for ShareLock on transaction .*\n.*DETAIL:  Process(?:es)? holding the lock: ([\d, ]+)\./mg) {
    my ($who, $holders) = ($1, $2);
    push @waited, $who if $ours{$who};
    push @blocked, "$who by $holders" if grep { $ours{$_} } split /, /, $holders;
}
is("@waited", '', 'no batch waited for a row');
is("@blocked", '', 'no application waited a second for a row of a batch');

done_testing();
