# What the rows of fire.pl's table must be, from what the writers wrote down and from nothing that zdm says; and
# who waited for whom, from the server's log.
package ZdmFireOracle;

use strict;
use warnings;
use Exporter 'import';
use ZdmLog;
use PostgreSQL::Test::Utils;
use ZdmFireWriter;

our @EXPORT = qw(first_row filled_with read_logs replay differences waits);


# A row of the first load, and what fills it. $own: an application gave some rows a value from the start.
sub first_row {
    my ($uid, $own) = @_;
    return { id => $uid, seed => $uid * 31 % 1009, n => 0, note => 'note ' . $uid % 1000, ver => 0,
        level => $own && $uid % 10 == 0 ? 100_000 + $uid : undef, written => 0 };
}
sub filled_with { return $_[0] * 7 % 1000 }

# All that writers wrote down: (what committed by row, what is wrong with the logs, counts). $done is what
# the table `done` has, as "writer n".
sub read_logs {
    my ($dir, $done) = @_;
    my (%writes, @wrong, %count);
    for my $file (sort glob "$dir/*.log") {
        my ($w) = $file =~ /(\d+)\.log$/;
        my (%asked, %said);
        for my $line (split /\n/, slurp_file($file)) {
            my $entry = ZdmLog::from_line($line);
            my ($t, $n) = @$entry{qw(t n)};
            push @wrong, "writer $w: $entry->{why}" if $t eq 'broken';
            next unless defined $n;
            if ($t eq 'commit') { $asked{$n} = $entry->{ops}; next }
            $said{$n} = $t;
            $count{$t}++;
            $count{ $entry->{why} }++ if $t eq 'aborted';
        }
        for my $n (keys %said) {
            my $is = delete $done->{"$w $n"};
            push @wrong, "transaction $n of writer $w: $said{$n}, but " . ($is ? 'it is there' : 'it is not there')
                if $said{$n} eq 'committed' && !$is || $said{$n} eq 'aborted' && $is || $is && !$asked{$n};
            next unless $is;
            $count{'lost, but committed'}++ if $said{$n} eq 'lost';
            push @{ $writes{ $_->[0] } }, $_ for @{ $asked{$n} };
        }
    }
    push @wrong, map { "transaction $_ is in no log" } sort keys %$done;
    return (\%writes, \@wrong, \%count);
}

# One write, as the application meant it. With sync the trigger gives a value where the column has none,
# and a new one when what it is computed from changes. Whether it did so before $synced can't be told: then
# the row counts as one that is still to be filled.
sub apply_write {
    my ($row, $write, $synced) = @_;
    my (undef, $kind, $value, undef, $at) = @$write;
    my $sync = $synced && $at >= $synced;
    $row->{written} = $at;
    if ($kind eq 'insert') {
        %$row = (%$row, level => undef, %$value, ver => 0);
        $row->{level} //= filled_with($row->{seed}) if $sync;
        return;
    }
    $row->{ver}++;
    if ($kind eq 'seed') {
        $row->{level} = filled_with($value) if $sync && $value != $row->{seed};
        $row->{seed} = $value;
    } elsif ($kind eq 'set' || $kind eq 'null') {
        $row->{level} = $value;
        $row->{level} //= filled_with($row->{seed}) if $sync;
    } else {
        $row->{$kind} = $value;
    }
    return;
}

