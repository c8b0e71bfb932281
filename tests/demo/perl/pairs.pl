#!/usr/bin/perl
# pairs.pl WORK PAIRS [last]: latencies beside a backfill against those without, pair by pair; with
# `last`, one line on the last pair only.
use strict;
use warnings;
use Demo::Load qw(application_errors figures);
use Demo::Numbers qw(commas median ms percentile seconds spread);
use Demo::Phases qw(read_marks read_steps);
use Demo::ServerLog qw(read_log);
use Demo::Table qw(table);
use Demo::Transactions qw(each_transaction);

my ($work, $pairs, $only) = @ARGV;
my $marks = read_marks("$work/seen/marks");
my @measured = map { measure($_) } ($only ? $pairs : 1 .. $pairs);

if ($only) {
    my ($pair) = @measured;
    printf "%5s  p99 alone %s and %s, beside the backfill %s (%.2f times), index build %s, VALIDATE %s\n", '',
        map({ ms($pair->{$_}) } qw(first second backfill)), $pair->{ratio}, ms($pair->{index}), ms($pair->{validate});
    exit;
}

my ($rate) = do { open my $in, '<', "$work/seen/rate" or die; split ' ', <$in> };
printf "p99 of the old application at %s transactions/s, pair by pair\n\n", commas($rate);
print table([], ['pair', 'alone', 'alone again', 'noise', 'backfill', 'ratio', 'it took', 'index build', 'ratio', 'VALIDATE', 'ratio'],
    map({ my $p = $_; [$p->{pair}, ms($p->{first}), ms($p->{second}), factor($p->{noise}), ms($p->{backfill}), factor($p->{ratio}),
        seconds($p->{backfill_seconds}), ms($p->{index}), factor($p->{index_ratio}), ms($p->{validate}), factor($p->{validate_ratio})] } @measured),
    undef,
    ['median', ms(middle('first')), ms(middle('second')), factor(middle('noise')), ms(middle('backfill')), factor(middle('ratio')),
        seconds(middle('backfill_seconds')), ms(middle('index')), factor(middle('index_ratio')), ms(middle('validate')), factor(middle('validate_ratio'))]);
my ($errors) = application_errors(read_log("$work/log/server.json"), $marks->{'first.1'}, $marks->{"finished.$pairs"});
printf "\nThe ratio is to the window right before (alone again); noise is what equal windows differ by.\n"
    . "Ratios from %s, noise from %s. Errors of applications: %d.\n\n", spread(all('ratio')), spread(all('noise')), scalar @$errors;
my $good = middle('ratio') <= 1.5;
printf "  %-7s p99 beside the backfill is %.2f times that alone in the median of %d pairs (wanted: at most 1.5)\n",
    $good ? 'ok' : 'MISSED', middle('ratio'), $pairs;
exit(@$errors ? 1 : 0);

sub all { my ($what) = @_; return grep { defined } map { $_->{$what} } @measured }
sub middle { return median(all($_[0])) }
sub factor { return defined $_[0] ? sprintf('%.2f x', $_[0]) : '-' }

# p99 in each window of one pair, and their ratios.
sub measure {
    my ($n) = @_;
    my $steps = read_steps("$work/seen/steps.$n.json");
    my %window = (
        first => [[$marks->{"first.$n"}, $marks->{"second.$n"}]],
        second => [[$marks->{"second.$n"}, $marks->{"up.$n"}]],
        backfill => stretch($steps, qw(backfill last_pass)),
        index => stretch($steps, 'index'),
        validate => stretch($steps, qw(count constraint validate)),
    );
    my %latencies = map { $_ => [] } keys %window;
    each_transaction("$work/load.$n", sub {
        my (undef, $end, $latency) = @_;
        for my $name (keys %window) {
            push @{ $latencies{$name} }, $latency if grep { $end >= $_->[0] && $end < $_->[1] } @{ $window{$name} };
        }
    });
    my %pair = (pair => $n);
    $pair{$_} = percentile([sort { $a <=> $b } @{ $latencies{$_} }], 0.99) for keys %window;
    $pair{noise} = share($pair{second}, $pair{first});
    $pair{ratio} = share($pair{backfill}, $pair{second});
    $pair{"${_}_ratio"} = share($pair{$_}, $pair{second}) for qw(index validate);
    $pair{backfill_seconds} += $_->[1] - $_->[0] for @{ $window{backfill} };
    return \%pair;
}

sub share { my ($a, $b) = @_; return defined $a && $b ? $a / $b : undef }

# The times [from, to] of the steps of some kinds.
sub stretch {
    my ($steps, @kinds) = @_;
    my %wanted = map { $_ => 1 } @kinds;
    return [map { [$_->{from}, $_->{to}] } grep { $wanted{ $_->{kind} } && defined $_->{to} } @$steps];
}
