# ADD COLUMN … NOT NULL with an UPDATE that fills it, while an old and a new application write to the same rows,
# forward and back: one column that follows another one, one that is filled once.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;
my @names = qw(Ann Bob Cid Dan Eve Flo Gus Hal);

sub name { return $names[ rand @names ] . ' ' . int rand 1000 }

my %old_values = (name => \&name, amount => sub { int rand 1e6 }, note => sub { rand() < 0.3 ? undef : 'note ' . int rand 1e6 });

my $case = {
    setup => <<'SQL',
CREATE TABLE account (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, amount int NOT NULL DEFAULT 7,
    note text, pad text DEFAULT repeat('p', 300));
CREATE INDEX account_name_idx ON account (name);
GRANT ALL ON account TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO account (id, name, amount, note) SELECT g, 'name ' || g, g, NULL FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE account ADD COLUMN label text NOT NULL, ADD COLUMN status text NOT NULL;
UPDATE account SET label = name || ' #' || id WHERE label IS NULL;
UPDATE account SET status = 'active' WHERE status IS NULL;
SQL
    gone => 'none',
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {
        table => 'account', columns => [qw(name amount note)], values => {%old_values}, omits => [qw(amount note)],
        types => { name => 'text', amount => 'int', note => 'text' },
    },
    # It knows that the label follows the name, so it always gives both.
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

my $run = ZdmTwoRun->new(new_node('two_add', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
