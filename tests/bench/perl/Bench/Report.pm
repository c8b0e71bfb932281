# The report in Markdown: tables of medians, targets, how it was measured. Plots are named, not drawn.
package Bench::Report;
use strict;
use warnings;
use Exporter 'import';
use Bench::Data qw(middle noise select_runs spread);
use Bench::Targets 'targets';
use Demo::Numbers qw(commas median ms);
our @EXPORT_OK = qw(report plots put_between write_file write_page);

my @TABLES = (
    [four => 'primary key and three more indexes'],
    [sync => 'the same in a live migration, with its sync trigger'],
    [pk => 'primary key only'],
    [twelve => '12 indexes'],
    [wide => 'four indexes, rows with 3 kB in TOAST'],
    [ff90 => 'four indexes, fillfactor 90'],
    [same => 'four indexes, rows do not get wider (`SET status = 1`)'],
    [indexed => 'four indexes and one on the column that is set'],
    [parts => 'four indexes, 64 partitions'],
    [large => 'four indexes, the large table'],
);
my %WAY = (
    a => '(a) loop over the predicate, 1000 rows each', b => '(b) batches of 1000 by primary key',
    c => '(c) one plain UPDATE', d1 => '(d) zdm, 1 worker', d2 => '(d) zdm, 2 workers', d => '(d) zdm at its own pace',
    e => '(e) limit: UPDATE, each row fits its page', none => 'nothing (noise)',
    x => '(x) no database: a fifth of a processor, at the lowest priority',
);
my @WAYS = qw(a b c d1 d2 d e);
my @BESIDE = qw(none x a b c d1 d2 d);

# report($runs, $pairs, $setup, @plots): runs with figures; plots are [title, file].
sub report {
    my ($runs, $pairs, $setup, @plots) = @_;
    my $text = how($runs, $setup);
    $text .= sprintf "![%s](%s)\n\n", @$_ for @plots;
    $text .= targets_text($runs, $pairs);
    for my $table (@TABLES) {
        my ($name, $title) = @$table;
        my @here = grep { $_->{part} =~ /^(?:first|sync|others|large)$/ } select_runs($runs, table => $name);
        $text .= table_text($title, @here) if @here;
    }
    for my $other ([commit => 'the first table, `synchronous_commit = on`'], [vacuum => 'the first table, autovacuum on']) {
        my @here = select_runs($runs, part => $other->[0]);
        $text .= table_text($other->[1], @here) if @here;
    }
    $text .= load_text($pairs, $setup) if @$pairs;
    return $text . settings_text($setup);
}

