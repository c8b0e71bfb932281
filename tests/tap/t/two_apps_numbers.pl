# ADD COLUMN … NOT NULL with a volatile default, and an identity column, while an old and a new application write to the same
# rows, forward and back. Nobody can say before which values the server gives, so they are looked at as they come: none is
# missing from ready on, none comes twice, and none is replaced but by an application. The role that writes has no right on
# the sequence, as an identity needs none.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;
use ZdmTwoRun;

my $rows = 4000;

my %shape = (
    table => 'account', columns => [qw(name amount note)],
    values => {
        name => sub { 'name ' . int rand 1000 }, amount => sub { int rand 1e6 },
        note => sub { rand() < 0.3 ? undef : 'note ' . int rand 1e6 },
    },
    omits => [qw(amount note)],
    types => { name => 'text', amount => 'int', note => 'text' });

# The new application gives some rows a token of its own, and writes down which.
sub claim {
    my ($writer, $id) = @_;
    $writer->run('WITH mine AS (UPDATE account SET token = gen_random_uuid() WHERE id = $1 RETURNING id, token)'
            . ' INSERT INTO claim SELECT id, token FROM mine ON CONFLICT (id) DO UPDATE SET token = excluded.token', $id);
    return;
}

my $case = {
    setup => <<'SQL',
CREATE TABLE account (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, name text NOT NULL, amount int NOT NULL DEFAULT 7,
    note text, pad text DEFAULT repeat('p', 300));
CREATE TABLE claim (id bigint PRIMARY KEY, token uuid NOT NULL);
CREATE TABLE seen (id bigint PRIMARY KEY, token uuid, no int);
GRANT ALL ON account, claim TO two_apps_app;
-- A fill that nobody wrote fires no trigger of the table.
CREATE FUNCTION count_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'two_apps_app' THEN RAISE EXCEPTION 'the trigger fired for %', current_user; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_counted AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION count_name();
-- How many values are wrong; what is there now must be there the next time.
CREATE FUNCTION wrong(complete boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'account'::regclass AND attname = 'no' AND NOT attisdropped)
    THEN RETURN 0; END IF;
    WITH now AS (SELECT a.id, a.token, a.no, s.token AS was, s.no AS was_no, c.token AS claimed
                   FROM account a LEFT JOIN seen s USING (id) LEFT JOIN claim c USING (id)),
         kept AS (INSERT INTO seen SELECT id, token, no FROM now
                  ON CONFLICT (id) DO UPDATE SET token = excluded.token, no = excluded.no)
    SELECT count(*) FILTER (WHERE token IS DISTINCT FROM claimed AND claimed IS NOT NULL)
         + count(*) FILTER (WHERE token IS DISTINCT FROM was AND was IS NOT NULL AND claimed IS NULL)
         + count(*) FILTER (WHERE no IS DISTINCT FROM was_no AND was_no IS NOT NULL)
         + count(*) FILTER (WHERE complete AND (token IS NULL OR no IS NULL))
         + count(token) - count(DISTINCT token) + count(no) - count(DISTINCT no)
         + count(*) FILTER (WHERE no > (SELECT last_value FROM account_no_seq))
      FROM now INTO wrong;
    RETURN wrong;
END $$;
SQL
    rows => $rows,
    load => "INSERT INTO account (id, name, amount, note) SELECT g, 'name ' || g, g, NULL FROM generate_series(1, $rows) g",
    migration => <<'SQL',
ALTER TABLE account ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN no int GENERATED ALWAYS AS IDENTITY (START WITH 100) UNIQUE;
SQL
    gone => 'none',
    # Two columns come, and go, one after the other.
    again => { done => 2, 'rolled back' => 4 },
    old => {%shape},
    new => { %shape, more => [ \&claim ] },
    first => sub { my ($id) = @_; return { name => "name $id", amount => $id, note => undef } },
    defaults => { amount => 7 },
    carry => sub { return },
    # Through the new shape each row has its values.
    orphans => { old => 'SELECT wrong(false)', new => 'SELECT wrong(true)' },
};

my $run = ZdmTwoRun->new(new_node('two_numbers', extension => 0), $case);
$run->forward;
$run->back($_) for qw(expanded backfill ready);
done_testing();
