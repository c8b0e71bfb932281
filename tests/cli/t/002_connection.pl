# Where to connect: flags, ZDM_DATABASE_URL, DATABASE_URL, PG* variables, in this order; no secret is shown.
use strict;
use warnings;
use JSON;
use Test::More;
use ZdmTest;

my $node = new_node('main');
for my $db (qw(by_flag by_ours by_theirs by_pg)) {
    $node->safe_psql('postgres', "CREATE DATABASE $db");
    $node->safe_psql($db, 'CREATE EXTENSION zdm');
}
$node->safe_psql('postgres', 'CREATE ROLE cli_connection_role LOGIN');
my ($host, $port) = ($node->host, $node->port);

sub target {
    my (%environment) = @_;
    my @arguments = @{ delete $environment{arguments} // [] };
    local @ENV{ keys %environment } = values %environment;
    my ($code, $out, $err) = zdm_cli($node, 'status', '--json', @arguments);
    return $code == 0 ? decode_json($out)->{target} : { error => $err };
}

my %all = (
    PGDATABASE => 'by_pg',
    DATABASE_URL => "postgresql:///by_theirs?host=$host&port=$port",
    ZDM_DATABASE_URL => "postgresql:///by_ours?host=$host&port=$port");
is(target(PGDATABASE => 'by_pg')->{database}, 'by_pg', 'PG* variables');
is(target(PGDATABASE => 'by_pg', DATABASE_URL => $all{DATABASE_URL})->{database},
    'by_theirs', 'DATABASE_URL before PG*');
is(target(%all)->{database}, 'by_ours', 'ZDM_DATABASE_URL before DATABASE_URL');
is(target(%all, arguments => [ '-d', 'by_flag' ])->{database}, 'by_flag', 'flags before all');
is(target(%all, arguments => [ '-d', "postgresql:///by_flag?host=$host&port=$port" ])->{database},
    'by_flag', '-d takes a URI');
is(target(%all, arguments => [ '-d', "dbname=by_flag host=$host port=$port" ])->{database},
    'by_flag', '-d takes a connection string');
is(target(arguments => [ '-U', 'cli_connection_role' ])->{role}, 'cli_connection_role', '-U');
is(target(PGHOST => '/nonexistent', arguments => [ '-h', $host, '-p', $port ])->{host}, $host, '-h and -p');
my ($code, $out, $err) = zdm_cli($node, '-d', 'by_flag', 'status', '--json');
is(decode_json($out)->{target}{database}, 'by_flag', 'flags may stand before the command');

# Secrets, where they are wrong.
for my $url ('postgresql://u:hunter2@/d?host=/nonexistent', 'postgresql://u:hunter2@h/d?nosuch=1',
    'host=/nonexistent password=hunter2', "host=/nonexistent password='hunter2")
{
    for my $where (qw(ZDM_DATABASE_URL DATABASE_URL)) {
        local $ENV{$where} = $url;
        ($code, $out, $err) = zdm_cli($node, 'status');
        like($code, qr/^[26]$/, "$where leads nowhere");
        unlike($out . $err, qr/hunter2/, 'the password is not shown');
        unlike(join('', zdm_cli($node, 'status', '--json')), qr/hunter2/, 'nor with --json');
    }
    ($code, $out, $err) = zdm_cli($node, 'status', '-d', $url);
    unlike($out . $err, qr/hunter2/, 'nor from -d');
}
{
    local $ENV{PGPASSWORD} = 'hunter2';
    ($code, $out, $err) = zdm_cli($node, 'pause', 'nothing');
    is($code, 2, 'connected, no such migration');
    like($err, qr/^target: \S+\@\Q$host\E:$port\/postgres$/m, 'what changes things says where');
    unlike($out . $err, qr/hunter2/, 'without the password');
}

# Logs and gates know who it is, whatever the environment says.
$node->safe_psql('postgres', 'ALTER SYSTEM SET log_connections = on; SELECT pg_reload_conf()');
{
    local $ENV{PGAPPNAME} = 'somebody';
    zdm_cli($node, 'status');
    like(read_log($node), qr/application_name=zdm/, 'application_name is zdm');
    unlike(read_log($node), qr/application_name=somebody/, 'always');
}

# The extension may live in any schema, also one with an odd name.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', q{CREATE SCHEMA "My Tools"; CREATE EXTENSION zdm SCHEMA "My Tools"});
is((zdm_cli($node, 'doctor', '-d', 'elsewhere'))[0], 0, 'doctor finds it in another schema');

done_testing();
