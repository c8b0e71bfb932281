# A crash matrix. One template database, one migration, and for each fault point a copy of its own in which
# the worker is held at that point. When all are there, all workers are killed at once (or the server is
# stopped), the holds go, and each copy has to end as if nothing had happened.
#
#     my @points = trace($node, template => 'base', begin => $sql, until => 'done');
#     my @cases = wave($node, template => 'base', begin => $sql, points => \@points);
#     crash…; let_go($node, @cases); finished($node, 'done', @cases); …; drop_all($node, @cases);
#
# A hold is a prepared transaction with the point's advisory lock: it survives the crash, needs no session,
# and is rolled back afterwards.
package ZdmCrash;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(sleep time);
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;
use ZdmTest;

our @EXPORT = qw(step_kinds fault_names trace wave all_at kill_workers let_go finished in_each hold_sql
    drop_all conf_for_waves);

# What a server needs for so many workers at a time.
sub conf_for_waves {
    my ($most) = @_;
    my $workers = $most + 12;
    return <<"CONF";
max_worker_processes = $workers
max_prepared_transactions = $most
max_locks_per_transaction = 256
max_connections = 60
shared_buffers = 256MB
wal_level = minimal
max_wal_senders = 0
checkpoint_timeout = 1h
max_wal_size = 8GB
log_lock_waits = off
CONF
}

# The step kinds as text, from the enum of the code itself.
sub step_kinds {
    my ($sources) = @_;
    my $header = slurp_file("$sources/extension/plan/plan.hpp");
    my $code = slurp_file("$sources/extension/plan/plan.cpp");
    my ($list) = $header =~ /kStepKinds\[\]\s*=\s*\{(.*?)\}/s or die 'plan.hpp has no kStepKinds';
    my ($enum) = $header =~ /enum class StepKind\s*\{(.*?)\}/s or die 'plan.hpp has no StepKind';
    $enum =~ s{//.*}{}g;
    my @listed = $list =~ /StepKind::(\w+)/g;
    my @declared = $enum =~ /(\w+)/g;
    is("@{[sort @listed]}", "@{[sort @declared]}", 'kStepKinds lists the whole enum');
    my %text = $code =~ /StepKind::(\w+),\s*"(\w+)"/g;
    return map { $text{$_} // die "plan.cpp has no text for $_" } @listed;
}

# What the code calls its fault points: for a literal its name, else what is fixed of it, as a pattern.
sub fault_names {
    my ($sources) = @_;
    my %patterns;
    for my $file (glob "$sources/extension/*/*.cpp") {
        my $text = slurp_file($file);
        while ($text =~ /ZDM_FAULT\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g) {
            my $argument = $1;
            my @parts = $argument =~ /"([^"]*)"|(\+|\w[\w.:]*\((?:[^()]|\([^()]*\))*\)|\w[\w.:]*)/g;
            my $pattern = '';
            while (@parts) {
                my ($literal, $code) = splice @parts, 0, 2;
                $pattern .= defined $literal ? quotemeta $literal : $code eq '+' ? '' : '\w+';
            }
            (my $short = $file) =~ s{.*/extension/}{};
            push @{ $patterns{$pattern} }, $short;
        }
    }
    return %patterns;
}

# Runs SQL in each database, through one psql that changes its connection. Gives database → output.
sub in_each {
    my ($node, $sql, @dbs) = @_;
    my $script = '';
    for my $db (@dbs) {
        my $text = ref $sql ? $sql->($db) : $sql;
        $script .= "\\c $db\n\\echo \@\@ $db\n$text\n;\n";
    }
    my ($out, $err) = ('', '');
    IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
        '<', \$script, '>', \$out, '2>', \$err, IPC::Run::timeout($ZdmTest::timeout));
    my (%of, $db);
    for my $line (split /\n/, $out) {
        if ($line =~ /^\@\@ (\S+)$/) { $db = $1; $of{$db} = ''; next }
        next unless defined $db;
        $of{$db} .= ($of{$db} eq '' ? '' : "\n") . $line;
    }
    $err = join "\n", grep { !/^(NOTICE|DETAIL|HINT|WARNING)/ } split /\n/, $err;
    diag("in_each: $err") if $err ne '' && !$node->{zdm_quiet};
    return %of;
}

# As files, which leaves the recovery after the crash nothing to copy again.
sub copy_databases {
    my ($node, $template, @dbs) = @_;
    $node->safe_psql('postgres',
        join '', map { "CREATE DATABASE $_ TEMPLATE $template STRATEGY file_copy;\n" } @dbs);
    return;
}

