# What the benchmarks say is only as good as their reading of what was measured.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../../bench/perl", "$FindBin::Bin/../../demo/perl";
use Bench::Data qw(middle noise read_setup read_tsv select_runs spread with_figures);
use Bench::Plot 'bars';
use Bench::Report qw(plots put_between report);
use Bench::Targets 'targets';
use File::Temp 'tempdir';
use Test::More;

my $folder = tempdir(CLEANUP => 1);
sub write_file { open my $out, '>', "$folder/$_[0]" or die $!; print $out $_[1]; close $out; return "$folder/$_[0]" }

my @columns = qw(part table way repetition commit vacuum rows step_s wall_s done_s wal_bytes wal_fpi heap_before heap_after
    indexes_before indexes_after toast_before toast_after updated hot worker_kb hands);
# run(part, table, way, repetition, seconds, WAL bytes, heap after, indexes after, HOT): 1000 rows, 1000 bytes before.
sub run_line {
    my ($part, $table, $way, $n, $seconds, $wal, $heap, $indexes, $hot) = @_;
    return join("\t", $part, $table, $way, $n, 'off', 'off', 1000, $seconds, $seconds + 1, $seconds + 3, $wal, 50, 1000, $heap, 1000, $indexes,
        0, 0, 1000, $hot, $way =~ /^d/ ? (5120, 1) : (0, 0)) . "\n";
}
my $runs = with_figures(read_tsv(write_file('runs.tsv', join("\t", @columns) . "\n" . join('',
    # (c) 100, 110 and 90 rows/s; zdm 250 twice.
    run_line('noise', 'four', 'c', 1, 10, 1, 1, 1, 0), run_line('noise', 'four', 'c', 2, 1000 / 110, 1, 1, 1, 0),
    run_line('noise', 'four', 'c', 3, 1000 / 90, 1, 1, 1, 0),
    run_line('noise', 'four', 'd1', 1, 4, 1, 1, 1, 0), run_line('noise', 'four', 'd1', 2, 4, 1, 1, 1, 0),
    # 100, 200 and 1000 rows/s, median 200; zdm 800; the limit 1000.
    run_line('first', 'four', 'c', 1, 5, 1000, 2000, 2000, 0), run_line('first', 'four', 'c', 2, 10, 1000, 2000, 2000, 0),
    run_line('first', 'four', 'c', 3, 1, 1000, 2000, 2000, 0),
    run_line('first', 'four', 'd1', 1, 1.25, 400, 1100, 1400, 870),
    run_line('first', 'four', 'e', 1, 1, 300, 1000, 1000, 1000),
    run_line('others', 'pk', 'c', 1, 1, 1000, 2000, 2000, 0), run_line('others', 'pk', 'd1', 1, 1.6, 1000, 2000, 2000, 0),
    run_line('large', 'large', 'd1', 1, 1.2, 400, 1100, 1400, 870),
    run_line('commit', 'four', 'c', 1, 20, 1000, 2000, 2000, 0)) . "first\tfour\tc\t4\toff")));
is(scalar @$runs, 14, 'the line that was cut off is left out');

my @plain = select_runs($runs, part => 'first', way => 'c');
is(middle('rate', @plain), 200, 'median of rows/s');
is(middle('wal', @plain), 1, 'WAL per row');
is(middle('heap', @plain), 100, 'growth of the heap');
is(middle('hot_share', select_runs($runs, part => 'first', way => 'd1')), 87, 'share of HOT updates');
is(sprintf('%.0f', middle('done_rate', select_runs($runs, part => 'first', way => 'd1'))), 235, 'until all is done');
is(middle('rate'), undef, 'of nothing: nothing');
is(spread('rate', select_runs($runs, part => 'first', way => 'e')), undef, 'one run has no spread');
is(sprintf('%.2f', noise($runs)), '0.20', 'the noise is the largest difference of equal runs');

my @load = qw(pair way rate capacity rows seconds alone_n alone_p50 alone_p99 alone_max alone_errors with_n with_p50 with_p99 with_max with_errors);
sub pair_line { my ($n, $way, $seconds, $alone, $with, $errors) = @_; return join("\t", $n, $way, 500, 1000, $seconds ? 1000 : 0, $seconds, 10, 1, $alone, 9, 0, 10, 1, $with, 99, $errors) . "\n" }
my $pairs = read_tsv(write_file('load.tsv', join("\t", @load) . "\n" . join('',
    pair_line(1, 'none', 0, 2, 2, 0), pair_line(2, 'none', 0, 2, 2.2, 0), pair_line(3, 'none', 0, 4, 2, 0),
    pair_line(1, 'c', 10, 2, 2000, 7), pair_line(2, 'c', 10, 2, 4000, 1),
    pair_line(1, 'd', 20, 2, 2.2, 0), pair_line(2, 'd', 30, 2, 4, 0), pair_line(3, 'd', 20, 2, 2, 0))));

