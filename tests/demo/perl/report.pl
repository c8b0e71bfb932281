#!/usr/bin/perl
# report.pl WORK: the closing report of the demo, from what the run left in its folder.
use strict;
use warnings;
use Demo::Load qw(application_errors figures in_phase latencies);
use Demo::Numbers qw(commas largest mib ms seconds);
use Demo::Phases qw(@ORDER phase_at phase_seconds phases read_marks read_steps);
use Demo::ServerLog qw(read_log);
use Demo::Table qw(table);
use Demo::Transactions qw(longest_gap);
use Demo::Waits qw(describe note_workers waits_for_hand waits_for_zdm);

my $work = shift @ARGV or die "usage: report.pl WORK\n";
my $seen = "$work/seen";
my $marks = read_marks("$seen/marks");
my $steps = read_steps("$seen/steps.json");
my $samples = read_samples("$seen/samples");
my $log = read_log("$work/log/server.json");
my $names = read_names("$seen/relations.shop");
note_workers($log, $samples);
my $stretches = phases($marks, $steps);

my ($errors, $replans) = application_errors($log, $marks->{before}, $marks->{end});
my @waits = waits_for_zdm($log, $marks->{before}, $marks->{end});

print "How the applications fared, by phase of the migration\n\n", phase_table(), "\n",
    wrap('Latency counts from the moment a transaction was due, so waiting for a free connection is in it. '
        . 'A wait for zdm is one that the server logged (over 5 ms) with a process of zdm among the holders of the '
        . 'lock or in its queue, or behind somebody who waited so.'), "\n",
    longest_waits(), work_done(), "\n";
print "The same change by hand, in one transaction, on an equal copy under the same load\n\n", comparison(), "\n";
print verdict();
exit(@$errors || left_over() ? 1 : 0);

