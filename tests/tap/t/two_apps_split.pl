# One column split into two, with `-- zdm: down`, while an old application writes the one and a new application the two
# for the same rows, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;
my @first = qw(Ann Bob Cid Dan Eve Flo Gus Hal);

sub first_name { return $first[ rand @first ] . int rand 100 }
# What the new application may write and the old one's name does not give back.
sub any_first_name { return (rand() < 0.2 ? 'Mary ' : '') . first_name() }
# May have blanks in it.
sub last_name { return (rand() < 0.2 ? 'van der ' : '') . 'Lee' . int rand 1000 }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

my $case = {
    setup => <<'SQL',
CREATE TABLE person (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, note text DEFAULT 'none', pad text DEFAULT repeat('p', 300));
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
        table => 'person', columns => [qw(name note)],
        values => { name => sub { first_name() . ' ' . last_name() }, note => \&remark },
        omits => ['note'], types => { name => 'text', note => 'text' },
    },
    new => {
        table => 'person', columns => [qw(first last note)],
        values => { first => \&any_first_name, last => \&last_name, note => \&remark },
        updates => [ ['first'], ['last'], ['note'], [qw(first last)], [qw(first last note)] ],
        omits => ['note'], types => { first => 'text', last => 'text' },
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

my $run = ZdmTwoRun->new(new_node('two_split', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
