# RENAME COLUMN of a natural key (UNIQUE constraint, referenced by another table) and of a nullable column with long values in
# one file, while an old and a new application write to the same rows under both names, forward and back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;

sub long_text {
    my $dice = rand;
    return undef if $dice < 0.2;
    return '' if $dice < 0.3;
    # Compressed, stored out of line, or neither.
    return join ' ', map { $dice < 0.5 ? 'again' : int rand 1e9 } 1 .. ($dice < 0.96 ? 5 : 300);
}

sub shape {
    my ($key, $text) = @_;
    return {
        table => 'item', columns => [ $key, $text, 'amount' ],
        values => { $key => sub { "code $_[0]/" . int rand 1e6 }, $text => \&long_text, amount => sub { int rand 1e6 } },
        updates => [ [$key], [$text], [$text], ['amount'], [ $key, $text ], [ $key, $text, 'amount' ] ],
        omits => [ $text, 'amount' ], types => { $key => 'text', $text => 'text', amount => 'int' }, unique => { $key => 1 },
        # A row of the other table, which the foreign key holds against the key.
        more => [ sub {
            my ($writer, $id) = @_;
            $writer->run("INSERT INTO line (item) SELECT $key FROM item WHERE id = \$1 FOR SHARE", $id);
            return;
        } ],
    };
}

my $case = {
    setup => <<'SQL',
CREATE TABLE item (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0,
    code text COLLATE "C" NOT NULL CONSTRAINT item_code_key UNIQUE CONSTRAINT item_code_check CHECK (length(code) > 4),
    descr text, amount int DEFAULT 7);
ALTER TABLE item ALTER descr SET STORAGE EXTERNAL;
CREATE INDEX item_descr_idx ON item (md5(descr)) WHERE descr IS NOT NULL;
CREATE TABLE line (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item text CONSTRAINT line_item_fk REFERENCES item (code) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX line_item_idx ON line (item);
COMMENT ON CONSTRAINT item_code_key ON item IS 'one each';
COMMENT ON COLUMN item.descr IS 'in words';
GRANT ALL ON item, line TO two_apps_app;
SQL
    rows => $rows,
    load => "INSERT INTO item (id, code, descr) SELECT g, 'code ' || g, 'descr ' || g FROM generate_series(1, $rows) g",
    migration => "ALTER TABLE item RENAME COLUMN code TO sku;\nALTER TABLE item RENAME COLUMN descr TO description;\n",
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => shape(qw(code descr)),
    new => shape(qw(sku description)),
    first => sub { my ($id) = @_; return { code => "code $id", descr => "descr $id", amount => 7 } },
    defaults => { amount => 7 },
    carry => sub {
        my ($row, $app, $changed) = @_;
        for my $pair ([qw(code sku)], [qw(descr description)]) {
            my ($old, $new) = @$pair;
            $row->{$new} = $row->{$old} if $app eq 'old' && $changed->{$old};
            $row->{$old} = $row->{$new} if $app eq 'new' && $changed->{$new};
        }
        return;
    },
    orphans => { old => 'SELECT count(*) FROM line WHERE NOT EXISTS (SELECT FROM item WHERE code = line.item)',
        new => 'SELECT count(*) FROM line WHERE NOT EXISTS (SELECT FROM item WHERE sku = line.item)' },
};

my $run = ZdmTwoRun->new(new_node('two_rename_key', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
