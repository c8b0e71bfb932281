# DROP COLUMN without a word about its values, one of them NOT NULL, while an old application writes them and a new one does
# not know them, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;
my %both = (name => sub { 'name ' . int rand 1e6 }, amount => sub { int rand 1e6 });

my $case = {
    setup => <<'SQL',
CREATE TABLE parcel (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, colour text NOT NULL DEFAULT 'grey',
    hint text, amount int NOT NULL DEFAULT 7);
CREATE INDEX parcel_colour_idx ON parcel (colour);
GRANT ALL ON parcel TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO parcel (id, name, colour, amount) SELECT g, 'name ' || g, 'red', g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE parcel DROP COLUMN colour, DROP COLUMN hint;',
    backfill => 0,
    # Contract drops one column after the other.
    again => { done => 2, 'rolled back' => 0 },
    old => {
        table => 'parcel', columns => [qw(name colour hint amount)],
        values => { %both, colour => sub { qw(red green blue) [ rand 3 ] }, hint => sub { rand() < 0.5 ? undef : 'hint ' . int rand 1e6 } },
        omits => [qw(colour hint amount)], types => { name => 'text', colour => 'text', hint => 'text', amount => 'int' },
    },
    new => {
        table => 'parcel', columns => [qw(name amount)], values => {%both}, omits => ['amount'], types => { name => 'text', amount => 'int' },
    },
    first => sub { my ($id) = @_; return { name => "name $id", colour => 'red', hint => undef, amount => $id } },
    defaults => { colour => 'grey', amount => 7 },
    carry => sub { return },
};

my $run = ZdmTwoRun->new(new_node('two_drop', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded ready);
done_testing();
