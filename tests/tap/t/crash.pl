# Each commit of each kind of step, and kill -9 of the worker or an immediate stop of the server around it:
# the migration ends done all the same, with the schema that plain SQL makes of an empty copy, all rows as
# expected, and nothing left behind.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use ZdmCrash;

my $sources = $ENV{ZDM_ROOT} // die 'ZDM_ROOT does not name the sources';
my $most = 60;    # databases at a time
my $node = new_node('main', conf => conf_for_waves($most), extension => 0);

# The shop. Enough rows for some batches, enough columns for every rule.
my $tables = <<'SQL';
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
CREATE UNIQUE INDEX loose_ready_idx ON loose (price, id);
COMMENT ON CONSTRAINT loose_code_key ON loose IS 'one each';
COMMENT ON INDEX loose_code_key IS 'made by its constraint';
COMMENT ON CONSTRAINT loose_price_check ON loose IS 'nothing is free';
ALTER TABLE loose CLUSTER ON loose_code_key;
SQL
my $rows = <<'SQL';
SET search_path = shop;
INSERT INTO users SELECT g, 'name ' || g, 'old ' || g, g % 10 = 0 FROM generate_series(1, 3000) g;
INSERT INTO orders SELECT g, 1 + g % 9 + 10 * (g % 300), timestamptz '2024-01-01 UTC' + g * interval '1 min'
  FROM generate_series(1, 3000) g;
INSERT INTO labels VALUES (1, 'one');
INSERT INTO loose SELECT id, user_id, -id, id FROM orders;
ANALYZE users, orders, labels, loose;
SQL

# All kinds of steps; a DELETE and drops are removals, so this one can't go back from where they begin.
my $migration = <<'SQL';
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'phone of ' || name WHERE phone IS NULL;
INSERT INTO labels VALUES (2, 'two'), (3, 'three');
CREATE INDEX users_phone_idx ON users (phone);
CREATE INDEX orders_created_at_idx ON orders (created_at);
ALTER TABLE orders ADD CONSTRAINT orders_user_fk FOREIGN KEY (user_id) REFERENCES users (id);
DROP INDEX users_legacy_idx;
DELETE FROM users WHERE gone;
ALTER TABLE users DROP COLUMN legacy;
SQL
# No removals: all of it can be taken back from the very end.
my $reversible = <<'SQL';
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'phone of ' || name WHERE phone IS NULL;
CREATE INDEX users_phone_idx ON users (phone);
CREATE INDEX orders_created_at_idx ON orders (created_at);
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
my $after = sprintf $checksum, q{SELECT u::text r FROM shop.users u UNION ALL SELECT o::text FROM shop.orders o}
    . q{ UNION ALL SELECT l::text FROM shop.labels l UNION ALL SELECT l::text FROM shop.loose l};
my $expected_done = sprintf $checksum,
    q{SELECT (id, name, gone, 'phone of ' || name)::text r FROM shop.users WHERE NOT gone}
    . q{ UNION ALL SELECT o::text FROM shop.orders o}
    . q{ UNION ALL SELECT l::text FROM shop.loose l}
    . q{ UNION ALL SELECT v::text FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three')) v};

# What must not be left behind, one line each.
my $litter = <<'SQL';
SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'check ' || conname FROM pg_constraint WHERE conname LIKE '%zdm%' OR NOT convalidated
UNION ALL SELECT 'invalid index ' || indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)
UNION ALL SELECT 'sequence ' || relname FROM pg_class WHERE relname ~ '^(acted|wrote)_'
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

