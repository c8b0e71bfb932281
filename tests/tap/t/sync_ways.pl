# The sync trigger where no client writes: rows that logical replication applies, a dump that is
# restored, a standby that is promoted. And zdm's own trigger, as a migration makes it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $publisher = new_node('publisher', conf => "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\n");
my $subscriber = new_node('subscriber', streaming => 1);
my $migration = <<'SQL';
ALTER TABLE people ADD COLUMN phone text, ADD COLUMN full_name text NOT NULL;
UPDATE people SET phone = 'unknown' WHERE phone IS NULL;
UPDATE people SET full_name = first || ' ' || coalesce(last, '?') WHERE full_name IS NULL;
ALTER TABLE people ALTER COLUMN phone SET NOT NULL;
SQL
my $table = 'CREATE TABLE people (id int PRIMARY KEY, first text, last text, note text)';

$publisher->safe_psql('postgres', "$table; CREATE PUBLICATION pub FOR TABLE people");
$publisher->safe_psql('postgres', q{INSERT INTO people VALUES (1, 'Ann', 'Lee')});
$subscriber->safe_psql('postgres', $table);
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

# The columns exist on the subscriber only: the publisher is the old application.
$subscriber->safe_psql('postgres', "SELECT zdm_create('names', \$\$$migration\$\$); SELECT zdm_start('names')");
wait_state($subscriber, 'names', 'ready');
is($subscriber->safe_psql('postgres', q{SELECT tgenabled FROM pg_trigger WHERE tgname = 'zz_zdm_sync'}),
    'A', 'the trigger fires always');

my $evidence = q{SELECT count(*) FROM pg_sequences WHERE schemaname = 'zdm' AND sequencename LIKE 'acted%' AND last_value IS NOT NULL};
is($subscriber->safe_psql('postgres', $evidence), '0', 'the backfill is no evidence');
$publisher->safe_psql('postgres', q{INSERT INTO people VALUES (2, 'Bob', 'May'), (3, 'Cid', NULL)});
$publisher->safe_psql('postgres', q{UPDATE people SET last = 'Kim' WHERE id = 1});
$publisher->wait_for_catchup('sub');
is($subscriber->safe_psql('postgres', 'SELECT id, phone, full_name FROM people ORDER BY id'),
    "1|unknown|Ann Kim\n2|unknown|Bob May\n3|unknown|Cid ?", 'rows that replication applies are filled and kept in step');
is($subscriber->safe_psql('postgres', $evidence), '1', 'and are evidence');

# What the rules use can't be dropped under them.
my ($code, $out, $err) = $subscriber->psql('postgres', 'ALTER TABLE people DROP COLUMN first');
like($err, qr/trigger zz_zdm_sync on table people depends on column first/, 'an input cannot be dropped');
($code, $out, $err) = $subscriber->psql('postgres', 'ALTER TABLE people DROP COLUMN phone');
like($err, qr/trigger zz_zdm_sync on table people depends on column phone/, 'nor the column that is filled');

# A dump restored elsewhere keeps filling; its evidence is missing, and nobody's write fails.
my $dump = $subscriber->basedir . '/dump.sql';
$subscriber->command_ok([ 'pg_dump', '-d', $subscriber->connstr('postgres'), '--no-subscriptions', '-f', $dump ], 'dump');
$publisher->safe_psql('postgres', 'CREATE DATABASE restored');
$publisher->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $publisher->connstr('restored'), '-f', $dump ], 'restore');
is($publisher->safe_psql('restored', q{INSERT INTO people (id, first) VALUES (9, 'Eve') RETURNING phone, full_name}),
    'unknown|Eve ?', 'a restored table is filled');
is($publisher->safe_psql('restored', q{SELECT tgenabled FROM pg_trigger WHERE tgname = 'zz_zdm_sync'}),
    'A', 'always, there too');

# The subscriber dies; its standby goes on with the subscription, the trigger and the migration.
my $promoted = add_standby($subscriber, 'promoted');
$publisher->wait_for_catchup('sub');
$subscriber->wait_for_catchup($promoted);
$subscriber->stop('immediate');
$promoted->promote;
$publisher->safe_psql('postgres', q{INSERT INTO people VALUES (4, 'Dan', 'Oak'); UPDATE people SET last = 'Day' WHERE id = 2});
$publisher->wait_for_catchup('sub');
is($promoted->safe_psql('postgres', 'SELECT id, phone, full_name FROM people ORDER BY id'),
    "1|unknown|Ann Kim\n2|unknown|Bob Day\n3|unknown|Cid ?\n4|unknown|Dan Oak", 'a promoted standby fills and keeps in step');
is($promoted->safe_psql('postgres', q{SELECT state || ': ' || activity FROM zdm.migrations}),
    q{ready: waiting: zdm_contract('names')}, 'and has the migration as it was');

# Back to where it was: no trigger, no evidence, and the table is free.
$promoted->safe_psql('postgres', q{SELECT zdm_rollback('names')});
is(wait_state($promoted, 'names', 'rolled_back'), 'rolled_back', 'it can go back there');
is($promoted->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgname = 'zz_zdm_sync'}), '0', 'no trigger is left');
is($promoted->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname LIKE 'acted%'}), '0', 'no evidence is left');
is($promoted->safe_psql('postgres', q{SELECT count(*) FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND NOT EXISTS (SELECT FROM pg_trigger WHERE oid = objid)}),
    '0', 'no dependency is left');
$publisher->safe_psql('postgres', q{INSERT INTO people VALUES (5, 'Eve', 'Fox')});
$publisher->wait_for_catchup('sub');
is($promoted->safe_psql('postgres', 'SELECT count(*) FROM people'), '5', 'replication goes on');

done_testing();
