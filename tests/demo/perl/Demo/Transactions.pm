# Reads what pgbench --log wrote: one line for each transaction of an application,
#   client  number  latency (us)  script  end (s)  end (us)  lag (us)
# The latency counts from the moment the transaction was due (-R), so waiting for a free client is in
# it; the lag is that part alone.
package Demo::Transactions;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(each_transaction longest_gap);

# Calls back with (application, end in seconds, latency in ms, lag in ms, script). The application of
# instance old-2 is old. A line that is still being written is left out.
sub each_transaction {
    my ($folder, $callback) = @_;
    for my $file (glob "$folder/*.*") {
        my ($application) = $file =~ m{/([a-z]+)(?:-\d+)?\.\d+(?:\.\d+)?$} or next;
        open my $in, '<', $file or die "$file: $!\n";
        while (<$in>) {
            next if !/\n\z/;
            my @field = split ' ';
            next if @field < 6 || $field[2] !~ /^\d+$/;
            $callback->(
                $application, $field[4] + $field[5] / 1e6,
                $field[2] / 1000, ($field[6] // 0) / 1000, $field[3]);
        }
    }
    return;
}

# The longest time in seconds, between two moments, in which no transaction of a script ended, by its
# number, of whichever application.
sub longest_gap {
    my ($folder, $script, $from, $to) = @_;
    my @ends;
    each_transaction($folder, sub {
        push @ends, $_[1] if $_[4] == $script && $_[0] ne 'report' && $_[1] >= $from && $_[1] <= $to;
    });
    my ($most, $last) = (0, $from);
    for my $end (sort({ $a <=> $b } @ends), $to) {
        $most = $end - $last if $end - $last > $most;
        $last = $end;
    }
    return $most;
}

1;
