# Backfills by two workers under fire, with a sync trigger and without: applications of many kinds write to the
# table, with long transactions, rollbacks, locks held and VACUUM, while a worker, another backend or the whole
# server is killed at random moments, again and again. What the applications wrote down is replayed by an oracle:
# at the end each row is as it says, with the value that its fill gave it, filled once. No application waited
# for a row longer than for a batch, and no batch for a row.
#
# ZDM_FIRE_ROUNDS: kills of each of the two (6). ZDM_FIRE_SEED: of a run that is to be had again, as far as chance
# allows. ZDM_FIRE_WHICH: sync or none, for one of the two.
use strict;
use warnings;
use List::Util qw(max min shuffle);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use ZdmFireOracle;
use ZdmFireWriter;
use ZdmTest;

my $rounds = $ENV{ZDM_FIRE_ROUNDS} // 6;
my $seed   = $ENV{ZDM_FIRE_SEED} // int(rand 1e6);
my $rows   = 40000;
my $batch_target = 50;
srand $seed;
diag("ZDM_FIRE_SEED=$seed ZDM_FIRE_ROUNDS=$rounds");

END {
    my $code = $?;
    kill_writers();
    $? = $code;
}

# Waits get into the log after 10 ms, with the second and the kind of process of whoever waits.
my $node = new_node('fire', conf => <<"CONF");
deadlock_timeout = 10ms
log_line_prefix = '%n [%p] %b, %a: '
shared_buffers = 64MB
max_connections = 40
max_prepared_transactions = 2
CONF
$node->safe_psql('postgres', 'CREATE ROLE fire_owner LOGIN; CREATE ROLE fire_app LOGIN;'
        # Who waits for so long waits for something that is not a batch.
        . q{ALTER ROLE fire_app SET lock_timeout = '30s'});

my ($db, $dir, $log_from, %ours, $way, $longest, $synced);

sub value { return $node->safe_psql($db, $_[0]) }
sub as_owner { return $node->safe_psql($db, "SET SESSION AUTHORIZATION fire_owner;\n$_[0]") }

# What the writers look for.
sub flag {
    open my $file, '>', "$dir/$_[0]" or die $!;
    close $file;
    return;
}

# The workers of the migration that live now; remembered with the time.
sub our_pids {
    my @pids = eval { worker_pids($node, $db) };
    $ours{$_}{ int time } = 1 for @pids;
    return @pids;
}

# Those who help the one that leads.
sub helpers {
    my $leader = leader() // return;
    return grep { $_ != $leader } our_pids();
}
sub leader { return worker_pid($node, 'fill', undef, $db) }

sub make_table {
    value('CREATE EXTENSION zdm');
    value('GRANT CREATE ON SCHEMA public TO fire_owner');
    my $level = $way eq 'none' ? ', level int' : '';
    my $first = $way eq 'none' ? ', CASE WHEN g % 10 = 0 THEN 100000 + g END' : '';
    as_owner(<<"SQL");
CREATE TABLE account (id bigint PRIMARY KEY, uid bigint NOT NULL, seed int NOT NULL, n int NOT NULL, note text NOT NULL,
    pad text, ver int NOT NULL DEFAULT 0$level);
INSERT INTO account (id, uid, seed, n, note, pad, ver@{[$level ? ', level' : '']})
    SELECT g, g, g * 31 % 1009, 0, 'note ' || g % 1000, repeat('p', 600), 0$first FROM generate_series(1, $rows) g;
CREATE UNIQUE INDEX ON account (uid);
CREATE INDEX ON account (note);
CREATE TABLE pin (id bigint REFERENCES account ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX ON pin (id);
CREATE TABLE done (writer int, n int);
-- What backends of zdm did to rows.
CREATE TABLE filled (uid bigint, ver int, was text, now text, pid int, at float8);
CREATE FUNCTION note_fill() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF (SELECT backend_type LIKE 'zdm%' FROM pg_stat_get_activity(pg_backend_pid())) THEN
        INSERT INTO public.filled VALUES (NEW.uid, NEW.ver, to_jsonb(OLD) ->> 'level', to_jsonb(NEW) ->> 'level',
            pg_backend_pid(), extract(epoch FROM clock_timestamp()));
    END IF;
    RETURN NULL;
END \$\$;
CREATE TRIGGER note_fill AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION note_fill();
GRANT ALL ON account, pin, done, filled TO fire_app;
SQL
    value('GRANT SELECT ON zdm.chunk TO fire_owner');
    value('VACUUM ANALYZE account');
    return;
}

# --- the kills ---

# Ends a server whose postmaster was killed: its other processes notice, and are waited for.
sub kill_postmaster {
    my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
    my @children;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my $text = <$file> // next;
        push @children, $1 if $text =~ /^(\d+) \(.*\) \S (\d+)/s && $2 == $postmaster;
    }
    $node->kill9;
    my $end = time + $ZdmTest::timeout;
    for my $pid ($postmaster, @children) {
        sleep 0.02 while kill(0, $pid) && time < $end;
    }
    return $node->start;
}

