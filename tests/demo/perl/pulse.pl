#!/usr/bin/perl
# pulse.pl WORK LOAD FROM TO: one line on how the applications fared between two moments.
use strict;
use warnings;
use Demo::Load qw(application_errors figures);
use Demo::Numbers qw(commas ms);
use Demo::ServerLog qw(read_log);
use Demo::Transactions qw(each_transaction);

my ($work, $load, $from, $to) = @ARGV;
my @latencies;
each_transaction($load, sub { push @latencies, $_[2] if $_[1] >= $from && $_[1] < $to });
my ($errors, $replans) = application_errors(read_log("$work/log/server.json"), $from, $to);
my ($n, $p50, $p99, $max) = figures([sort { $a <=> $b } @latencies]);
printf "%5s  applications, last %.0f s: %s transactions, p50 %s, p99 %s, max %s, errors %d%s\n",
    "", $to - $from, commas($n), ms($p50), ms($p99), ms($max), scalar @$errors,
    @$replans ? sprintf(', prepared again %d', scalar @$replans) : '';
