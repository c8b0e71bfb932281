# A column is split in two, and two are merged into one, while applications of the old and of the new shape
# write the same rows at once. Each transaction notes, while it has its row locked, what a reader must find
# then, in both shapes; every row is checked against the last note. Forward to the end, and back.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;

my $node = new_node('split_merge', conf => "zdm.quiet_period = 0\n");
my $scripts = PostgreSQL::Test::Utils::tempdir();

sub value { return $node->safe_psql('postgres', $_[0]) }

value(<<'SQL');
CREATE ROLE app LOGIN;
CREATE TABLE people (id int PRIMARY KEY, name varchar(60) NOT NULL, born date, note text);
COMMENT ON COLUMN people.name IS 'first and last';
CREATE INDEX people_born ON people (born);
INSERT INTO people SELECT g, 'First' || g || ' Last' || g, '2000-01-01'::date + g FROM generate_series(1, 5000) g;
CREATE SEQUENCE ids START 100000;
CREATE SEQUENCE turns;
CREATE TABLE seen (turn bigint, id int, shape text, words text);
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
SQL
$node->safe_psql('postgres', 'VACUUM ANALYZE people');

# One shape of an application: how it updates a row, in whole and in part, and inserts one. The turn is taken when
# the row is locked.
my %writes = (
    one => {
        update => q{UPDATE people SET name = 'U' || :n || ' V' || :n WHERE id = :id RETURNING id, '' AS part},
        part   => q{UPDATE people SET name = split_part(name, ' ', 1) || ' P' || :n WHERE id = :id RETURNING id, split_part(name, ' ', 1) AS part},
        insert => q{INSERT INTO people (id, name) VALUES (nextval('ids'), 'I' || :n || ' J' || :n) RETURNING id, '' AS part},
    },
    two => {
        update => q{UPDATE people SET first = 'U' || :n, last = 'V' || :n WHERE id = :id RETURNING id, '' AS part},
        part   => q{UPDATE people SET last = 'P' || :n WHERE id = :id RETURNING id, first AS part},
        insert => q{INSERT INTO people (id, first, last) VALUES (nextval('ids'), 'I' || :n, 'J' || :n) RETURNING id, '' AS part},
    },
);
my %words = (update => q{'U' || :n || ' V' || :n}, part => q{part || ' P' || :n}, insert => q{'I' || :n || ' J' || :n});

sub script {
    my ($shape, $kind) = @_;
    my $file = "$scripts/$shape-$kind.sql";
    append_to_file($file, "\\set n random(1, 1000000)\n\\set id random(1, 300)\n"
            . "WITH w AS ($writes{$shape}{$kind}) INSERT INTO seen SELECT nextval('turns'), id, '$shape', $words{$kind} FROM w;\n")
        unless -e $file;
    return $file;
}

my %running;
# What pgbench says goes into a file: a pipe that nobody reads would stop it.
sub begin_writing {
    my ($shape, $protocol) = @_;
    my $out = "$scripts/$shape.out";
    unlink $out;
    my $run = IPC::Run::start([ 'pgbench', '-n', '-U', 'app', '-M', $protocol, '-c', 2, '-j', 1, '-R', 200, '-T', 900,
            (map { ('-f', script($shape, $_) . ($_ eq 'insert' ? '@1' : '@3')) } qw(update part insert)),
            $node->connstr('postgres') ], '<', \undef, '>', $out, '2>&1');
    $running{$shape} = { run => $run, out => $out };
    return;
}

sub end_writing {
    my ($shape) = @_;
    my $writer = delete $running{$shape};
    ok($writer->{run}->pumpable, "shape $shape wrote to the end");
    $writer->{run}->kill_kill(grace => 2);
    my $said = slurp_file($writer->{out});
    unlike($said, qr/ERROR|aborted/, "shape $shape had no error") or diag(substr($said, 0, 2000));
    return;
}

# Until this shape has written so many rows more.
sub wait_for_writes {
    my ($shape, $rows) = @_;
    my $now = value(qq{SELECT count(*) FROM seen WHERE shape = '$shape'});
    return ok(poll_until($node, qq{SELECT count(*) >= $now + $rows FROM seen WHERE shape = '$shape'}), "shape $shape writes");
}

# Rows whose words, as this expression reads them, are not those of the last turn, or of the beginning.
sub agree {
    my ($what, $words) = @_;
    is(value(qq{SELECT coalesce(string_agg(DISTINCT id || ': ' || coalesce($words, 'NULL') || ' for ' || last.words, ', '), 'none')
          FROM people LEFT JOIN LATERAL (SELECT s.words FROM seen s WHERE s.id = people.id ORDER BY turn DESC LIMIT 1) noted ON true
               CROSS JOIN LATERAL (SELECT coalesce(noted.words, 'First' || people.id || ' Last' || people.id) AS words) last
         WHERE $words IS DISTINCT FROM last.words}), 'none', $what);
    return is(value('SELECT count(*) FROM people WHERE id >= 100000'), value('SELECT count(DISTINCT id) FROM seen WHERE id >= 100000'),
        "$what: no row is missing");
}

