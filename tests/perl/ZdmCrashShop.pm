# What the tests of crashes share: a shop, a migration of each kind of step, one that can be taken back from
# its very end, and what must be true afterwards.
package ZdmCrashShop;

use strict;
use warnings;
use Exporter 'import';
use Test::More;
use ZdmTest;
use ZdmCrash;

our @EXPORT = qw($tables $rows $migration $reversible $after $expected_done $at_a_time make_shop begin_sql
    names at_most_twice share in_parts check_all make_end back_sql);

our $at_a_time = 60;    # databases

# The shop. Enough rows for some batches, enough columns for every rule.
our $tables = <<'SQL';
CREATE EXTENSION zdm;
CREATE ROLE app LOGIN;
CREATE SCHEMA shop AUTHORIZATION app;
SET ROLE app;
SET search_path = shop;
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, legacy text, gone boolean NOT NULL);
CREATE INDEX users_legacy_idx ON users (legacy);
CREATE INDEX users_name_idx ON users (name);
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE labels (id int PRIMARY KEY, label text);
CREATE TABLE loose (id int CONSTRAINT loose_pkey PRIMARY KEY, user_id int CONSTRAINT loose_user_fk REFERENCES users,
    code int NOT NULL CONSTRAINT loose_code_key UNIQUE DEFERRABLE, price int CONSTRAINT loose_price_check CHECK (price > 0));
CREATE TABLE things (id int PRIMARY KEY, thing text NOT NULL DEFAULT 'some');
CREATE TABLE months (id int, month int) PARTITION BY LIST (month);
CREATE TABLE months_1 PARTITION OF months FOR VALUES IN (1);
CREATE TABLE months_2 PARTITION OF months FOR VALUES IN (2);
CREATE INDEX months_2_own ON months_2 (id);
CREATE TABLE months_3 PARTITION OF months FOR VALUES IN (3);
ALTER TABLE months_3 ADD CONSTRAINT months_3_own UNIQUE (month, id);
CREATE UNIQUE INDEX loose_ready_idx ON loose (price, id);
COMMENT ON CONSTRAINT loose_code_key ON loose IS 'one each';
COMMENT ON INDEX loose_code_key IS 'made by its constraint';
COMMENT ON CONSTRAINT loose_price_check ON loose IS 'nothing is free';
ALTER TABLE loose CLUSTER ON loose_code_key;
SQL
our $rows = <<'SQL';
SET search_path = shop;
INSERT INTO users SELECT g, 'name ' || g, 'old ' || g, g % 10 = 0 FROM generate_series(1, 3000) g;
INSERT INTO orders SELECT g, 1 + g % 9 + 10 * (g % 300), timestamptz '2024-01-01 UTC' + g * interval '1 min'
  FROM generate_series(1, 3000) g;
INSERT INTO labels VALUES (1, 'one');
INSERT INTO loose SELECT id, user_id, -id, id FROM orders;
INSERT INTO months SELECT g, 1 + g % 2 FROM generate_series(1, 100) g;
INSERT INTO things SELECT g FROM generate_series(1, 100) g;
ANALYZE users, orders, labels, loose;
SQL

# All kinds of steps; a DELETE and drops are removals, so this one can't go back from where they begin.
our $migration = <<'SQL';
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'phone of ' || legacy WHERE phone IS NULL;
INSERT INTO labels VALUES (2, 'two'), (3, 'three');
CREATE INDEX users_phone_idx ON users (phone);
CREATE INDEX orders_created_at_idx ON orders (created_at);
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX ON months (id);
DROP INDEX users_legacy_idx;
DELETE FROM users WHERE gone;
ALTER TABLE users DROP COLUMN legacy;
ALTER TABLE things RENAME TO goods;
SQL
# No removals: all of it can be taken back from the very end.
our $reversible = <<'SQL';
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'phone of ' || name WHERE phone IS NULL;
CREATE INDEX users_phone_idx ON users (phone);
CREATE INDEX orders_created_at_idx ON orders (created_at);
CREATE INDEX ON months (id);
ALTER TABLE months ADD UNIQUE (month, id);
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE users ADD CONSTRAINT users_name_check CHECK (name <> '');
ALTER TABLE loose DROP CONSTRAINT loose_code_key, DROP CONSTRAINT loose_user_fk, DROP CONSTRAINT loose_price_check,
    DROP CONSTRAINT loose_pkey, ALTER code DROP NOT NULL;
ALTER TABLE loose ADD CONSTRAINT loose_ready UNIQUE USING INDEX loose_ready_idx;
CREATE TABLE made (id int PRIMARY KEY, user_id int REFERENCES users);
SQL

# One value for all that must be as it was written; what the migration does to the rows is said a second
# time here, in other words.
my $checksum = q{SELECT md5(string_agg(r, E'\n' ORDER BY r COLLATE "C")) FROM (%s) s};
# Of the table under whichever of its names.
my $things = q{ UNION ALL SELECT query_to_xml('SELECT id, thing FROM '}
    . q{ || coalesce(to_regclass('shop.goods'), to_regclass('shop.things')) || ' ORDER BY id', false, false, '')::text};
