# What the benchmarks measured: one line of a tsv file for each run, made figures and medians.
package Bench::Data;
use strict;
use warnings;
use Exporter 'import';
use Demo::Numbers 'median';
our @EXPORT_OK = qw(read_tsv read_setup with_figures select_runs middle spread noise);

# A file with a head line -> list of hashes; a last line that was cut off is left out. No file: nothing.
sub read_tsv {
    my ($file) = @_;
    open my $in, '<', $file or return [];
    my @lines = grep { /\n\z/ } <$in>;
    chomp @lines;
    my @head = split /\t/, shift(@lines) // '';
    my @rows;
    for (@lines) {
        my @cells = split /\t/, $_, -1;
        next if @cells != @head;
        my %row;
        @row{@head} = @cells;
        push @rows, \%row;
    }
    return \@rows;
}

# "key<tab>value" lines -> key -> [values]
sub read_setup {
    my ($file) = @_;
    my %setup;
    open my $in, '<', $file or return \%setup;
    while (<$in>) {
        chomp;
        my ($key, $value) = split /\t/, $_, 2;
        push @{ $setup{$key} }, $value if defined $value;
    }
    return \%setup;
}

# What people compare, beside what was measured: rate, wall_rate, done_rate (rows/s), wal (bytes/row), fpi
# (full pages per 1000 rows), heap, indexes, toast (growth in percent), hot_share (percent).
sub with_figures {
    my ($runs) = @_;
    for my $run (@$runs) {
        my $rows = $run->{rows};
        $run->{rate} = ratio($rows, $run->{step_s});
        $run->{wall_rate} = ratio($rows, $run->{wall_s});
        $run->{done_rate} = ratio($rows, $run->{done_s});
        $run->{wal} = ratio($run->{wal_bytes}, $rows);
        $run->{fpi} = ratio(1000 * $run->{wal_fpi}, $rows);
        $run->{heap} = growth($run->{heap_before}, $run->{heap_after});
        $run->{index_growth} = growth($run->{indexes_before}, $run->{indexes_after});
        $run->{toast} = growth($run->{toast_before}, $run->{toast_after});
        $run->{hot_share} = $run->{updated} > 0 ? 100 * $run->{hot} / $run->{updated} : undef;
    }
    return $runs;
}

sub ratio { my ($a, $b) = @_; return defined $a && defined $b && $b > 0 ? $a / $b : undef }
sub growth { my $share = ratio(@_[1, 0]); return defined $share ? 100 * ($share - 1) : undef }

# The runs with these values: select_runs($runs, table => 'four', way => 'c')
sub select_runs {
    my ($runs, %want) = @_;
    return grep { my $run = $_; !grep { $run->{$_} ne $want{$_} } keys %want } @$runs;
}

# Median of a figure over runs; undef when there is none.
sub middle {
    my ($figure, @runs) = @_;
    return median(grep { defined } map { $_->{$figure} } @runs);
}

# Largest difference between equal runs, as a share of their median; undef for fewer than two.
sub spread {
    my ($figure, @runs) = @_;
    my @values = sort { $a <=> $b } grep { defined } map { $_->{$figure} } @runs;
    return undef if @values < 2 || !median(@values);
    return ($values[-1] - $values[0]) / median(@values);
}

# The noise: the larger spread of rows/s among the ways that ran several times with nothing different.
sub noise {
    my ($runs) = @_;
    my $most;
    for my $way (qw(c d1)) {
        my $one = spread('rate', select_runs($runs, part => 'noise', way => $way));
        $most = $one if defined $one && (!defined $most || $one > $most);
    }
    return $most;
}

1;
