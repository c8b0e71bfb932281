# What the rows of two applications' table must be, from what these wrote down and from nothing that zdm says.
#
#     my $oracle = ZdmTwoOracle->new($dir, rows => 4000, first => sub ($id) {…}, carry => sub ($row, $app, $changed) {…},
#         defaults => { column → value }, columns => { old => […], new => […] }, loses => { column → sub ($value) {…} });
#     my @wrong = $oracle->compare($session, old => $old_shape, new => $new_shape);
#     … $oracle->committed(0, 1)   transactions so far, the fewest of these writers
#
# `first` gives a row of the first load in the old shape; `carry` says what a write of one application does to the other
# one's columns: $changed are the columns that got another value (all that the application gives, of a new row). `loses`
# says which values are NULL once the migration was rolled back, if any.
#
# A version of a row is known by ver, and what made it is in a log before anybody can see it. So every row of a snapshot
# can be told, column by column, while the applications go on writing. What became of a COMMIT is waited for: one whose
# answer was lost may have been none, and then another transaction made the version.
package ZdmTwoOracle;

use strict;
use warnings;
use Time::HiRes qw(sleep time);
use ZdmLog;

my $limit = $ENV{ZDM_TEST_WAIT} // 120;

sub new {
    my ($class, $dir, %what) = @_;
    my $self = bless { %what, dir => $dir, at => {}, ops => {}, states => {}, gone => {}, there => {}, number => {},
        pending => {}, wrong => [], errors => [], again => {}, writes => { old => 0, new => 0 }, back => '', unanswered => 0, aborted => 0 }, $class;
    for my $id (1 .. $what{rows}) {
        my $row = { id => $id, %{ $what{first}->($id) } };
        $what{carry}->($row, 'old', { map { $_ => 1 } keys %$row });
        $self->{states}{$id} = [$row];
        $self->{there}{$id} = 0;
    }
    return $self;
}

# Reads what has come to the logs since.
sub read_logs {
    my ($self) = @_;
    for my $file (sort glob "$self->{dir}/*.log") {
        my ($w) = $file =~ /(\d+)\.log$/;
        open my $log, '<', $file or die $!;
        seek $log, $self->{at}{$w} // 0, 0;
        local $/;
        my $text = <$log> // '';
        # A line may be half written.
        my $end = 1 + rindex $text, "\n";
        $self->{at}{$w} += $end;
        $self->take($w, ZdmLog::from_line($_)) for split /\n/, substr $text, 0, $end;
    }
    $self->advance;
    return;
}

sub take {
    my ($self, $w, $entry) = @_;
    my $t = $entry->{t};
    if ($t eq 'commit') {
        $self->{pending}{$w} = $entry;
    } elsif ($t eq 'lost') {
        $self->{unanswered}++ if $self->{pending}{$w};
    } elsif ($t eq 'aborted') {
        $self->{aborted}++;
        delete $self->{pending}{$w};
    } elsif ($t eq 'committed') {
        $self->{number}{$w}++;
        my $commit = delete $self->{pending}{$w};
        $self->happened($_, $commit->{app}) for @{ $commit->{ops} };
    } elsif ($t eq 'again') {
        $self->{again}{"writer $w: $entry->{sql}"}++;
    } elsif ($t eq 'error') {
        delete $self->{pending}{$w};
        push @{ $self->{errors} }, "$entry->{app} application: $entry->{code} $entry->{message} $entry->{detail} in: $entry->{sql}";
    } elsif ($t eq 'broken') {
        push @{ $self->{wrong} }, "writer $w: $entry->{why}";
    }
    return;
}

sub happened {
    my ($self, $op, $app) = @_;
    my ($id, $ver) = @$op{qw(id ver)};
    $op->{app} = $app;
    $self->{writes}{$app}++;
    if ($op->{kind} eq 'delete') {
        $self->{gone}{$id} = 1;
        delete $self->{there}{$id};
        return;
    }
    push @{ $self->{wrong} }, "row $id: version $ver twice" if $self->{ops}{$id}{$ver};
    $self->{ops}{$id}{$ver} = $op;
    return if $self->{gone}{$id};
    my $least = $self->{there}{$id} // 0;
    $self->{there}{$id} = $ver > $least ? $ver : $least;
    return;
}

