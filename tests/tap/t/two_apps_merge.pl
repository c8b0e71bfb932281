# Two columns merged into one, with `-- zdm: down` for both, while an old application writes the two and a new
# application the one for the same rows, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;

sub street { return 'Street' . int rand 1000 }
# May have commas in it.
sub city { return (rand() < 0.2 ? 'Bad, ' : '') . 'City' . int rand 1000 }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

my $case = {
    setup => <<'SQL',
CREATE TABLE place (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, street text NOT NULL, city text NOT NULL, note text, pad text DEFAULT repeat('p', 300));
GRANT ALL ON place TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO place (id, street, city) SELECT g, 'Street' || g, 'City' || g FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE place ADD COLUMN address text NOT NULL;
UPDATE place SET address = street || ', ' || city WHERE address IS NULL;
-- zdm: down street = split_part(address, ', ', 1)
-- zdm: down city = substr(address, strpos(address, ', ') + 2)
ALTER TABLE place DROP COLUMN street, DROP COLUMN city;
SQL
    old => {
        table => 'place', columns => [qw(street city note)],
        values => { street => \&street, city => \&city, note => \&remark },
        omits => ['note'], types => { street => 'text', city => 'text', note => 'text' },
    },
    new => {
        table => 'place', columns => [qw(address note)],
        values => { address => sub { street() . ', ' . city() }, note => \&remark },
        omits => ['note'], types => { address => 'text' },
    },
    first => sub { my ($id) = @_; return { street => "Street$id", city => "City$id", note => undef } },
    carry => sub {
        my ($row, $app, $changed) = @_;
        $row->{address} = "$row->{street}, $row->{city}" if $app eq 'old' && ($changed->{street} || $changed->{city});
        @$row{qw(street city)} = split /, /, $row->{address}, 2 if $app eq 'new' && $changed->{address};
        return;
    },
};

my $run = ZdmTwoRun->new(new_node('two_merge', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
