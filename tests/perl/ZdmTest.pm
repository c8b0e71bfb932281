# What zdm's TAP tests share on top of PostgreSQL::Test::Cluster.
#
#     use ZdmTest;
#     my $node = new_node('main');                    # started, database postgres, CREATE EXTENSION zdm
#     my $node = new_node('main', preload => 1, conf => "zdm.workers = 1\n", extension => 0);
#     $node->safe_psql('postgres', q{SELECT zdm_create('m', '…')});
#     wait_state($node, 'm', 'ready');
#     my $hold = stop_at($node, 'point'); … wait_at($node, 'point'); kill9($node, worker_pid($node, 'm'));
#     release($hold);
#
# Everything that waits has a limit and says what it last saw: a hanging test tells nothing.
package ZdmTest;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(sleep time);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;
use ZdmWire;

our @EXPORT = qw(new_node add_standby poll_until wait_state migration_state worker_pids worker_pid
    stop_at die_at wait_at release kill9 stop_now read_log zdm_cli schema_dump columns_sorted ask_until);

# Seconds that a wait may take unless told; slow machines raise it for all.
our $timeout = $ENV{ZDM_TEST_WAIT} // 120;

# new_node(name, preload => bool, conf => text, extension => bool, streaming => bool): a running server
# with no fixed port and a socket in a folder of its own. fsync is on only if asked for: immediate stop
# and kill -9 lose nothing that the kernel has taken.
sub new_node {
    my ($name, %want) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    $node->init($want{streaming} ? (allows_streaming => 1) : ());
    $node->append_conf('postgresql.conf', <<"CONF");
max_worker_processes = 16
autovacuum_naptime = 1h
log_line_prefix = '%m [%p] %a '
log_lock_waits = on
log_statement = none
restart_after_crash = on
CONF
    $node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\n") if $want{preload};
    $node->append_conf('postgresql.conf', $want{conf}) if defined $want{conf};
    $node->start;
    $node->safe_psql('postgres', 'CREATE EXTENSION zdm') unless defined $want{extension} && !$want{extension};
    return $node;
}

# A streaming standby of a node made with streaming => 1, started and caught up.
sub add_standby {
    my ($primary, $name, %want) = @_;
    $primary->backup("for_$name");
    my $standby = PostgreSQL::Test::Cluster->new($name);
    $standby->init_from_backup($primary, "for_$name", has_streaming => 1);
    $standby->append_conf('postgresql.conf', $want{conf}) if defined $want{conf};
    $standby->start;
    $primary->wait_for_catchup($standby);
    return $standby;
}