sub slurp_words { open my $in, '<', $_[0] or die "$_[0]: $!\n"; return split ' ', <$in> // '' }

sub read_samples {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    my @samples;
    while (<$in>) {
        my ($at, $wal, $workers) = split;
        push @samples, { at => $at, wal => $wal, workers => [split /,/, $workers // ''] } if defined $wal;
    }
    return \@samples;
}

# number of a relation -> its name
sub read_names { open my $in, '<', $_[0] or die "$_[0]: $!\n"; return { map { split } <$in> } }

# Bytes of WAL that everybody wrote between two moments.
sub wal_between {
    my ($from, $to) = @_;
    my @inside = grep { $_->{at} >= $from && $_->{at} <= $to } @$samples;
    return @inside > 1 ? $inside[-1]{wal} - $inside[0]{wal} : undef;
}

sub phase_table {
    my $latencies = latencies("$work/load", $stretches);
    my @rows = ['phase', 'time', 'application', 'transactions', 'per s', 'errors', 'p50', 'p99', 'max', 'longest wait for zdm'];
    for my $phase (@ORDER) {
        my $seconds = phase_seconds($stretches, $phase) or next;
        my $first = 1;
        for my $application (sort { order($a) <=> order($b) } keys %{ $latencies->{$phase} // {} }) {
            my ($n, $p50, $p99, $max) = figures($latencies->{$phase}{$application});
            my @bad = grep { $_->{application} =~ /^$application\b/ } in_phase($stretches, $phase, 'at', $errors);
            my @mine = grep { $_->{application} =~ /^$application\b/ } in_phase($stretches, $phase, 'from', \@waits);
            push @rows, [$first ? $phase : '', $first ? seconds($seconds) : '', $application, commas($n),
                commas($n / $seconds), scalar @bad, ms($p50), ms($p99), ms($max),
                @mine ? ms(largest(map { $_->{ms} } @mine)) : '-'];
            $first = 0;
        }
    }
    return table([2], @rows);
}

sub order { return { old => 0, new => 1, report => 2 }->{ $_[0] } // 3 }

sub longest_waits {
    return "No application waited more than 5 ms for zdm.\n" if !@waits;
    my $most = $#waits < 4 ? $#waits : 4;
    return sprintf("Applications waited %s times more than 5 ms for zdm; the longest:\n", commas(scalar @waits))
        . join '', map { sprintf "  %-12s %s\n", phase_at($stretches, $_->{from}) // '', describe($_, $names) } @waits[0 .. $most];
}

sub work_done {
    my ($fill) = grep { $_->{kind} eq 'backfill' } @$steps;
    my @before = slurp_words("$seen/sizes.before");
    my @after = slurp_words("$seen/sizes.ready");
    my $filled = $fill->{rows_done};
    my $text = "\nWhat zdm did\n\n";
    $text .= sprintf "  rows filled           %s in %s\n", commas($filled), seconds($fill->{to} - $fill->{from});
    $text .= sprintf "  WAL of the backfill   %s\n", mib($fill->{wal_bytes});
    $text .= sprintf "  WAL of everybody      %s from zdm up to ready, applications and index build included\n",
        mib(wal_between($marks->{up}, $marks->{ready}));
    $text .= sprintf "  growth of users       %s -> %s (%s), indexes %s -> %s (%s)\n",
        mib($before[0]), mib($after[0]), growth($before[0], $after[0]),
        mib($before[1]), mib($after[1]), growth($before[1], $after[1]);
    $text .= sprintf "  growth of orders      %s -> %s (%s), indexes %s -> %s with the new one\n",
        mib($before[2]), mib($after[2]), growth($before[2], $after[2]), mib($before[3]), mib($after[3]);
    return $text;
}

sub growth { return sprintf '%+.0f %%', 100 * ($_[1] / $_[0] - 1) }

sub comparison {
    my ($from, $to) = @$marks{qw(naive naive_end)};
    my ($bad) = application_errors($log, $from, $to);
    my ($locked) = application_errors($log, $from, $marks->{naive_done});
    my $timeouts = grep { $_->{sqlstate} eq '57014' } @$bad;
    my $hand_gap = longest_gap("$work/load-naive", 0, $from, $marks->{naive_done});
    my $zdm_gap = longest_gap("$work/load", 0, $marks->{up}, $marks->{end});
    my @hand_waits = waits_for_hand($log, $from, $to);
    my $hand = latencies("$work/load-naive", [{ name => 'during', from => $from, to => $to }]);
    my $mine = latencies("$work/load", [{ name => 'during', from => $marks->{up}, to => $marks->{finished} }]);
    my @hand = figures([sort { $a <=> $b } map { @$_ } values %{ $hand->{during} // {} }]);
    my @mine = figures([sort { $a <=> $b } map { @$_ } values %{ $mine->{during} // {} }]);
    my @sizes = (slurp_words("$seen/sizes.naive.before"), slurp_words("$seen/sizes.naive.after"));
    my @zdm_sizes = (slurp_words("$seen/sizes.before"), slurp_words("$seen/sizes.after"));
    return table([], ['', 'with zdm', 'by hand'],
        ['from start to done', seconds($marks->{finished} - $marks->{up}), seconds($marks->{naive_done} - $from)],
        ['longest wait of one statement for it', @waits ? ms($waits[0]{ms}) : 'under 5 ms',
            @hand_waits ? ms($hand_waits[0]{ms}) : '-'],
        ['longest time in which no user could be read', ms($zdm_gap * 1000), ms($hand_gap * 1000)],
        ['errors of applications', scalar @$errors, commas(scalar @$bad)],
        ['  of these: gave up waiting (statement_timeout)', (scalar grep { $_->{sqlstate} eq '57014' } @$errors), $timeouts],
        ['  of these: sign-ups refused, phone is NOT NULL', (scalar grep { $_->{sqlstate} eq '23502' } @$errors),
            (scalar grep { $_->{sqlstate} eq '23502' } @$bad)],
        ['prepared statements that had to be prepared again', scalar @$replans, (scalar replans_by_hand($from, $to))],
        ['p99 of the transactions that went through', ms($mine[2]), ms($hand[2])],
        ['WAL of everybody until done', mib(wal_between($marks->{up}, $marks->{finished})), mib(wal_between($from, $marks->{naive_done}))],
        ['growth of users and its indexes', growth($zdm_sizes[0] + $zdm_sizes[1], $zdm_sizes[4] + $zdm_sizes[5]),
            growth($sizes[0] + $sizes[1], $sizes[4] + $sizes[5])],
    ) . "\n" . one_liner();
}

sub replans_by_hand { my (undef, $replans) = application_errors($log, @_); return @$replans }

sub one_liner {
    open my $in, '<', "$seen/oneliner" or return '';
    my ($error) = grep { s/^.*ERROR: */ERROR: / } <$in>;
    return defined $error ? "And ALTER TABLE users ADD COLUMN phone text NOT NULL, just so: $error" : '';
}

# Counts of what must not be there at the end, by name.
sub left_over {
    open my $in, '<', "$seen/proof" or die "$seen/proof: $!\n";
    my @count = split /\|/, <$in>;
    chomp @count;
    my @name = ('users without phone', 'orders without user', 'triggers of zdm', 'constraints not validated', 'invalid indexes');
    return map { "$count[$_] $name[$_]" } grep { $count[$_] != 0 } 0 .. $#name;
}

sub verdict {
    my $wait = @waits ? $waits[0]{ms} : 0;
    my @left = left_over();
    my $text = "Verdict\n\n";
    $text .= verdict_line(!@$errors, sprintf('%d application errors from the start of the load until %.0f s after done',
        scalar @$errors, $marks->{end} - $marks->{finished}));
    $text .= verdict_line($wait < 100, @waits ? sprintf('longest wait of an application for zdm: %s (wanted: under 100 ms)', ms($wait))
        : 'no application waited more than 5 ms for zdm (wanted: under 100 ms)');
    $text .= verdict_line(!@left, @left ? 'left over: ' . join(', ', @left)
        : 'every user has a phone, every order its user; no trigger, no unproven constraint, no invalid index is left');
    $text .= sprintf "  note    %d prepared SELECT * had to be prepared again after ADD COLUMN, as the plan says\n", scalar @$replans
        if @$replans;
    my %seen;
    for my $error (@$errors) {
        my $phase = phase_at($stretches, $error->{at}) // '?';
        next if $seen{"$phase $error->{sqlstate} $error->{message}"}++ || keys %seen > 10;
        $text .= "  error   $phase: $error->{application} [$error->{sqlstate}] $error->{message}\n";
    }
    return $text;
}

sub verdict_line { return sprintf "  %-7s %s\n", $_[0] ? 'ok' : 'MISSED', $_[1] }

sub wrap {
    my ($text, $width, $line, $out) = ($_[0], 110, '', '');
    for my $word (split ' ', $text) {
        if (length($line) + length($word) + 1 > $width) { $out .= "$line\n"; $line = '' }
        $line .= length $line ? " $word" : $word;
    }
    return "$out$line\n";
}
