#!/usr/bin/perl
# window.pl FOLDER FIRST MIDDLE LAST ERRORS ERRORS: number, p50, p99 and maximum in ms of the transactions
# that ended between FIRST and MIDDLE, and the same of those until a second after LAST: who had to wait
# for a row until the very end belongs to it.
use strict;
use warnings;
use Demo::Load 'figures';
use Demo::Transactions 'each_transaction';

my ($folder, $first, $middle, $last, @errors) = @ARGV;
my (@alone, @with);
each_transaction($folder, sub {
    my (undef, $end, $latency) = @_;
    return if $end < $first || $end >= $last + 1;
    push @{ $end < $middle ? \@alone : \@with }, $latency;
});
my @cells = map { my $list = $_; (cells([sort { $a <=> $b } @$list]), shift @errors) } \@alone, \@with;
print join("\t", @cells), "\n";

sub cells {
    my ($sorted) = @_;
    return (0, 0, 0, 0) if !@$sorted;
    my ($n, @rest) = figures($sorted);
    return ($n, map { sprintf '%.3f', $_ } @rest);
}
