# ALTER COLUMN TYPE that would rewrite, while an old and a new application write to the same rows under the one name that
# the column has (the old one in INSERT without a list of columns too): an integer that becomes a bigint, a nullable
# timestamp that gets a time zone, a nullable integer that becomes a numeric. From the switch on the new application
# also writes what the old type can't hold; a rollback loses that where the column may be NULL, and stops at it where it may not.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;
use ZdmTwoWriter;

my $rows = 1500;
my $zone = 'Asia/Tokyo';
my $node = new_node('two_retype', extension => 0, conf => "timezone = '$zone'\n");

sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

# What an application does with a column whose type changes, and a note beside it.
sub shape {
    my ($table, $column, $type, $value, %more) = @_;
    return {
        table => $table, columns => [ $column, 'note' ], values => { $column => $value, note => \&remark },
        updates => [ [$column], [$column], ['note'], [ $column, 'note' ] ], omits => [ $column, 'note' ],
        types => { $column => $type, note => 'text' }, %more,
    };
}

# The columns change in expand and in the switch, when the old application writes; in a rollback twice more. One that is named changes its type
# in the switch, and back.
my %common = (rows => $rows, switched => 1, open => 1, gone => 'none', carry => sub { return },
    again => { done => 2, 'rolled back' => 4 }, named => { done => 1, 'rolled back' => 2 });

# Both types hold what the old application writes. The new one writes more, but where a rollback is to lose nothing.
sub number { return 1 + int rand 2_000_000_000 }
sub large_number { return rand() < 0.1 ? 5_000_000_000 + int rand 1e9 : number() }
sub is_large { return $_[0] > 2_147_483_647 }

my $meter = {
    %common,
    name => 'int',
    setup => <<'SQL',
CREATE TABLE meter (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, n int NOT NULL DEFAULT 7 CONSTRAINT meter_n_check CHECK (n > 0),
    note text DEFAULT 'none', pad text DEFAULT repeat('p', 100), CONSTRAINT meter_n_key UNIQUE (n, id));
CREATE INDEX meter_n_idx ON meter (n DESC NULLS LAST) INCLUDE (ver);
CREATE INDEX meter_part_idx ON meter (id) WHERE n < 1000;
COMMENT ON COLUMN meter.n IS 'how much';
CREATE TABLE audit (id bigint, ver int);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.n <> OLD.n THEN INSERT INTO audit VALUES (NEW.id, NEW.ver); END IF; RETURN NULL; END $$;
CREATE TRIGGER meter_changes AFTER UPDATE ON meter FOR EACH ROW EXECUTE FUNCTION note_change();
GRANT ALL ON meter, audit TO two_apps_app;
SQL
    load => "INSERT INTO meter (id, n) SELECT g, g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE meter ALTER COLUMN n TYPE bigint;',
    old => shape('meter', 'n', 'int', \&number, by_place => sub { return 1 }),
    new => shape('meter', 'n', 'bigint', \&large_number),
    first => sub { my ($id) = @_; return { n => $id, note => 'none' } },
    defaults => { n => 7, note => 'none' },
    changes => { column => 'n', sql => 'SELECT id, ver FROM audit' },
};