my %target = map { $_->{what} => $_ } targets($runs, $pairs);
sub verdict { my ($what) = @_; my $one = $target{$what} // return "no target $what"; return "$one->{value}: $one->{verdict}" }
is(verdict('1 worker: rows/s, of the all-HOT limit'), '0.80: met', 'beside the limit');
is(verdict('1 worker: rows/s, of one plain UPDATE'), '4.00: met, within the noise', 'met by less than the noise');
is(verdict('1 worker: WAL, of one plain UPDATE'), '0.40: met', 'at most');
is(verdict('1 worker: heap growth'), '10.0 %: met', 'a growth');
is(verdict('1 worker: index growth'), '40.0 %: missed', 'missed');
is(verdict('2 workers: rows/s, of the all-HOT limit'), '-: not measured', 'what was not measured');
is(verdict('1 worker, with a sync trigger: heap growth'), '-: not measured', 'a table that was not reached');
is(verdict('1 worker: rows/s on the large table, of the first'), '1.04: met', 'the large table');
is(verdict('the table where it compares worst with one plain UPDATE (`pk`, 1 worker): rows/s'), '0.62: missed', 'the worst table is named');
is(verdict('p99 of the application beside zdm at its own pace, of alone, over that of equal windows'), '1.10: met, within the noise', 'p99 beyond the noise');
is(verdict('rows/s meanwhile, of one plain UPDATE under the same load'), '0.50: met', 'rate under load');
is(verdict('memory of a worker on the large table, of that on the first'), '1.00 (5.0 MB): met', 'memory');

my $setup = read_setup(write_file('setup.tsv', "made\ttoday\nskipped\ttwo: refused\nskipped\tthree\nconf\ta = b\n"));
my $text = report($runs, $pairs, $setup, ['a plot', 'a.svg']);
like($text, qr/^Left out: two: refused\.\nLeft out: three\.$/m, 'says what was left out');
like($text, qr/stopped before its end/, 'and that it was stopped');
like($text, qr/^\| \(c\) one plain UPDATE \| 200 \|  \| 100, 1,000 \| 1 \| 50\.0 \| \+100 % \| \+100 % \| 0 % \|$/m, 'a line of a table');
like($text, qr/^\| \(c\) one plain UPDATE \| 2 \| 1\.0 ms \| 1\.0 ms \| 2\.0 ms \| 3\.00 s \| 1500\.00 \(1000\.00 to 2000\.00\) \| 99\.0 ms \| 8 \| 100 \|$/m, 'and under load');
like($text, qr/^    a = b$/m, 'with its configuration');
unlike($text, qr/TOAST \|/, 'no column for what no table has');
like(report($runs, [], {}), qr/one plain UPDATE/, 'a run that was stopped early has a report too');

my $page = "before\n<!-- tests/bench/report: begin -->\nold\n<!-- tests/bench/report: end -->\nafter\n";
my $new = put_between($page, "new\n\n", 'tests/bench/report');
is($new, "before\n<!-- tests/bench/report: begin -->\n\nnew\n\n<!-- tests/bench/report: end -->\nafter\n", 'only what is between the marks is replaced');
is(put_between($new, "new\n\n", 'tests/bench/report'), $new, 'again and again');
ok(!eval { put_between("no marks\n", 'new', 'tests/bench/report'); 1 }, 'a page without marks is left alone');

my @plots = plots($runs, $pairs);
is(join(' ', map { $_->[0] } @plots), 'bench-first.svg bench-tables.svg bench-load.svg', 'plots of what was measured');
my $svg = bars('a < b', ['all', 4, '4', 1], ['half', 2, '2'], ['a heading']);
like($svg, qr/>a &lt; b</, 'text in a plot is quoted');
like($svg, qr/width="400\.0".*width="200\.0"/s, 'the longest bar has all room');

mkdir "$folder/load";
write_file('load/app-1.5', "0 1 2000 0 101 0 0\n0 2 4000 0 102 0 0\n0 3 9000 1 111 0 0\n");
write_file('load/app-2.6', "0 1 1000 0 99 0 0\n0 2 50000 1 115 500000 0\n0 3 1000 0 117 0 0\n");
is(qx($^X -I"$FindBin::Bin/../../demo/perl" "$FindBin::Bin/../../bench/perl/window.pl" $folder/load 100 110 115 1 2),
    "2\t2.000\t4.000\t4.000\t1\t2\t9.000\t50.000\t50.000\t2\n", 'latencies of the two windows, with who waited until the end');
done_testing();
