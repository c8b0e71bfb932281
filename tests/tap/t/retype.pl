# ALTER COLUMN TYPE that would rewrite, from end to end: an application writes under the old type until the switch and
# under the new one after it, nothing is lost; when it is done, pg_dump says what it says after the plain statement (the
# order of columns apart), and after a rollback, from ready or from switched, what it said before. Also after kill -9.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmCrashShop 'begin_sql';
use ZdmTest;

my $node = new_node('retype', extension => 0);

my $tables = <<'SQL';
CREATE EXTENSION zdm;
CREATE SCHEMA shop AUTHORIZATION app;
SET ROLE app;
SET search_path = shop;
CREATE TABLE kind (id int PRIMARY KEY, name text);
CREATE TABLE item (id bigserial PRIMARY KEY, note text, slot int NOT NULL,
    n int NOT NULL DEFAULT 7 CONSTRAINT item_n_check CHECK (n > 0) CONSTRAINT item_n_fk REFERENCES kind ON UPDATE CASCADE ON DELETE CASCADE,
    changes int NOT NULL DEFAULT 0,
    CONSTRAINT item_slot_key UNIQUE (n, slot), CONSTRAINT item_both_check CHECK (n + slot > 0) NOT VALID);
CREATE INDEX item_n_idx ON item (n DESC NULLS LAST) INCLUDE (slot) WITH (fillfactor = 80);
CREATE INDEX item_part_idx ON item (slot) WHERE n < 40;
CREATE INDEX item_expression_idx ON item ((n % 7), lower(note));
CREATE UNIQUE INDEX item_unique_idx ON item (n, (slot + 1));
CREATE INDEX item_other_idx ON item (slot);
COMMENT ON COLUMN item.n IS 'which kind';
COMMENT ON INDEX item_n_idx IS 'of which kind';
COMMENT ON CONSTRAINT item_n_check ON item IS 'nothing has kind 0';
COMMENT ON CONSTRAINT item_slot_key ON item IS 'one at a time';
ALTER TABLE item ALTER n SET STATISTICS 200, ALTER n SET (n_distinct = 60);
ALTER TABLE item CLUSTER ON item_n_idx, REPLICA IDENTITY USING INDEX item_slot_key;
CREATE STATISTICS item_stat ON n, slot FROM item;
GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk;
GRANT USAGE ON SCHEMA shop TO clerk;
GRANT USAGE ON SEQUENCE item_id_seq TO clerk;
GRANT SELECT (n, slot) ON item TO public;
CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.n <> OLD.n THEN NEW.changes := OLD.changes + 1; END IF; RETURN NEW; END $$;
CREATE TRIGGER changes BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION count_changes();
CREATE TABLE price (id int PRIMARY KEY, amount text NOT NULL DEFAULT '0', seen timestamp,
    cost text NOT NULL CONSTRAINT price_cost_check CHECK (cost IS NOT NULL));
CREATE INDEX price_cost_idx ON price (cost);
CREATE INDEX price_amount_idx ON price (amount);
SQL
my $rows = <<'SQL';
SET search_path = shop;
INSERT INTO kind SELECT g, 'kind ' || g FROM generate_series(1, 60) g;
INSERT INTO item (n, slot, note) SELECT 1 + g % 60, g, 'note ' || g FROM generate_series(1, 3000) g;
INSERT INTO price SELECT g, ' ' || g || '.50', '2020-01-01'::timestamp + g * interval '1 hour', ' ' || g || '.50' FROM generate_series(1, 500) g;
SQL
my $change = 'ALTER TABLE item ALTER COLUMN n TYPE bigint;';

$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE clerk LOGIN; CREATE DATABASE base');
$node->safe_psql('base', $tables);
$node->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE base');
$node->safe_psql('base', $rows);
my $before = dump_of('base');

sub dump_of { return columns_sorted(schema_dump($node, $_[0], '-n', 'shop')); }

# What pg_dump says after the plain statement.
sub plain_of {
    my ($sql) = @_;
    $node->safe_psql('postgres', 'CREATE DATABASE one TEMPLATE plain');
    $node->safe_psql('one', "SET ROLE app; SET search_path = shop; $sql");
    my $dump = dump_of('one');
    $node->safe_psql('postgres', 'DROP DATABASE one');
    return $dump;
}

sub begin {
    my ($db, $sql) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE base");
    start($db, $sql);
    return $db;
}