sub seen {
    my $dice = rand;
    return undef if $dice < 0.2;
    return ('infinity', '-infinity', '0044-03-15 12:00:00 BC', '1999-12-31 23:59:59.000001')[ rand 4 ] if $dice < 0.4;
    return sprintf '2024-%02d-%02d %02d:%02d:%02d', map { 1 + int rand $_ } 12, 28, 22, 58, 58;
}
# A timestamp does not look at the zone.
sub seen_with_zone { my $seen = seen(); return defined $seen ? $seen =~ s/^(\d.*:\S+)/$1+00/r : undef }
my %in_utc = (means => { seen => sub { return $_[0] =~ s/\+00//r } });

my $event = {
    %common,
    name => 'zone',
    setup => <<'SQL',
CREATE TABLE event (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, seen timestamp, note text DEFAULT 'none', pad text DEFAULT repeat('p', 100));
CREATE INDEX event_seen_idx ON event (seen);
CREATE INDEX event_unseen_idx ON event (id) WHERE seen IS NULL;
GRANT ALL ON event TO two_apps_app;
SQL
    load => "INSERT INTO event (id, seen) SELECT g, CASE WHEN g % 5 <> 0 THEN timestamp '2020-01-01 12:00' END FROM generate_series(1, $rows) g",
    migration => q{ALTER TABLE event ALTER COLUMN seen TYPE timestamptz USING seen AT TIME ZONE 'UTC';},
    old => shape('event', 'seen', 'timestamp', \&seen, %in_utc, by_place => sub { return 1 }),
    new => shape('event', 'seen', 'timestamptz', \&seen_with_zone, %in_utc),
    first => sub { my ($id) = @_; return { seen => $id % 5 ? '2020-01-01 12:00:00' : undef, note => 'none' } },
    defaults => { note => 'none' },
};

# The last ones fit no integer; neither does what is no number at all.
sub any_number {
    return ('1.5', '5000000000', 'NaN', 'Infinity', '-0.001')[ rand 5 ] if rand() < 0.2;
    return rand() < 0.2 ? undef : number() . (rand() < 0.2 ? '.0' : '');
}

my $price = {
    %common,
    name => 'numeric',
    setup => <<'SQL',
CREATE TABLE price (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, amount int DEFAULT 7, note text DEFAULT 'none', pad text DEFAULT repeat('p', 100));
CREATE INDEX price_amount_idx ON price (amount);
GRANT ALL ON price TO two_apps_app;
SQL
    load => "INSERT INTO price (id, amount) SELECT g, g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE price ALTER COLUMN amount TYPE numeric;',
    old => shape('price', 'amount', 'int', sub { return rand() < 0.2 ? undef : number() }, means => { amount => \&plain_number },
        # After the switch a NULL that is given so is the default.
        by_place => sub { return defined $_[0]{amount} }),
    new => shape('price', 'amount', 'numeric', \&any_number, means => { amount => \&plain_number }),
    first => sub { my ($id) = @_; return { amount => $id, note => 'none' } },
    defaults => { amount => 7, note => 'none' },
    loses => { amount => sub { return $_[0] !~ /^\d+$/ || is_large($_[0]) } },
};

sub plain_number { return $_[0] =~ s/\.0$//r }

# Somebody who writes a column of some rows as the new application does.
sub write_rows {
    my ($run, $column, $value, @ids) = @_;
    my $writer = ZdmTwoWriter->new($run->{node}, $run->{db}, 9, $run->{dir}, name => 'new', shape => $run->{case}{new}, rows => $rows,
        seed => 1, user => 'two_apps_app');
    $writer->transact('COMMIT', map { { kind => 'update', id => $_, set => { $column => $value } } } @ids);
    return;
}

# To where a rollback would lose something, or stop; $kind is what zdm says before.
sub to_misfits {
    my ($run, $way, $kind, $column) = @_;
    $run->begin($way);
    $run->to_expanded;
    $run->to_ready;
    $run->to_switched;
    $run->leave('new');
    # Some at least, in rows that nobody deletes.
    write_rows($run, $column, 5_000_000_000, map { 1000 + 10 * $_ } 1 .. 20);
    my $said = $run->do("SET zdm.small_table = '1GB'; SELECT message FROM zdm_usage('m') WHERE kind = '$kind'");
    like($said, qr/^\d+ rows? of public\.\w+ /, "$run->{way}: zdm_usage names them as $kind");
    $run->rows_are_right('before it goes back', 'old');
    $run->roll_back;
    return;
}

# NOT NULL: the rollback stops before anything changes hands, and goes on when somebody has corrected the rows.
sub back_with_misfits {
    my ($run) = @_;
    to_misfits($run, 'back_misfit', 'misfit', 'n');
    ok(poll_until($run->{node}, q{SELECT state || ' ' || left(message, 5) FROM zdm.migrations}, 'failed ZD202', undef, $run->{db}),
        "$run->{way}: the rollback stops at them");
    $run->written(15);
    $run->rows_are_right('the rollback has stopped', 'old');
    write_rows($run, 'n', 1, split /\n/, $run->value('SELECT id FROM meter WHERE n > 2147483647 ORDER BY id'));
    $run->do(q{SELECT zdm_resume('m')});
    $run->end_back;
    return;
}

# A column that may be NULL.
sub back_with_losses {
    my ($run) = @_;
    to_misfits($run, 'back_loss', 'loss', 'amount');
    $run->end_back;
    is($run->value('SELECT count(*) > 0 FROM price WHERE amount IS NULL AND ver > 0 AND id % 10 = 0'), 't', "$run->{way}: and some is lost");
    return;
}

my $run = ZdmTwoRun->new($node, $meter);
$node->safe_psql('postgres', q{ALTER ROLE two_apps_app SET timezone = 'UTC'});
$run->forward;
back_with_misfits($run);
$meter->{new} = shape('meter', 'n', 'bigint', \&number);
$run->back('ready');

$run = ZdmTwoRun->new($node, $event);
$run->forward;
$run->back('switched');

$run = ZdmTwoRun->new($node, $price);
back_with_losses($run);
done_testing();
