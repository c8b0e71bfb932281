# zdm up FILE through all states to done, the gate, failures, removals, busy; each with its exit code.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = '2s'\n", preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name.sql";
}
sub state_of { return migration_state($node, $_[0]); }

$node->safe_psql('postgres', q{
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 5000) i;
    CREATE TABLE parent (id int PRIMARY KEY);
    INSERT INTO parent SELECT generate_series(1, 97);
    CREATE TABLE child (id int PRIMARY KEY, parent_id int);
    INSERT INTO child SELECT i, i FROM generate_series(1, 100) i;
    CREATE TABLE items (id int PRIMARY KEY, price int);
    INSERT INTO items SELECT i, i FROM generate_series(1, 1000) i;
});

# Each phase a deploy of its own.
my $phone = file('001_phone', <<'SQL');
ALTER TABLE users ADD COLUMN phone text NOT NULL;
UPDATE users SET phone = 'unknown' WHERE phone IS NULL;
SQL
my ($code, $out, $err) = zdm_cli($node, 'up', $phone, '--to', 'expanded');
is($code, 0, 'up --to expanded');
is(state_of('001_phone'), 'expanded', 'is expanded');
like($out, qr/^001_phone is expanded\nNext: /, 'the result is on stdout, with what comes next');
like($err, qr/^target: \S+\@\S+:\d+\/postgres$/m, 'the target is told');
like($err, qr/1\/\d+ expand ddl public\.users/, 'and the steps, as they happen');
($code, $out) = zdm_cli($node, 'up', $phone);
is($code, 0, 'up to ready');
is(state_of('001_phone'), 'ready', 'is ready');
like($out, qr/deploy the new version now, then: zdm contract 001_phone/, 'ready says what to do');
($code, $out, $err) = zdm_cli($node, 'up', $phone);
is($code, 0, 'up again: nothing to do');
like($err, qr/nothing to do/, 'and it says so');
is((zdm_cli($node, 'up', $phone, '--to', 'expanded'))[0], 0, 'expanded is behind it: nothing to do');

# The gate.
$node->safe_psql('postgres', "INSERT INTO users (id, name) VALUES (0, 'by the old application')");
($code, $out, $err) = zdm_cli($node, 'contract', '001_phone');
is($code, 4, 'exit 4: the gate is shut');
like($err, qr/ZD401: .* is shut\n.*An old application wrote to public\.users.*Next: .*zdm contract 001_phone --wait/s,
    'why, and what to do, as a command');
is(state_of('001_phone'), 'ready', 'nothing was changed');
($code, $out, $err) = zdm_cli($node, 'contract', '001_phone', '--json');
is($code, 4, 'the same as JSON');
is(decode_json($err)->{code}, 'ZD401', 'with its code');
$node->safe_psql('postgres', "INSERT INTO users (id, name) VALUES (-1, 'by the old application')");
($code, $out, $err) = zdm_cli($node, 'contract', '001_phone', '--wait', '200ms');
is($code, 4, 'exit 4: still shut after --wait');
($code, $out, $err) = zdm_cli($node, 'contract', '001_phone', '--wait', '60s');
is($code, 0, 'contract --wait until it opens');
like($out, qr/^001_phone is done, took /, 'done');
is($node->safe_psql('postgres', 'SELECT count(*) FROM users WHERE phone IS NULL'), '0', 'no row is NULL');
is((zdm_cli($node, 'contract', '001_phone'))[0], 0, 'contract again: nothing to do');
is((zdm_cli($node, 'up', $phone))[0], 0, 'up of what is done: nothing to do');
($code, $out, $err) = zdm_cli($node, 'up', file('001_phone', "ALTER TABLE users ADD COLUMN other int;\n"));
is($code, 2, 'exit 2: a changed file that was applied');
like($err, qr/ZD302: .*exists with other SQL.*Next: .*another name/s, 'and what to do');
($code, $out, $err) = zdm_cli($node, 'rollback', '001_phone', '--yes');
is($code, 2, 'exit 2: rollback of what is done');
like($err, qr/ZD304/, 'with its code');

# Nothing to live side by side with: straight to done.
($code, $out) = zdm_cli($node, 'up', file('002_index', 'CREATE INDEX users_name ON users (name);'));
is($code, 0, 'an index');
like($out, qr/^002_index is done/, 'goes through to done');

# Exit 1: it failed.
my $fk = file('003_fk', 'ALTER TABLE child ADD CONSTRAINT child_fk FOREIGN KEY (parent_id) REFERENCES parent (id);');
($code, $out, $err) = zdm_cli($node, 'up', $fk);
is($code, 1, 'exit 1: rows violate the foreign key');
like($err, qr/003_fk FAILED at step \d+\/\d+ contract count public\.child  \[23503\]/, 'where and with which SQLSTATE');
like($err, qr/3 rows.*98/s, 'how many and which');
like($err, qr/steps done: .*not done: .*Next: .*zdm resume 003_fk.*zdm rollback 003_fk/s, 'what was done and what to do');
is($out, '', 'nothing on stdout');
is((zdm_cli($node, 'up', $fk))[0], 1, 'exit 1: up again tells the same');
is((zdm_cli($node, 'wait', '003_fk', '--for', 'done'))[0], 1, 'exit 1: wait notices');
is((zdm_cli($node, 'watch', '003_fk'))[0], 1, 'exit 1: watch too');
($code, $out, $err) = zdm_cli($node, 'up', '--json', $fk);
is($code, 1, 'exit 1 with --json');
is(decode_json($out)->{migration}{failure}{sqlstate}, '23503', 'the failure is in the result');
is(decode_json($err)->{code}, 'ZD202', 'and on stderr');
($code, $out) = zdm_cli($node, 'status');
like($out, qr/^003_fk +failed.*Next: .*zdm resume 003_fk/ms, 'status shows it in full');
$node->safe_psql('postgres', 'INSERT INTO parent VALUES (98), (99), (100)');
is((zdm_cli($node, 'resume', '003_fk'))[0], 0, 'resume');
is((zdm_cli($node, 'wait', '003_fk', '--for', 'done', '--timeout', '60s'))[0], 0, 'goes on to done');