sub start {
    my ($db, $sql) = @_;
    $node->safe_psql($db, begin_sql($sql, 'ready'));
    return;
}

sub call {
    my ($db, $call) = @_;
    return $node->safe_psql($db, "SET ROLE app; SELECT $call");
}

# What an application does that knows the column, of whichever type. One session throughout, whose plans and trigger
# functions outlive the switch.
sub write_rows {
    my ($db, $n, $kind) = @_;
    my $slot = 10_000 + 10 * $n;
    $node->safe_psql($db, <<"SQL");
SET ROLE clerk; SET search_path = shop;
INSERT INTO item (n, slot, note) VALUES (1, $slot, 'given');
INSERT INTO item (slot, note) VALUES ($slot + 1, 'default');
UPDATE item SET n = 3 WHERE slot = $slot;
UPDATE item SET note = 'other' WHERE slot = $slot + 1;
INSERT INTO item (n, slot) VALUES (3, $slot) ON CONFLICT (n, slot) DO UPDATE SET note = 'twice', n = excluded.n + 1;
DELETE FROM item WHERE slot = 10 + $n;
RESET ROLE;
INSERT INTO kind VALUES (100 + $n); INSERT INTO item (n, slot) VALUES (100 + $n, $slot + 2);
UPDATE kind SET id = id + 100 WHERE id = 100 + $n;
SQL
    is($node->safe_psql($db, "SELECT string_agg(format('%s %s %s %s', n, slot, note, changes), '; ' ORDER BY slot) FROM shop.item WHERE slot BETWEEN $slot AND $slot + 9"),
        "4 $slot twice 2; 7 @{[ $slot + 1 ]} other 0; @{[ 200 + $n ]} @{[ $slot + 2 ]}  1", "$db: rows of the application, and the keys cascade");
    return;
}

