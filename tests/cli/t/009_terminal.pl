# On a terminal: a bar that is redrawn, questions, Ctrl-C from the keyboard; and what turns that off.
use strict;
use warnings;
use IPC::Run;
use Test::More;
use Time::HiRes qw(sleep);
use ZdmTest;

BEGIN {
    eval { require IO::Pty; 1 } or plan skip_all => 'needs IO::Pty (libio-pty-perl)';
}

my $node = new_node('main', conf => "zdm.quiet_period = '1s'\n", preload => 1);
$node->safe_psql('postgres', q{
    CREATE TABLE t (id int PRIMARY KEY, v int);
    INSERT INTO t SELECT i, NULL FROM generate_series(1, 20000) i;
    ANALYZE t;
});
my %terminal = (PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', TERM => 'xterm',
    LC_ALL => 'C.UTF-8');
my $folder = PostgreSQL::Test::Utils::tempdir();
sub file {
    my ($name, $sql) = @_;
    open(my $out, '>:raw', "$folder/$name.sql") or die "$name: $!";
    print $out $sql;
    close($out);
    return "$folder/$name.sql";
}

# A command on a pseudo terminal of its own: (handle, input, output).
sub on_terminal {
    my ($environment, @arguments) = @_;
    local @ENV{ keys %terminal } = values %terminal;
    local @ENV{ keys %$environment } = values %$environment;
    my ($in, $out) = ('', '');
    my $run = IPC::Run::start([ $ENV{ZDM}, @arguments ], '<pty<', \$in, '>pty>', \$out, IPC::Run::timeout(120));
    return ($run, \$in, \$out);
}

sub wait_for {
    my ($run, $out, $what) = @_;
    for (1 .. 600) {
        $run->pump_nb;
        return 1 if $$out =~ $what;
        sleep 0.05;
    }
    diag("never said $what:\n$$out");
    return 0;
}

sub slow {
    my ($name, $from, $to) = @_;
    zdm_cli($node, 'backfill', 't', '--set', "v = $to", '--where', $from, '--name', $name, '--max-rate', '1000',
        '--yes', '--no-wait');
    return $name;
}

# The bar, and Ctrl-C typed.
slow('one', 'v IS NULL', 1);
my ($run, $in, $out) = on_terminal({}, 'watch', 'one');
ok(wait_for($run, $out, qr/1\/\d+ migrate backfill public\.t .*\n  (\xe2\x96[\x88\x91]){10,}  \d/), 'a bar');
ok(wait_for($run, $out, qr/\d+\.\d %.*\033\[1A\033\[2K.*\d+\.\d %/s), 'which is redrawn in place');
like($$out, qr/\033\[1mone is migrating/, 'colours');
$$in .= "\x03";
$run->pump;
$run->finish;
is($run->full_result(0) >> 8, 130, 'Ctrl-C from the keyboard: exit 130');
like($$out, qr/Detached: the server goes on with one/, 'and it says so');

# What turns it off.
for my $case ([ 'NO_COLOR', { NO_COLOR => '1' }, 1 ], [ 'TERM=dumb', { TERM => 'dumb' }, 0 ]) {
    my ($name, $environment, $bar) = @$case;
    ($run, $in, $out) = on_terminal($environment, 'watch', 'one', '--timeout', '1s');
    $run->finish;
    is($run->full_result(0) >> 8, 8, "$name: exit 8");
    unlike($$out, qr/\033\[(1|3\d)m/, "$name: no colours");
    is(scalar($$out =~ /\033\[2K/), $bar ? 1 : '', "$name: " . ($bar ? 'the bar stays' : 'no bar either'));
}
($run, $in, $out) = on_terminal({}, 'watch', 'one', '--color', 'never', '--timeout', '1s');
$run->finish;
unlike($$out, qr/\033\[(1|3\d)m/, '--color never');
($run, $in, $out) = on_terminal({ LC_ALL => 'C' }, 'watch', 'one', '--timeout', '1s');
$run->finish;
unlike($$out, qr/[\x80-\xff]/, 'plain ASCII where the locale says so');
like($$out, qr/backfill public\.t .*\n  #*\.+  \d/, 'the bar too');

# No terminal: a line every few seconds.
my ($code, $text, $err) = zdm_cli($node, 'watch', 'one', '--timeout', '7s');
is($code, 8, 'without a terminal');
like($err, qr/^one: migrating, step 1\/\d+ backfill public\.t, \d+\.\d %, [\d,]+ of about [\d,]+ rows/m, 'a line with the progress');
unlike($err, qr/\033/, 'no escape sequences');
zdm_cli($node, 'set', 'one', 'max_rate', '0');
wait_state($node, 'one', 'done');

# Questions before a removal.
my $overwrite = file('two', 'UPDATE t SET v = 2 WHERE v = 1;');
($run, $in, $out) = on_terminal({}, 'up', $overwrite);
ok(wait_for($run, $out, qr/UPDATE .*Remove it\? \[y\/N\] /s), 'up asks before it overwrites values');
$$in .= "n\n";
$run->finish;
is($run->full_result(0) >> 8, 2, 'exit 2: no');
like($$out, qr/not confirmed.*It was not run/s, 'and says so');
is(migration_state($node, 'two'), '', 'nothing was touched');
($run, $in, $out) = on_terminal({}, 'up', $overwrite);
wait_for($run, $out, qr/Remove it\?/);
$$in .= "\n";
$run->finish;
is($run->full_result(0) >> 8, 2, 'exit 2: enter means no');
($run, $in, $out) = on_terminal({}, 'up', $overwrite);
wait_for($run, $out, qr/Remove it\?/);
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zdm' AND xact_start IS NOT NULL}),
    '0', 'no transaction is open while it asks');
$$in .= "y\n";
$run->finish;
is($run->full_result(0) >> 8, 0, 'yes');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE v = 2'), '20000', 'did it');

# The same for rollback, and contract.
my $phone = file('phone', "ALTER TABLE t ADD COLUMN phone text NOT NULL;\nUPDATE t SET phone = 'x' WHERE phone IS NULL;\nALTER TABLE t DROP COLUMN v;\n");
zdm_cli($node, 'up', $phone);
($run, $in, $out) = on_terminal({}, 'rollback', 'phone');
ok(wait_for($run, $out, qr/Go back\? \[y\/N\] /), 'rollback asks');
$$in .= "n\n";
$run->finish;
is($run->full_result(0) >> 8, 2, 'exit 2: no');
($run, $in, $out) = on_terminal({}, 'contract', 'phone', '--force', '--reason', 'a test');
ok(wait_for($run, $out, qr/DROP COLUMN v.*Remove it\?/s), 'contract asks');
$$in .= "y\n";
$run->finish;
is($run->full_result(0) >> 8, 0, 'yes');
is(migration_state($node, 'phone'), 'done', 'is done');

done_testing();
