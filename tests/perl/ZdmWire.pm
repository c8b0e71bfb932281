# A client of PostgreSQL in plain Perl, for tests that need what psql can't do: prepared statements of the protocol,
# whose plans the server keeps, several sessions at once, and the SQLSTATE of each error.
#
#     my $session = ZdmWire->new($node, 'postgres', user => 'app', name => 'old application');
#     my $result = $session->query('SELECT 1 AS one');          # simple protocol; several statements give the last result
#     my $result = $session->execute('SELECT $1::int AS one', 1);   # prepared once, kept, executed
#     … $result->{names}, $result->{rows} (of values as text, undef is NULL), $result->{tag}
#     $session->copy_in('COPY t (a, b) FROM STDIN', "1\tx\n");
#
# Errors die as a hash: { code, message, detail, sql }; code is 'lost' where there was no answer. The server's socket
# must be local and trust the user.
package ZdmWire;

use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

our $limit = $ENV{ZDM_TEST_WAIT} // 120;    # seconds for an answer

sub new {
    my ($class, $node, $db, %want) = @_;
    my $path = $node->host . '/.s.PGSQL.' . $node->port;
    my $socket = IO::Socket::UNIX->new(Peer => $path) or die { code => 'lost', message => "$path: $!", sql => '' };
    my $self = bless { socket => $socket, select => IO::Select->new($socket), got => '', prepared => {}, number => 0,
        status => '' }, $class;
    my $options = join '', map { "$_\0" } user => $want{user} // 'postgres', database => $db,
        application_name => $want{name} // 'wire', client_encoding => 'UTF8', '';
    $self->put(pack('NN', 8 + length $options, 196608) . $options);
    $self->answer('the start');
    return $self;
}

sub close { my ($self) = @_; eval { $self->put(message('X', '')) }; $self->{socket}->close; return }

# Whether a transaction is open, which an error may have aborted.
sub in_transaction { return $_[0]{status} ne 'I' }

sub query {
    my ($self, $sql) = @_;
    $self->put(message('Q', "$sql\0"));
    return $self->answer($sql);
}

sub copy_in {
    my ($self, $sql, $data) = @_;
    $self->put(message('Q', "$sql\0"));
    return $self->answer($sql, $data);
}

# Executes a statement, which is prepared when it comes for the first time, and again after `forget`.
sub execute {
    my ($self, $sql, @values) = @_;
    my $name = $self->{prepared}{$sql};
    if (!defined $name) {
        $name = 's' . ++$self->{number};
        $self->put(message('P', "$name\0$sql\0" . pack 'n', 0) . message('S', ''));
        $self->answer($sql);
        $self->{prepared}{$sql} = $name;
    }
    my $bound = join '', map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @values;
    $self->put(message('B', "\0$name\0" . pack('nn', 0, scalar @values) . $bound . pack('n', 0))
            . message('D', "P\0") . message('E', "\0" . pack 'N', 0) . message('S', ''));
    return $self->answer($sql);
}

# So that the statement is prepared again when it is executed next.
sub forget { my ($self, $sql) = @_; delete $self->{prepared}{$sql}; return }

sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }

sub put {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $sent = syswrite $self->{socket}, $bytes;
        die { code => 'lost', message => "$!", sql => '' } unless $sent;
        substr($bytes, 0, $sent) = '';
    }
    return;
}

# One message: (type, body).
sub get {
    my ($self, $sql) = @_;
    my $end = time + $limit;
    while (1) {
        if (length $self->{got} >= 5) {
            my ($type, $length) = unpack 'a N', $self->{got};
            if (length $self->{got} > $length) {
                my $whole = substr $self->{got}, 0, 1 + $length, '';
                return ($type, substr $whole, 5);
            }
        }
        die { code => 'lost', message => "no answer in $limit s", sql => $sql } unless $self->{select}->can_read($end - time);
        sysread $self->{socket}, $self->{got}, 65536, length $self->{got}
            or die { code => 'lost', message => 'the server went away', sql => $sql };
    }
}

# All until the server is ready for more. An error is raised only then, so that the session is fit for the next.
sub answer {
    my ($self, $sql, $data) = @_;
    my ($error, %result) = (undef, names => [], rows => [], tag => '');
    while (1) {
        my ($type, $body) = $self->get($sql);
        if ($type eq 'Z') { $self->{status} = $body; last }
        if ($type eq 'T') { $result{names} = names($body); $result{rows} = [] }
        elsif ($type eq 'D') { push @{ $result{rows} }, values_of($body) }
        elsif ($type eq 'C') { $result{tag} = unpack 'Z*', $body }
        elsif ($type eq 'G') { $self->put(message('d', $data) . message('c', '')) }
        elsif ($type eq 'R' && unpack('N', $body) != 0) { die { code => 'lost', message => 'not trusted', sql => $sql } }
        elsif ($type eq 'E') {
            my %field = map { substr($_, 0, 1) => substr $_, 1 } split /\0/, $body;
            $error = { code => $field{C}, message => $field{M}, detail => $field{D} // '', sql => $sql };
            die { %$error, code => 'lost' } if $field{S} =~ /FATAL|PANIC/;
        }
    }
    die $error if $error;
    return \%result;
}

# Of each column a name and 18 bytes about its type.
sub names { my ($body) = @_; return [ unpack 'n/(Z* x18)', $body ] }

sub values_of {
    my ($body) = @_;
    my $number = unpack 'n', $body;
    my ($at, @values) = (2);
    for (1 .. $number) {
        my $length = unpack 'N', substr $body, $at, 4;
        $at += 4;
        if ($length == 0xffffffff) { push @values, undef; next }
        push @values, substr $body, $at, $length;
        $at += $length;
    }
    return \@values;
}

1;
