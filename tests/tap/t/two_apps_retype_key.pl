# int to bigint of a serial primary key that another table refers to, and of the column that refers, while an old and a new
# application write to the same rows, forward and back. From the switch on the new application also adds keys that no integer
# holds; a rollback stops at these until they are gone.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;
use ZdmTwoWriter;

my $rows = 2000;
my $items = 60;
my $node = new_node('two_retype_key', extension => 0);

# The columns change in expand and in the switch, when the old application writes; in a rollback twice more. One that is named changes its type
# in the switch, and back.
my %common = (rows => $rows, switched => 1, open => 1, gone => 'none', carry => sub { return },
    again => { done => 2, 'rolled back' => 4 }, named => { done => 1, 'rolled back' => 2 });

sub refer {
    my ($writer, $id) = @_;
    $writer->run('INSERT INTO line (item) SELECT id FROM item WHERE id = $1 FOR SHARE', $id);
    return;
}

# A row whose key comes from the sequence.
sub add_row {
    my ($writer) = @_;
    my $code = "serial $writer->{w}." . ++$writer->{added};
    my $added = $writer->run('INSERT INTO item (code) VALUES ($1) RETURNING ' . $writer->columns, $code);
    $writer->wrote('insert', { code => $code }, @{ $added->{rows} });
    refer($writer, $added->{rows}[0][0]);
    return;
}

# A row whose key only the new type holds.
sub add_large {
    my ($writer) = @_;
    my $id = 5_000_000_000 + 1_000_000 * $writer->{w} + ++$writer->{large};
    my $op = { id => $id, set => { code => "large $id", note => undef } };
    $writer->do_insert($op);
    $writer->do_update({ id => $id, set => { note => 'large' } });
    return;
}

sub item_shape {
    my (@more) = @_;
    return {
        table => 'item', columns => [qw(code note)],
        values => { code => sub { "code $_[0]/" . int rand 1e6 }, note => sub { rand() < 0.2 ? undef : 'note ' . int rand 1e6 } },
        omits => ['note'], types => { code => 'text', note => 'text' }, unique => { code => 1 }, more => [ \&refer, \&add_row, @more ],
    };
}

my $orphans = 'SELECT count(*) FROM line WHERE NOT EXISTS (SELECT FROM item WHERE id = line.item)';
my $item = {
    %common,
    name => 'key',
    setup => <<'SQL',
CREATE TABLE item (id serial PRIMARY KEY, ver int NOT NULL DEFAULT 0, code text NOT NULL CONSTRAINT item_code_key UNIQUE, note text DEFAULT 'none');
CREATE TABLE line (item int NOT NULL CONSTRAINT line_item_fk REFERENCES item ON DELETE CASCADE);
CREATE INDEX line_item_idx ON line (item);
CREATE INDEX item_note_idx ON item (note, id);
COMMENT ON CONSTRAINT item_pkey ON item IS 'the key';
GRANT ALL ON item, line TO two_apps_app;
GRANT USAGE ON SEQUENCE item_id_seq TO two_apps_app;
CREATE PUBLICATION whole FOR TABLE item;
CREATE PUBLICATION listed FOR TABLE item (id, code);
CREATE PUBLICATION filtered FOR TABLE item (code, id) WHERE (ver >= 0) WITH (publish = 'insert');
SQL
    load => "INSERT INTO item (code) SELECT 'code ' || g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE item ALTER COLUMN id TYPE bigint;',
    # What plain SQL forgets, and stops at.
    plain => 'ALTER PUBLICATION listed DROP TABLE item; ALTER PUBLICATION filtered DROP TABLE item;'
        . ' ALTER TABLE item ALTER COLUMN id TYPE bigint; ALTER SEQUENCE item_id_seq AS bigint;'
        . ' ALTER PUBLICATION listed ADD TABLE item (id, code); ALTER PUBLICATION filtered ADD TABLE item (code, id) WHERE (ver >= 0)',
    old => item_shape(),
    new => item_shape(\&add_large),
    first => sub { my ($id) = @_; return { code => "code $id", note => 'none' } },
    defaults => { note => 'none' },
    orphans => { old => $orphans, new => $orphans },
};

sub line_shape {
    my ($type) = @_;
    return {
        table => 'line', columns => [qw(item note)], values => { item => sub { 1 + int rand $items }, note => sub { 'note ' . int rand 1e6 } },
        updates => [ ['item'], ['item'], ['note'], [qw(item note)] ], omits => [qw(item note)], types => { item => $type, note => 'text' },
    };
}

my $line = {
    %common,
    name => 'reference',
    setup => <<'SQL',
CREATE TABLE item (id serial PRIMARY KEY, name text);
CREATE TABLE line (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0,
    item int NOT NULL DEFAULT 1 CONSTRAINT line_item_fk REFERENCES item ON UPDATE CASCADE, note text, pad text DEFAULT repeat('p', 100));
CREATE INDEX line_item_idx ON line (item);
COMMENT ON CONSTRAINT line_item_fk ON line IS 'of what';
GRANT ALL ON item, line TO two_apps_app;
SQL
    load => "INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, $items) g;"
        . "INSERT INTO line (id, item) SELECT g, 1 + g % $items FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE line ALTER COLUMN item TYPE bigint;',
    old => line_shape('int'),
    new => line_shape('bigint'),
    first => sub { my ($id) = @_; return { item => 1 + $id % $items, note => undef } },
    defaults => { item => 1 },
    orphans => { old => $orphans, new => $orphans },
};

sub back_with_large_keys {
    my ($run) = @_;
    $run->begin('back_large');
    $run->to_expanded;
    $run->to_ready;
    $run->to_switched;
    $run->leave('new');
    my $writer = ZdmTwoWriter->new($node, $run->{db}, 9, $run->{dir}, name => 'new', shape => $item->{new}, rows => $rows, seed => 1, user => 'two_apps_app');
    $writer->transact('COMMIT', { kind => 'more', id => 0, which => 2 });
    $run->rows_are_right('before it goes back', 'old');
    $run->roll_back;
    ok(poll_until($node, q{SELECT state || ' ' || left(message, 5) FROM zdm.migrations}, 'failed ZD202', undef, $run->{db}),
        "$run->{way}: the rollback stops at keys that are too large");
    $run->written(15);
    $run->rows_are_right('the rollback has stopped', 'old');
    $writer->transact('COMMIT', map { { kind => 'delete', id => $_ } } split /\n/, $run->value('SELECT id FROM item WHERE id > 2147483647 ORDER BY id'));
    $run->do(q{SELECT zdm_resume('m')});
    $run->end_back;
    return;
}

my $run = ZdmTwoRun->new($node, $item);
$run->forward;
back_with_large_keys($run);
$item->{new} = item_shape();
$run->back('ready');

$run = ZdmTwoRun->new($node, $line);
$run->forward;
$run->back('switched');
done_testing();
