# Applications for fire.pl: processes that write to its table until they are told to stop, through crashes of
# the server, and write down what they did, for the oracle (ZdmFireOracle) to replay.
#
#     my $writers = start_writers($node, $db, $dir, $rows, $seed);
#     … stop_writers($writers);
#
# Files in $dir steer them: `level` says that the column to be filled is there, `crowd` that those who keep
# their transactions open for long may begin, `stop` that all end. Writer w logs to $dir/w.log, an
# entry a line (ZdmLog), here as JSON:
#     {"t":"commit","n":7,"ops":[[uid,kind,value,version,time],…]}   COMMIT is about to be sent
#     {"t":"committed","n":7}  {"t":"aborted","n":8,"why":"…"}  {"t":"lost","n":9}
# Each transaction also leaves its number in the table `done`: what became of one whose connection was lost
# after COMMIT was sent stands there and nowhere else. A version counts the writes of a row, so it is the order
# in which transactions committed that wrote the same row. A time is when the statement had ended.
package ZdmFireWriter;

use strict;
use warnings;
use Exporter 'import';
use IO::Handle;
use IO::Select;
use IPC::Open3;
use ZdmLog;
use POSIX ();
use Time::HiRes qw(sleep time clock_gettime CLOCK_MONOTONIC);

our @EXPORT = qw(start_writers stop_writers kill_writers owner_of quick_session);

my $owners = 5;    # of rows; all of them also write the shared rows, the first five writers
my @kinds  = qw(short short read slow hold pin vacuum watch);
my $limit  = $ENV{ZDM_TEST_WAIT} // 120;
my %running;       # process id → writer

# Which writer alone writes a row of the first load: undef is all, -1 is none (the test itself).
sub owner_of {
    my ($uid) = @_;
    return -1 if $uid <= 5;
    return undef if $uid % 50 == 0;
    return $uid % $owners;
}

sub start_writers {
    my ($node, $db, $dir, $rows, $seed) = @_;
    my @writers;
    for my $w (0 .. $#kinds) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            # A group of its own, so that its psql ends with it; nothing of the test's END runs here.
            setpgrp;
            $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
            $SIG{PIPE} = 'IGNORE';
            %running = ();
            srand($seed * 31 + $w);
            my $self = bless {
                w => $w, kind => $kinds[$w], dir => $dir, rows => $rows, n => 0, key => 0, fresh => 0,
                mine => [ grep { my $o = owner_of($_); defined $o && $o == $w } 1 .. $rows ],
                shared => [ grep { !defined owner_of($_) } 1 .. $rows ],
                host => $node->host, port => $node->port, db => $db, parent => getppid,
            }, 'ZdmFireWriter';
            open $self->{log}, '>>', "$dir/$w.log" or POSIX::_exit(3);
            my $fine = eval { $self->work; 1 };
            $self->note_down({ t => 'broken', why => "$@" }) unless $fine;
            POSIX::_exit($fine ? 0 : 1);
        }
        $running{$pid} = 1;
        push @writers, { pid => $pid, w => $w, kind => $kinds[$w] };
    }
    return \@writers;
}

# Waits until all have ended by themselves; gives those that did not, or not well.
sub stop_writers {
    my ($writers) = @_;
    my $end = time + $limit;
    my @bad;
    for my $writer (@$writers) {
        my $ended = 0;
        while (!($ended = waitpid($writer->{pid}, POSIX::WNOHANG())) && time < $end) { sleep 0.02 }
        push @bad, $writer->{kind} if !$ended || $? != 0;
        delete $running{ $writer->{pid} } if $ended;
    }
    return @bad;
}

# Ends whatever is left, with what it started.
sub kill_writers {
    for my $pid (keys %running) {
        kill 'KILL', -$pid, $pid;
        waitpid $pid, 0;
    }
    %running = ();
    return;
}

# --- a session ---

# One psql at a time, by pipe. It ends when its connection does.
sub connect_psql {
    my ($self, $user) = @_;
    $self->hang_up;
    local $ENV{PGAPPNAME} = "fire $self->{kind}";
    my ($in, $out);
    my $pid = open3($in, $out, undef, 'psql', '-XAtq', '-h', $self->{host}, '-p', $self->{port},
        '-U', $user, '-d', $self->{db});
    $in->autoflush(1);
    @$self{qw(psql in out got asked)} = ($pid, $in, $out, '', 0);
    $self->ask('SELECT 1');
    return;
}

