# RENAME TABLE while an old application writes under the old name and, from the switch on, a new one under the new
# name, forward and back. What a view can't do the old application does not ask for.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;

sub shape {
    my ($table, %without) = @_;
    return {
        table => $table, columns => [qw(code amount note)], without => \%without,
        values => { code => sub { "code $_[0]/" . int rand 1e6 }, amount => sub { 1 + int rand 1e6 },
            note => sub { rand() < 0.2 ? undef : 'note ' . int rand 1e6 } },
        omits => [qw(amount note)], types => { code => 'text', amount => 'int', note => 'text' }, unique => { code => 1 },
        more => [ sub {
            my ($writer, $id) = @_;
            $writer->run("INSERT INTO visit (client) SELECT id FROM $table WHERE id = \$1 FOR SHARE", $id);
            return;
        } ],
    };
}

my $case = {
    setup => <<'SQL',
CREATE TABLE client (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, code text NOT NULL CONSTRAINT client_code_key UNIQUE,
    amount int NOT NULL DEFAULT 7 CONSTRAINT client_amount_check CHECK (amount > 0), note text DEFAULT 'none');
CREATE INDEX client_amount_idx ON client (amount);
CREATE TABLE visit (client bigint REFERENCES client ON DELETE CASCADE, at timestamptz DEFAULT now());
COMMENT ON TABLE client IS 'who buys';
GRANT ALL ON client, visit TO two_apps_app;
GRANT SELECT, UPDATE (note) ON client TO public;
SQL
    rows => $rows,
    load => "INSERT INTO client (id, code, amount) SELECT g, 'code ' || g, g FROM generate_series(1, $rows) g",
    migration => 'ALTER TABLE client RENAME TO customer;',
    switched => 1,
    backfill => 0,
    gone => '42P01',
    old => shape('client', copy => 1, merge => 1),
    new => shape('customer'),
    first => sub { my ($id) = @_; return { code => "code $id", amount => $id, note => 'none' } },
    defaults => { amount => 7, note => 'none' },
    carry => sub { return },
    orphans => { old => 'SELECT count(*) FROM visit WHERE NOT EXISTS (SELECT FROM client WHERE id = visit.client)',
        new => 'SELECT count(*) FROM visit WHERE NOT EXISTS (SELECT FROM customer WHERE id = visit.client)' },
};

my $node = new_node('two_table', extension => 0);
my $run = ZdmTwoRun->new($node, $case);
$run->forward;
$run->back($_) for qw(expanded ready switched);
done_testing();