# The rows as they must be: (row by uid, what is wrong). $fills: what zdm changed, by uid, as [version, value
# before, value] in the order of versions. $synced: since when there is a sync trigger for sure, if there is
# one. A fill comes behind the write that made its version; before it the application's value must have been
# NULL, else it was filled twice or overwritten.
sub replay {
    my ($rows, $writes, $fills, $synced) = @_;
    my (%is, @wrong);
    my %uids = map { $_ => 1 } 1 .. $rows, keys %$writes, keys %$fills;
    for my $uid (keys %uids) {
        my $row = $uid <= $rows ? first_row($uid, !$synced) : { ver => -1 };
        my @writes = sort { version($a) <=> version($b) } @{ $writes->{$uid} // [] };
        my @fills  = @{ $fills->{$uid} // [] };
        my $gone;
        while (@writes || @fills) {
            if (@fills && (!@writes || $fills[0][0] < version($writes[0]))) {
                my ($version, $was, $value) = @{ shift @fills };
                my $what = "row $uid, version $version, filled with $value:";
                push @wrong, "$what the version is $row->{ver}" if $version != $row->{ver} || $gone;
                push @wrong, "$what it had " . ($row->{level} // $was) if defined $row->{level} || $was ne '';
                push @wrong, "$what not " . filled_with($row->{seed}) if $value != filled_with($row->{seed});
                $row->{level} = $value;
                next;
            }
            my $write = shift @writes;
            my $again = $gone;
            if ($write->[1] eq 'delete') { $gone = 1 }
            else { apply_write($row, $write, $synced) }
            push @wrong, "row $uid: $write->[1] gave version $write->[3], must be $row->{ver}"
                if $write->[3] != $row->{ver} || $again;
        }
        # What a sync trigger fills at a row's next write can't be told from a fill: both give the same value.
        $row->{level} //= filled_with($row->{seed}) if $synced;
        $is{$uid} = $row unless $gone;
    }
    return (\%is, \@wrong);
}

# A deletion gives the version that it deletes.
sub version { return $_[0][3] + ($_[0][1] eq 'delete' ? 0.5 : 0) }

# How the table differs: both are rows by uid.
sub differences {
    my ($want, $have) = @_;
    my @wrong;
    for my $uid (sort { $a <=> $b } keys %{ { %$want, %$have } }) {
        my ($w, $h) = ($want->{$uid}, $have->{$uid});
        if (!$w || !$h) {
            push @wrong, "row $uid " . ($w ? 'is missing' : 'should not be there');
            next;
        }
        for my $column (qw(id seed n note ver level)) {
            my ($must, $is) = map { $_->{$column} // 'NULL' } $w, $h;
            push @wrong, "row $uid: $column is $is, must be $must" if $is ne $must;
        }
    }
    return @wrong;
}

# Waits for row locks in a server's log (log_lock_waits, log_line_prefix '%n [%p] %b, %a: '): those of others for
# workers of zdm, as { who, pid, for, ms, end }, and lines in which one of these waited for a row. $ours: seconds
# in which a process id was that of a worker, since the system gives it to others later.
sub waits {
    my ($log, $ours) = @_;
    my (@waits, %open, @we);
    my $row = qr/(?:transaction \d+|tuple \(\d+,\d+\) of relation \d+ of database \d+)/;
    my $last;
    for my $line (split /\n/, $log) {
        my ($at, $pid, $type, $name, $text) = $line =~ /^(\d+)\.\d+ \[(\d+)\] ([^,]*), (.*?): ([A-Z]+:  .*)/ or next;
        # A crash ends all sessions, those that wait too.
        if ($text =~ /LOG:  (?:all server processes terminated|database system was (?:interrupted|not properly))/) {
            $_->{end} //= 'crash' for values %open;
            %open = ();
        } elsif ($text =~ /LOG:  process (\d+) still waiting for \w+ on ($row) after ([\d.]+) ms/) {
            $last = { who => $name, pid => $pid, for => $2, ms => $3 };
        } elsif ($last && $last->{pid} == $pid && $text =~ /DETAIL:  Process(?:es)? holding the lock: ([\d, ]+)\./) {
            if ($type eq 'zdm') {
                push @we, "$pid for $1 ($last->{for})";
            } elsif (grep { is_ours($ours, $_, $at) } split /, /, $1) {
                push @waits, $last;
                $open{$pid} = $last;
            }
            undef $last;
        } elsif ($open{$pid} && $text =~ /LOG:  process \d+ acquired \w+ on ($row) after ([\d.]+) ms/ && $1 eq $open{$pid}{for}) {
            @{ delete $open{$pid} }{qw(end ms)} = ('acquired', $2);
        } elsif ($open{$pid} && $text =~ /^(ERROR|FATAL):  (.*)/) {
            $open{$pid}{end} = $2 unless $1 eq 'FATAL' && $2 =~ /^terminating connection/;
        }
    }
    return (\@waits, \@we);
}

sub is_ours {
    my ($ours, $pid, $at) = @_;
    return grep { abs($_ - $at) <= 5 } keys %{ $ours->{$pid} // {} };
}

1;