sub hang_up {
    my ($self) = @_;
    return unless $self->{psql};
    close $self->{in};
    close $self->{out};
    kill 'KILL', $self->{psql};
    waitpid $self->{psql}, 0;
    delete $self->{psql};
    return;
}

# Runs SQL and gives the lines that it put out. Dies with "lost\n", or with the SQLSTATE of the last statement.
sub ask {
    my ($self, $sql) = @_;
    my $mark = '@@' . ++$self->{asked};
    print { $self->{in} } "$sql;\n\\echo $mark :SQLSTATE\n" or die "lost\n";
    my $select = IO::Select->new($self->{out});
    # Neither a signal nor a clock that is set is an answer that did not come.
    my $end = clock_gettime(CLOCK_MONOTONIC) + $limit;
    my ($said, $state);
    until (($said, $state) = $self->{got} =~ /\A(.*?)^\Q$mark\E (\w*)\n/ms) {
        if (!$select->can_read(1)) {
            die "stuck at: $sql\n" if clock_gettime(CLOCK_MONOTONIC) > $end;
            next;
        }
        sysread($self->{out}, $self->{got}, 65536, length $self->{got}) or die "lost\n";
    }
    $self->{got} = '';
    # What the server had no time to say has no state; psql itself ends at the next statement.
    # So with an answer behind which the server says that it goes: what it was worth, the table `done` tells.
    die "lost\n" if $state eq '' || $said =~ /^(?:WARNING|FATAL):  terminating connection/m;
    return split /\n/, $said if $state eq '00000';
    $self->{said} = $said;
    die "$state\n";
}