# Waits until some process was killed, and the server is back.
sub crashed {
    my ($from) = @_;
    my $end = time + $ZdmTest::timeout;
    my $log = '';
    until (($log = slurp_file($node->logfile, $from)) =~ /was terminated by signal 9/) {
        return 0 if time > $end;
        sleep 0.05;
    }
    return poll_until($node, 'SELECT true', 't', undef, $db);
}

# Lets a worker die at a fault point, the next time that one comes by.
sub die_there {
    my ($point) = @_;
    my $from = -s $node->logfile;
    my $session = die_at($node, $point, $db);
    my $fine = crashed($from);
    release($session);
    return $fine;
}

sub kill_one { return @_ ? kill9($node, $_[ rand @_ ]) : 0 }

my %blow = (
    leader => sub { return kill_one(leader() // ()) },
    helper => sub { return kill_one(helpers()) },
    backend => sub {
        return kill_one(split /\n/, value(
            q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'fire %' AND datname = current_database()}));
    },
    point => sub { return die_there('backfill:' . (qw(before_commit after_commit))[ rand 2 ]) },
    postmaster => \&kill_postmaster,
    stop => sub { stop_now($node); return 1 },
);

# All kinds, then any.
sub blows {
    my @kinds = sort keys %blow;
    my @list = (@kinds, map { $kinds[ rand @kinds ] } @kinds + 1 .. $rounds);
    splice @list, $rounds if @list > $rounds;
    return shuffle(@list);
}

# Any call of zdm starts what the server forgot when it was started anew.
sub resume {
    if (value('SELECT activity FROM zdm.migrations') =~ /^stopped/) {
        my $call = (q{SELECT zdm_resume('fill')}, q{SELECT zdm_start('fill')}, q{SELECT zdm.ping('fill')},
            q{CALL zdm_wait('fill', 'done', '0.1 s')})[ rand 4 ];
        # The last one says that it is not done yet.
        $node->psql($db, "SET SESSION AUTHORIZATION fire_owner;\n$call");
    }
    return;
}

# So that about half of it is left after the last kill, however long they take.
sub set_rate {
    my ($rounds_left) = @_;
    my $left = value('SELECT count(*) FROM account WHERE level IS NULL');
    my $rate = max(50, int($left / (3 * $rounds_left * $longest)));
    as_owner("SELECT zdm_set('fill', 'max_rate', '$rate')");
    return;
}

sub progress_is_exact {
    my ($when) = @_;
    return is(value('SELECT (SELECT sum(rows) FROM zdm.chunk) - (SELECT count(*) FROM filled)'), '0',
        "$when: progress tells exactly what was filled");
}

sub round {
    my ($round, $kind) = @_;
    my $began = time;
    set_rate($rounds - $round + 1);
    # Both, since the last kill.
    ok(poll_until($node, <<'SQL', 't', undef, $db), "$way, round $round: two workers fill");
SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'zdm' AND datname = current_database()
    AND EXISTS (SELECT FROM filled f WHERE f.pid = pg_stat_activity.pid AND f.at > extract(epoch FROM backend_start))
SQL
    our_pids();
    sleep rand 1.2;
    ok($blow{$kind}->(), "$way, round $round: $kind is killed, and the server is back");
    progress_is_exact("$way, round $round");
    resume();
    # Before zdm counts ten starts in a row that ended too early, and gives up.
    if ($round % 5 == 0) {
        as_owner(q{SELECT zdm_pause('fill')});
        ok(poll_until($node, q{SELECT worker_pid IS NULL FROM zdm.migrations}, 't', undef, $db), "$way: a pause ends its workers");
        as_owner(q{SELECT zdm_resume('fill')});
    }
    $longest = max($longest, time - $began);
    return;
}

sub rounds {
    as_owner(q{SELECT zdm_set('fill', 'duty', '2')});
    my @blows = blows();
    $longest = 5;
    round($_, $blows[ $_ - 1 ]) for 1 .. @blows;
    return ok(poll_until($node, q{SELECT worker_pid IS NOT NULL FROM zdm.migrations}, 't', undef, $db), "$way: it works again");
}

# --- what is asked at the end ---

sub table_rows {
    my %rows;
    for (split /\n/, value('SELECT uid, id, seed, n, note, ver, level FROM account')) {
        my ($uid, %row);
        ($uid, @row{qw(id seed n note ver level)}) = split /\|/, $_, -1;
        undef $row{level} if $row{level} eq '';
        $rows{$uid} = \%row;
    }
    return \%rows;
}

sub few { my @few = splice @_, 0, 10; return join "\n", @few, @_ ? scalar(@_) . ' more' : () }

# Compares all rows with what the logs say; gives the rows as they must be.
sub check_rows {
    my %done = map { tr/|/ /r => 1 } split /\n/, value('SELECT writer, n FROM done');
    my ($writes, $wrong, $count) = read_logs($dir, \%done);
    is(few(@$wrong), '', "$way: the logs of the writers are in order, and progress was exact all the time");
    note("$way: transactions: " . join ', ', map { "$_ $count->{$_}" } sort keys %$count);
    is(join(' ', grep { /^\w{5}$/ && $_ ne 'asked' && $_ !~ /^(40001|23503)$/ } keys %$count), '',
        "$way: no application got an error that another session would not have given it");
    my %fills;
    for (split /\n/, value('SELECT uid, ver, was, now, pid, at FROM filled ORDER BY ver')) {
        my ($uid, @fill) = split /\|/;
        push @{ $fills{$uid} }, \@fill;
        $ours{ $fill[3] }{ int $fill[4] } = 1;
    }
    my ($must, $bad) = replay($rows, $writes, \%fills, $synced);
    is(few(@$bad), '', "$way: each fill gave a row without a value the one that its version called for, once");
    is(few(differences($must, table_rows())), '', "$way: each row equals the oracle");
    is(value('SELECT count(*) FROM pin p WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = p.id)'), '0',
        "$way: no foreign key points nowhere");
    note(sprintf '%s: %d rows written by applications, %d filled, %d of them again', $way, scalar keys %$writes,
        scalar keys %fills, scalar grep { @$_ > 1 } values %fills);
    return $must;
}

sub check_waits {
    my ($waits, $we) = waits(slurp_file($node->logfile, $log_from), \%ours);
    is(few(@$we), '', "$way: no batch waited for a row");
    is(few(map { "$_->{who} ($_->{pid}) for $_->{for}: " . ($_->{end} // 'never got it') }
            grep { ($_->{end} // '') !~ /^(acquired|crash)$/ } @$waits), '',
        "$way: who waited for a row of a batch got it when the batch ended");
    cmp_ok(scalar(grep { $_->{who} eq 'fire test' } @$waits), '>=', 1, "$way: and such waits are seen");
    # But for the batch that the test itself held up.
    my %held = map { $_->{for} => 1 } grep { $_->{who} eq 'fire test' } @$waits;
    my @waits = sort { $b <=> $a } map { $_->{ms} } grep { !$held{ $_->{for} } && ($_->{end} // '') eq 'acquired' } @$waits;
    note(sprintf '%s: applications waited %d times for a batch for more than 10 ms; the longest %.0f ms, %.1f times batch_target (then %s)',
        $way, scalar @waits, $waits[0] // 0, ($waits[0] // 0) / $batch_target, join ', ', map { int } @waits[1 .. min(5, $#waits)]);
    return;
}

# --- the two ways ---

sub begin_fire {
    ($way) = @_;
    $db = "fire_$way";
    $dir = PostgreSQL::Test::Utils::tempdir();
    %ours = ();
    $synced = undef;
    $log_from = -s $node->logfile;
    $node->safe_psql('postgres', "CREATE DATABASE $db");
    make_table();
    return;
}

# An application that meets a batch in the middle: the wait is in the log, and ends with the batch.
sub meet_a_batch {
    my ($hold) = @_;
    our_pids();
    my $session = quick_session($node, $db, $dir, 9);
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        eval { $session->transact('READ COMMITTED', sub { $session->write_row('n', 1); return }) };
        POSIX::_exit($@ ? 1 : 0);
    }
    ok(poll_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity a WHERE application_name = 'fire test'
              AND EXISTS (SELECT FROM pg_stat_activity z WHERE z.pid = ANY (pg_blocking_pids(a.pid)) AND z.backend_type LIKE 'zdm%')},
            't', undef, $db), "$way: an application waits for a batch");
    our_pids();
    release($hold);
    waitpid $pid, 0;
    is($?, 0, "$way: and goes on after it");
    return;
}

sub fire_with_sync {
    begin_fire('sync');
    my $writers = start_writers($node, $db, $dir, $rows, $seed);
    my $hold = stop_at($node, 'backfill:before_commit', $db);
    as_owner(<<"SQL");
SELECT zdm_create('fill', 'ALTER TABLE account ADD COLUMN level int NOT NULL;
UPDATE account SET level = seed * 7 % 1000 WHERE level IS NULL;');
SELECT zdm_set('fill', 'max_rate', '2000');
SELECT zdm_set('fill', 'batch_target', '$batch_target');
SELECT zdm_start('fill');
SQL
    ok(wait_at($node, 'backfill:before_commit', undef, $db), 'sync: the first batch is under way');
    $synced = time;
    flag($_) for qw(level crowd);
    meet_a_batch($hold);
    rounds();
    my $from = -s $node->logfile;
    my $death = die_at($node, 'last_pass:before_commit', $db);
    as_owner(q{SELECT zdm_set('fill', 'max_rate', NULL)});
    ok(crashed($from), 'sync: killed once more, in the last pass');
    release($death);
    is(wait_state($node, 'fill', 'ready', undef, $db), 'ready', 'sync: it comes to ready under fire');
    is(value('SELECT count(*) FROM account WHERE level IS NULL'), '0', 'sync: no row is left while the writers go on');
    is(value(q{SELECT result ->> 'rows_left' FROM zdm.steps WHERE kind = 'last_pass'}), '0', 'sync: and status says so');

    flag('stop');
    is(join(' ', stop_writers($writers)), '', 'sync: all writers ended');
    is(value('SELECT count(*) FROM account WHERE level IS NULL'), '0', 'sync: no row matches the predicate');
    progress_is_exact($way);
    check_rows();
    check_waits();
    return;
}

# Rows that are written while the range is fixed may be left, those before not: the worker is held there.
sub fire_without_sync {
    begin_fire('none');
    flag('level');
    my $writers = start_writers($node, $db, $dir, $rows, $seed);
    my $early = quick_session($node, $db, $dir, 8);
    my $at_begin = stop_at($node, 'backfill:begin', $db);
    my $at_range = stop_at($node, 'backfill:chunks_made', $db);
    my $at_batch = stop_at($node, 'backfill:before_commit', $db);
    my $fixed;
    my $late = quick_session($node, $db, $dir, 10);
    $early->transact('READ COMMITTED', sub {
        # Nobody sees these rows before the range is fixed, and they are in it.
        $early->add_row for 1 .. 300;
        $early->write_row('n', $_) for 2, 3;
        as_owner(qq{SELECT zdm_backfill('account', 'level = seed * 7 % 1000', 'level IS NULL', 'fill', '{"max_rate": 2000, "batch_target": $batch_target}')});
        ok(wait_at($node, 'backfill:begin', undef, $db), 'none: the backfill begins');
        $fixed = time;
        release($at_begin);
        ok(wait_at($node, 'backfill:chunks_made', undef, $db), 'none: its range is fixed');
        # Pages were full: these rows are behind it.
        $late->transact('READ COMMITTED', sub { $late->add_row for 1 .. 300; return });
        release($at_range);
        ok(wait_at($node, 'backfill:before_commit', undef, $db), 'none: the first batch is under way');
        meet_a_batch($at_batch);
        return;
    });
    $_->hang_up for $early, $late;
    flag('crowd');
    rounds();

    # The last pass under fire, killed before its first batch has committed; from then on all is quiet, since
    # a number can only be exact when nobody writes behind it.
    my $in_pass = stop_at($node, 'last_pass:before_commit', $db);
    as_owner(q{SELECT zdm_set('fill', 'max_rate', NULL)});
    ok(wait_at($node, 'last_pass:before_commit', undef, $db), 'none: it comes to the last pass');
    # Survives the crash.
    value(q{BEGIN; SELECT pg_advisory_xact_lock(1514425, hashtext('last_pass:begin')); PREPARE TRANSACTION 'hold'});
    ok(kill9($node, our_pids()), 'none: killed once more, in the last pass');
    release($in_pass);
    ok(wait_at($node, 'last_pass:begin', undef, $db), 'none: it begins the last pass again');
    flag('stop');
    is(join(' ', stop_writers($writers)), '', 'none: all writers ended');
    my $from = -s $node->logfile;
    my $death = die_at($node, 'last_pass:before_finish', $db);
    value(q{ROLLBACK PREPARED 'hold'});
    ok(crashed($from), 'none: killed once more, at its end');
    release($death);
    is(wait_state($node, 'fill', 'done', undef, $db), 'done', 'none: it comes to its end');

    my $must = check_rows();
    my $left = value('SELECT count(*) FROM account WHERE level IS NULL');
    is(value(q{SELECT result ->> 'rows_left' FROM zdm.steps WHERE kind = 'last_pass'}), $left,
        "none: status gives exactly the number of rows left ($left)");
    cmp_ok($left, '>', 100, 'none: which are some');
    is(value(q{SELECT count(*) FROM account WHERE level IS NULL AND (ctid::text::point)[0] < (SELECT max(end_block) FROM zdm.chunk JOIN zdm.step USING (migration_id, step) WHERE kind = 'backfill')}),
        '0', 'none: all of them behind the range');
    my @old = grep { !defined $must->{$_}{level} && $must->{$_}{written} < $fixed } keys %$must;
    is(few(sort @old), '', 'none: all of them written after the range was fixed');
    progress_is_exact($way);
    check_waits();
    return;
}

my $which = $ENV{ZDM_FIRE_WHICH} // 'both';
fire_with_sync() if $which ne 'none';
fire_without_sync() if $which ne 'sync';

done_testing();
