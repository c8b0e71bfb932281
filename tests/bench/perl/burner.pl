#!/usr/bin/perl
# burner.pl SHARE: uses so much of one processor, in pieces of a quarter of a millisecond, until it is
# ended. It touches no database: what an application feels of it is the machine, and the floor for
# whatever works beside one.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC usleep);

my $share = shift or die "usage: burner.pl SHARE\n";
my $piece = 0.00025;
while (1) {
    my $from = clock_gettime(CLOCK_MONOTONIC);
    1 while clock_gettime(CLOCK_MONOTONIC) - $from < $piece;
    usleep(1e6 * $piece * (1 - $share) / $share);
}
