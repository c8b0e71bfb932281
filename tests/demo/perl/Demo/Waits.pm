# Who kept an application waiting: judged from the server's log and from samples of zdm's processes.
package Demo::Waits;
use strict;
use warnings;
use Exporter 'import';
use Demo::Numbers qw(ms);
use Demo::ServerLog qw(blame);
our @EXPORT_OK = qw(note_workers waits_for_zdm waits_for_hand describe);

# Processes that were seen as zdm's workers: samples of time, WAL position, pids.
sub note_workers {
    my ($log, $samples) = @_;
    for my $sample (@$samples) { $log->{kind}{$_} = 'zdm' for @{ $sample->{workers} } }
    return;
}

# Waits of applications for zdm: for its workers, for its command line's connection, and for processes
# that nobody has seen (a worker may have lived between two samples).
sub waits_for_zdm {
    my ($log, $from, $to) = @_;
    return of_applications($from, $to,
        blame($log, sub { my ($kind) = @_; !defined $kind || $kind =~ /^(?:zdm|client zdm)/ }));
}

# Waits for the change that was made by hand.
sub waits_for_hand {
    my ($log, $from, $to) = @_;
    return of_applications($from, $to, blame($log, sub { ($_[0] // '') eq 'client by_hand' }));
}

sub of_applications {
    my ($from, $to, @waits) = @_;
    my @mine = grep { $_->{user} eq 'shop_app' && $_->{to} >= $from && $_->{from} <= $to } @waits;
    return sort { $b->{ms} <=> $a->{ms} } @mine;
}

# A wait in words; `names` are those of relations by number.
sub describe {
    my ($wait, $names) = @_;
    my $lock = $wait->{lock} =~ s/ of database \d+//r;
    $lock =~ s/relation (\d+)/$names->{$1} ? "table $names->{$1}" : "relation $1"/e;
    return sprintf '%s for %s (%s)', ms($wait->{ms}), $lock, $wait->{application};
}

1;