our $after = sprintf $checksum, q{SELECT u::text r FROM shop.users u UNION ALL SELECT o::text FROM shop.orders o}
    . q{ UNION ALL SELECT l::text FROM shop.labels l UNION ALL SELECT l::text FROM shop.loose l} . $things;
our $expected_done = sprintf $checksum,
    q{SELECT (id, name, gone, 'phone of ' || legacy)::text r FROM shop.users WHERE NOT gone}
    . q{ UNION ALL SELECT o::text FROM shop.orders o}
    . q{ UNION ALL SELECT l::text FROM shop.loose l}
    . q{ UNION ALL SELECT v::text FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three')) v} . $things;

# What must not be left behind, one line each.
my $litter = <<'SQL';
SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'check ' || conname FROM pg_constraint WHERE conname LIKE '%zdm%' OR NOT convalidated
UNION ALL SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)
UNION ALL SELECT 'sequence ' || relname FROM pg_class WHERE relname ~ '^(acted|wrote|differs)_'
UNION ALL SELECT 'step ' || step || ' is ' || state FROM zdm.steps WHERE state NOT IN ('done', 'undone', 'pending')
UNION ALL SELECT 'worker ' || pid FROM pg_stat_activity WHERE backend_type = 'zdm' AND datname = current_database();
SQL

sub begin_sql {
    my ($sql, $upto) = @_;
    # Who still reads what is dropped is not the question here: nothing could tell, and the gate stay blind.
    return <<"SQL";
SET search_path = shop, public;
BEGIN;
SET ROLE app;
SELECT zdm_create('m', \$migration\$$sql\$migration\$);
SELECT zdm_set('m', 'quiet_period', '0');
SELECT zdm_start('m', '$upto');
RESET ROLE;
UPDATE zdm.step SET parameters = parameters || '{"blind": ""}' WHERE kind = 'gate';
COMMIT;
SQL
}

# Names of points without the number of the visit.
sub names { my %seen; return grep { !$seen{$_}++ } map { s/#.*//r } @_ }

# A backfill has as many batches as time allows: the first two of them are the same in each run. The indexes of partitions
# are one like the other.
sub at_most_twice {
    return grep { !/^(backfill|delete|last_pass|verify|count):.*#([3-9]|\d\d)/ && !/^(undo_)?(index|attach|drop_index):.*#([4-9]|\d\d)/ } @_;
}

# ZDM_CRASH_PART=k/n: only each n-th of these points, from the k-th on. $way is a number for each way to crash: over
# n runs each point is crashed in each way.
sub share {
    my ($way, @points) = @_;
    my ($k, $n) = ($ENV{ZDM_CRASH_PART} || '0/1') =~ m{^(\d+)/(\d+)$} or die 'ZDM_CRASH_PART is not k/n';
    return @points[ grep { ($_ + $way) % $n == $k } 0 .. $#points ];
}

# Each case of a wave must look like a database in which nothing crashed.
sub check_all {
    my ($node, $dump, $sum, @cases) = @_;
    my %found = in_each($node, "$after;\n$litter", map { $_->{db} } @cases);
    my @wrong;
    for my $case (@cases) {
        my $where = "$case->{db} ($case->{point})";
        my ($rows, $left) = split /\n/, $found{ $case->{db} }, 2;
        push @wrong, "$where left $left" if defined $left;
        push @wrong, "$where has other rows" if $rows ne $sum;
        push @wrong, "$where has another schema" if schema_dump($node, $case->{db}) ne $dump;
    }
    is(join("\n", @wrong), '', 'schema, rows and catalogs are as without a crash');
    return;
}

sub in_parts {
    my @all = @_;
    my @parts;
    push @parts, [ splice @all, 0, $at_a_time ] while @all;
    return @parts;
}

# Databases `plain`, empty, and `base`, with rows.
sub make_shop {
    my ($node) = @_;
    $node->safe_psql('postgres', 'CREATE DATABASE plain');
    $node->safe_psql('plain', $tables);
    $node->safe_psql('postgres', 'CREATE DATABASE base TEMPLATE plain');
    $node->safe_psql('base', $rows);
    return;
}

# The database `at_end`, in which the reversible migration is all but done. Gives the points on the way there.
sub make_end {
    my ($node) = @_;
    my @points = trace($node, template => 'base', begin => begin_sql($reversible, 'done'),
        stop_at => 'enter_done:before_commit#1');
    # A copy of a database goes on only when somebody resumes it, which copy.pl is about.
    $node->safe_psql('postgres', 'ALTER DATABASE traced RENAME TO at_end');
    return grep { !/^enter_done/ } @points;
}

# From there back, in a copy.
sub back_sql {
    return <<'SQL';
UPDATE zdm.migration SET database_oid = (SELECT oid FROM pg_database WHERE datname = current_database());
SET ROLE app;
SELECT zdm_rollback('m');
RESET ROLE;
SQL
}

1;