my $split = <<'SQL';
ALTER TABLE people ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL;
UPDATE people SET first = split_part(name, ' ', 1), last = split_part(name, ' ', 2);
-- zdm: down name = first || ' ' || last
ALTER TABLE people DROP COLUMN name;
SQL
my $merge = <<'SQL';
-- zdm: up name = first || ' ' || last
-- zdm: down first = split_part(name, ' ', 1)
-- zdm: down last = split_part(name, ' ', 2)
ALTER TABLE people ADD COLUMN name varchar(60) NOT NULL, DROP COLUMN first, DROP COLUMN last;
SQL
my %read = (one => 'people.name', two => q{people.first || ' ' || people.last});

# What the plain statements make of an empty copy.
sub plain {
    my ($sql) = @_;
    $node->safe_psql('postgres', 'DROP DATABASE IF EXISTS plain WITH (FORCE)');
    $node->safe_psql('postgres', 'CREATE DATABASE plain');
    my $dump = schema_dump($node, 'postgres', '-t', 'people');
    $node->safe_psql('plain', "$dump;\nSET search_path = public;\n" . ($sql =~ s/^--.*\n//gmr));
    return columns_sorted(schema_dump($node, 'plain', '-t', 'people'));
}

# Both shapes at work; then the old one ends, and the new one stays.
sub transition {
    my ($name, $sql, $old, $new) = @_;
    value("SELECT zdm_create('$name', \$\$$sql\$\$)");
    begin_writing($old, 'prepared');
    wait_for_writes($old, 50);
    value("SELECT zdm_start('$name')");
    is(wait_state($node, $name, 'ready'), 'ready', "$name: ready while the old application writes");
    # Rows stand still while they are compared.
    end_writing($old);
    agree("$name: the new shape at ready", $read{$new});
    begin_writing($old, 'simple');
    begin_writing($new, 'prepared');
    wait_for_writes($old, 600);
    wait_for_writes($new, 600);
    end_writing($_) for $old, $new;
    agree("$name: the old shape", $read{$old});
    agree("$name: the new shape", $read{$new});
    is(value("SELECT coalesce(sum(differences), 0) FROM zdm_verify('$name')"), 0, "$name: verify finds no difference");
    return;
}

# Alternating in one session: each row goes through all four hands.
sub alternate {
    my ($name) = @_;
    value(<<'SQL');
DO $$
DECLARE i int; n int := 0;
BEGIN
    FOR i IN 1000..1200 LOOP
        CASE i % 4
            WHEN 0 THEN
                UPDATE people SET name = 'A' || i || ' B' WHERE id = i;
                UPDATE people SET last = 'C' || i WHERE id = i;
                INSERT INTO seen VALUES (nextval('turns'), i, 'both', 'A' || i || ' C' || i);
            WHEN 1 THEN
                UPDATE people SET first = 'D' || i, last = 'E' WHERE id = i;
                UPDATE people SET name = split_part(name, ' ', 1) || ' F' WHERE id = i;
                INSERT INTO seen VALUES (nextval('turns'), i, 'both', 'D' || i || ' F');
            WHEN 2 THEN
                UPDATE people SET last = 'G' WHERE id = i;
                UPDATE people SET name = 'H I' || i WHERE id = i;
                UPDATE people SET first = 'J' WHERE id = i;
                INSERT INTO seen VALUES (nextval('turns'), i, 'both', 'J I' || i);
            WHEN 3 THEN
                UPDATE people SET note = 'neither' WHERE id = i;
        END CASE;
    END LOOP;
END $$
SQL
    agree("$name: alternating, one", $read{one});
    return agree("$name: alternating, two", $read{two});
}

# Split, forward to the end.
my $expected = plain($split);
transition('split', $split, 'one', 'two');
alternate('split');
begin_writing('two', 'prepared');
wait_for_writes('two', 50);
value(q{SELECT zdm_contract('split', true, 'test')});
is(wait_state($node, 'split', 'done'), 'done', 'split: done while the new application writes');
wait_for_writes('two', 50);
end_writing('two');
agree('split: the new shape, at the end', $read{two});
is(columns_sorted(schema_dump($node, 'postgres', '-t', 'people')), $expected, 'split: the schema is that of the plain statements');

# Merge, and back while the old application goes on.
my $before = schema_dump($node, 'postgres', '-N', 'zdm');
transition('back', $merge, 'two', 'one');
alternate('back');
begin_writing('two', 'simple');
wait_for_writes('two', 50);
value(q{SELECT zdm_rollback('back')});
is(wait_state($node, 'back', 'rolled_back'), 'rolled_back', 'merge: taken back while the old application writes');
wait_for_writes('two', 50);
end_writing('two');
agree('merge: the old shape, after the rollback', $read{two});
is(schema_dump($node, 'postgres', '-N', 'zdm'), $before, 'merge: the schema is as it was');

# Merge, forward to the end, through a crash while trigger and columns go.
$expected = plain($merge);
transition('merge', $merge, 'two', 'one');
my $hold = stop_at($node, 'unsync:before_commit');
value(q{SELECT zdm_contract('merge', true, 'test')});
ok(wait_at($node, 'unsync:before_commit'), 'trigger and columns are about to go');
ok(kill9($node, worker_pid($node, 'merge')), 'the worker dies');
release($hold);
is(wait_state($node, 'merge', 'done'), 'done', 'merge: done');
agree('merge: the new shape, at the end', $read{one});
is(columns_sorted(schema_dump($node, 'postgres', '-t', 'people')), $expected, 'merge: the schema is that of the plain statements');

done_testing();
