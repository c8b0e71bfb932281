# Ten of the same command at the same moment: one works, the others watch it, all end alike.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = '1s'\n", preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q{
    CREATE TABLE t (id int PRIMARY KEY);
    INSERT INTO t SELECT generate_series(1, 20000);
});

sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return;
}

# (exit codes, outputs) of ten at once.
sub together {
    my (@arguments) = @_;
    local $ENV{PGHOST} = $node->host;
    local $ENV{PGPORT} = $node->port;
    local $ENV{PGDATABASE} = 'postgres';
    my (@runs, @out);
    for my $i (0 .. 9) {
        $out[$i] = '';
        push @runs, IPC::Run::start([ $ENV{ZDM}, @arguments ], '<', \undef, '>&', \$out[$i],
            IPC::Run::timeout(300));
    }
    $_->finish for @runs;
    return (join(' ', map { $_->full_result(0) >> 8 } @runs), @out);
}

file('001_m', "ALTER TABLE t ADD COLUMN m text NOT NULL;\nUPDATE t SET m = 'x' WHERE m IS NULL;\n");
my ($codes, @out) = together('up', "$folder/001_m.sql");
is($codes, '0 0 0 0 0 0 0 0 0 0', 'ten times up to ready: all end with 0');
is(scalar(grep { /^001_m is ready$/m } @out), 10, 'and say the same') or diag(join("\n--\n", @out));
is($node->safe_psql('postgres', q{SELECT count(*) FROM zdm.events WHERE message = 'planned -> expanding'}),
    '1', 'it was started once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM zdm.events WHERE kind = 'step' GROUP BY step ORDER BY 1 DESC LIMIT 1}),
    '1', 'no step ran twice');

file('002_n', "CREATE INDEX t_m ON t (m);\n");
($codes, @out) = together('up', $folder, '--to', 'done');
is($codes, '0 0 0 0 0 0 0 0 0 0', 'ten times a folder to done, gates included: all end with 0')
    or diag(join("\n--\n", @out));
is(scalar(grep { /^Done: 2 of 2 migrations\.$/m } @out), 10, 'and say the same');
is($node->safe_psql('postgres', q{SELECT count(*) FROM zdm.events WHERE message = 'ready -> contracting'}),
    '2', 'each was contracted once');

file('003_bad', "ALTER TABLE t ADD CONSTRAINT low CHECK (id < 100);\n");
($codes, @out) = together('up', "$folder/003_bad.sql");
is($codes, '1 1 1 1 1 1 1 1 1 1', 'ten times one that fails: all end with 1');
is(scalar(grep { /^003_bad FAILED/m } @out), 10, 'and say why');

done_testing();
