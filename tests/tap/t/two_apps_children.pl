# A table with children that inherit from it, one of them with a child of its own: columns that come NOT NULL and filled, and one
# that gets another name, while an old and a new application write to rows of all of them, through the table and in a child itself, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 1500;
my $node = new_node('two_children', extension => 0);

my %old_values = (
    name => sub { (qw(Ann Bob Cid Dan)) [ rand 4 ] . ' ' . int rand 1000 },
    amount => sub { int rand 1e6 },
    note => sub { rand() < 0.3 ? undef : 'note ' . int rand 1e6 },
);

# What an INSERT into the table does not reach.
sub insert_into {
    my ($child) = @_;
    return sub {
        my ($writer) = @_;
        my $id = 1_000_000 * ($writer->{w} + 1) + ++$writer->{key};
        my $set = $writer->values_for($id, keys %{ $writer->{shape}{values} });
        my @columns = sort keys %$set;
        my $places = join ', ', map { '$' . ($_ + 2) } 0 .. $#columns;
        my $result = $writer->run("INSERT INTO $child (" . join(', ', 'id', @columns) . ") VALUES (\$1, $places) RETURNING " . $writer->columns,
            $id, @$set{@columns});
        $writer->wrote('insert', $set, $_) for @{ $result->{rows} };
        return;
    };
}

my @more = (insert_into('account_1'), insert_into('account_20'));

# Rows that INSERT … ON CONFLICT is about must be in the table itself: keys are not inherited.
my $case = {
    setup => <<'SQL',
CREATE TABLE account (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, amount int NOT NULL DEFAULT 7, note text);
CREATE TABLE account_0 (PRIMARY KEY (id)) INHERITS (account);
CREATE TABLE account_1 (note text, odd int, name text NOT NULL, amount int NOT NULL DEFAULT 7, extra text DEFAULT 'e', ver int NOT NULL DEFAULT 0, id bigint PRIMARY KEY);
ALTER TABLE account_1 DROP COLUMN odd;
ALTER TABLE account_1 INHERIT account;
CREATE TABLE account_2 (PRIMARY KEY (id)) INHERITS (account);
CREATE TABLE account_20 (more int, PRIMARY KEY (id)) INHERITS (account_2);
CREATE INDEX account_name_idx ON account (name);
GRANT ALL ON account, account_0, account_1, account_2, account_20 TO two_apps_app;
SQL
    rows => $rows,
    load => join(";\n", map {
            "INSERT INTO account$_->[0] (id, name, amount, note) SELECT g, 'name ' || g, g, NULL FROM generate_series(1, $rows) g WHERE $_->[1]"
        } [ '', 'g % 10 IN (0, 1)' ], [ '_0', 'g % 10 IN (2, 3)' ], [ '_1', 'g % 10 IN (4, 5)' ], [ '_2', 'g % 10 IN (6, 7)' ],
        [ '_20', 'g % 10 IN (8, 9)' ]),
    migration => <<'SQL',
ALTER TABLE account ADD COLUMN label text NOT NULL, ADD COLUMN status text NOT NULL;
UPDATE account SET label = name || ' #' || id WHERE label IS NULL;
UPDATE account SET status = 'active' WHERE status IS NULL;
CREATE INDEX ON account (label);
SQL
    plain => 'ALTER TABLE account ADD COLUMN label text NOT NULL, ADD COLUMN status text NOT NULL; CREATE INDEX ON account (label)',
    gone => 'none',
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {
        table => 'account', columns => [qw(name amount note)], values => {%old_values}, omits => [qw(amount note)],
        types => { name => 'text', amount => 'int', note => 'text' }, more => \@more,
    },
    new => {
        table => 'account', columns => [qw(name amount note label status)],
        values => { %old_values, label => sub { 'label ' . int rand 1e6 }, status => sub { qw(active gone new) [ rand 3 ] } },
        updates => [ [qw(name label)], ['label'], ['status'], [qw(amount note)], [qw(name label status amount note)] ],
        omits => [qw(amount note)],
        types => { name => 'text', label => 'text', status => 'text', amount => 'int' }, more => \@more,
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

# A column that gets another name in all of them.
sub renamed_shape {
    my ($name) = @_;
    return {
        table => 'account', columns => [ $name, qw(amount note) ], values => { $name => $old_values{name}, map { $_ => $old_values{$_} } qw(amount note) },
        updates => [ [$name], ['amount'], [ $name, 'note' ] ], omits => [qw(amount note)],
        types => { $name => 'text', amount => 'int', note => 'text' }, more => \@more,
    };
}
my $renamed = {
    (map { $_ => $case->{$_} } qw(setup rows load first defaults)),
    name => 'renamed',
    migration => 'ALTER TABLE account RENAME COLUMN name TO title;',
    old => renamed_shape('name'),
    new => renamed_shape('title'),
    carry => sub {
        my ($row, $app, $changed) = @_;
        $row->{title} = $row->{name} if $app eq 'old' && $changed->{name};
        $row->{name} = $row->{title} if $app eq 'new' && $changed->{title};
        return;
    },
};

my $run = ZdmTwoRun->new($node, $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
$run = ZdmTwoRun->new($node, $renamed);
$run->forward;
$run->back($_) for qw(backfill ready);
done_testing();
