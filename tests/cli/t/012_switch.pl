# A migration with a switch: up, plan, switch, wait, status, history, watch, contract and rollback.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main', conf => "zdm.quiet_period = 0\n");
my $folder = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q{
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 100) i;
    CREATE TABLE plain (id int PRIMARY KEY);
});
sub zdm { return zdm_cli($node, @_); }
sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name.sql";
}
sub state_of { return migration_state($node, $_[0]); }

my $people = file('001_people', "ALTER TABLE users RENAME TO people;\n");
my ($code, $out, $err) = zdm('plan', $people);
is($code, 0, 'plan');
like($out, qr/^switch\n +1 \* switches +ddl +public\.users\n +ALTER TABLE public\.users RENAME TO people; CREATE VIEW/m, 'shows the switch');
like($out, qr/^contract\n.*point of no return.*\n +3 ! removes +ddl +public\.people\n +DROP VIEW public\.users;/ms, 'and the end of the old name');
like($out, qr/what a view can't do fails there: COPY of it, TRUNCATE/, 'and what the old version must not do');
my ($first) = @{ decode_json((zdm('plan', $people, '--json'))[1])->{steps} };
is($first->{phase}, 'switch', 'the same as JSON');

# ready is before it.
($code, $out) = zdm('up', $people);
is($code, 0, 'up');
like($out, qr/^001_people is ready\nNext: zdm switch 001_people\n +or go back: zdm rollback 001_people$/, 'says what comes next');
like((zdm('status'))[1], qr/^001_people +ready +0\/3 +waits for zdm switch 001_people$/m, 'status, too');
($code, $out, $err) = zdm('contract', '001_people', '--yes', '--force', '--reason', 'x');
is($code, 2, 'exit 2: contract before the switch');
like($err, qr/ZD314: .*is not switched yet.*Next: zdm switch 001_people, then: zdm contract 001_people/s, 'and what to do, as commands');
is(state_of('001_people'), 'ready', 'nothing was touched');
is((zdm('wait', '001_people', '--for', 'switched', '--timeout', '300ms'))[0], 8, 'exit 8: not switched yet');

# The switch.
($code, $out, $err) = zdm('switch', '001_people');
is($code, 0, 'switch');
like($out, qr/^001_people is switched\nNext: deploy the new version now, then: zdm contract 001_people\n +or go back/, 'what is new now');
like($err, qr/^target: .*1\/3 switch ddl public\.users/ms, 'narrates target and step');
is($node->safe_psql('postgres', 'SELECT count(*) FROM people'), '100', 'the new name');
is($node->safe_psql('postgres', 'SELECT count(*) FROM users'), '100', 'the old name');
is((zdm('switch', '001_people'))[0], 0, 'switch again: nothing to do');
is((zdm('up', $people))[0], 0, 'up to ready: nothing to do');
is((zdm('up', $people, '--to', 'switched'))[0], 0, 'up to switched: nothing to do');
is((zdm('wait', '001_people', '--for', 'switched'))[0], 0, 'wait --for switched');
like((zdm('status', '001_people'))[1], qr/^001_people switched .*1\/3 switch ddl public\.users.*Point of no return: step 3 \(contract\)/s, 'status');
my $m = decode_json((zdm('status', '001_people', '--json'))[1])->{migrations}[0];
is($m->{state}, 'switched', 'status --json: state');
is($m->{switches}, JSON::true, 'that it has a switch');
like($m->{switched_at}, qr/^\d{4}-/, 'and when it was');
like((zdm('history', '001_people'))[1], qr/ready -> switching.*switching -> switched/s, 'history');
is((zdm('watch', '001_people'))[0], 0, 'watch: nothing more happens by itself');

# Back, and forth in one go; nobody confirms removals before contract.
is((zdm('rollback', '001_people', '--yes'))[0], 0, 'rollback');
is($node->safe_psql('postgres', q{SELECT relkind FROM pg_class WHERE relname = 'users'}), 'r', 'the table has its name again');
($code, $out) = zdm('up', $people, '--to', 'switched', '--json');
is($code, 0, 'up --to switched');
is(decode_json($out)->{migration}{state}, 'switched', 'is switched');
is((zdm('contract', '001_people'))[0], 2, 'exit 2: the old name goes, and nobody confirmed');
($code, $out) = zdm('contract', '001_people', '--yes');
is($code, 0, 'contract');
like($out, qr/^001_people is done, took/, 'done');
is((zdm('switch', '001_people'))[0], 0, 'switch of what is done: nothing to do');
is($node->safe_psql('postgres', q{SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('users', 'people')}), 'people', 'one name is left');

# Where there is nothing to switch, ready is as far.
my $column = file('002_column', "ALTER TABLE plain ADD COLUMN c int NOT NULL;\nUPDATE plain SET c = 1 WHERE c IS NULL;\n");
is((zdm('up', $column, '--to', 'switched'))[0], 0, 'up --to switched without a switch');
is(state_of('002_column'), 'ready', 'ends at ready');
is((zdm('wait', '002_column', '--for', 'switched'))[0], 0, 'and so does wait');
($code, $out, $err) = zdm('switch', '002_column');
is($code, 2, 'exit 2: nothing to switch');
like($err, qr/ZD315: there is nothing to switch/, 'says so');
is((zdm('contract', '002_column'))[0], 0, 'contract from ready');

# A folder goes all the way.
mkdir "$folder/all";
$folder = "$folder/all";
file('003_back', "ALTER TABLE people RENAME TO users;\n");
file('004_column', "ALTER TABLE users ADD COLUMN c int;\n");
($code, $out) = zdm('up', $folder, '--to', 'switched', '--json');
is($code, 0, 'a folder to switched');
is(decode_json($out)->{stopped_at}, '003_back', 'stops at the first that is not done');
is(state_of('003_back'), 'switched', 'there');
($code, $out) = zdm('up', $folder, '--to', 'done', '--yes');
is($code, 0, 'a folder to done');
like($out, qr/^Done: 2 of 2 migrations\.$/m, 'both');

done_testing();
