# Which phase of the migration a moment belongs to: from the marks that the demo made (seconds, name)
# and the times of the steps as the server keeps them.
package Demo::Phases;
use strict;
use warnings;
use Exporter 'import';
use JSON::PP;
use List::Util 'sum0';
our @EXPORT_OK = qw(read_marks read_steps phases phase_at phase_seconds @ORDER);

# The order in which phases are shown, and what people call them.
our @ORDER = ('before', 'expand', 'index build', 'backfill', 'ready', 'contract', 'validate', 'after');

my %phase_of_kind = (
    index => 'index build', backfill => 'backfill', last_pass => 'backfill', analyze => 'backfill',
    count => 'validate', constraint => 'validate', validate => 'validate',
);

# name -> seconds since the epoch
sub read_marks {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    return { map { my ($at, $name) = split; ($name => $at) } <$in> };
}

# The rows of zdm.steps, with `from` and `to` in seconds.
sub read_steps {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return JSON::PP->new->utf8->decode(<$in>);
}

# Stretches [{name, from, to}] without holes from `before` to the end. A step's phase lasts until the
# next step begins, so what an application waits for right after a step is still that step's.
sub phases {
    my ($marks, $steps) = @_;
    my @cuts = ([$marks->{before}, 'before'], [$marks->{up}, 'expand']);
    for my $step (sort { $a->{from} <=> $b->{from} } grep { defined $_->{from} } @$steps) {
        next if $step->{kind} eq 'gate';
        push @cuts, [$step->{from}, $phase_of_kind{ $step->{kind} } // $step->{phase}];
    }
    push @cuts, [$marks->{ready}, 'ready'] if $marks->{ready};
    push @cuts, [$marks->{finished}, 'after'] if $marks->{finished};
    @cuts = sort { $a->[0] <=> $b->[0] } @cuts;
    my @stretches;
    for my $i (0 .. $#cuts) {
        my $to = $i < $#cuts ? $cuts[$i + 1][0] : $marks->{end};
        if (@stretches && $stretches[-1]{name} eq $cuts[$i][1]) { $stretches[-1]{to} = $to; next }
        push @stretches, { from => $cuts[$i][0], to => $to, name => $cuts[$i][1] };
    }
    return \@stretches;
}

# The name of the phase that a moment is in; undef outside of all.
sub phase_at {
    my ($stretches, $at) = @_;
    for my $stretch (@$stretches) {
        return $stretch->{name} if $at >= $stretch->{from} && $at < $stretch->{to};
    }
    return undef;
}

sub phase_seconds {
    my ($stretches, $name) = @_;
    return sum0 map { $_->{to} - $_->{from} } grep { $_->{name} eq $name } @$stretches;
}

1;
