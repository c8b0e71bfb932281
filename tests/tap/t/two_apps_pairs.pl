# The sync trigger alone, made by hand, with pairs of all kinds on one table (a column and its new name, a nullable one, one
# split into two, two merged into one), while an old and a new application write to the same rows.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;

sub word { return ('', 'Zo' . "\xc3\xab", 'say "it\'s"', 'a\\b')[ rand 4 ] . int rand 1e5 }
sub first_name { return ('Ann', 'Bob', 'Cid', 'Dan')[ rand 4 ] . int rand 100 }
# What the new application may write and the old one's name does not give back.
sub any_first_name { return (rand() < 0.2 ? 'Mary ' : '') . first_name() }
sub last_name { return (rand() < 0.2 ? 'van der ' : '') . 'Lee' . int rand 1000 }
sub maybe { return rand() < 0.3 ? undef : int rand 1e6 }
sub street { return 'Street' . int rand 1000 }
sub city { return (rand() < 0.2 ? 'Bad, ' : '') . 'City' . int rand 1000 }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

my $case = {
    setup => <<'SQL',
CREATE TABLE card (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, kind text NOT NULL DEFAULT 'none', points int,
    name text NOT NULL, gone text, street text NOT NULL, city text NOT NULL, note text DEFAULT 'first');
ALTER TABLE card DROP COLUMN gone;
GRANT ALL ON card TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO card (id, kind, points, name, street, city) SELECT g, 'kind ' || g, g, 'Ann' || g || ' Lee' || g, 'Street' || g, 'City' || g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE card ADD COLUMN sort text NOT NULL, ADD COLUMN score int, ADD COLUMN first text NOT NULL, ADD COLUMN last text NOT NULL, ADD COLUMN address text NOT NULL',
    old => {
        table => 'card', columns => [qw(kind points name street city note)],
        values => { kind => \&word, points => \&maybe, name => sub { first_name() . ' ' . last_name() }, street => \&street, city => \&city, note => \&remark },
        updates => [ ['kind'], ['points'], ['name'], ['street'], ['city'], ['note'], [qw(kind points name street city note)], [qw(kind city)] ],
        omits => [qw(kind points note)],
        types => { kind => 'text', points => 'int', name => 'text', street => 'text', city => 'text', note => 'text' },
    },
    new => {
        table => 'card', columns => [qw(sort score first last address note)],
        values => { sort => \&word, score => \&maybe, first => \&any_first_name, last => \&last_name,
            address => sub { rand() < 0.1 ? street() : street() . ', ' . city() }, note => \&remark },
        updates => [ ['sort'], ['score'], ['first'], ['last'], [qw(first last)], ['address'], ['note'], [qw(sort score first last address note)] ],
        omits => [qw(sort score note)],
        types => { sort => 'text', score => 'int', first => 'text', last => 'text', address => 'text' },
    },
    first => sub {
        my ($id) = @_;
        return { kind => "kind $id", points => $id, name => "Ann$id Lee$id", street => "Street$id", city => "City$id", note => 'first' };
    },
    defaults => { kind => 'none', sort => 'none', note => 'first' },
    carry => sub {
        my ($row, $app, $changed) = @_;
        if ($app eq 'old') {
            $row->{sort} = $row->{kind} if $changed->{kind};
            $row->{score} = $row->{points} if $changed->{points};
            @$row{qw(first last)} = split / /, $row->{name}, 2 if $changed->{name};
            $row->{address} = "$row->{street}, $row->{city}" if $changed->{street} || $changed->{city};
        } else {
            $row->{kind} = $row->{sort} if $changed->{sort};
            $row->{points} = $row->{score} if $changed->{score};
            $row->{name} = "$row->{first} $row->{last}" if $changed->{first} || $changed->{last};
            @$row{qw(street city)} = $row->{address} =~ /^(.*?), (.*)$/ ? ($1, $2) : ($row->{address}, substr $row->{address}, 1)
                if $changed->{address};
        }
        return;
    },
};
my @rules = (
    sort => 'step', 'kind', '', score => 'step', 'points', '',
    first => 'step', q{split_part(name, ' ', 1)}, '', last => 'step', q{substr(name, strpos(name, ' ') + 1)}, '',
    address => 'step', q{street || ', ' || city}, '',
    kind => 'back', 'sort', '', points => 'back', 'score', '', name => 'back', q{first || ' ' || last}, '',
    street => 'back', q{split_part(address, ', ', 1)}, '', city => 'back', q{substr(address, strpos(address, ', ') + 2)}, '');
my $rules = join ', ', map { "'" . s/'/''/gr . "'" } 'pg_catalog, pg_temp', @rules;

my $node = new_node('two_pairs', extension => 0);
my $run = ZdmTwoRun->new($node, $case);
$run->begin('pairs');
my $oid = $run->value(q{SELECT 'card'::regclass::oid});
# At once, so that the new application needs to wait for no backfill.
$run->value(<<"SQL");
BEGIN;
SET LOCAL lock_timeout = '20s';
LOCK TABLE card;
ALTER TABLE card ADD COLUMN sort text, ADD COLUMN score int, ADD COLUMN first text, ADD COLUMN last text, ADD COLUMN address text;
UPDATE card SET sort = kind, score = points, first = split_part(name, ' ', 1), last = substr(name, strpos(name, ' ') + 1), address = street || ', ' || city;
ALTER TABLE card ALTER sort SET NOT NULL, ALTER first SET NOT NULL, ALTER last SET NOT NULL, ALTER address SET NOT NULL;
CREATE TRIGGER zz_zdm_sync BEFORE INSERT OR UPDATE ON card FOR EACH ROW EXECUTE FUNCTION zdm.sync($rules);
ALTER TABLE card ENABLE ALWAYS TRIGGER zz_zdm_sync;
CREATE SEQUENCE zdm.acted_$oid;
CREATE SEQUENCE zdm.wrote_$oid;
CREATE SEQUENCE zdm.differs_$oid;
COMMIT;
SQL
$run->rows_are_right('the trigger is there', 'old', 'new');
$run->enter('new');
for my $part (1 .. 4) {
    $run->written(100);
    $run->rows_are_right("part $part", 'old', 'new');
}
$run->leave($_) for qw(old new);
$run->rows_are_right('all have ended', 'old', 'new');
$run->no_errors(1);
is($run->value("SELECT is_called FROM zdm.differs_$oid"), 'f', 'no row was counted as different');
is($run->value("SELECT is_called FROM zdm.$_" . "_$oid"), 't', "there is evidence: $_") for qw(acted wrote);
done_testing();