# For the test's own rows: a session with the same manners, without a process of its own.
sub quick_session {
    my ($node, $db, $dir, $w, $user) = @_;
    my $self = bless { w => $w, kind => 'test', dir => $dir, n => 0, key => 0, fresh => 0,
        host => $node->host, port => $node->port, db => $db, parent => getppid }, 'ZdmFireWriter';
    open $self->{log}, '>>', "$dir/$w.log" or die $!;
    $self->connect_psql($user // 'fire_app');
    return $self;
}

# --- a transaction and what is written down of it ---

sub note_down {
    my ($self, $what) = @_;
    syswrite $self->{log}, ZdmLog::to_line($what) or die "log: $!";
    return;
}

# One transaction around $body, which may say how it ends by giving 'ROLLBACK'. True when it committed.
sub transact {
    my ($self, $isolation, $body) = @_;
    my $n = ++$self->{n};
    $self->{ops} = [];
    my $fine = eval {
        $self->ask("BEGIN ISOLATION LEVEL $isolation;\nINSERT INTO done VALUES ($self->{w}, $n)");
        my $end = $body->() // 'COMMIT';
        if ($end eq 'ROLLBACK') {
            $self->ask('ROLLBACK');
            $self->note_down({ t => 'aborted', n => $n, why => 'asked', ops => $self->{ops} });
            return 0;
        }
        $self->note_down({ t => 'commit', n => $n, ops => $self->{ops} });
        $self->ask('COMMIT');
        $self->note_down({ t => 'committed', n => $n });
        1;
    };
    return $fine if defined $fine;
    chomp(my $why = $@);
    if ($why =~ /^\w{5}$/) {
        $self->ask('ROLLBACK');
        $self->note_down({ t => 'aborted', n => $n, why => $why, said => $self->{said} });
        return 0;
    }
    $self->note_down({ t => 'lost', n => $n });
    die "$why\n";
}

# Writes one row; what that does to it is told to the oracle. False when the row is not there.
sub write_row {
    my ($self, $kind, $uid) = @_;
    my %set = (
        note => sub { "note $self->{w}." . int rand 1e6 },
        n    => sub { int rand 1e6 },
        id   => sub { 1_000_000_000 * ($self->{w} + 1) + ++$self->{key} },
        seed => sub { int rand 5000 },
        set  => sub { 100_000 + int rand 1e6 },
        null => sub { undef },
    );
    my ($value, $sql);
    if ($kind eq 'delete') {
        $sql = "DELETE FROM account WHERE uid = $uid RETURNING ver";
    } else {
        $value = $set{$kind}->();
        my $column = $kind eq 'set' || $kind eq 'null' ? 'level' : $kind;
        my $text = !defined $value ? 'NULL' : $kind eq 'note' ? "'$value'" : $value;
        $sql = "UPDATE account SET $column = $text, ver = ver + 1 WHERE uid = $uid RETURNING ver";
    }
    my ($version) = $self->ask($sql);
    return 0 unless defined $version && length $version;
    push @{ $self->{ops} }, [ $uid, $kind, $value, 0 + $version, time ];
    return 1;
}

# A new row, with a value for the column only now and then. It is longer than those of the first load: what they
# leave free on their pages is too little for it.
sub add_row {
    my ($self) = @_;
    my $uid = 10_000_000 * ($self->{w} + 1) + ++$self->{fresh};
    my %row = (id => $uid, seed => int rand 5000, n => 0, note => "new $uid");
    my $given = $self->may_set && rand() < 0.2;
    $row{level} = 100_000 + int rand 1e6 if $given;
    $self->ask("INSERT INTO account (uid, id, seed, n, note, pad" . ($given ? ', level' : '')
            . ") VALUES ($uid, $row{id}, $row{seed}, $row{n}, '$row{note}', repeat('n', 620)"
            . ($given ? ", $row{level}" : '') . ")");
    push @{ $self->{ops} }, [ $uid, 'insert', \%row, 0, time ];
    return $uid;
}

# --- what each of them does ---

sub told   { return -e "$_[0]{dir}/$_[1]" }
sub may_set { return $_[0]->told('level') }
# The test that started it may have been killed.
sub over   { return $_[0]->told('stop') || getppid != $_[0]{parent} }
sub one_of { return $_[ int rand @_ ] }
sub some   { my ($least, $most) = @_; return $least + rand($most - $least) }

sub work {
    my ($self) = @_;
    my $user = $self->{kind} =~ /^(vacuum|watch)$/ ? 'fire_owner' : 'fire_app';
    my $turn = $self->can("turn_$self->{kind}");
    my $down = time;
    until ($self->over) {
        my $fine = eval {
            $self->connect_psql($user) unless $self->{psql};
            $down = time;
            $turn->($self);
            1;
        };
        next if $fine;
        die $@ unless $@ eq "lost\n" && time - $down < $limit;
        $self->hang_up;
        sleep 0.1;
    }
    $self->hang_up;
    return;
}

sub any_write {
    my ($self, $uid) = @_;
    my @may = (qw(note n n n id id seed seed), $self->may_set ? qw(set set null null) : ());
    return $self->write_row(one_of(@may), $uid);
}

# Some writes of its own rows; rows that turn out to be gone are forgotten.
sub own_writes {
    my ($self, $number) = @_;
    my $mine = $self->{mine};
    for (1 .. $number) {
        my $dice = rand;
        if ($dice < 0.15) {
            push @$mine, $self->add_row;
            next;
        }
        my $at = int rand @$mine;
        my $there = $dice < 0.23 ? !$self->write_row('delete', $mine->[$at]) : $self->any_write($mine->[$at]);
        splice @$mine, $at, 1 unless $there || $dice < 0.23;
    }
    return;
}

# Writes that a savepoint takes back, or not.
sub maybe_undone {
    my ($self, $number) = @_;
    my @before = @{ $self->{ops} };
    $self->ask('SAVEPOINT s');
    $self->own_writes($number);
    if (rand() < 0.6) {
        $self->ask('ROLLBACK TO SAVEPOINT s');
        $self->{ops} = \@before;
    } else {
        $self->ask('RELEASE SAVEPOINT s');
    }
    return;
}

sub end { return rand() < 0.2 ? 'ROLLBACK' : 'COMMIT' }

# Short transactions. A shared row comes last: whoever waits for one has no other.
sub turn_short {
    my ($self) = @_;
    $self->transact('READ COMMITTED', sub {
        $self->own_writes(1 + int rand 4);
        $self->maybe_undone(1 + int rand 3) if rand() < 0.3;
        $self->any_write(one_of(@{ $self->{shared} })) if rand() < 0.4;
        return end();
    });
    sleep some(0.005, 0.03);
    return;
}

# A snapshot for a long time, in which nothing may change; then some writes, which may come too late.
sub turn_read {
    my ($self) = @_;
    return sleep 0.05 unless $self->told('crowd');
    $self->transact('REPEATABLE READ', sub {
        my $from = int rand $self->{rows} - 2000;
        my $look = "SELECT count(*), md5(string_agg(a::text, ',' ORDER BY uid)) FROM account a WHERE uid BETWEEN $from AND $from + 1000";
        my ($first) = $self->ask($look);
        my $until = time + some(0.5, 3);
        sleep 0.05 while time < $until && !$self->over;
        my ($then) = $self->ask($look);
        $self->note_down({ t => 'broken', why => "a snapshot changed: $first, then $then" }) if $first ne $then;
        $self->own_writes(2);
        return end();
    });
    my $until = time + some(0, 3);
    sleep 0.05 while time < $until && !$self->over;
    return;
}

# Rows that stay written and locked for long.
sub turn_slow {
    my ($self) = @_;
    return sleep 0.05 unless $self->told('crowd');
    $self->transact('READ COMMITTED', sub {
        $self->own_writes(8);
        $self->maybe_undone(4);
        my $until = time + some(0.2, 2);
        sleep 0.05 while time < $until && !$self->over;
        return rand() < 0.4 ? 'ROLLBACK' : 'COMMIT';
    });
    sleep some(0.05, 0.3);
    return;
}

# SELECT FOR UPDATE of shared rows, in their order; then some are written.
sub turn_hold {
    my ($self) = @_;
    return sleep 0.05 unless $self->told('crowd');
    $self->transact('READ COMMITTED', sub {
        my %chosen = map { one_of(@{ $self->{shared} }) => 1 } 1 .. 6;
        my $mine = join ', ', map { one_of(@{ $self->{mine} }) } 1 .. 10;
        my $shared = join ', ', keys %chosen;
        my $strength = one_of('UPDATE', 'UPDATE', 'NO KEY UPDATE', 'SHARE');
        $self->ask("SELECT uid FROM account WHERE uid IN ($mine) ORDER BY uid FOR $strength");
        # Two who share a row and both want to write it would wait for each other.
        my @locked = $self->ask("SELECT uid FROM account WHERE uid IN ($shared) ORDER BY uid FOR UPDATE");
        sleep some(0.05, 0.3);
        for my $uid (@locked) { $self->any_write($uid) if rand() < 0.4 }
        $self->own_writes(1);
        return end();
    });
    sleep some(0.02, 0.1);
    return;
}

# A foreign key's check locks the row FOR KEY SHARE. One row at a time: it waits for nobody with a row in hand.
sub turn_pin {
    my ($self) = @_;
    return sleep 0.05 unless $self->told('crowd');
    $self->transact('READ COMMITTED', sub {
        my $uid = 6 + int rand($self->{rows} - 6);
        if (rand() < 0.7) {
            $self->ask("INSERT INTO pin SELECT id FROM account WHERE uid = $uid");
        } else {
            $self->ask("SELECT uid FROM account WHERE uid = $uid FOR KEY SHARE");
        }
        sleep some(0.01, 0.15);
        return end();
    });
    return;
}

sub turn_vacuum {
    my ($self) = @_;
    return sleep 0.05 unless $self->told('crowd');
    $self->ask(one_of('VACUUM account', 'VACUUM account', 'VACUUM (FREEZE) account', 'VACUUM pin', 'VACUUM ANALYZE account'));
    sleep some(0.1, 0.5);
    return;
}

# Progress and rows commit together, so every snapshot sees as much of the one as of the other.
sub turn_watch {
    my ($self) = @_;
    my ($off) = $self->ask('SELECT coalesce((SELECT sum(rows) FROM zdm.chunk), 0) - (SELECT count(*) FROM filled)');
    $self->note_down({ t => 'broken', why => "progress is off by $off rows" }) if $off;
    sleep 0.02;
    return;
}

1;
