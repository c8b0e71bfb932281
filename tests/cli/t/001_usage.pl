# A wrong command line never runs anything, and help is everywhere. No zdm on the server here.
use strict;
use warnings;
use IO::Socket::INET;
use JSON;
use POSIX ();
use Test::More;
use ZdmTest;

my $node = new_node('main', extension => 0);
my @commands = qw(plan up status watch wait pause resume set switch contract rollback backfill history doctor version);

sub zdm { return zdm_cli($node, @_); }

my ($code, $out, $err) = zdm('--help');
is($code, 0, 'help');
like($out, qr/^\s+\Q$_\E\s/m, "help names $_") for @commands;
for my $command (@commands) {
    ($code, $out) = zdm($command, '--help');
    is($code, 0, "$command --help");
    like($out, qr/Usage: zdm $command/, "$command --help has its usage");
    ($code) = zdm($command, '-?');
    is($code, 0, "$command -?");
}

($code, $out, $err) = zdm('version');
is($code, 0, 'version');
like($out, qr/^zdm \d+\.\d+\.\d+$/, 'version says which');
is((zdm('--version'))[0], 0, '--version');
is(decode_json((zdm('version', '--json'))[1])->{schema}, 'zdm.version/1', 'version --json');

# Exit 2: usage.
for my $line (
    [],
    ['frobnicate'],
    ['up'],
    [ 'up', 'a.sql', '--two' ],
    [ 'up', 'a.sql', '--to', 'nowhere' ],
    [ 'up', 'a.sql', '--timeout', '30' ],
    [ 'up', 'a.sql', '--timeout', 'NaN' ],
    [ 'up', 'a.sql', '--timeout', '-5s' ],
    [ 'up', 'a.sql', 'b.sql' ],
    [ 'up', '--ye', 'a.sql' ],
    ['wait'],
    ['switch'],
    [ 'switch', 'm', '--force' ],
    [ 'wait', 'm', '--for', 'failed' ],
    [ 'wait', 'm', '--timeout', 'soon' ],
    [ 'contract', 'm', '--force' ],
    [ 'contract', 'm', '--reason', 'x' ],
    [ 'contract', 'm', '--wait', '-1m' ],
    [ 'set', 'm', 'max_rate' ],
    [ 'set', 'm', 'max_rate', 'NaN' ],
    [ 'set', 'm', 'max_rate', '--', '-1' ],
    [ 'set', 'm', 'batch_target', 'inf' ],
    [ 'set', 'm', 'colour', '1' ],
    [ 'backfill', 't' ],
    [ 'backfill', 't', '--set', 'a = 1', '--max-rate', 'NaN' ],
    [ 'backfill', 't', '--set', 'a = 1', '--max-rate=-1' ],
    [ 'backfill', 't', '--set', 'a = 1', '--max-bad-rows', 'some' ],
    [ 'status', 'a', 'b' ],
    [ 'status', '--colour', 'never' ],
    [ 'status', '--color', 'sometimes' ],
    [ 'up', '/nonexistent/x.sql' ],
    [ 'plan', '/' ],
    )
{
    ($code, $out, $err) = zdm(@$line);
    is($code, 2, "exit 2: zdm @$line");
    is($out, '', "nothing on stdout: zdm @$line");
    like($err, qr/^error: ZD\d{3}: .*Next: /s, "says what to do: zdm @$line");
}
my $here = PostgreSQL::Test::Utils::tempdir();
PostgreSQL::Test::Utils::append_to_file("$here/zero.sql", "SELECT 1;\0");
PostgreSQL::Test::Utils::append_to_file("$here/-x.sql", 'SELECT 1;');
mkdir "$here/empty";
for my $case (
    [ 'ZD803', 'status', '-d', 'postgresql://u@[::1/d' ],
    [ 'ZD803', 'status', '-d', 'host=a port' ],
    [ 'ZD811', 'up', "$here/-x.sql" ],
    [ 'ZD812', 'up', "$here/zero.sql" ],
    [ 'ZD812', 'up', "$here/none.sql" ],
    [ 'ZD812', 'up', "$here/empty" ],
    [ 'ZD812', 'plan', $here ])
{
    my ($expected, @line) = @$case;
    ($code, $out, $err) = zdm(@line);
    is($code, 2, "exit 2: zdm @line");
    like($err, qr/^error: $expected: .*Next: /s, "$expected: zdm @line");
}
($code, $out, $err) = zdm('up', '--json', '--two');
my $said = decode_json($err);
is($said->{schema}, 'zdm.error/1', 'errors are JSON with --json, even of the command line itself');
is($said->{exit_code}, 2, 'with the exit code');

# Exit 2: configuration.
($code, $out, $err) = zdm('status');
is($code, 2, 'exit 2: zdm is not installed');
like($err, qr/ZD504.*CREATE EXTENSION zdm/s, 'and how to install it');
is((zdm('doctor'))[0], 2, 'doctor too');

# Exit 6: nobody there, wrong database, wrong role.
for my $line (
    [ 'status', '-p', '1' ],
    [ 'status', '-h', '/nonexistent' ],
    [ 'status', '-d', 'nosuchdatabase' ],
    [ 'status', '-U', 'nosuchrole' ])
{
    ($code, $out, $err) = zdm(@$line);
    is($code, 6, "exit 6: zdm @$line");
    like($err, qr/ZD801: cannot connect/, 'says so');
}

# A server that says it is older: as much of one as is needed to find out.
my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "listen: $!";
my $port = $listener->sockport;
my $child = fork() // die "fork: $!";
if ($child == 0) {
    for (1 .. 2) {
        my $peer = $listener->accept or POSIX::_exit(1);
        my $read = sub {
            my ($length) = @_;
            my $got = '';
            while (length($got) < $length) {
                my $n = sysread($peer, $got, $length - length($got), length($got));
                POSIX::_exit(0) unless $n;
            }
            return $got;
        };
        while (1) {
            my $length = unpack('N', $read->(4));
            my $body = $read->($length - 4);
            last if unpack('N', $body) == 196608;
            syswrite($peer, 'N');    # no TLS, no GSS
        }
        my $parameter = sub { my $b = join("\0", @_) . "\0"; 'S' . pack('N', 4 + length $b) . $b };
        syswrite($peer, 'R' . pack('NN', 8, 0) . $parameter->('server_version', '14.9')
                . $parameter->('client_encoding', 'UTF8')
                . $parameter->('standard_conforming_strings', 'on')
                . 'K' . pack('NNN', 12, 1, 1) . 'Z' . pack('N', 5) . 'I');
        # Whatever is asked before the version is looked at gets an empty answer.
        while (sysread($peer, my $ignored, 4096)) {
            syswrite($peer, 'C' . pack('N', 8) . "SET\0" . 'Z' . pack('N', 5) . 'I');
        }
    }
    # No END blocks here: they would stop the server.
    POSIX::_exit(0);
}
for my $command ('status', 'doctor') {
    ($code, $out, $err) = zdm($command, '-h', '127.0.0.1', '-p', $port, '-d', 'd', '-U', 'u');
    is($code, 2, "exit 2: $command on a server older than 15");
    like($err, qr/ZD505: zdm needs PostgreSQL 15 or newer, this is 14\.9/, 'and it says which');
}
kill 'TERM', $child;
waitpid($child, 0);

done_testing();
