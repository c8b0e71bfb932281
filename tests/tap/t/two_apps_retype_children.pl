# ALTER COLUMN TYPE that would rewrite, of tables from which others inherit, while an old and a new application write to rows of all of them, through
# the table and in a child itself, forward and back: int to bigint of a column with what one often has, and of one that is in the primary keys. Children
# have their columns in another order and by themselves, and keys, indexes and checks of their own, over columns of their own too.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 1500;
my $node = new_node('two_retype_children', extension => 0);

# The columns change in expand and in the switch, when the old application writes; in a rollback twice more. One that is named changes its type
# in the switch, and back.
my %common = (rows => $rows, own_not_null => 1, switched => 1, open => 1, gone => 'none', carry => sub { return },
    again => { done => 2, 'rolled back' => 4 }, named => { done => 1, 'rolled back' => 2 });

sub number { return 1 + int rand 2_000_000_000 }
sub large_number { return rand() < 0.1 ? 5_000_000_000 + int rand 1e9 : number() }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

# What an INSERT into the table does not reach. Who gives no list of columns gives those that the child had at the start.
sub insert_into {
    my ($child, @by_place) = @_;
    return sub {
        my ($writer) = @_;
        my $id = 1_000_000 * ($writer->{w} + 1) + ++$writer->{key};
        my $set = $writer->values_for($id, keys %{ $writer->{shape}{values} });
        my @columns = ('id', sort keys %$set);
        my %all = (id => $id, ver => 0, pad => 'p', %$set);
        my ($list, @given) = (' (' . join(', ', @columns) . ')', @columns);
        ($list, @given) = ('', @by_place) if @by_place && $writer->{name} eq 'old';
        my $places = join ', ', map { '$' . ($_ + 1) } 0 .. $#given;
        my $result = $writer->run("INSERT INTO $child$list VALUES ($places) RETURNING " . $writer->columns, @all{@given});
        $writer->wrote('insert', $set, $_) for @{ $result->{rows} };
        return;
    };
}

sub shape {
    my ($table, $column, $type, $more, $value, %rest) = @_;
    return {
        table => $table, columns => [ $column, 'note' ], values => { $column => $value, note => \&remark },
        updates => [ [$column], [$column], ['note'], [ $column, 'note' ] ], omits => ['note'], types => { $column => $type, note => 'text' },
        more => $more, %rest,
    };
}

# Rows of each table: INSERT ... ON CONFLICT is about those of the table itself, as keys are not inherited.
sub load {
    my ($table, $column, %children) = @_;
    return join ";\n", map {
        "INSERT INTO $_ (id, $column) SELECT g, g FROM generate_series(1, $rows) g WHERE g % 10 IN ($children{$_})"
    } sort keys %children;
}

my @into_meters = (insert_into('meter_1', qw(pad n note ver id)), insert_into('meter_20'));
sub meter_shape { my ($type, $value, @rest) = @_; return shape('meter', 'n', $type, \@into_meters, $value, omits => [qw(n note)], @rest) }

