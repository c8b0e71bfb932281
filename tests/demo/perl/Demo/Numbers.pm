# How numbers are summed up and written.
package Demo::Numbers;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(percentile median largest ms count mib seconds commas spread);

# The smallest value that at least this share (0 to 1) of a sorted list does not exceed.
sub percentile {
    my ($sorted, $share) = @_;
    return undef if !@$sorted;
    my $rank = int(@$sorted * $share + 0.999999);
    $rank = 1 if $rank < 1;
    return $sorted->[$rank - 1];
}

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return undef if !@sorted;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

sub largest {
    my $most;
    for (@_) { $most = $_ if defined $_ && (!defined $most || $_ > $most) }
    return $most;
}

# Milliseconds for people: 3.4 ms, 123 ms, 41.2 s.
sub ms {
    my ($value) = @_;
    return '-' if !defined $value;
    return sprintf '%.1f s', $value / 1000 if $value >= 10_000;
    return sprintf '%.2f s', $value / 1000 if $value >= 1000;
    return sprintf $value < 99.95 ? '%.1f ms' : '%.0f ms', $value;
}

sub seconds { my ($value) = @_; return defined $value ? sprintf('%.1f s', $value) : '-' }

# 1234567 -> 1,234,567
sub commas {
    my ($value) = @_;
    return '-' if !defined $value;
    my $text = sprintf '%.0f', $value;
    1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

sub mib { my ($bytes) = @_; return defined $bytes ? commas($bytes / 1048576) . ' MB' : '-' }

sub spread {
    my @sorted = sort { $a <=> $b } @_;
    return @sorted ? sprintf('%.2f to %.2f', $sorted[0], $sorted[-1]) : '-';
}

1;
