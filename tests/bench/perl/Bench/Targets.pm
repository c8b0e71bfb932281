# Which targets were met. A target that was not measured says so; one that misses or holds by less than
# the noise says that too.
package Bench::Targets;
use strict;
use warnings;
use Exporter 'import';
use Bench::Data qw(middle noise select_runs);
use Demo::Numbers 'median';
our @EXPORT_OK = qw(targets);

my %LIMIT_SHARE = (1 => 0.4, 2 => 0.65);
my %PLAIN_TIMES = (1 => 3.5, 2 => 6);

# Runs with figures and pairs under load -> list of { what, wanted, value, verdict }, verdict is met, missed
# or not measured.
sub targets {
    my ($runs, $pairs) = @_;
    my $noise = noise($runs) // 0;
    return (on_first($runs, 'first', 'four', '', $noise),
        on_first($runs, 'sync', 'sync', ', with a sync trigger', $noise),
        on_large($runs, $noise), never_slower($runs, $noise), under_load($pairs), memory($runs));
}

sub at_least { my ($what, $least, $value, $noise, $unit) = @_; return judged($what, 'at least', $least, $value, $noise, $unit) }
sub at_most { my ($what, $most, $value, $noise, $unit) = @_; return judged($what, 'at most', $most, $value, $noise, $unit) }

sub judged {
    my ($what, $side, $wanted, $value, $noise, $unit) = @_;
    $unit //= '';
    my %target = (what => $what, wanted => "$side $wanted$unit", value => '-', verdict => 'not measured');
    return \%target if !defined $value;
    $target{value} = sprintf($unit ? '%.1f%s' : '%.2f%s', $value, $unit);
    $target{verdict} = ($side eq 'at least' ? $value >= $wanted : $value <= $wanted) ? 'met' : 'missed';
    $target{verdict} .= ', within the noise' if $noise && abs($value / $wanted - 1) < $noise;
    return \%target;
}

sub over { my ($a, $b) = @_; return defined $a && $b ? $a / $b : undef }

sub on_first {
    my ($runs, $part, $table, $with, $noise) = @_;
    my $of = sub { my ($figure, $way) = @_; return middle($figure, select_runs($runs, part => $part, table => $table, way => $way)) };
    my @targets;
    for my $n (1, 2) {
        my $who = ($n == 1 ? '1 worker' : "$n workers") . $with;
        my $way = "d$n";
        push @targets,
            at_least("$who: rows/s, of the all-HOT limit", $LIMIT_SHARE{$n}, over($of->('rate', $way), $of->('rate', 'e')), $noise),
            at_least("$who: rows/s, of one plain UPDATE", $PLAIN_TIMES{$n}, over($of->('rate', $way), $of->('rate', 'c')), $noise),
            at_most("$who: WAL, of one plain UPDATE", 0.5, over($of->('wal', $way), $of->('wal', 'c'))),
            at_most("$who: heap growth", 15, $of->('heap', $way), 0, ' %'),
            at_most("$who: index growth", 30, $of->('index_growth', $way), 0, ' %'),
            at_least("$who: HOT updates", 85, $of->('hot_share', $way), 0, ' %');
    }
    return @targets;
}

sub on_large {
    my ($runs, $noise) = @_;
    return map {
        my $large = middle('rate', select_runs($runs, part => 'large', way => "d$_"));
        my $first = middle('rate', select_runs($runs, part => 'first', way => "d$_"));
        at_least(($_ == 1 ? '1 worker' : "$_ workers") . ': rows/s on the large table, of the first', 0.85, over($large, $first), $noise);
    } 1, 2;
}

# On each table of the list, the slowest of our ways.
sub never_slower {
    my ($runs, $noise) = @_;
    my %table = map { $_->{table} => 1 } grep { $_->{part} =~ /^(?:first|sync|others|large)$/ } @$runs;
    my ($least, $where);
    for my $table (sort keys %table) {
        my @here = grep { $_->{part} =~ /^(?:first|sync|others|large)$/ } select_runs($runs, table => $table);
        my $plain = middle('rate', select_runs(\@here, way => 'c'));
        for my $n (1, 2) {
            my $share = over(middle('rate', select_runs(\@here, way => "d$n")), $plain);
            next if !defined $share || (defined $least && $share >= $least);
            ($least, $where) = ($share, "`$table`, $n " . ($n == 1 ? 'worker' : 'workers'));
        }
    }
    return at_least('the table where it compares worst with one plain UPDATE' . (defined $where ? " ($where)" : '') . ': rows/s', 0.9, $least, $noise);
}

# p99 beside zdm over p99 alone, beyond what equal windows differ by: median of the pairs each. The noise is
# half of the span of equal windows.
sub under_load {
    my ($pairs) = @_;
    my $changes = sub { my ($way) = @_; return map { over($_->{with_p99}, $_->{alone_p99}) // () } select_runs($pairs, way => $way) };
    my $rate = sub { my ($way) = @_; return median(map { over($_->{rows}, $_->{seconds}) // () } select_runs($pairs, way => $way)) };
    my @equal = sort { $a <=> $b } $changes->('none');
    my $equal = median(@equal);
    my $noise = @equal > 1 ? ($equal[-1] - $equal[0]) / 2 / $equal : 0;
    return (
        at_most('p99 of the application beside zdm at its own pace, of alone, over that of equal windows', 1.15, over(median($changes->('d')), $equal), $noise),
        at_least('rows/s meanwhile, of one plain UPDATE under the same load', 0.4, over($rate->('d'), $rate->('c'))));
}

# Anonymous memory of the largest process of zdm, the large table beside the first.
sub memory {
    my ($runs) = @_;
    my @kb = map { middle('worker_kb', select_runs($runs, part => $_, way => 'd1')) } qw(first large);
    my $target = at_most('memory of a worker on the large table, of that on the first', 1.1, over(@kb[1, 0]));
    $target->{value} .= sprintf ' (%.1f MB)', $kb[1] / 1024 if $target->{value} ne '-';
    return $target;
}

1;
