# A partitioned table: a column that comes NOT NULL and filled, and columns that go, one of them carried over, while an
# old and a new application write to the same rows, forward and back. Partitions have their columns in another order,
# and partitions of their own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 1500;
my $node = new_node('two_parts', extension => 0);

my %old_values = (
    name => sub { (qw(Ann Bob Cid Dan)) [ rand 4 ] . ' ' . int rand 1000 },
    amount => sub { int rand 1e6 },
    note => sub { rand() < 0.3 ? undef : 'note ' . int rand 1e6 },
);

my $add = {
    name => 'add',
    setup => <<'SQL',
CREATE TABLE account (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, amount int NOT NULL DEFAULT 7,
    note text) PARTITION BY HASH (id);
CREATE TABLE account_0 PARTITION OF account FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE account_1 (note text, odd int, name text NOT NULL, amount int NOT NULL DEFAULT 7, ver int NOT NULL DEFAULT 0, id bigint PRIMARY KEY);
ALTER TABLE account_1 DROP COLUMN odd;
ALTER TABLE account ATTACH PARTITION account_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE account_2 PARTITION OF account FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY HASH (id);
CREATE TABLE account_20 PARTITION OF account_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE account_21 PARTITION OF account_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX account_name_idx ON account (name);
GRANT ALL ON account TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO account (id, name, amount, note) SELECT g, 'name ' || g, g, NULL FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE account ADD COLUMN label text NOT NULL, ADD COLUMN status text NOT NULL;
UPDATE account SET label = name || ' #' || id WHERE label IS NULL;
UPDATE account SET status = 'active' WHERE status IS NULL;
CREATE INDEX ON account (label);
SQL
    gone => 'none',
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {
        table => 'account', columns => [qw(name amount note)], values => {%old_values}, omits => [qw(amount note)],
        types => { name => 'text', amount => 'int', note => 'text' },
    },
    new => {
        table => 'account', columns => [qw(name amount note label status)],
        values => { %old_values, label => sub { 'label ' . int rand 1e6 }, status => sub { qw(active gone new) [ rand 3 ] } },
        updates => [ [qw(name label)], ['label'], ['status'], [qw(amount note)], [qw(name label status amount note)] ],
        omits => [qw(amount note)],
        types => { name => 'text', label => 'text', status => 'text', amount => 'int' },
    },
    first => sub { my ($id) = @_; return { name => "name $id", amount => $id, note => undef } },
    defaults => { amount => 7 },
    carry => sub {
        my ($row, $app, $changed) = @_;
        return unless $app eq 'old';
        $row->{label} = "$row->{name} #$row->{id}" if $changed->{name};
        $row->{status} //= 'active';
        return;
    },
};

my $drop = {
    name => 'drop',
    setup => <<'SQL',
CREATE TABLE member (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, status text NOT NULL DEFAULT 'pending', colour text NOT NULL DEFAULT 'grey',
    hint text, note text) PARTITION BY HASH (id);
CREATE TABLE member_0 PARTITION OF member FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE member_1 (note text, odd int, hint text, colour text NOT NULL DEFAULT 'grey', status text NOT NULL DEFAULT 'pending', ver int NOT NULL DEFAULT 0,
    id bigint PRIMARY KEY);
ALTER TABLE member_1 DROP COLUMN odd;
ALTER TABLE member ATTACH PARTITION member_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX member_status_idx ON member (status);
GRANT ALL ON member TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO member (id, status, colour) SELECT g, CASE g % 3 WHEN 0 THEN 'active' WHEN 1 THEN 'banned' ELSE 'pending' END, 'red' FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE member ADD COLUMN active boolean NOT NULL;
UPDATE member SET active = (status = 'active') WHERE active IS NULL;
-- zdm: down status = CASE WHEN active THEN 'active' ELSE 'inactive' END
ALTER TABLE member DROP COLUMN status, DROP COLUMN colour, DROP COLUMN hint;
SQL
    again => { done => 1, 'rolled back' => 2 },
    old => {
        table => 'member', columns => [qw(status colour hint note)],
        values => {
            status => sub { qw(active inactive pending banned) [ rand 4 ] }, colour => sub { qw(red green blue) [ rand 3 ] },
            hint => sub { rand() < 0.5 ? undef : 'hint ' . int rand 1e6 }, note => $old_values{note},
        },
        omits => [qw(status colour hint note)], types => { status => 'text', colour => 'text', hint => 'text', note => 'text' },
    },
    new => {
        table => 'member', columns => [qw(active note)], values => { active => sub { qw(t f) [ rand 2 ] }, note => $old_values{note} },
        omits => ['note'], types => { active => 'boolean', note => 'text' },
    },
    first => sub { my ($id) = @_; return { status => (qw(active banned pending)) [ $id % 3 ], colour => 'red', hint => undef, note => undef } },
    defaults => { status => 'pending', colour => 'grey' },
    carry => sub {
        my ($row, $app, $changed) = @_;
        if ($app eq 'old') { $row->{active} = $row->{status} eq 'active' ? 't' : 'f' if $changed->{status} }
        else { $row->{status} = $row->{active} eq 't' ? 'active' : 'inactive' if $changed->{active} }
        return;
    },
};

for my $test ([ $add, qw(expanded backfill ready) ], [ $drop, qw(backfill ready) ]) {
    my ($case, @from) = @$test;
    my $run = ZdmTwoRun->new($node, $case);
    $run->forward;
    $run->back($_) for @from;
}
done_testing();
