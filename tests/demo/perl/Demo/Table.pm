# A table in plain text: the first column to the left, numbers to the right.
package Demo::Table;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(table);

# table([head…], [cell…], …) -> text; an undefined row is a ruler. Columns named in `left` (by number)
# are aligned to the left like the first.
sub table {
    my ($left, @rows) = @_;
    my %left = map { $_ => 1 } 0, @$left;
    my @width;
    for my $row (grep { defined } @rows) {
        for my $i (0 .. $#$row) {
            my $length = length($row->[$i] // '');
            $width[$i] = $length if !defined $width[$i] || $length > $width[$i];
        }
    }
    my $ruler = join('  ', map { '-' x $_ } @width) . "\n";
    my $text = '';
    for my $n (0 .. $#rows) {
        my $row = $rows[$n];
        if (!defined $row) { $text .= $ruler; next }
        my $line = join '  ', map {
            sprintf $left{$_} ? "%-$width[$_]s" : "%$width[$_]s", $row->[$_] // ''
        } 0 .. $#width;
        $line =~ s/\s+$//;
        $text .= "$line\n";
        $text .= $ruler if $n == 0;
    }
    return $text;
}

1;
