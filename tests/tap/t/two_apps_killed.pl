# A column that is renamed and one that is split, while two applications write and the server crashes: by kill -9 of the worker
# at random moments, forward and back, of an application, and by an immediate stop. All sessions end with each crash; the
# applications come back and go on, and of a COMMIT without an answer they find out whether it was one. At the end each row
# agrees with the oracle, nothing is left behind, and the schema is that of plain SQL, or of the start.
# ZDM_KILL_SEED gives the moments again.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;
my $kills = 3;    # of the worker, in the backfill
my $seed = $ENV{ZDM_KILL_SEED} // int(time * 1000) % 1_000_000;
srand $seed;
note("ZDM_KILL_SEED=$seed");

# A COMMIT takes so long that crashes often come into one.
my $done = <<'SQL';
CREATE TABLE done (writer int, n int, PRIMARY KEY (writer, n));
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger();
GRANT ALL ON done TO two_apps_app;
SQL
my @names = qw(Ann Bob Cid Dan Eve Flo Gus Hal);

sub first_name { return $names[ rand @names ] . int rand 100 }
sub last_name { return (rand() < 0.2 ? 'van der ' : '') . 'Lee' . int rand 1000 }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

sub task_shape {
    my ($column) = @_;
    return {
        table => 'task', columns => [ $column, 'note' ], values => { $column => sub { 1 + int rand 60 }, note => \&remark },
        updates => [ [$column], [$column], ['note'], [ $column, 'note' ] ], omits => [ $column, 'note' ], types => { $column => 'int', note => 'text' },
    };
}

my $rename = {
    name => 'rename',
    survives => 1,
    setup => $done . <<'SQL',
CREATE TABLE task (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, owner int NOT NULL DEFAULT 1 CONSTRAINT task_owner_check CHECK (owner > 0),
    note text, pad text DEFAULT repeat('p', 100));
CREATE INDEX task_owner_idx ON task (owner);
CREATE UNIQUE INDEX task_owner_key ON task (owner, id);
GRANT ALL ON task TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO task (id, owner, note) SELECT g, 1 + g % 60, 'note ' || g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE task RENAME COLUMN owner TO assignee;',
    old => task_shape('owner'),
    new => task_shape('assignee'),
    first => sub { my ($id) = @_; return { owner => 1 + $id % 60, note => "note $id" } },
    defaults => { owner => 1, assignee => 1 },
    carry => sub {
        my ($row, $app, $changed) = @_;
        $row->{assignee} = $row->{owner} if $app eq 'old' && $changed->{owner};
        $row->{owner} = $row->{assignee} if $app eq 'new' && $changed->{assignee};
        return;
    },
};

my $split = {
    name => 'split',
    survives => 1,
    setup => $done . <<'SQL',
CREATE TABLE person (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, note text DEFAULT 'none', pad text DEFAULT repeat('p', 100));
GRANT ALL ON person TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO person (id, name) SELECT g, 'Ann' || g || ' Lee' || g FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE person ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL;
UPDATE person SET first = split_part(name, ' ', 1), last = substr(name, strpos(name, ' ') + 1) WHERE first IS NULL;
-- zdm: down name = first || ' ' || last
ALTER TABLE person DROP COLUMN name;
SQL
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {
        table => 'person', columns => [qw(name note)], values => { name => sub { first_name() . ' ' . last_name() }, note => \&remark },
        omits => ['note'], types => { name => 'text', note => 'text' },
    },
    new => {
        table => 'person', columns => [qw(first last note)], values => { first => \&first_name, last => \&last_name, note => \&remark },
        updates => [ ['first'], ['last'], ['note'], [qw(first last)], [qw(first last note)] ], omits => ['note'], types => { first => 'text', last => 'text' },
    },
    first => sub { my ($id) = @_; return { name => "Ann$id Lee$id", note => 'none' } },
    defaults => { note => 'none' },
    carry => sub {
        my ($row, $app, $changed) = @_;
        @$row{qw(first last)} = split / /, $row->{name}, 2 if $app eq 'old' && $changed->{name};
        $row->{name} = "$row->{first} $row->{last}" if $app eq 'new' && ($changed->{first} || $changed->{last});
        return;
    },
};

my $node = new_node('two_killed', extension => 0);
my ($run, %crashes, %commits);

# The server is back: so are the applications, and zdm, once somebody calls it.
sub go_on {
    my ($what) = @_;
    $crashes{$what}++;
    $run->connect;
    if ($run->value('SELECT activity FROM zdm.migrations') =~ /^stopped/) { $run->do(q{SELECT zdm_resume('m')}) }
    $run->written(5);
    return;
}

# kill -9 of the worker after a while of at most so many seconds, if one is at work then.
sub kill_worker {
    my ($what, $most) = @_;
    sleep rand $most;
    my @pids = worker_pids($node, $run->{db}) or return 0;
    kill9($node, $pids[ rand @pids ]) or return 0;
    go_on($what);
    return 1;
}

# The backfill takes far longer than all of this.
sub killed_to_ready {
    $run->do("SELECT zdm_create('m', \$migration\$$run->{case}{migration}\$migration\$); SELECT zdm_set('m', 'max_rate', '100'); SELECT zdm_start('m')");
    kill_worker('expand', 0.4);
    ok(poll_until($node, q{SELECT count(*) > 0 FROM zdm.steps WHERE kind = 'backfill' AND state = 'running'}, 't', undef, $run->{db}), "$run->{way}: it fills");
    for my $kill (1 .. $kills) {
        ok(worker_pid($node, 'm', undef, $run->{db}), "$run->{way}: its worker is at work");
        ok(kill_worker('backfill', 0.6), "$run->{way}: it is killed in the backfill ($kill)");
        $run->rows_are_right("after kill $kill", 'old');
    }
    $run->do(q{SELECT zdm_set('m', 'max_rate', NULL)});
    kill_worker('end of the backfill', 0.3);
    $run->reaches('ready');
    $run->rows_are_right('ready', 'old', 'new');
    return;
}

# Both applications write when the server goes.
sub crash_at_ready {
    $run->both_write('ready');
    my ($pid) = split /\n/, $run->value(q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE '% application _' ORDER BY random()});
    ok(kill9($node, $pid), "$run->{way}: an application is killed at ready");
    go_on('application');
    $run->rows_are_right('an application was killed', 'old', 'new');
    stop_now($node);
    go_on('stop');
    $run->written(15);
    $run->rows_are_right('the server was stopped', 'old', 'new');
    $run->differences_are_none;
    return;
}

sub count_commits {
    $commits{$_} += $run->{oracle}{$_} for qw(unanswered aborted);
    return;
}

sub forward {
    $run->begin('forward');
    killed_to_ready();
    crash_at_ready();
    $run->contract_is_refused;
    $run->contract(sub { kill_worker('contract', 0.15) for 1 .. 2; return });
    count_commits();
    return;
}

sub back {
    $run->begin('back');
    killed_to_ready();
    crash_at_ready();
    $run->leave('new');
    $run->rows_are_right('before it goes back', 'old');
    $run->roll_back;
    kill_worker('rollback', 0.15) for 1 .. 2;
    $run->end_back;
    count_commits();
    return;
}

$run = ZdmTwoRun->new($node, $rename);
forward();
$run = ZdmTwoRun->new($node, $split);
back();
note('crashes: ' . join ', ', map { "$_ $crashes{$_}" } sort keys %crashes);
note("COMMITs without an answer: $commits{unanswered}, $commits{aborted} of them were none");
done_testing();
