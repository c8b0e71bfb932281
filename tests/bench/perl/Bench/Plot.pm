# Bars as a small SVG file, which a page on the web and a viewer show alike.
package Bench::Plot;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(bars);

my ($LINE, $LEFT, $WIDTH, $RIGHT) = (22, 300, 400, 110);

# bars(title, [label, value, text, ours], …) -> SVG; a bar without a value is a heading; ours are drawn
# in another colour.
sub bars {
    my ($title, @bars) = @_;
    my ($most) = sort { $b <=> $a } map { $_->[1] // 0 } @bars;
    my $height = 40 + $LINE * @bars;
    my $all = $LEFT + $WIDTH + $RIGHT;
    my $svg = qq(<svg xmlns="http://www.w3.org/2000/svg" width="$all" height="$height" viewBox="0 0 $all $height" )
        . qq(font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="#fff"/>\n)
        . text(10, 20, 'start', $title, ' font-weight="bold"');
    my $y = 34;
    for my $bar (@bars) {
        my ($label, $value, $words, $ours) = @$bar;
        my $base = $y + 15;
        if (defined $value) {
            my $long = sprintf '%.1f', $most > 0 ? $WIDTH * $value / $most : 0;
            my $colour = $ours ? '#2a7f62' : '#9aa5b1';
            $svg .= text($LEFT - 8, $base, 'end', $label)
                . qq(<rect x="$LEFT" y="@{[$y + 3]}" width="$long" height="@{[$LINE - 6]}" fill="$colour"/>\n)
                . text($LEFT + $long + 6, $base, 'start', $words);
        } else {
            $svg .= text(10, $base, 'start', $label, ' fill="#555"');
        }
        $y += $LINE;
    }
    return "$svg</svg>\n";
}

sub text {
    my ($x, $y, $anchor, $words, $more) = @_;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
    $words =~ s/([&<>])/$entity{$1}/g;
    return sprintf qq(<text x="%s" y="%s" text-anchor="%s"%s>%s</text>\n), $x, $y, $anchor, $more // '', $words;
}

1;
