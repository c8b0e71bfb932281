#!/usr/bin/perl
# quarters.pl FOLDER: where the slow transactions of a pair of windows are, whose logs ZDM_BENCH_LOGS kept. A line for
# each quarter second, counted from the beginning of the filling: transactions, p50, p99 and maximum in ms, and how many
# were slower than the p99 of the window alone; then what share of these the first quarter second and the worst ones have.
use strict;
use warnings;
use Demo::Load 'figures';
use Demo::Transactions 'each_transaction';

my $folder = shift // die "usage: quarters.pl FOLDER\n";
open my $times, '<', "$folder/times" or die "$folder/times: $!\n";
my ($first, $middle, $last) = split ' ', <$times>;
my (%in, @alone);
each_transaction($folder, sub {
    my (undef, $end, $latency) = @_;
    return if $end < $first || $end >= $last;
    push @{ $in{ int(4 * ($end - $middle) + 1000) - 1000 } }, $latency;
    push @alone, $latency if $end < $middle;
});
my (undef, undef, $limit) = figures([ sort { $a <=> $b } @alone ]);
my ($beside, %slow) = (0);
for my $quarter (sort { $a <=> $b } keys %in) {
    my @sorted = sort { $a <=> $b } @{ $in{$quarter} };
    my ($n, $p50, $p99, $most) = figures(\@sorted);
    my $slow = grep { $_ > $limit } @sorted;
    printf "%7.2f  %5d  p50 %6.2f  p99 %7.2f  max %7.2f  slow %5d\n", $quarter / 4, $n, $p50, $p99, $most, $slow;
    next if $quarter < 0;
    $beside += $n;
    $slow{$quarter} = $slow;
}
my $all = 0;
$all += $_ for values %slow;
exit if !$all;
my @worst = (sort { $slow{$b} <=> $slow{$a} } keys %slow)[ 0 .. 3 ];
my $worst = 0;
$worst += $slow{$_} // 0 for grep { defined } @worst;
printf "slower than %.2f ms: %.2f %% of those beside; the first quarter second has %.0f %% of these, the four worst %.0f %% (%s s)\n",
    $limit, 100 * $all / $beside, 100 * ($slow{0} // 0) / $all, 100 * $worst / $all, join ', ', map { $_ / 4 } grep { defined } @worst;