# A backfill has as many batches as time allows: the first two of them are the same in each run.
sub at_most_twice { return grep { !/^(backfill|delete|last_pass|count):.*#([3-9]|\d\d)/ } @_ }

# Each case of a wave must look like a database in which nothing crashed.
sub check_all {
    my ($dump, $sum, @cases) = @_;
    my %litter = in_each($node, $litter, map { $_->{db} } @cases);
    my %sum = in_each($node, $after, map { $_->{db} } @cases);
    my @wrong;
    for my $case (@cases) {
        my $where = "$case->{db} ($case->{point})";
        push @wrong, "$where left $litter{$case->{db}}" if $litter{ $case->{db} } ne '';
        push @wrong, "$where has other rows" if $sum{ $case->{db} } ne $sum;
        push @wrong, "$where has another schema" if schema_dump($node, $case->{db}) ne $dump;
    }
    is(join("\n", @wrong), '', 'schema, rows and catalogs are as without a crash');
    return;
}

sub in_parts {
    my @all = @_;
    my @parts;
    push @parts, [ splice @all, 0, $most ] while @all;
    return @parts;
}

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', $tables);
$node->safe_psql('postgres', 'CREATE DATABASE base TEMPLATE plain');
$node->safe_psql('base', $rows);
my $dump_before = schema_dump($node, 'base');
my $sum_before = $node->safe_psql('base', $after);
my $sum_done = $node->safe_psql('base', $expected_done);
$node->safe_psql('plain', "SET ROLE app; SET search_path = shop, public; $migration");
my $dump_done = schema_dump($node, 'plain');

my %kinds = map { $_ => 1 } step_kinds($sources);
my %faults = fault_names($sources);
my %reached;

# Where the migration comes by, first without any crash.
my @points = trace($node, template => 'base', begin => begin_sql($migration, 'done'), until => 'done');
check_all($dump_done, $sum_done, { db => 'traced', point => 'no crash' });
my @seen = split /\n/, $node->safe_psql('traced', 'SELECT DISTINCT kind FROM zdm.steps');
is(join(' ', sort @seen), join(' ', sort keys %kinds), 'the migration has a step of each kind');
for my $kind (sort keys %kinds) {
    my %of = map { $_ => 1 } grep { s/^\Q$kind\E:// } names(@points);
    ok($of{begin} && $of{intent} && $of{after_commit} && ($of{before_commit} || $of{before_mark}),
        "$kind has fault points before and after its commit: " . join ' ', sort keys %of);
}
$reached{$_}++ for names(@points);
$node->safe_psql('postgres', 'DROP DATABASE traced');

for my $part (in_parts(at_most_twice(@points))) {
    my @cases = wave($node, template => 'base', begin => begin_sql($migration, 'done'), points => $part);
    ok(kill_workers($node), 'the server is back after kill -9 of ' . @cases . ' workers');
    let_go($node, @cases);
    finished($node, 'done', @cases);
    check_all($dump_done, $sum_done, @cases);
    drop_all($node, @cases);
}

# The server stops at once: nobody starts the workers again until somebody calls zdm, whichever way.
my @calls = (
    q{SELECT zdm_resume('m');},
    q{CALL zdm_wait('m', 'done', '60 s');},
    q{SELECT zdm.ping('m');},
    q{SELECT zdm_start('m', 'done');});
for my $part (in_parts(at_most_twice(@points))) {
    my @cases = wave($node, template => 'base', begin => begin_sql($migration, 'done'), points => $part);
    stop_now($node);
    let_go($node, @cases);
    my %status = in_each($node, q{SELECT state || ' ' || activity FROM zdm.migrations}, map { $_->{db} } @cases);
    my @live = grep { $status{ $_->{db} } !~ /^done / } @cases;
    is(join("\n", grep { !/^\w+ stopped: zdm_resume\('m'\)$/ } map { $status{ $_->{db} } } @live), '',
        'all that are not done say that they are stopped and what to call');
    my $n = 0;
    my %call = map { $_->{db} => $calls[ $n++ % @calls ] } @live;
    in_each($node, sub { "\\o /dev/null\nSET ROLE app;\n$call{$_[0]}\n\\o" }, map { $_->{db} } @live);
    finished($node, 'done', @cases);
    check_all($dump_done, $sum_done, @cases);
    drop_all($node, @cases);
}

# Back from the very end, and a crash in the middle of that.
my %back = (
    template => 'base',
    begin => begin_sql($reversible, 'done'),
    first => 'enter_done:before_commit',
    between => sub { in_each($node, "\\o /dev/null\nSET ROLE app;\nSELECT zdm_rollback('m');\n\\o", @_) },
);
my @forward_and_back = trace($node, %back, until => 'rolled_back');
check_all($dump_before, $sum_before, { db => 'traced', point => 'no crash' });
my @undo = split /\n/, $node->safe_psql('traced', 'SELECT DISTINCT kind FROM zdm.undo ORDER BY 1');
$node->safe_psql('postgres', 'DROP DATABASE traced');
$reached{$_}++ for names(@forward_and_back);
my ($turn) = grep { $forward_and_back[$_] =~ /^enter_done/ } 0 .. $#forward_and_back;
my @forward = at_most_twice(@forward_and_back[ 0 .. $turn - 1 ]);
my @back = at_most_twice(grep { !/^enter_done/ } @forward_and_back[ $turn .. $#forward_and_back ]);
is("@undo", 'constraint count ddl drop_index index sync unsync validate', 'an undo of each kind');
for my $kind (@undo) {
    my %of = map { $_ => 1 } grep { s/^undo_\Q$kind\E:// } names(@back);
    ok($of{begin} && $of{intent} && $of{after_commit} && ($of{before_commit} || $of{before_mark}),
        "undo by $kind has fault points before and after its commit: " . join ' ', sort keys %of);
}
for my $crash (\&kill_workers, \&stop_now) {
    for my $part (in_parts(@back)) {
        my @cases = wave($node, %back, points => $part);
        $crash->($node);
        let_go($node, @cases);
        in_each($node, q{SET ROLE app; SELECT zdm.ping('m');}, map { $_->{db} } @cases)
            if $crash == \&stop_now;
        finished($node, 'rolled_back', @cases);
        check_all($dump_before, $sum_before, @cases);
        drop_all($node, @cases);
    }
}

# A crash on the way forward, and after it no wish to go on.
for my $part (in_parts(@forward)) {
    my @cases = wave($node, template => 'base', begin => begin_sql($reversible, 'done'), points => $part);
    stop_now($node);
    let_go($node, @cases);
    in_each($node, "\\o /dev/null\nSET ROLE app;\nSELECT zdm_rollback('m');\n\\o", map { $_->{db} } @cases);
    finished($node, 'rolled_back', @cases);
    check_all($dump_before, $sum_before, @cases);
    drop_all($node, @cases);
}

# A point that no case comes by tests nothing.
for my $pattern (sort keys %faults) {
    ok(scalar(grep { /^$pattern$/ } keys %reached), "a case comes by $pattern ($faults{$pattern}[0])");
}

done_testing();