# Removals before contract ask first; here is nobody to ask.
my $overwrite = file('004_price', 'UPDATE items SET price = 0 WHERE price = 7;');
($code, $out, $err) = zdm_cli($node, 'up', $overwrite);
is($code, 2, 'exit 2: overwrites values, and nobody said yes');
like($err, qr/ZD821: .*UPDATE .*items.*It was not run.*--yes/s, 'which, and what to do');
is(state_of('004_price'), '', 'it was not even created');
is((zdm_cli($node, 'up', '--yes', $overwrite))[0], 0, 'with --yes it runs');
is($node->safe_psql('postgres', 'SELECT price FROM items WHERE id = 7'), '0', 'and did it');

# Removals in contract: only where contract is asked for.
my $drop = file('005_drop', 'ALTER TABLE items DROP COLUMN price;');
is((zdm_cli($node, 'up', $drop))[0], 0, 'up to ready removes nothing, so it does not ask');
is((zdm_cli($node, 'up', '--to', 'done', $drop))[0], 2, 'exit 2: up --to done would');
($code, $out, $err) = zdm_cli($node, 'contract', '005_drop');
is($code, 2, 'exit 2: contract would');
like($err, qr/DROP COLUMN price.*It was not run/s, 'and says what');
# Who is connected may read it; in a database of nobody else this small table would not count.
my $reader = $node->background_psql('postgres');
$reader->query_safe('SELECT count(*) FROM items');
($code, $out, $err) = zdm_cli($node, 'contract', '005_drop', '--yes');
is($code, 4, 'exit 4: nobody can see who reads the column, the gate is blind');
like($err, qr/ZD402.*--force --reason/s, 'and how to go on');
is((zdm_cli($node, 'up', '--to', 'done', '--yes', $drop))[0], 4, 'exit 4: up --to done too');
($code, $out, $err) = zdm_cli($node, 'contract', '005_drop', '--yes', '--force', '--reason', 'nobody reads it');
is($code, 0, 'forced with a reason');
$reader->quit;
like((zdm_cli($node, 'history'))[1], qr/^005_drop .*nobody reads it/m, 'which history keeps');

# Ten of it in one go, gates included.
is((zdm_cli($node, 'up', '--to', 'done', file('006_mail', <<'SQL')))[0], 0, 'up --to done');
ALTER TABLE users ADD COLUMN mail text NOT NULL;
UPDATE users SET mail = name || '@x' WHERE mail IS NULL;
SQL
is(state_of('006_mail'), 'done', 'is done');

# Exit 5 and 8: one migration at a time for a table.
my $slow = file('007_slow', "ALTER TABLE items ADD COLUMN n int;\nUPDATE items SET n = 1 WHERE n IS NULL;\nALTER TABLE items ALTER COLUMN n SET NOT NULL;\n");
is((zdm_cli($node, 'up', '--to', 'expanded', $slow))[0], 0, 'one expanded');
zdm_cli($node, 'set', '007_slow', 'max_rate', '1');
($code, $out, $err) = zdm_cli($node, 'up', '--timeout', '1s', $slow);
is($code, 8, 'exit 8: time is over');
like($err, qr/Time is over: 007_slow is migrating.*the server goes on.*zdm watch 007_slow/, 'the server goes on');
($code, $out, $err) = zdm_cli($node, 'up', file('008_second', 'ALTER TABLE items ADD COLUMN o int;'));
is($code, 5, 'exit 5: the second on the same table');
like($err, qr/ZD305: .*007_slow/, 'and who has it');
like($err, qr/zdm rollback 007_slow/, 'as a command');
zdm_cli($node, 'set', '007_slow', 'max_rate', '0');
is((zdm_cli($node, 'wait', '007_slow', '--timeout', '60s'))[0], 0, 'wait until it is ready');

# Exit 2: refused by the planner, with the place in the file.
($code, $out, $err) = zdm_cli($node, 'up', file('009_bad', "ALTER TABLE items\n  ALTER COLUMN n TYPE text, RENAME TO x;\n"));
is($code, 2, 'exit 2: refused');
like($err, qr/--> \S+009_bad\.sql:\d+:\d+\n\s+\d+ \| /, 'with the line');
is(state_of('009_bad'), '', 'nothing was touched');

# Somebody without rights on the table.
$node->safe_psql('postgres', 'CREATE ROLE cli_up_stranger LOGIN');
($code, $out, $err) = zdm_cli($node, 'up', '-U', 'cli_up_stranger', file('010_theirs', 'ALTER TABLE users ADD COLUMN p int;'));
is($code, 2, 'exit 2: the table is somebody else\'s');
like($err, qr/ZD107/, 'with its code');
($code, $out, $err) = zdm_cli($node, 'status', '001_phone', '-U', 'cli_up_stranger');
is($code, 2, 'nor may they see the migration');

# Somebody who may not even call zdm.
$node->safe_psql('postgres', 'REVOKE USAGE ON SCHEMA public FROM PUBLIC');
($code, $out, $err) = zdm_cli($node, 'up', '-U', 'cli_up_stranger', "$folder/010_theirs.sql");
is($code, 2, 'exit 2: no privilege on the functions');
like($err, qr/^error: 42501: permission denied/m, 'with its SQLSTATE');

done_testing();
