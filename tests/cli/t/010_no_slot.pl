# No background worker slot is free: said once, nobody claims to have started a worker, and later it goes on.
use strict;
use warnings;
use Test::More;
use ZdmTest;

# The one slot is the logical replication launcher's.
my $node = new_node('main', conf => "max_worker_processes = 1\n");
$node->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY)');
my $folder = PostgreSQL::Test::Utils::tempdir();
open(my $file, '>', "$folder/slot.sql") or die;
print $file "ALTER TABLE t ADD COLUMN a text;\n";
close($file);

my ($code, $out, $err) = zdm_cli($node, 'up', "$folder/slot.sql", '--timeout', '5s');
is($code, 8, 'exit 8: nobody runs it');
my $said = () = $err =~ /ZD501/g;
is($said, 1, 'no free slot is said once') or diag($err);
like($err, qr/max_worker_processes.*stopped: no worker runs it/s, 'with what to do');
unlike($err, qr/worker started again/, 'and nobody claims to have started one');
($code, $out, $err) = zdm_cli($node, 'status', 'slot');
is($code, 0, 'status');
like($err, qr/ZD501/, 'says the same');
unlike($err, qr/started one again/, 'and claims nothing');

$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->restart;
is((zdm_cli($node, 'wait', 'slot', '--for', 'done', '--timeout', '60s'))[0], 0, 'with free slots it goes on');

done_testing();