sub how {
    my ($runs, $setup) = @_;
    my %of = map { $_ => ($setup->{$_} // [])->[0] // '-' } qw(made sources server machine size repetitions parts finished);
    my $noise = noise($runs);
    my $text = "Measured $of{made}, sources $of{sources}, $of{server}; $of{machine}; $of{size}; repetitions: $of{repetitions}. "
        . ($setup->{finished} ? "It took $of{finished}." : 'The run was stopped before its end: what is missing was not measured.') . "\n\n";
    $text .= "Left out: $_.\n" for @{ $setup->{skipped} // [] };
    $text .= "\nEach run begins with a copy of the table as it was made (`CREATE DATABASE … STRATEGY file_copy`), in the server's memory, after "
        . "a CHECKPOINT; the ways take turns; figures are medians. Rows/s are those of the filling itself; zdm's from the step's "
        . "beginning to its end, beside it (in all) from the call until all was done, with its start, the last pass over the table and ANALYZE. WAL and growth are "
        . "those of all of it. Ways (a) and (b) loop in the server and pay for no network. zdm's batches commit with "
        . "`synchronous_commit = off` whatever the setting, since their progress commits with them, and the end of a step with on.\n\n";
    $text .= sprintf "Equal runs of (c) and (d) differed by %.0f %% of their median: that is the noise.\n\n", 100 * $noise if defined $noise;
    return $text;
}

sub targets_text {
    my ($runs, $pairs) = @_;
    return "| target | wanted | measured | |\n|---|---|---|---|\n"
        . join('', map { "| $_->{what} | $_->{wanted} | $_->{value} | $_->{verdict} |\n" } targets($runs, $pairs)) . "\n";
}

sub number { my ($format, $value) = @_; return defined $value ? sprintf($format, $value) : '-' }

sub table_text {
    my ($title, @runs) = @_;
    my $toast = grep { $_->{toast_before} > 1_000_000 } @runs;
    my $text = sprintf("%s; %s rows:\n\n", ucfirst $title, commas($runs[0]{rows}))
        . '| | rows/s | in all | lowest, highest | WAL bytes/row | full pages per 1000 rows | heap | indexes |' . ($toast ? ' TOAST |' : '') . " HOT |\n"
        . '|---|---|---|---|---|---|---|---|' . ($toast ? '---|' : '') . "---|\n";
    for my $way (@WAYS) {
        my @of = select_runs(\@runs, way => $way) or next;
        my @rates = sort { $a <=> $b } map { $_->{rate} // () } @of;
        my ($hands) = sort { $b <=> $a } map { $_->{hands} } @of;
        my $idle = $way =~ /^d(\d+)$/ && $hands && $hands < $1 ? sprintf ' (only %d had work)', $hands : '';
        my @cells = ("$WAY{$way}$idle", commas(middle('rate', @of)), $way =~ /^d/ ? commas(middle('done_rate', @of)) : '',
            @rates > 1 ? commas($rates[0]) . ', ' . commas($rates[-1]) : '', number('%.0f', middle('wal', @of)), number('%.1f', middle('fpi', @of)),
            number('%+.0f %%', middle('heap', @of)), number('%+.0f %%', middle('index_growth', @of)),
            ($toast ? number('%+.0f %%', middle('toast', @of)) : ()), number('%.0f %%', middle('hot_share', @of)));
        $text .= '| ' . join(' | ', @cells) . " |\n";
    }
    my $kb = middle('worker_kb', grep { $_->{way} =~ /^d/ } @runs);
    $text .= sprintf "\nMemory of a worker: %.1f MB.\n", $kb / 1024 if $kb;
    return "$text\n";
}

sub load_text {
    my ($pairs, $setup) = @_;
    my $text = sprintf("What the application feels while the first table is filled; it asks for %s of %s transactions/s that the machine can do (%s), "
        . "pairs of windows on a fresh copy each:\n\n", commas($pairs->[0]{rate}), commas($pairs->[0]{capacity}), ($setup->{load} // [])->[0] // '-')
        . "| | pairs | p50 alone | p50 | p99 alone | p99 | p99, times | longest | errors | rows/s |\n|---|---|---|---|---|---|---|---|---|---|\n";
    for my $way (@BESIDE) {
        my @of = select_runs($pairs, way => $way) or next;
        my @times = sort { $a <=> $b } map { $_->{alone_p99} > 0 ? $_->{with_p99} / $_->{alone_p99} : () } @of;
        my ($longest) = sort { $b <=> $a } map { $_->{with_max} } @of;
        my $errors = 0;
        $errors += $_->{with_errors} for @of;
        my @rates = map { $_->{seconds} > 0 ? $_->{rows} / $_->{seconds} : () } @of;
        $text .= '| ' . join(' | ', $WAY{$way}, scalar @of, map({ ms(middle($_, @of)) } qw(alone_p50 with_p50 alone_p99 with_p99)),
            @times ? sprintf('%.2f (%.2f to %.2f)', median(@times), @times[0, -1]) : '-', ms($longest), $errors, @rates ? commas(median(@rates)) : '') . " |\n";
    }
    return "$text\nLatency counts from the moment a transaction was due.\n\n";
}

sub settings_text {
    my ($setup) = @_;
    return '' if !$setup->{conf};
    return "bench.conf:\n\n" . join('', map { "    $_\n" } @{ $setup->{conf} }) . "\n";
}

# What is drawn: [file, title, bars…], as Bench::Plot wants them.
sub plots {
    my ($runs, $pairs) = @_;
    my @plots;
    my @first = map {
        my $rate = middle('rate', select_runs($runs, part => 'first', way => $_));
        defined $rate ? [$WAY{$_}, $rate, commas($rate), /^d/] : ()
    } @WAYS;
    push @plots, ['bench-first.svg', 'Rows filled per second, first table', @first] if @first;
    my @tables;
    for my $table (@TABLES) {
        my @here = grep { $_->{part} =~ /^(?:first|sync|others|large)$/ } select_runs($runs, table => $table->[0]);
        my $plain = middle('rate', select_runs(\@here, way => 'c')) or next;
        push @tables, [$table->[1] =~ tr/`//dr];
        for my $way (qw(a b d1 d2)) {
            my $rate = middle('rate', select_runs(\@here, way => $way)) // next;
            push @tables, [$WAY{$way}, $rate / $plain, sprintf('%.2f', $rate / $plain), $way =~ /^d/];
        }
    }
    push @plots, ['bench-tables.svg', 'Rows/s of one plain UPDATE of the same table, times', @tables] if @tables;
    my @load = map {
        my @times = map { $_->{alone_p99} > 0 ? $_->{with_p99} / $_->{alone_p99} : () } select_runs($pairs, way => $_);
        @times ? [$WAY{$_}, median(@times), sprintf('%.2f', median(@times)), /^d/] : ()
    } @BESIDE;
    push @plots, ['bench-load.svg', 'p99 of the application beside it, of alone, times', @load] if @load;
    return @plots;
}

# Puts text between the two marks that a program has in a page; dies when it has not both, in this order.
sub put_between {
    my ($page, $text, $program) = @_;
    my ($begin, $end) = map { "<!-- $program: $_ -->" } qw(begin end);
    $page =~ s/\Q$begin\E\n.*?\Q$end\E/$begin\n\n$text$end/s or die "no $begin and $end in the page\n";
    return $page;
}

# Writes a file.
sub write_file {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return;
}

# Writes a page anew as change(what it is) says.
sub write_page {
    my ($file, $change) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    my $page = do { local $/; <$in> };
    close $in;
    write_file($file, $change->($page));
    return;
}

1;
