# Reads the server's log (jsonlog): who waited for whom, and which statements failed.
#
# The application's role has log_lock_waits on and a deadlock_timeout of 5 ms, so the server logs each
# longer wait twice: "still waiting", with the processes that hold the lock and those that queue for it,
# and "acquired", with the time it took. A wait that ends in an error ends with that error's line.
package Demo::ServerLog;
use strict;
use warnings;
use Exporter 'import';
use JSON::PP;
use Time::Local 'timegm';
our @EXPORT_OK = qw(read_log blame);

my $interesting = qr/process\ \d+\ (?:still|acquired|failed|avoided|detected)\s
                     |"error_severity":"(?:ERROR|FATAL|PANIC)"|connection\ authorized
                     |"backend_type":"(?:autovacuum\ worker|zdm)"/x;

# "2026-11-23 10:20:30.123 UTC" -> seconds since the epoch
sub epoch {
    my ($text) = @_;
    my ($y, $mo, $d, $h, $mi, $s) = $text =~ /^(\d+)-(\d+)-(\d+) (\d+):(\d+):([\d.]+) /
        or die "no time of day: $text\n";
    return timegm(0, $mi, $h, $d, $mo - 1, $y) + $s;
}

# A hash of
#   waits   [{pid, application, from, to, ms, lock, holders [pid], queue [pid], end}]
#   errors  [{at, application, user, sqlstate, message, statement}]
#   kind    pid -> 'zdm', 'autovacuum' or 'client NAME'
sub read_log {
    my ($file) = @_;
    my $log = { waits => [], errors => [], kind => {} };
    my (%open, $json);
    $json = JSON::PP->new->utf8;
    open my $in, '<', $file or die "$file: $!\n";
    while (my $line = <$in>) {
        next if $line !~ $interesting || $line !~ /\}\s*\z/;
        my $entry = $json->decode($line);
        my $at = epoch($entry->{timestamp});
        note_kind($log->{kind}, $entry);
        note_wait($log, \%open, $entry, $at);
        note_error($log, \%open, $entry, $at);
    }
    return $log;
}

sub note_kind {
    my ($kind, $entry) = @_;
    my $type = $entry->{backend_type} // '';
    my $pid = $entry->{pid};
    if ($type eq 'zdm') { $kind->{$pid} = 'zdm' }
    elsif ($type eq 'autovacuum worker') { $kind->{$pid} = 'autovacuum' }
    elsif ($entry->{message} =~ /^connection authorized: user=\S+ .*?application_name=(\S+)/) {
        $kind->{$pid} = "client $1";
    }
    elsif ($entry->{message} =~ /^connection authorized: user=(\S+)/) { $kind->{$pid} //= "client $1" }
    return;
}

sub note_wait {
    my ($log, $open, $entry, $at) = @_;
    my $message = $entry->{message};
    if ($message =~ /^process (\d+) (?:still waiting for|avoided deadlock for|detected deadlock while waiting for) (.*?) (?:by rearranging queue order )?after ([\d.]+) ms/) {
        my ($pid, $lock, $ms) = ($1, $2, $3);
        my ($holders, $queue) = ($entry->{detail} // '') =~ /holding the lock: ([\d, ]*)\. Wait queue: ([\d, ]*)\./;
        my $wait = $open->{$pid} //= {
            pid => $pid, application => $entry->{application_name} // '', user => $entry->{user} // '',
            from => $at - $ms / 1000, lock => $lock, holders => [], queue => [],
        };
        push @{ $wait->{holders} }, grep { length } split /, */, $holders // '';
        push @{ $wait->{queue} }, grep { $_ && $_ != $pid } split /, */, $queue // '';
    }
    elsif ($message =~ /^process (\d+) (acquired|failed to acquire) .* after ([\d.]+) ms/) {
        close_wait($log, $open, $1, $at, $2 eq 'acquired' ? 'acquired' : 'failed', $3);
    }
    return;
}

sub note_error {
    my ($log, $open, $entry, $at) = @_;
    return if $entry->{error_severity} !~ /^(?:ERROR|FATAL|PANIC)$/;
    close_wait($log, $open, $entry->{pid}, $at, 'error ' . ($entry->{state_code} // ''));
    push @{ $log->{errors} }, {
        at => $at, application => $entry->{application_name} // '', user => $entry->{user} // '',
        sqlstate => $entry->{state_code} // '', message => $entry->{message},
        statement => $entry->{statement} // '',
    };
    return;
}

sub close_wait {
    my ($log, $open, $pid, $at, $end, $ms) = @_;
    my $wait = delete $open->{$pid} or return;
    $wait->{to} = $at;
    $wait->{ms} = $ms // ($at - $wait->{from}) * 1000;
    $wait->{end} = $end;
    push @{ $log->{waits} }, $wait;
    return;
}

# Marks the waits that somebody is to blame for: `culprit` gets the kind of a process (undef when nobody
# knows it) and says whether it is one. A wait is its own when a culprit holds the lock or queues for it,
# or when another process does that was itself kept waiting by a culprit at that moment. The server lists
# a queue in the order in which processes first touched the lock, not in which they wait, so a culprit
# anywhere in the queue counts.
sub blame {
    my ($log, $culprit) = @_;
    my @open = @{ $log->{waits} };
    delete $_->{culprit} for @open;
    my %blamed;    # pid -> waits for which a culprit is to blame
    my $found = 1;
    while ($found) {
        $found = 0;
        my @rest;
        for my $wait (@open) {
            my ($pid) = grep { is_guilty($log, $culprit, \%blamed, $wait, $_) }
                @{ $wait->{holders} }, @{ $wait->{queue} };
            if (!defined $pid) { push @rest, $wait; next }
            $wait->{culprit} = $pid;
            push @{ $blamed{ $wait->{pid} } }, $wait;
            $found = 1;
        }
        @open = @rest;
    }
    return grep { defined $_->{culprit} } @{ $log->{waits} };
}

sub is_guilty {
    my ($log, $culprit, $blamed, $wait, $pid) = @_;
    return 1 if $culprit->($log->{kind}{$pid});
    return scalar grep { $_->{from} < $wait->{to} && $wait->{from} < $_->{to} } @{ $blamed->{$pid} // [] };
}

1;
