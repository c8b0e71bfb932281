# Applications for the tests of two shapes: sessions that write to one table in the SQL of one shape until they are
# told to stop, and write down all that they did, for the oracle (ZdmTwoOracle).
#
#     my $old = ZdmTwoApps->start($node, $db, $dir, name => 'old', shape => $shape, numbers => [0, 1], rows => 4000,
#         seed => 1, user => 'app');
#     … $old->stop;
#
# A shape says how an application sees the table:
#     table    its name
#     columns  what it reads, beside id and ver
#     values   column → sub ($id) that gives a value as text; the columns that it writes
#     updates  groups of columns that one UPDATE sets (default: each column alone, and all of them)
#     omits    columns that an INSERT may leave to their default
#     types    column → type, of those for which a MERGE is written
#     without  kinds of writes that the shape can't have (a view has no COPY: { copy => 1 })
#     means    column → sub ($text): what a text that is read or written stands for, where several texts are one value
#     more     reference to subs ($writer, $id) that run SQL of their own
#
# The table has `id bigint`, its key, and `ver int NOT NULL DEFAULT 0`, which counts the writes of a row: that is the
# order in which transactions committed that wrote it, whichever application they belong to.
#
# With `survives` they come back when the server has gone away. The table `done (writer int, n int)`, in which each transaction
# leaves its number, then tells whether a COMMIT without an answer was one.
#
# Writers with odd numbers prepare their statements, the others use the simple protocol. Writer w logs to $dir/w.log,
# an entry a line (ZdmLog), here as JSON:
#     {"t":"commit","n":7,"ops":[{id, kind, set, ver, back},…]}   COMMIT is about to be sent; back: what RETURNING gave
#     {"t":"committed","n":7}  {"t":"aborted","n":7}
#     {"t":"lost"}                        the server went away
#     {"t":"again","sql":…}               0A000, the statement is prepared again
#     {"t":"error","code":…,"sql":…}      any other error
#     {"t":"broken","why":…}              what an application may rely on was not so
package ZdmTwoApps;

use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(sleep time);
use ZdmTwoWriter;

my $limit = $ENV{ZDM_TEST_WAIT} // 120;
my %running;

sub start {
    my ($class, $node, $db, $dir, %how) = @_;
    my $app = bless { %how, dir => $dir, pids => [] }, $class;
    for my $w (@{ $how{numbers} }) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            # Nothing of the test's END may run here.
            $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
            my $writer;
            my $fine = eval { $writer = ZdmTwoWriter->new($node, $db, $w, $dir, %how); $writer->work; 1 };
            my $why = describe($@);
            if (!$fine && $writer) { $writer->note_down({ t => 'broken', why => "it ends: $why" }) }
            elsif (!$fine) { print STDERR "$why\n" }
            POSIX::_exit($fine ? 0 : 1);
        }
        $running{$pid} = 1;
        push @{ $app->{pids} }, $pid;
    }
    return $app;
}

# Tells all writers to end, and waits for them; gives how many did not end well.
sub stop {
    my ($app) = @_;
    # Those who ended before they were told to.
    $app->works;
    open my $file, '>', "$app->{dir}/stop_$app->{name}" or die $!;
    close $file;
    my $end = time + $limit;
    my $bad = $app->{died} // 0;
    for my $pid (grep { $running{$_} } @{ $app->{pids} }) {
        my $ended = 0;
        while (!($ended = waitpid $pid, POSIX::WNOHANG()) && time < $end) { sleep 0.01 }
        if (!$ended) { kill 'KILL', $pid; waitpid $pid, 0 }
        $bad++ if !$ended || $? != 0;
        delete $running{$pid};
    }
    return $bad;
}

# Whether all its writers still are at work.
sub works {
    my ($app) = @_;
    for my $pid (@{ $app->{pids} }) {
        next unless $running{$pid} && waitpid $pid, POSIX::WNOHANG();
        delete $running{$pid};
        $app->{died}++;
    }
    return !$app->{died};
}

# Whatever is left.
sub kill_all {
    for my $pid (keys %running) { kill 'KILL', $pid; waitpid $pid, 0 }
    %running = ();
    return;
}

# Gives the values of a row their one text.
sub mean {
    my ($shape, $row) = @_;
    my $means = $shape->{means} // return;
    $row->{$_} = $means->{$_}->($row->{$_}) for grep { defined $row->{$_} } keys %$means;
    return;
}

sub describe {
    my ($error) = @_;
    return ref $error ? "$error->{code} $error->{message} $error->{detail} in: $error->{sql}" : $error;
}

1;
