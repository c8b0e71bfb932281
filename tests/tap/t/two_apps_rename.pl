# RENAME COLUMN of a column with all that a column often has (NOT NULL, a default, a CHECK, a foreign key, indexes, one of
# them unique, a comment, privileges, a statistics target), while an old and a new application write to the same
# rows under both names, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;
my $people = 60;

# One application's view of the column's name.
sub shape {
    my ($column) = @_;
    return {
        table => 'task', columns => [ $column, 'slot', 'note' ],
        values => { $column => sub { 1 + int rand $people }, slot => sub { $_[0] }, note => sub { 'note ' . int rand 1e6 } },
        updates => [ [$column], [$column], ['note'], [ $column, 'note' ], [ $column, 'slot', 'note' ] ],
        omits => [ $column, 'note' ], types => { $column => 'int', note => 'text' }, unique => { slot => 1 },
    };
}

my $case = {
    setup => <<'SQL',
CREATE TABLE person (id int PRIMARY KEY, name text);
CREATE TABLE task (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0,
    owner int NOT NULL DEFAULT 1 CONSTRAINT task_owner_check CHECK (owner > 0) CONSTRAINT task_owner_fk REFERENCES person ON UPDATE CASCADE,
    slot bigint NOT NULL, note text, pad text DEFAULT repeat('p', 200));
CREATE UNIQUE INDEX task_owner_slot_key ON task (owner, slot);
CREATE INDEX task_owner_idx ON task (owner DESC NULLS LAST) INCLUDE (slot) WITH (fillfactor = 80) WHERE owner < 40;
COMMENT ON COLUMN task.owner IS 'who does it';
COMMENT ON INDEX task_owner_idx IS 'who has what';
COMMENT ON CONSTRAINT task_owner_check ON task IS 'nobody has number 0';
ALTER TABLE task ALTER owner SET STATISTICS 200;
GRANT ALL ON task, person TO two_apps_app;
GRANT SELECT (owner, slot) ON task TO public;
SQL
    rows => $rows,
    load => <<"SQL",
INSERT INTO person SELECT g, 'person ' || g FROM generate_series(1, $people) g;
INSERT INTO task (id, owner, slot, note) SELECT g, 1 + g % $people, g, 'note ' || g FROM generate_series(1, $rows) g;
SQL
    migration => 'ALTER TABLE task RENAME COLUMN owner TO assignee;',
    old => shape('owner'),
    new => shape('assignee'),
    first => sub { my ($id) = @_; return { owner => 1 + $id % $people, slot => $id, note => "note $id" } },
    defaults => { owner => 1, assignee => 1 },
    carry => sub {
        my ($row, $app, $changed) = @_;
        $row->{assignee} = $row->{owner} if $app eq 'old' && $changed->{owner};
        $row->{owner} = $row->{assignee} if $app eq 'new' && $changed->{assignee};
        return;
    },
};

my $run = ZdmTwoRun->new(new_node('two_rename', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