# Each visit of each fault point in one run from `begin` to the state `until`, in order, as NAME#n, in
# database `traced`. With `stop_at`, the server stops at once where the worker comes to that point; nobody
# works there afterwards, and copies of the database can go on from there.
sub trace {
    my ($node, %run) = @_;
    my $at = { db => 'traced', point => $run{stop_at} };
    copy_databases($node, $run{template}, 'traced');
    $node->safe_psql('postgres', 'ALTER DATABASE traced SET log_min_messages = debug1');
    my $from = -s $node->logfile;
    in_each($node, "\\o /dev/null\n" . hold_sql('traced', $run{stop_at} // ()) . "$run{begin}\n\\o", 'traced');
    if ($run{stop_at}) {
        all_at($node, $at);
        stop_now($node);
        let_go($node, $at);
    } else {
        ok(wait_state($node, 'm', $run{until}, undef, 'traced'), "a run without a crash ends $run{until}");
    }
    poll_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'zdm'});
    my @points = slurp_file($node->logfile, $from) =~ /zdm fault (\S+#\d+)$/mg;
    $node->safe_psql('postgres', 'ALTER DATABASE traced RESET log_min_messages');
    return @points;
}

# SQL that holds workers of the current database at points until let_go.
sub hold_sql {
    my ($db, @points) = @_;
    return join '', map {
        "BEGIN; SELECT pg_advisory_xact_lock(1514425, hashtext('$_')); PREPARE TRANSACTION 'hold_$db';\n"
    } @points;
}

# Makes a copy of the template for each point, arms it, and begins the migration there. Gives the cases:
# { db, point }, all of which have come to their point; those that did not are a failed test.
sub wave {
    my ($node, %run) = @_;
    my $n = 0;
    my @cases = map { { db => sprintf('%s%03d', $run{prefix} // 'c', ++$n), point => $_ } } @{ $run{points} };
    my @dbs = map { $_->{db} } @cases;
    my %point = map { $_->{db} => $_->{point} } @cases;
    copy_databases($node, $run{template}, @dbs);
    in_each($node, sub { "\\o /dev/null\n" . hold_sql($_[0], $point{ $_[0] }) . "$run{begin}\n\\o" }, @dbs);
    all_at($node, @cases);
    return @cases;
}

# Waits until the worker of each case waits at its point.
sub all_at {
    my ($node, @cases) = @_;
    my %missing;
    ask_until($node, 'postgres', q{SELECT datname || ' ' || substr(application_name, 11) FROM pg_stat_activity}
            . q{ WHERE application_name LIKE 'zdm fault %'},
        sub {
            my %at = map { $_ => 1 } split /\n/, $_[0];
            # The server cuts names at 63 bytes.
            %missing = map { ("$_->{db} $_->{point}" => $_) } grep { !$at{"$_->{db} $_->{point}"} } @cases;
            return !%missing;
        });
    is(join(', ', sort keys %missing), '', scalar(@cases) . ' workers wait at their points');
    return;
}

# kill -9 of all workers of zdm; returns when the server answers again.
sub kill_workers {
    my ($node) = @_;
    my @pids = split /\n/, $node->safe_psql('postgres',
        q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'zdm'});
    return kill9($node, @pids);
}

# Ends the holds.
sub let_go {
    my ($node, @cases) = @_;
    in_each($node, sub { "ROLLBACK PREPARED 'hold_$_[0]';" }, map { $_->{db} } @cases);
    return;
}

# Waits until the migration of each case is in a state. Reads, and calls nothing of zdm; and asks only where nobody
# works, since each database has to be gone into.
sub finished {
    my ($node, $state, @cases) = @_;
    my %open = map { $_->{db} => $_ } @cases;
    my %last;
    ask_until($node, 'postgres', q{SELECT DISTINCT datname FROM pg_stat_activity WHERE backend_type = 'zdm'}, sub {
        my %busy = map { $_ => 1 } split /\n/, $_[0];
        my @idle = grep { !$busy{$_} } sort keys %open;
        return 0 unless @idle;
        my %now = in_each($node, q{SELECT state || coalesce(': ' || message, '') FROM zdm.migrations WHERE name = 'm'}, @idle);
        for my $db (keys %now) {
            $last{$db} = $now{$db};
            delete $open{$db} if $now{$db} eq $state;
        }
        # Nothing cures one that failed.
        return !%open || !grep { ($last{$_} // '') !~ /^(failed|rolled_back|done)/ } keys %open;
    });
    is(join("\n", map { "$_ ($open{$_}{point}): " . ($last{$_} // 'unknown') } sort keys %open), '', "all end $state");
    return;
}

sub drop_all {
    my ($node, @cases) = @_;
    $node->safe_psql('postgres', join '', map { "DROP DATABASE $_->{db};\n" } @cases);
    return;
}

1;