# Asks until $is says yes to the answer, through errors too: the server may be restarting. Over one session for as long
# as that takes, since a psql for each try costs more than what most tests are about. Gives whether it was, the last
# answer as psql -At writes it, and the last error.
sub ask_until {
    my ($node, $db, $sql, $is, $limit) = @_;
    my $begin = time;
    my $end = $begin + ($limit // $timeout);
    my ($session, $answer, $error, $yes);
    while (1) {
        my $result = eval {
            $session //= ZdmWire->new($node, $db // 'postgres', user => scalar getpwuid $<, name => 'test waits');
            $session->query($sql);
        };
        if ($result) {
            ($answer, $error) = (join("\n", map { join '|', map { $_ // '' } @$_ } @{ $result->{rows} }), undef);
            last if $yes = $is->($answer);
        } else {
            $error = ref $@ ? "$@->{code}: $@->{message}" : $@;
            undef $session if !ref $@ || $@->{code} eq 'lost';
        }
        last if time > $end;
        # Who waits long takes the processor from those that are waited for.
        my $waited = time - $begin;
        sleep($waited < 0.3 ? 0.03 : $waited < 3 ? $waited / 10 : 0.3);
    }
    $session->close if $session;
    return ($yes, $answer // '', $error // '');
}

# Polls until the query's output equals what is expected (default 't'). Returns whether it did; if not, says what it
# last saw.
sub poll_until {
    my ($node, $sql, $expected, $limit, $db) = @_;
    $expected //= 't';
    my ($yes, $out, $err) = ask_until($node, $db, $sql, sub { $_[0] eq $expected }, $limit);
    diag('gave up after ' . ($limit // $timeout) . " s: $sql\nexpected: $expected\nlast: $out\n$err") unless $yes;
    return $yes ? 1 : 0;
}

sub migration_state {
    my ($node, $name, $db) = @_;
    return $node->safe_psql($db // 'postgres',
        'SELECT state FROM zdm.migrations WHERE name = ' . quoted($name));
}

# Waits until a migration is in one of the states (a name or a reference to names). One that failed when
# that was not asked for ends the wait at once, with its reason.
sub wait_state {
    my ($node, $name, $states, $limit, $db) = @_;
    my %wanted = map { $_ => 1 } ref $states ? @$states : $states;
    my (undef, $state, $err) = ask_until($node, $db, 'SELECT state FROM zdm.migrations WHERE name = ' . quoted($name),
        sub { $wanted{ $_[0] } || $_[0] eq 'failed' || $_[0] eq 'rolled_back' }, $limit);
    return $state if $wanted{$state};
    my (undef, $events) = $node->psql($db // 'postgres',
        'SELECT at, kind, step, message, detail FROM zdm.events WHERE migration = ' . quoted($name)
            . ' ORDER BY id DESC LIMIT 15');
    diag("$name is '$state', wanted " . join(' or ', sort keys %wanted) . "; $err last events:\n$events");
    return '';
}

# The process id of a migration's worker, once it works.
sub worker_pid {
    my ($node, $name, $limit, $db) = @_;
    my ($yes, $pid) = ask_until($node, $db, 'SELECT worker_pid FROM zdm.migrations WHERE name = ' . quoted($name),
        sub { $_[0] ne '' }, $limit);
    return $pid if $yes;
    diag("no worker of $name came up");
    return;
}

# Process ids of all workers of zdm in a database.
sub worker_pids {
    my ($node, $db) = @_;
    my $out = $node->safe_psql($db // 'postgres',
        q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'zdm' AND datname = current_database() ORDER BY 1});
    return split /\n/, $out;
}

# Fault points (extension/pg/fault.hpp) listen to advisory locks. stop_at: workers that come to the point
# wait there; die_at: they kill themselves. Both return a session that keeps the lock until release(…).
sub stop_at { return hold_lock(@_[ 0, 1 ], 1514425, $_[2]) }
sub die_at  { return hold_lock(@_[ 0, 1 ], 1514426, $_[2]) }

# Waits until a worker has come to a point of stop_at.
sub wait_at {
    my ($node, $point, $limit, $db) = @_;
    return poll_until($node,
        'SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = ' . quoted("zdm fault $point"),
        't', $limit, $db);
}

sub hold_lock {
    my ($node, $point, $space, $db) = @_;
    my ($in, $out, $err) = ('', '', '');
    my $session = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db // 'postgres') ],
        '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($timeout));
    $in .= "SELECT pg_advisory_lock($space, hashtext(" . quoted($point) . "));\n\\echo held\n";
    $session->pump until $out =~ /held/ || !$session->pumpable;
    die "no lock for $point: $err" unless $out =~ /held/;
    return $session;
}

# Ends a session of stop_at or die_at; one whose server has gone is ended already.
sub release {
    my ($session) = @_;
    eval { $session->kill_kill(grace => 1) };
    return;
}

# kill -9: the postmaster then ends every session and recovers. Returns when the server answers again.
sub kill9 {
    my ($node, @pids) = @_;
    kill 'KILL', @pids;
    # The death has to be noticed before an answer means anything.
    my $end = time + $timeout;
    for my $pid (@pids) {
        sleep 0.02 while kill(0, $pid) && time < $end;
    }
    return poll_until($node, 'SELECT true');
}

# Stops the server as a power cut would (immediate), and starts it again.
sub stop_now {
    my ($node) = @_;
    $node->stop('immediate');
    $node->start;
    return;
}

# The server's log so far.
sub read_log {
    my ($node) = @_;
    return slurp_file($node->logfile);
}

# Runs the command line against a node: (exit code, output, errors). Options as a list, never through a
# shell.
sub zdm_cli {
    my ($node, @arguments) = @_;
    my ($out, $err) = ('', '');
    local $ENV{PGHOST} = $node->host;
    local $ENV{PGPORT} = $node->port;
    local $ENV{PGDATABASE} = $ENV{PGDATABASE} // 'postgres';
    my $zdm = $ENV{ZDM} // die 'ZDM does not name the zdm binary';
    IPC::Run::run([ $zdm, @arguments ], '<', \undef, '>', \$out, '2>', \$err,
        IPC::Run::timeout($timeout));
    return ($? >> 8, $out, $err);
}

# The schema of a database as SQL, without what differs between equal databases.
sub schema_dump {
    my ($node, $db, @options) = @_;
    my ($out, $err) = run_command(
        [ 'pg_dump', '-s', '--no-owner', @options, '-d', $node->connstr($db // 'postgres') ]);
    die "pg_dump: $err" if $err ne '';
    # Newer minor versions guard the dump with a random key.
    $out =~ s/^\\(un)?restrict .*\n//mg;
    return $out;
}

# A dump in which the order of columns is no difference: their lines in a CREATE TABLE, what is said of one
# after the other.
sub columns_sorted {
    my ($dump) = @_;
    my @entries = split /^(?=--\n-- )/m, $dump;
    my ($sorted, @run) = ('');
    for my $entry (@entries) {
        $entry =~ s{^(CREATE TABLE [^\n]* \(\n)(.*?)^(\)[^\n]*(?:\n(?:PARTITION BY|INHERITS) [^\n]*)?;\n)}{$1 . join('', map { "$_\n" } sort map { s/,$//r } split /\n/, $2) . $3}gmse;
        $entry =~ s{((?:^ALTER TABLE [^\n]* ALTER COLUMN [^\n]*;\n){2,})}{join '', map { "$_\n" } sort split /\n/, $1}gmse;
        $entry =~ s{^(CREATE STATISTICS .* ON )(.*)( FROM )}{$1 . join(', ', sort split /, /, $2) . $3}gme;
        $entry =~ s{^(ALTER PUBLICATION .* ADD TABLE ONLY \S+ \()([^()]*)(\))}{$1 . join(', ', sort split /, /, $2) . $3}gme;
        if ($entry =~ /^--\n-- Name: (COLUMN |[^\n]*; Type: DEFAULT; )/) { push @run, $entry; next }
        $sorted .= join '', sort(splice @run), $entry;
    }
    return $sorted . join '', sort @run;
}

sub quoted {
    my ($text) = @_;
    $text =~ s/'/''/g;
    return "'$text'";
}

1;
