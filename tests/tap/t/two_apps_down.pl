# Columns whose values turn into others and back, neither way without loss: a status that becomes a boolean, and a
# nullable name that is written in lower case. An old and a new application write to the same rows, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;

sub nick { return rand() < 0.3 ? undef : (qw(Ann bob CID)) [ rand 3 ] . int rand 1000 }
sub remark { return rand() < 0.2 ? undef : 'note ' . int rand 1e6 }

my $case = {
    setup => <<'SQL',
CREATE TABLE member (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, status text NOT NULL DEFAULT 'pending', nick text, note text);
CREATE INDEX member_status_idx ON member (status);
GRANT ALL ON member TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO member (id, status, nick) SELECT g, CASE g % 3 WHEN 0 THEN 'active' WHEN 1 THEN 'banned' ELSE 'pending' END, CASE WHEN g % 2 = 0 THEN 'Ann' || g END FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE member ADD COLUMN active boolean NOT NULL, ADD COLUMN handle text;
UPDATE member SET active = (status = 'active') WHERE active IS NULL;
UPDATE member SET handle = lower(nick) WHERE handle IS NULL;
-- zdm: down status = CASE WHEN active THEN 'active' ELSE 'inactive' END
-- zdm: down nick = handle
ALTER TABLE member DROP COLUMN status, DROP COLUMN nick;
SQL
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {
        table => 'member', columns => [qw(status nick note)],
        values => { status => sub { qw(active inactive pending banned) [ rand 4 ] }, nick => \&nick, note => \&remark },
        omits => [qw(status nick note)], types => { status => 'text', nick => 'text', note => 'text' },
    },
    new => {
        table => 'member', columns => [qw(active handle note)],
        values => { active => sub { qw(t f) [ rand 2 ] }, handle => \&nick, note => \&remark },
        omits => [qw(handle note)], types => { active => 'boolean', handle => 'text', note => 'text' },
    },
    first => sub {
        my ($id) = @_;
        return { status => (qw(active banned pending)) [ $id % 3 ], nick => $id % 2 ? undef : "Ann$id", note => undef };
    },
    defaults => { status => 'pending' },
    carry => sub {
        my ($row, $app, $changed) = @_;
        if ($app eq 'old') {
            $row->{active} = $row->{status} eq 'active' ? 't' : 'f' if $changed->{status};
            $row->{handle} = defined $row->{nick} ? lc $row->{nick} : undef if $changed->{nick};
        } else {
            $row->{status} = $row->{active} eq 't' ? 'active' : 'inactive' if $changed->{active};
            $row->{nick} = $row->{handle} if $changed->{handle};
        }
        return;
    },
};

my $run = ZdmTwoRun->new(new_node('two_down', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