# Until it is known of each COMMIT that has been sent what became of it.
sub settle {
    my ($self) = @_;
    $self->read_logs;
    my %open = map { $_ => $self->{pending}{$_}{n} } keys %{ $self->{pending} };
    my $end = time + $limit;
    while (1) {
        %open = map { ($self->{pending}{$_}{n} // 0) == $open{$_} ? ($_ => $open{$_}) : () } keys %open;
        return unless %open;
        last if time > $end;
        sleep 0.005;
        $self->read_logs;
    }
    push @{ $self->{wrong} }, map { "writer $_: what became of its transaction $open{$_}?" } sort keys %open;
    return;
}

# Replays what is known without a gap, and holds against it what each statement gave back.
sub advance {
    my ($self) = @_;
    for my $id (keys %{ $self->{ops} }) {
        my ($ops, $states) = ($self->{ops}{$id}, $self->{states}{$id} //= []);
        while (my $op = delete $ops->{ scalar @$states }) {
            my $row = $self->apply($states->[-1], $op);
            push @$states, $row;
            $self->hold("row $id, version $op->{ver}, $op->{kind} by the $op->{app} application gave back",
                $row, $op->{back}, $self->{columns}{ $op->{app} });
        }
        delete $self->{ops}{$id} unless %$ops;
    }
    return;
}

sub apply {
    my ($self, $before, $op) = @_;
    my ($app, $set) = @$op{qw(app set)};
    my %row = $before ? %$before : %{ $self->{defaults} // {} };
    my @changed = $before ? grep { same($row{$_}, $set->{$_}) ? () : $_ } keys %$set : keys %$set;
    push @{ $self->{wrong} }, "row $op->{id}: $op->{kind} gave version $op->{ver}" if !$before != ($op->{kind} eq 'insert');
    %row = (%row, %$set, id => $op->{id});
    my %changed = map { $_ => 1 } @changed;
    if (!$before) { $changed{$_} = 1 for grep { exists $row{$_} } @{ $self->{columns}{$app} } }
    $self->{carry}->(\%row, $app, \%changed);
    return \%row;
}

sub same {
    my ($one, $other) = @_;
    return defined $one ? defined $other && $one eq $other : !defined $other;
}

sub is_lost {
    my ($self, $column, $value) = @_;
    my $loses = $self->{loses}{$column};
    return $loses && defined $value && $loses->($value);
}

# It is being rolled back ('begun'), or has been ('done').
sub goes_back { my ($self, $how) = @_; $self->{back} = $how; return }

sub hold {
    my ($self, $what, $must, $is, $columns) = @_;
    for my $column (@$columns) {
        next if same($must->{$column}, $is->{$column});
        # On the way back what is lost is so from some moment on; nothing tells which writes came before.
        next if $self->{back} && !defined $is->{$column} && $self->is_lost($column, $must->{$column});
        my ($m, $i) = map { $_ // 'NULL' } $must->{$column}, $is->{$column};
        push @{ $self->{wrong} }, "$what $column = $i, must be $m";
    }
    return;
}

# Reads all rows through each shape in one snapshot, and gives what is wrong with them, and has been since the last time.
sub compare {
    my ($self, $session, %shapes) = @_;
    $self->read_logs;
    my %there = %{ $self->{there} };
    my %gone = %{ $self->{gone} };
    my %rows;
    $session->query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    for my $app (sort keys %shapes) {
        my $columns = join ', ', @{ $shapes{$app}{columns} };
        $rows{$app} = $session->query("SELECT id, ver, $columns FROM $shapes{$app}{table}")->{rows};
    }
    $session->query('COMMIT');
    $self->settle;
    for my $app (sort keys %shapes) {
        my %left = %there;
        for my $values (@{ $rows{$app} }) {
            my ($id, $ver, %is) = @$values[ 0, 1 ];
            @is{ @{ $shapes{$app}{columns} } } = @$values[ 2 .. $#$values ];
            ZdmTwoApps::mean($shapes{$app}, \%is);
            my $what = "$app shape, row $id, version $ver:";
            my $least = delete $left{$id};
            my $must = $self->{states}{$id}[$ver];
            push @{ $self->{wrong} }, "$what it was deleted" if $gone{$id};
            if (!$must) { push @{ $self->{wrong} }, "$what nobody wrote it"; next }
            push @{ $self->{wrong} }, "$what version $least was committed" if defined $least && $ver < $least;
            my %must = %$must;
            $must{$_} = undef for grep { $self->{back} eq 'done' && $self->is_lost($_, $must{$_}) } keys %must;
            $self->hold($what, \%must, \%is, $shapes{$app}{columns});
        }
        push @{ $self->{wrong} }, map { "$app shape: row $_ is missing" } sort grep { !$self->{gone}{$_} } keys %left;
    }
    return splice @{ $self->{wrong} };
}

# What only the end can tell: no write that was committed may be unexplained.
sub unexplained {
    my ($self) = @_;
    $self->settle;
    return map { my $id = $_; map { "row $id: version $_ follows on nothing" } sort keys %{ $self->{ops}{$id} } } sort keys %{ $self->{ops} };
}

# Writes that changed a column of a row that was there, as "id|ver".
sub changes {
    my ($self, $column) = @_;
    my @changes;
    for my $id (sort keys %{ $self->{states} }) {
        my $states = $self->{states}{$id};
        push @changes, map { "$id|$_" } grep { !same($states->[ $_ - 1 ]{$column}, $states->[$_]{$column}) } 1 .. $#$states;
    }
    return @changes;
}

sub committed {
    my ($self, @writers) = @_;
    $self->read_logs;
    my ($least) = sort { $a <=> $b } map { $self->{number}{$_} // 0 } @writers;
    return $least;
}

1;
