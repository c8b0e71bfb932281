# RENAME COLUMN of a partitioned table, while an old and a new application write to the same rows under both names, forward and
# back: of a column with what one often has (NOT NULL, a default, a CHECK, a foreign key, indexes, UNIQUE), and of one that is in
# the primary key. Partitions have their columns in another order, names and things of their own, and partitions of their own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 1500;
my $people = 60;
my $node = new_node('two_rename_parts', extension => 0);

# One application's view of the column's name.
sub task_shape {
    my ($column) = @_;
    return {
        table => 'task', columns => [ $column, 'note' ],
        values => { $column => sub { 1 + int rand $people }, note => sub { 'note ' . int rand 1e6 } },
        updates => [ [$column], [$column], ['note'], [ $column, 'note' ] ],
        omits => [ $column, 'note' ], types => { $column => 'int', note => 'text' },
    };
}

# What one application writes, the other one has under its name.
sub carry {
    my ($old, $new) = @_;
    return sub {
        my ($row, $app, $changed) = @_;
        $row->{$new} = $row->{$old} if $app eq 'old' && $changed->{$old};
        $row->{$old} = $row->{$new} if $app eq 'new' && $changed->{$new};
        return;
    };
}

my $task = {
    name => 'task',
    setup => <<'SQL',
CREATE TABLE person (id int PRIMARY KEY, name text);
CREATE TABLE task (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0,
    owner int NOT NULL DEFAULT 1 CONSTRAINT task_owner_check CHECK (owner > 0) CONSTRAINT task_owner_fk REFERENCES person ON UPDATE CASCADE,
    note text, pad text DEFAULT repeat('p', 200)) PARTITION BY HASH (id);
CREATE TABLE task_0 PARTITION OF task FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE task_1 (pad text DEFAULT repeat('p', 200), note text, odd int, owner int NOT NULL DEFAULT 1 CONSTRAINT task_owner_check CHECK (owner > 0),
    ver int NOT NULL DEFAULT 0, id bigint PRIMARY KEY);
ALTER TABLE task_1 DROP COLUMN odd;
ALTER TABLE task ATTACH PARTITION task_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE task_2 PARTITION OF task FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY HASH (id);
CREATE TABLE task_20 PARTITION OF task_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE task_21 PARTITION OF task_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX by_owner ON task_1 (owner DESC NULLS LAST, id) WITH (fillfactor = 80);
CREATE UNIQUE INDEX task_owner_id_key ON task (owner, id);
CREATE INDEX task_owner_idx ON task (owner DESC NULLS LAST, id);
ALTER TABLE task ADD CONSTRAINT task_key UNIQUE (id, owner, ver) DEFERRABLE;
CREATE INDEX task_0_owner ON task_0 (owner) WHERE owner < 40;
ALTER TABLE task_0 ADD CONSTRAINT task_0_check CHECK (owner < 1000000);
COMMENT ON COLUMN task.owner IS 'who does it';
COMMENT ON INDEX task_0_owner IS 'who has what';
ALTER TABLE task ALTER owner SET STATISTICS 200;
GRANT ALL ON task, person TO two_apps_app;
GRANT SELECT (owner) ON task TO public;
SQL
    rows => $rows,
    load => <<"SQL",
INSERT INTO person SELECT g, 'person ' || g FROM generate_series(1, $people) g;
INSERT INTO task (id, owner, note) SELECT g, 1 + g % $people, 'note ' || g FROM generate_series(1, $rows) g;
SQL
    migration => 'ALTER TABLE task RENAME COLUMN owner TO assignee;',
    old => task_shape('owner'),
    new => task_shape('assignee'),
    first => sub { my ($id) = @_; return { owner => 1 + $id % $people, note => "note $id" } },
    defaults => { owner => 1, assignee => 1 },
    carry => carry('owner', 'assignee'),
};

# The shard says the partition, and is never changed.
sub item_shape {
    my ($code) = @_;
    return {
        table => 'item', columns => [ 'shard', $code, 'note' ],
        values => { shard => sub { $_[0] % 3 }, $code => sub { "code $_[0]/" . int rand 1e6 }, note => sub { rand() < 0.2 ? undef : 'note ' . int rand 1e6 } },
        updates => [ [$code], [$code], ['note'], [ $code, 'note' ] ], omits => ['note'], without => { upsert => 1 },
        types => { $code => 'text', note => 'text' }, unique => { $code => 1 },
    };
}

my $item = {
    name => 'item',
    setup => <<'SQL',
CREATE TABLE item (id bigint NOT NULL, ver int NOT NULL DEFAULT 0, shard int NOT NULL, code text COLLATE "C" NOT NULL, note text DEFAULT 'none',
    PRIMARY KEY (code, shard), CONSTRAINT item_id UNIQUE (id, shard)) PARTITION BY LIST (shard);
CREATE TABLE item_0 PARTITION OF item FOR VALUES IN (0);
CREATE TABLE item_1 (note text DEFAULT 'none', code text COLLATE "C" NOT NULL, ver int NOT NULL DEFAULT 0, shard int NOT NULL, id bigint NOT NULL,
    CONSTRAINT "the key of 1" PRIMARY KEY (code, shard) WITH (fillfactor = 80));
ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES IN (1);
CREATE TABLE item_2 PARTITION OF item FOR VALUES IN (2) PARTITION BY HASH (shard);
CREATE TABLE item_20 PARTITION OF item_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE item_2 RENAME CONSTRAINT item_2_pkey TO middle;
COMMENT ON CONSTRAINT item_pkey ON item IS 'one each';
GRANT ALL ON item TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO item (id, shard, code) SELECT g, g % 3, 'code ' || g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE item RENAME COLUMN code TO sku;',
    old => item_shape('code'),
    new => item_shape('sku'),
    first => sub { my ($id) = @_; return { shard => $id % 3, code => "code $id", note => 'none' } },
    defaults => { note => 'none' },
    carry => carry('code', 'sku'),
};

my $run = ZdmTwoRun->new($node, $task);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
$run = ZdmTwoRun->new($node, $item);
$run->forward;
$run->back('ready');
done_testing();