my $meter = {
    %common,
    name => 'int',
    setup => <<'SQL',
CREATE TABLE meter (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, n int NOT NULL DEFAULT 7 CONSTRAINT meter_n_check CHECK (n > 0),
    note text DEFAULT 'none', pad text DEFAULT repeat('p', 100), CONSTRAINT meter_n_key UNIQUE (n, id));
-- From 18 on the server itself can't change the type where NOT NULL has another name in a child, as that of a key has which is made with it.
CREATE TABLE meter_0 (CONSTRAINT meter_0_id UNIQUE (id)) INHERITS (meter);
ALTER TABLE meter_0 ADD PRIMARY KEY (n, id);
CREATE TABLE meter_1 (pad text DEFAULT repeat('p', 100), odd int, n int CONSTRAINT meter_n_not_null NOT NULL DEFAULT 7
    CONSTRAINT meter_n_check CHECK (n > 0), note text DEFAULT 'none', ver int NOT NULL DEFAULT 0, id bigint PRIMARY KEY);
ALTER TABLE meter_1 DROP COLUMN odd;
ALTER TABLE meter_1 INHERIT meter;
CREATE TABLE meter_2 (extra int DEFAULT 0, PRIMARY KEY (id), CONSTRAINT meter_2_check CHECK (n > extra) NO INHERIT) INHERITS (meter);
CREATE TABLE meter_20 (more int DEFAULT 1, PRIMARY KEY (id), CONSTRAINT meter_20_n UNIQUE (n, id)) INHERITS (meter_2);
CREATE INDEX meter_n_idx ON meter (n DESC NULLS LAST) INCLUDE (ver);
CREATE INDEX meter_part_idx ON meter (id) WHERE n < 1000;
CREATE INDEX meter_2_own ON meter_2 (extra, n);
COMMENT ON COLUMN meter.n IS 'how much';
COMMENT ON COLUMN meter_1.n IS 'of this one';
GRANT ALL ON meter, meter_0, meter_1, meter_2, meter_20 TO two_apps_app;
SQL
    load => load('meter', 'n', meter => '0, 1', meter_0 => '2, 3', meter_1 => '4, 5', meter_2 => '6, 7', meter_20 => '8, 9'),
    migration => 'ALTER TABLE meter ALTER COLUMN n TYPE bigint;',
    old => meter_shape('int', \&number, by_place => sub { return 1 }),
    new => meter_shape('bigint', \&large_number),
    first => sub { my ($id) = @_; return { n => $id, note => 'none' } },
    defaults => { n => 7, note => 'none' },
};

# Who reads and writes knows the rows by another number; ids are unique in each table.
my @into_items = (insert_into('item_0'), insert_into('item_10'));
sub item_shape {
    my ($type) = @_;
    return shape('item', 'k', $type, \@into_items, sub { $_[0] }, without => { upsert => 1 }, unique => { k => 1 });
}

my $item = {
    %common,
    name => 'key',
    setup => <<'SQL',
CREATE TABLE item (id bigint NOT NULL CONSTRAINT item_id UNIQUE, ver int NOT NULL DEFAULT 0, k serial PRIMARY KEY, note text DEFAULT 'none');
CREATE TABLE item_0 (CONSTRAINT item_0_id UNIQUE (id)) INHERITS (item);
ALTER TABLE item_0 ADD CONSTRAINT "the key of 0" PRIMARY KEY (k) WITH (fillfactor = 80);
CREATE TABLE item_1 (CONSTRAINT item_1_id UNIQUE (id)) INHERITS (item);
CREATE TABLE item_10 (extra int NOT NULL DEFAULT 1, CONSTRAINT item_10_id UNIQUE (id)) INHERITS (item_1);
ALTER TABLE item_10 ADD PRIMARY KEY (extra, k);
CREATE INDEX item_note_idx ON item (note, k);
COMMENT ON CONSTRAINT item_pkey ON item IS 'the key';
COMMENT ON CONSTRAINT "the key of 0" ON item_0 IS 'that of 0';
GRANT ALL ON item, item_0, item_1, item_10 TO two_apps_app;
GRANT USAGE ON SEQUENCE item_k_seq TO two_apps_app;
SQL
    load => load('item', 'k', item => '0, 1, 2', item_0 => '3, 4', item_1 => '5, 6', item_10 => '7, 8, 9') . ";\nSELECT setval('item_k_seq', $rows)",
    migration => 'ALTER TABLE item ALTER COLUMN k TYPE bigint;',
    # What plain SQL forgets.
    plain => 'ALTER TABLE item ALTER COLUMN k TYPE bigint; ALTER SEQUENCE item_k_seq AS bigint',
    old => item_shape('int'),
    new => item_shape('bigint'),
    first => sub { my ($id) = @_; return { k => $id, note => 'none' } },
    defaults => { note => 'none' },
};

my $run = ZdmTwoRun->new($node, $meter);
$run->forward;
$meter->{new} = meter_shape('bigint', \&number);
$run->back('switched');
$run = ZdmTwoRun->new($node, $item);
$run->forward;
done_testing();
