# RENAME COLUMN of a column with one of everything that can hang on it, while an old and a new application write to the
# same rows under both names, forward and back. Its trigger sees each change of the column once, whoever makes it, and
# no fill.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 3000;
my $kinds = 60;

sub shape {
    my ($column) = @_;
    return {
        table => 'thing', columns => [ $column, 'size', 'note' ],
        values => { $column => sub { 'kind ' . (1 + int rand $kinds) }, size => sub { 1 + int rand 1000 }, note => sub { 'note ' . int rand 1e6 } },
        updates => [ [$column], [$column], ['note'], ['size'], [ $column, 'note' ], [ $column, 'size', 'note' ] ],
        omits => [ $column, 'note' ], types => { $column => 'text', note => 'text' },
        more => [ sub {
            my ($writer, $id) = @_;
            $writer->run("INSERT INTO part (kind, thing) SELECT $column, id FROM thing WHERE id = \$1 FOR SHARE", $id);
            return;
        } ],
    };
}

my $case = {
    setup => <<'SQL',
CREATE TABLE kinds (kind varchar(40) COLLATE "C" PRIMARY KEY);
CREATE TABLE thing (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0,
    kind varchar(40) COLLATE "C" DEFAULT 'kind 1' NOT NULL CONSTRAINT thing_kind_check CHECK (length(kind) > 4),
    size int NOT NULL, note text,
    CONSTRAINT thing_kind_key UNIQUE (kind, id),
    CONSTRAINT thing_kind_size_check CHECK (kind <> 'kind 0' OR size > 5),
    CONSTRAINT thing_kind_fk FOREIGN KEY (kind) REFERENCES kinds);
CREATE INDEX thing_kind_idx ON thing (kind varchar_pattern_ops DESC NULLS LAST) INCLUDE (size) WITH (fillfactor = 70);
CREATE INDEX thing_kind_lower_idx ON thing (lower(kind) COLLATE "POSIX", size);
CREATE INDEX thing_kind_part_idx ON thing (size) WHERE kind = 'kind 1';
CREATE UNIQUE INDEX thing_kind_uidx ON thing (id, kind);
CREATE INDEX thing_kind_hash_idx ON thing USING hash (kind);
CREATE STATISTICS thing_stats (ndistinct, dependencies) ON kind, size FROM thing;
ALTER TABLE thing ALTER kind SET STATISTICS 321, ALTER kind SET (n_distinct = 61), ALTER kind SET STORAGE EXTERNAL, ALTER kind SET COMPRESSION pglz;
ALTER TABLE thing CLUSTER ON thing_kind_key;
ALTER TABLE thing REPLICA IDENTITY USING INDEX thing_kind_uidx;
COMMENT ON COLUMN thing.kind IS 'what it is';
COMMENT ON INDEX thing_kind_idx IS 'by what it is';
COMMENT ON CONSTRAINT thing_kind_check ON thing IS 'no short ones';
COMMENT ON CONSTRAINT thing_kind_key ON thing IS 'for parts';
COMMENT ON CONSTRAINT thing_kind_fk ON thing IS 'known ones';
COMMENT ON STATISTICS thing_stats IS 'big ones';
CREATE TABLE part (kind varchar(40) COLLATE "C" NOT NULL, thing bigint NOT NULL,
    CONSTRAINT part_thing_fk FOREIGN KEY (kind, thing) REFERENCES thing (kind, id) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX part_thing_idx ON part (thing);
CREATE VIEW big_things AS SELECT id, kind, size FROM thing WHERE size > 500 AND kind <> 'kind 2';
CREATE TABLE audit (id bigint, ver int);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (NEW.id, NEW.ver); RETURN NULL; END $$;
CREATE TRIGGER thing_changes AFTER UPDATE OF kind ON thing FOR EACH ROW WHEN (OLD.kind IS DISTINCT FROM NEW.kind) EXECUTE FUNCTION note_change();
COMMENT ON TRIGGER thing_changes ON thing IS 'notes changes';
GRANT ALL ON kinds, thing, part, big_things, audit TO two_apps_app;
GRANT SELECT (kind), UPDATE (kind), REFERENCES (kind) ON thing TO public;
CREATE PUBLICATION things FOR TABLE thing (id, kind, note);
CREATE PUBLICATION real_things FOR TABLE kinds, thing WHERE (kind <> 'kind 3' AND id > 5);
ALTER TABLE thing ADD CONSTRAINT thing_kind_late UNIQUE (id, kind) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE part ADD CONSTRAINT part_kind_fk FOREIGN KEY (kind) REFERENCES kinds DEFERRABLE;
ALTER TABLE thing ADD CONSTRAINT thing_kind_later_fk FOREIGN KEY (kind) REFERENCES kinds DEFERRABLE;
COMMENT ON CONSTRAINT thing_kind_late ON thing IS 'at the end';
-- Not in force: then COPY would not be allowed.
CREATE POLICY known ON thing TO two_apps_app USING (kind LIKE 'kind %' AND EXISTS (SELECT FROM kinds k WHERE k.kind = thing.kind))
    WITH CHECK (kind <> 'kind 0');
CREATE POLICY everybody ON thing AS RESTRICTIVE USING (length(kind) > 4);
COMMENT ON POLICY known ON thing IS 'what is known';
SQL
    rows => $rows,
    load => <<"SQL",
INSERT INTO kinds SELECT 'kind ' || g FROM generate_series(1, $kinds) g;
INSERT INTO thing (id, kind, size, note) SELECT g, 'kind ' || 1 + g % $kinds, 1 + g % 900, 'note ' || g FROM generate_series(1, $rows) g;
SQL
    migration => 'ALTER TABLE thing RENAME COLUMN kind TO category;',
    old => shape('kind'),
    new => shape('category'),
    first => sub { my ($id) = @_; return { kind => 'kind ' . (1 + $id % $kinds), size => 1 + $id % 900, note => "note $id" } },
    defaults => { kind => 'kind 1', category => 'kind 1' },
    carry => sub {
        my ($row, $app, $changed) = @_;
        $row->{category} = $row->{kind} if $app eq 'old' && $changed->{kind};
        $row->{kind} = $row->{category} if $app eq 'new' && $changed->{category};
        return;
    },
    orphans => { old => 'SELECT count(*) FROM part WHERE NOT EXISTS (SELECT FROM thing t WHERE (t.kind, t.id) = (part.kind, part.thing))',
        new => 'SELECT count(*) FROM part WHERE NOT EXISTS (SELECT FROM thing t WHERE (t.category, t.id) = (part.kind, part.thing))' },
    changes => { column => 'kind', sql => 'SELECT id, ver FROM audit' },
};

my $run = ZdmTwoRun->new(new_node('two_rename_all', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
