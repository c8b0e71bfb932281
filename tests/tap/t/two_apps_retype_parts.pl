# ALTER COLUMN TYPE of a partitioned table that would rewrite it, while an old and a new application write to the same rows, forward
# and back: int to bigint of a column with what one often has, and of one that is in the primary key. Partitions have their columns
# in another order, names and things of their own, and partitions of their own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 1500;
my $node = new_node('two_retype_parts', extension => 0);

# The columns change in expand and in the switch, when the old application writes; in a rollback twice more. One that is named changes its type
# in the switch, and back.
my %common = (rows => $rows, own_not_null => 1, switched => 1, open => 1, gone => 'none', carry => sub { return },
    again => { done => 2, 'rolled back' => 4 }, named => { done => 1, 'rolled back' => 2 });

sub number { return 1 + int rand 2_000_000_000 }
sub large_number { return rand() < 0.1 ? 5_000_000_000 + int rand 1e9 : number() }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

sub meter_shape {
    my ($type, $value, %more) = @_;
    return {
        table => 'meter', columns => [qw(n note)], values => { n => $value, note => \&remark },
        updates => [ ['n'], ['n'], ['note'], [qw(n note)] ], omits => [qw(n note)], types => { n => $type, note => 'text' }, %more,
    };
}

my $meter = {
    %common,
    name => 'int',
    setup => <<'SQL',
CREATE TABLE meter (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, n int NOT NULL DEFAULT 7 CONSTRAINT meter_n_check CHECK (n > 0),
    note text DEFAULT 'none', pad text DEFAULT repeat('p', 100), CONSTRAINT meter_n_key UNIQUE (n, id)) PARTITION BY HASH (id);
CREATE TABLE meter_0 PARTITION OF meter FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE meter_1 (pad text DEFAULT repeat('p', 100), note text DEFAULT 'none', odd int, n int NOT NULL DEFAULT 7 CONSTRAINT meter_n_check CHECK (n > 0),
    ver int NOT NULL DEFAULT 0, id bigint PRIMARY KEY);
ALTER TABLE meter_1 DROP COLUMN odd;
ALTER TABLE meter ATTACH PARTITION meter_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE meter_2 PARTITION OF meter FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY HASH (id);
CREATE TABLE meter_20 PARTITION OF meter_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE meter_21 PARTITION OF meter_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX meter_n_idx ON meter (n DESC NULLS LAST) INCLUDE (ver);
CREATE INDEX meter_part_idx ON meter (id) WHERE n < 1000;
CREATE INDEX meter_0_own ON meter_0 ((n % 10));
ALTER TABLE meter_1 ADD CONSTRAINT meter_1_check CHECK (n <> 0);
COMMENT ON COLUMN meter.n IS 'how much';
CREATE TABLE audit (id bigint, ver int);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.n <> OLD.n THEN INSERT INTO audit VALUES (NEW.id, NEW.ver); END IF; RETURN NULL; END $$;
CREATE TRIGGER meter_changes AFTER UPDATE ON meter FOR EACH ROW EXECUTE FUNCTION note_change();
GRANT ALL ON meter, audit TO two_apps_app;
SQL
    load => "INSERT INTO meter (id, n) SELECT g, g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE meter ALTER COLUMN n TYPE bigint;',
    old => meter_shape('int', \&number, by_place => sub { return 1 }),
    new => meter_shape('bigint', \&large_number),
    first => sub { my ($id) = @_; return { n => $id, note => 'none' } },
    defaults => { n => 7, note => 'none' },
    changes => { column => 'n', sql => 'SELECT id, ver FROM audit' },
};

# The shard says the partition, and is never changed. Who reads and writes knows the rows by another number.
sub item_shape {
    my ($type) = @_;
    return {
        table => 'item', columns => [qw(shard k note)],
        values => { shard => sub { $_[0] % 3 }, k => sub { $_[0] }, note => \&remark },
        updates => [ ['note'], ['k'], [qw(k note)] ], omits => ['note'], without => { upsert => 1 }, types => { k => $type, note => 'text' }, unique => { k => 1 },
    };
}

my $item = {
    %common,
    name => 'key',
    setup => <<'SQL',
CREATE TABLE item (id bigint NOT NULL, ver int NOT NULL DEFAULT 0, shard int NOT NULL, k serial, note text DEFAULT 'none',
    PRIMARY KEY (k, shard), CONSTRAINT item_id UNIQUE (id, shard)) PARTITION BY LIST (shard);
CREATE TABLE item_0 PARTITION OF item FOR VALUES IN (0);
CREATE TABLE item_1 (note text DEFAULT 'none', k int NOT NULL DEFAULT nextval('item_k_seq'), ver int NOT NULL DEFAULT 0, shard int NOT NULL, id bigint NOT NULL,
    CONSTRAINT "the key of 1" PRIMARY KEY (k, shard) WITH (fillfactor = 80));
ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES IN (1);
CREATE TABLE item_2 PARTITION OF item FOR VALUES IN (2) PARTITION BY HASH (shard);
CREATE TABLE item_20 PARTITION OF item_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE item_2 RENAME CONSTRAINT item_2_pkey TO middle;
CREATE INDEX item_note_idx ON item (note, k);
COMMENT ON CONSTRAINT item_pkey ON item IS 'the key';
GRANT ALL ON item TO two_apps_app;
GRANT USAGE ON SEQUENCE item_k_seq TO two_apps_app;
SQL
    load => "INSERT INTO item (id, shard, k) SELECT g, g % 3, g FROM generate_series(1, $rows) g; SELECT setval('item_k_seq', $rows)",
    migration => 'ALTER TABLE item ALTER COLUMN k TYPE bigint;',
    # What plain SQL forgets.
    plain => 'ALTER TABLE item ALTER COLUMN k TYPE bigint; ALTER SEQUENCE item_k_seq AS bigint; ALTER INDEX item_1_pkey SET (fillfactor = 80);'
        . ' ALTER TABLE item_1 RENAME CONSTRAINT item_1_pkey TO "the key of 1"; ALTER TABLE item_2 RENAME CONSTRAINT item_2_pkey TO middle',
    old => item_shape('int'),
    new => item_shape('bigint'),
    first => sub { my ($id) = @_; return { shard => $id % 3, k => $id, note => 'none' } },
    defaults => { note => 'none' },
};

my $run = ZdmTwoRun->new($node, $meter);
$run->forward;
$meter->{new} = meter_shape('bigint', \&number);
$run->back($_) for qw(ready switched);
$run = ZdmTwoRun->new($node, $item);
$run->forward;
$run->back('switched');
done_testing();
