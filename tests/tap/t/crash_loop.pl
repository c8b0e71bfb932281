# A statement that always crashes its worker: the postmaster would start the worker again after a second, and
# end all sessions of the server each time, for ever.
use strict;
use warnings;
use Test::More;
use PostgreSQL::Test::Cluster;
use ZdmTest;

my $node = new_node('main', conf => "max_prepared_transactions = 4\n");
$node->safe_psql('postgres', 'CREATE TABLE t (id int)');
# In a prepared transaction the lock that lets the worker die survives the crashes.
$node->safe_psql('postgres', <<'SQL');
SELECT zdm_create('m', 'ALTER TABLE t ADD COLUMN c int;');
BEGIN;
SELECT pg_advisory_xact_lock(1514426, hashtext('ddl:before_commit'));
PREPARE TRANSACTION 'dies';
SQL
$node->psql('postgres', q{SELECT zdm_start('m')});
my $failed = q{SELECT concat_ws(' ', state, sqlstate, message) FROM zdm.migrations WHERE name = 'm'};
ok(poll_until($node, $failed, 'failed 58000 ZD208: the worker ended 10 times without coming to an end of its work'),
    'it fails after ten crashes');
my $crashes = () = read_log($node) =~ /was terminated by signal 9/g;
is($crashes, 10, 'not sooner, not later');
is($node->safe_psql('postgres', q{SELECT hint FROM zdm.migrations}),
    q{The server's log says why. Remove the cause, then call zdm_resume('m'); or call zdm_rollback('m').}, 'and says what to do');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'dies'});
$node->safe_psql('postgres', q{SELECT zdm_resume('m')});
is(wait_state($node, 'm', 'done'), 'done', 'and goes on when the cause is gone');
ok(poll_until($node, q{SELECT attempts FROM zdm.migration}, '0'), 'with a clean slate');

done_testing();
