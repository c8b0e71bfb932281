# What the applications felt, by phase: latencies, errors, waits.
package Demo::Load;
use strict;
use warnings;
use Exporter 'import';
use Demo::Numbers qw(percentile);
use Demo::Phases qw(phase_at);
use Demo::Transactions qw(each_transaction);
our @EXPORT_OK = qw(latencies figures application_errors is_replan in_phase);

# phase -> application -> sorted latencies in ms; a transaction is counted in the phase that it ended in.
sub latencies {
    my ($folder, $stretches) = @_;
    my %by;
    each_transaction($folder, sub {
        my ($application, $end, $latency) = @_;
        my $phase = phase_at($stretches, $end) // return;
        push @{ $by{$phase}{$application} }, $latency;
    });
    for my $applications (values %by) {
        $_ = [sort { $a <=> $b } @$_] for values %$applications;
    }
    return \%by;
}

# n, p50, p99 and max of sorted latencies
sub figures {
    my ($sorted) = @_;
    return (scalar @$sorted, percentile($sorted, 0.5), percentile($sorted, 0.99), $sorted->[-1]);
}

# "cached plan must not change result type": what the plan announced for statements that read all
# columns; prepared again it works.
sub is_replan {
    my ($error) = @_;
    return $error->{sqlstate} eq '0A000' && $error->{message} =~ /cached plan must not change result type/;
}

# Errors of the applications' role between two moments, and beside them the announced ones.
sub application_errors {
    my ($log, $from, $to) = @_;
    my (@errors, @replans);
    for my $error (@{ $log->{errors} }) {
        next if $error->{user} ne 'shop_app' || $error->{at} < $from || $error->{at} > $to;
        if (is_replan($error)) { push @replans, $error } else { push @errors, $error }
    }
    return (\@errors, \@replans);
}

# Those of a list that happened in a phase; `when` names their time.
sub in_phase {
    my ($stretches, $phase, $when, $list) = @_;
    return grep { (phase_at($stretches, $_->{$when}) // '') eq $phase } @$list;
}

1;
