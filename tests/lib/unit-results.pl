# Turns GoogleTest's JSON into a line for people per suite and tab-separated lines for the count:
#     perl unit-results.pl FILE EXIT_CODE
use strict;
use warnings;
use JSON::PP;

my ($file, $code) = @ARGV;
my $failures = 0;

sub record { print join("\t", @_), "\n" }

if (open(my $in, '<', $file)) {
    my $all = decode_json(do { local $/; <$in> });
    for my $suite (@{ $all->{testsuites} }) {
        my ($passed, $skipped, @failed) = (0, 0);
        for my $test (@{ $suite->{testsuite} }) {
            if    (@{ $test->{failures} // [] })       { push @failed, $test->{name} }
            elsif (($test->{result} // '') eq 'SKIPPED') { $skipped++ }
            elsif ($test->{status} eq 'RUN')           { $passed++ }
        }
        record('passed', $passed, 'unit', $suite->{name}, '') if $passed;
        record('skipped', $skipped, 'unit', $suite->{name}, 'GTEST_SKIP') if $skipped;
        record('failed', 1, 'unit', "$suite->{name}.$_", '') for @failed;
        $failures += @failed;
        next unless $passed + $skipped + @failed;
        printf "  %-8s unit/%s  (%d tests, %s)\n", @failed ? 'FAILED' : 'ok', $suite->{name},
            $passed + $skipped + @failed, $suite->{time};
        print "           $_\n" for @failed;
    }
}
# A crash leaves no file, or a file without the test that crashed.
if ($code != 0 && $failures == 0) {
    record('failed', 1, 'unit', 'zdm_unit', "ended with code $code");
    print "  FAILED   unit/zdm_unit  (ended with code $code)\n";
}