my $sum = 'SELECT md5(string_agg(t::text, E\'\n\' ORDER BY slot)) FROM (SELECT slot, n, note, changes FROM shop.item) t';
my $litter = q{SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%zdm%' UNION ALL SELECT conname FROM pg_constraint WHERE conname LIKE '%zdm%'}
    . q{ UNION ALL SELECT relname FROM pg_class WHERE relname ~ '^zdm_.*copy' OR relname ~ '^(acted|wrote|differs)_'}
    . q{ UNION ALL SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE attname LIKE 'zdm%' AND NOT attisdropped AND relkind = 'r'}
    . q{ AND relnamespace = 'shop'::regnamespace};
my $plain = plain_of($change);

# Forward, with writes at each resting point.
my $db = begin('forward', $change);
is(wait_state($node, 'm', 'ready', undef, $db), 'ready', 'ready');
is($node->safe_psql($db, 'SELECT count(*) FROM shop.item WHERE n IS DISTINCT FROM zdm_n_new'), 0, 'ready: the new column is filled');
is($node->safe_psql($db, 'SELECT sum(changes) FROM shop.item'), 0, 'the fill fired no trigger of the table');
write_rows($db, 1);
is($node->safe_psql($db, q{SELECT count(*) FROM zdm_verify('m') WHERE place IS NOT NULL}), 0, 'ready: nothing differs');
# A session with plans and compiled trigger functions from before the switch.
my $old = $node->background_psql($db, on_error_stop => 0);
$old->query_safe('SET ROLE clerk; SET search_path = shop; PREPARE p AS SELECT count(n) FROM item; EXECUTE p');
$old->query_safe('UPDATE item SET n = 2 WHERE slot = 2000');
call($db, q{zdm_switch('m')});
is(wait_state($node, 'm', 'switched', undef, $db), 'switched', 'switched');
is($node->safe_psql($db, q{SELECT pg_typeof(n) FROM shop.item LIMIT 1}), 'bigint', 'switched: the column has its new type');
$old->query_safe('UPDATE item SET n = 5 WHERE slot = 2000');
like($old->query_safe('SELECT n, changes FROM item WHERE slot = 2000; EXECUTE p'), qr/^5\|2\n/, 'switched: a session from before goes on, triggers included');
$old->quit;
write_rows($db, 2);
$node->safe_psql($db, q{INSERT INTO shop.kind VALUES (-1); INSERT INTO shop.item (n, slot, note) SELECT id, 20000, 'fits' FROM shop.kind WHERE id = 2});
is($node->safe_psql($db, 'SELECT count(*) FROM shop.item WHERE n IS DISTINCT FROM zdm_n_old'), 0, 'switched: the old column follows');
is($node->safe_psql($db, q{SELECT count(*) FROM zdm_verify('m') WHERE place IS NOT NULL}), 0, 'switched: nothing differs');
my $rows_before = $node->safe_psql($db, $sum);
call($db, q{zdm_contract('m')});
is(wait_state($node, 'm', 'done', undef, $db), 'done', 'done');
is(dump_of($db), $plain, 'done: pg_dump says what it says after a plain ALTER TYPE');
is($node->safe_psql($db, $sum), $rows_before, 'no row changed in contract');
is($node->safe_psql($db, $litter), '', 'nothing is left behind');
write_rows($db, 3);

# And back, from ready.
$db = begin('back_from_ready', $change);
is(wait_state($node, 'm', 'ready', undef, $db), 'ready', 'ready');
write_rows($db, 1);
$rows_before = $node->safe_psql($db, $sum);
call($db, q{zdm_rollback('m')});
is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', 'rolled back from ready');
is(dump_of($db), $before, 'rolled back from ready: pg_dump says what it said before');
is($node->safe_psql($db, $sum), $rows_before, 'and what was written is there');
is($node->safe_psql($db, $litter), '', 'nothing is left behind');

# And back, from switched.
$db = begin('back_from_switched', $change);
is(wait_state($node, 'm', 'ready', undef, $db), 'ready', 'ready');
write_rows($db, 1);
call($db, q{zdm_switch('m')});
is(wait_state($node, 'm', 'switched', undef, $db), 'switched', 'switched');
write_rows($db, 2);
$rows_before = $node->safe_psql($db, $sum);
call($db, q{zdm_rollback('m')});
is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', 'rolled back from switched');
is(dump_of($db), $before, 'rolled back from switched: pg_dump says what it said before');
is($node->safe_psql($db, $sum), $rows_before, 'and what was written under the new type is there');
is($node->safe_psql($db, $litter), '', 'nothing is left behind');
write_rows($db, 3);

# Values that the old type can't hold: no error when they are written, named before a rollback, which stops at them.
$db = begin('does_not_fit', 'ALTER TABLE item ALTER COLUMN slot TYPE bigint;');
is(wait_state($node, 'm', 'ready', undef, $db), 'ready', 'ready');
call($db, q{zdm_switch('m')});
is(wait_state($node, 'm', 'switched', undef, $db), 'switched', 'switched');
$node->safe_psql($db, q{INSERT INTO shop.item (slot, note) VALUES (3000000000, 'too large')});
is($node->safe_psql($db, q{SELECT slot, zdm_slot_old FROM shop.item WHERE note = 'too large'}), '3000000000|', 'what does not fit is NULL in the old column');
is($node->safe_psql($db, q{SELECT count(*) FROM zdm_verify('m') WHERE place IS NOT NULL}), 0, 'which is no difference');
like($node->safe_psql($db, q{SELECT new_values FROM zdm_verify('m', going_back => true) WHERE place IS NOT NULL}), qr/3000000000/, 'but a loss, for a rollback');
call($db, q{zdm_rollback('m')});
ok(poll_until($node, q{SELECT state || ' ' || left(message, 43) FROM zdm.migrations WHERE name = 'm'}, 'failed ZD202: 1 row of shop.item violates NOT NULL', undef, $db),
    'a rollback stops before it gives the old column back');
is($node->safe_psql($db, q{SELECT pg_typeof(slot) FROM shop.item LIMIT 1}), 'bigint', 'and the new type is still there');
$node->safe_psql($db, q{DELETE FROM shop.item WHERE note = 'too large'});
call($db, q{zdm_resume('m')});
is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', 'and goes on once the row is gone');
is(dump_of($db), $before, 'pg_dump says what it said before');

# Other types.
for my $case (
    [ 'numeric', 'ALTER TABLE price ALTER COLUMN cost TYPE numeric USING trim(cost)::numeric;', q{INSERT INTO shop.price (id, cost) VALUES (-%d, '1.25')} ],
    [ 'varchar', 'ALTER TABLE price ALTER COLUMN amount TYPE varchar(40) USING upper(trim(amount));', q{INSERT INTO shop.price (id, amount, cost) VALUES (-%d, '1.25', '2')} ],
    [ 'zone', q{ALTER TABLE price ALTER COLUMN seen TYPE timestamptz USING seen AT TIME ZONE 'Europe/Berlin';}, q{INSERT INTO shop.price (id, seen, cost) VALUES (-%d, '2024-05-05 12:00', '2')} ],
    [ 'collation', q{ALTER TABLE price ALTER COLUMN amount TYPE text COLLATE "C";}, q{INSERT INTO shop.price (id, amount, cost) VALUES (-%d, 'b', '2')} ],
    )
{
    my ($name, $sql, $write) = @$case;
    my $should = plain_of($sql);
    $db = begin("other_$name", $sql);
    is(wait_state($node, 'm', 'ready', undef, $db), 'ready', "$name: ready");
    $node->safe_psql($db, sprintf $write, 1);
    call($db, q{zdm_switch('m')});
    is(wait_state($node, 'm', 'switched', undef, $db), 'switched', "$name: switched");
    $node->safe_psql($db, sprintf $write, 2);
    call($db, q{zdm_contract('m')});
    is(wait_state($node, 'm', 'done', undef, $db), 'done', "$name: done");
    is(dump_of($db), $should, "$name: the schema is that of the plain statement");
    $db = begin("other_back_$name", $sql);
    is(wait_state($node, 'm', 'ready', undef, $db), 'ready', "$name: ready");
    call($db, q{zdm_switch('m')});
    is(wait_state($node, 'm', 'switched', undef, $db), 'switched', "$name: switched");
    $node->safe_psql($db, sprintf $write, 2);
    call($db, q{zdm_rollback('m')});
    is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', "$name: rolled back");
    is(dump_of($db), $before, "$name: rolled back: the schema is that of the start");
}

# In the switch phase, and on the way back from it.
for my $point (qw(verify:before_commit sync:before_commit sync:after_commit unsync:before_commit)) {
    $db = 'kill_' . ($point =~ s/:/_/r);
    $node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE base");
    start($db, $change);
    is(wait_state($node, 'm', 'ready', undef, $db), 'ready', "$point: ready");
    my $session = stop_at($node, "$point#1", $db);
    call($db, q{zdm_switch('m')});
    if ($point =~ /unsync/) {
        is(wait_state($node, 'm', 'switched', undef, $db), 'switched', "$point: switched");
        call($db, q{zdm_contract('m')});
    }
    ok(wait_at($node, "$point#1", undef, $db), "$point: the worker is there");
    ok(kill9($node, worker_pids($node, $db)), "$point: the server is back after kill -9");
    release($session);
    # It may be at the end already.
    $node->psql($db, q{SET ROLE app; SELECT zdm_resume('m')});
    if ($point !~ /unsync/) {
        is(wait_state($node, 'm', 'switched', undef, $db), 'switched', "$point: switched all the same");
        write_rows($db, 2);
        call($db, q{zdm_contract('m')});
    }
    is(wait_state($node, 'm', 'done', undef, $db), 'done', "$point: done all the same");
    is(dump_of($db), $plain, "$point: the schema is right");
    is($node->safe_psql($db, $litter), '', "$point: nothing is left behind");
}
for my $point (qw(undo_count:before_mark undo_validate:before_commit undo_sync:before_commit undo_sync:after_commit undo_ddl:before_commit)) {
    $db = 'killed_' . ($point =~ s/:/_/r);
    begin($db, $change);
    is(wait_state($node, 'm', 'ready', undef, $db), 'ready', "$point: ready");
    call($db, q{zdm_switch('m')});
    is(wait_state($node, 'm', 'switched', undef, $db), 'switched', "$point: switched");
    write_rows($db, 2);
    my $session = stop_at($node, "$point#1", $db);
    call($db, q{zdm_rollback('m')});
    ok(wait_at($node, "$point#1", undef, $db), "$point: the worker is there");
    ok(kill9($node, worker_pids($node, $db)), "$point: the server is back after kill -9");
    release($session);
    # It may be at the end already.
    $node->psql($db, q{SET ROLE app; SELECT zdm_resume('m')});
    is(wait_state($node, 'm', 'rolled_back', undef, $db), 'rolled_back', "$point: rolled back all the same");
    is(dump_of($db), $before, "$point: the schema is that of the start");
    is($node->safe_psql($db, $litter), '', "$point: nothing is left behind");
}
done_testing();
