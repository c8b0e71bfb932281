# Takes an old and a new application through a migration, and back from each of its states.
#
#     my $run = ZdmTwoRun->new($node, \%case);
#     $run->forward;
#     $run->back($_) for qw(expanded backfill ready);
#     done_testing();
#
# A case:
#     setup      SQL of the owner: tables (the role `two_apps_app` gets rights by GRANT in it), as small as it likes
#     load       SQL of the owner: the rows, `rows` of them, with ids from 1
#     migration  as zdm is given it; `plain`, if that differs, is what plain SQL does to an empty copy
#     old, new   shapes (ZdmTwoApps)
#     first, carry, defaults   for the oracle (ZdmTwoOracle)
#     switched   true if it has a switch: the new application works from there on
#     backfill   false if nothing is filled
#     gone       SQLSTATE of the old shape after contract (42703), or none
#     changes    { column, sql }: the SQL gives id and ver of each write that changed the column
#     again      { done, 'rolled back' → how often the columns of the table change under one session (1, 2) }
#     named      the same of statements that name the columns which they return (as `again`)
#     name       of the case, where a node has several
#     open       true if the gate of contract can't see the old application, so that nothing refuses to go on
#     loses      column → sub ($value) that says whether a rollback loses it (ZdmTwoOracle)
#     survives   true if the applications live through crashes of the server; `setup` then has the table `done` (ZdmTwoApps)
#     orphans    { old → SQL, new → SQL } that counts rows of other tables that point nowhere, if there are any
#
# The old application works from the start until contract, the new one from ready (or switched) to the end; before
# a rollback the new one ends. At each stop all rows are compared with the oracle through the shapes that there are, while
# the applications write, and again when they have ended.
package ZdmTwoRun;

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use PostgreSQL::Test::Utils;
use ZdmTest;
use ZdmTwoApps;
use ZdmTwoOracle;
use ZdmWire;

my $seed = $ENV{ZDM_TWO_SEED} // 4;
my %writers = (old => [ 0, 1 ], new => [ 2, 3 ]);

END {
    my $code = $?;
    ZdmTwoApps::kill_all();
    $? = $code;
}

# From 18 on the server notes a NOT NULL as a partition's or child's own when a key of that is made of an index, which shows in its
# name, or in a line of its own: `own_not_null` says that this may be.
sub dump_of {
    my ($self, $db) = @_;
    my $dump = schema_dump($self->{node}, $db);
    return $dump unless $self->{case}{own_not_null};
    $dump =~ s/ CONSTRAINT \S+ NOT NULL/ NOT NULL/g;
    $dump =~ s/^ +NOT NULL \S+\n//gm;
    return $dump =~ s/,$//gmr;
}

# Databases: `empty` as the tables are at the start, `plain` as plain SQL leaves them, `base` with rows.
sub new {
    my ($class, $node, $case) = @_;
    my $name = defined $case->{name} ? "$case->{name}_" : '';
    my $self = bless { node => $node, case => $case, name => $name }, $class;
    my ($empty, $plain, $base) = map { "$name$_" } qw(empty plain base);
    $node->safe_psql('postgres', 'CREATE ROLE two_apps_owner LOGIN; CREATE ROLE two_apps_app LOGIN;'
            # Who waits for so long is stopped by something.
            . q{ALTER ROLE two_apps_app SET lock_timeout = '20s'})
        unless $node->safe_psql('postgres', q{SELECT 1 FROM pg_roles WHERE rolname = 'two_apps_app'});
    $node->safe_psql('postgres', "CREATE DATABASE $empty; GRANT CREATE ON DATABASE $empty TO two_apps_owner");
    $node->safe_psql($empty, 'CREATE EXTENSION zdm; GRANT CREATE ON SCHEMA public TO two_apps_owner');
    $self->as_owner($empty, $case->{setup});
    $node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE $empty") for $plain, $base;
    $self->as_owner($plain, $case->{plain} // $case->{migration});
    $self->as_owner($base, $case->{load});
    $node->safe_psql($base, 'VACUUM ANALYZE');
    $self->{start} = $self->dump_of($empty);
    $self->{end} = $self->dump_of($plain);
    isnt($self->{end}, $self->{start}, 'plain SQL changes the schema');
    return $self;
}

sub as_owner {
    my ($self, $db, $sql) = @_;
    return $self->{node}->safe_psql($db, "SET SESSION AUTHORIZATION two_apps_owner;\n$sql");
}
sub do { my ($self, $sql) = @_; return $self->as_owner($self->{db}, $sql) }
sub value { my ($self, $sql) = @_; return $self->{node}->safe_psql($self->{db}, $sql) }

# --- the stage ---

sub begin {
    my ($self, $way) = @_;
    @$self{qw(way db dir apps entered)} = ("$self->{name}$way", "two_$self->{name}$way", PostgreSQL::Test::Utils::tempdir(), {}, {});
    my ($node, $case) = @$self{qw(node case)};
    $node->safe_psql('postgres', "CREATE DATABASE $self->{db} TEMPLATE $self->{name}base");
    $self->{oracle} = ZdmTwoOracle->new($self->{dir}, rows => $case->{rows}, first => $case->{first}, carry => $case->{carry},
        defaults => $case->{defaults}, loses => $case->{loses}, columns => { map { $_ => $case->{$_}{columns} } qw(old new) });
    $self->connect;
    $self->{log_from} = -s $node->logfile;
    $self->enter('old');
    $self->written(10);
    return;
}

sub connect {
    my ($self) = @_;
    $self->{session} = ZdmWire->new($self->{node}, $self->{db}, user => 'two_apps_app', name => 'oracle');
    return;
}

sub enter {
    my ($self, $name) = @_;
    my $case = $self->{case};
    $self->{entered}{$name} = 1;
    $self->{apps}{$name} = ZdmTwoApps->start($self->{node}, $self->{db}, $self->{dir}, name => $name, shape => $case->{$name},
        numbers => $writers{$name}, rows => $case->{rows}, seed => $seed, user => 'two_apps_app', survives => $case->{survives});
    return;
}

sub leave {
    my ($self, $name) = @_;
    is((delete $self->{apps}{$name})->stop, 0, "$self->{way}: the $name application ended well");
    return;
}

# Waits until each writer at work has committed so many transactions more.
sub written {
    my ($self, $number) = @_;
    my @apps = sort keys %{ $self->{apps} };
    my %from = map { my $w = $_; map { $_ => $self->{oracle}->committed($_) } @{ $writers{$w} } } @apps;
    my $end = time + $ZdmTest::timeout;
    while (grep { $self->{oracle}->committed($_) < $from{$_} + $number } keys %from) {
        last if time > $end || grep { !$_->works } values %{ $self->{apps} };
        sleep 0.02;
    }
    my @stuck = grep { $self->{oracle}->committed($_) < $from{$_} + $number } sort keys %from;
    is("@stuck", '', "$self->{way}: the applications write ($number)") if @stuck;
    return;
}

sub few { my @few = splice @_, 0, 8; return join "\n", @few, @_ ? scalar(@_) . ' more' : () }

# All rows, as they are now, through these shapes.
sub rows_are_right {
    my ($self, $when, @shapes) = @_;
    my @wrong = eval { $self->{oracle}->compare($self->{session}, map { $_ => $self->{case}{$_} } @shapes) };
    push @wrong, ZdmTwoApps::describe($@) if $@;
    if (my $orphans = $self->{case}{orphans}) {
        push @wrong, map { my $n = $self->value($orphans->{$_}); $n ? "$n rows point nowhere in the $_ shape" : () } @shapes;
    }
    return is(few(@wrong), '', "$self->{way}, $when: each row and each write is as the oracle says, in shape " . join(' and ', @shapes));
}

sub reaches {
    my ($self, $state) = @_;
    return is(wait_state($self->{node}, 'm', $state, undef, $self->{db}), $state, "$self->{way}: it is $state");
}

# --- the states ---

sub to_expanded {
    my ($self) = @_;
    my $case = $self->{case};
    $self->do("SELECT zdm_create('m', \$migration\$$case->{migration}\$migration\$)");
    $self->do(q{SELECT zdm_set('m', 'max_rate', '2000')}) if $self->fills;
    $self->do(q{SELECT zdm_start('m', 'expanded')});
    $self->reaches('expanded');
    $self->written(15);
    $self->rows_are_right('expanded', 'old');
    return;
}

sub fills { my ($self) = @_; return $self->{case}{backfill} // 1 }

# In the middle of the backfill, where the worker then waits.
sub to_backfill {
    my ($self) = @_;
    $self->{hold} = stop_at($self->{node}, 'backfill:after_commit', $self->{db});
    $self->do(q{SELECT zdm_start('m')});
    ok(wait_at($self->{node}, 'backfill:after_commit', undef, $self->{db}), "$self->{way}: it is in the middle of the backfill");
    $self->written(15);
    $self->rows_are_right('in the backfill', 'old');
    return;
}

sub go_on { my ($self) = @_; release(delete $self->{hold}) if $self->{hold}; return }

sub to_ready {
    my ($self) = @_;
    if ($self->{hold}) {
        $self->do(q{SELECT zdm_set('m', 'max_rate', NULL)});
        $self->go_on;
    } else {
        $self->do(q{SELECT zdm_start('m')});
    }
    $self->reaches('ready');
    $self->rows_are_right('ready', 'old', $self->{case}{switched} ? () : 'new');
    $self->both_write('ready') unless $self->{case}{switched};
    return;
}

sub to_switched {
    my ($self) = @_;
    $self->written(15);
    $self->do(q{SELECT zdm_switch('m')});
    $self->reaches('switched');
    $self->both_write('switched');
    return;
}

sub both_write {
    my ($self, $when) = @_;
    $self->enter('new');
    $self->written(40);
    $self->rows_are_right("$when, both write", 'old', 'new');
    $self->written(40);
    $self->differences_are_none;
    return;
}

# No application wrote both sides, so none may differ.
sub differences_are_none {
    my ($self) = @_;
    my $said = $self->do(q{SELECT v::text FROM zdm_verify('m') v WHERE differences > 0});
    is($said, '', "$self->{way}: zdm_verify finds no difference");
    $said = $self->value(q{SELECT coalesce(differing_writes, 0) FROM zdm.migrations});
    is($said, '0', "$self->{way}: and the trigger counted none");
    return;
}

# --- there and back ---

sub forward {
    my ($self) = @_;
    my $case = $self->{case};
    $self->begin('forward');
    $self->to_expanded;
    $self->to_backfill if $self->fills;
    $self->to_ready;
    $self->to_switched if $case->{switched};
    $self->contract_is_refused unless $case->{open};
    $self->contract;
    return;
}

sub contract_is_refused {
    my ($self) = @_;
    my ($code, undef, $said) = $self->{node}->psql($self->{db}, "SET SESSION AUTHORIZATION two_apps_owner; SELECT zdm_contract('m')");
    return like($said, qr/ZD40[12]/, "$self->{way}: contract is refused while the old application writes");
}

# The old application ends, then contract runs to done; $meanwhile, if given, is called when it has begun.
sub contract {
    my ($self, $meanwhile) = @_;
    my $case = $self->{case};
    $self->leave('old');
    $self->rows_are_right('the old application has ended', 'old', 'new');
    $self->do(q{SELECT zdm_contract('m', true, 'the test has ended the old application')});
    $meanwhile->() if $meanwhile;
    $self->written(15);
    $self->reaches('done');
    $self->written(15);
    $self->leave('new');
    $self->rows_are_right('done', 'new');
    eval { $self->{session}->query("SELECT " . join(', ', @{ $case->{old}{columns} }) . " FROM $case->{old}{table}") };
    is(ref $@ ? $@->{code} : 'none', $case->{gone} // '42703', "$self->{way}: the old shape is gone") unless ($case->{gone} // '') eq 'none';
    # A column that gets another name stays where it is; one that is made comes last.
    my $sorted = $case->{migration} =~ /^(ALTER TABLE \w+ RENAME COLUMN \w+ TO \w+;\s*)+$/ ? sub { $_[0] } : \&columns_sorted;
    $self->ended('done', $sorted->($self->{end}), $sorted->($self->dump_of($self->{db})));
    return;
}

sub back {
    my ($self, $from) = @_;
    my $case = $self->{case};
    $self->begin("back_$from");
    $self->to_expanded;
    if ($from ne 'expanded') {
        $self->to_backfill if $from eq 'backfill';
        $self->to_ready unless $from eq 'backfill';
        $self->to_switched if $from eq 'switched';
    }
    $self->leave('new') if $self->{apps}{new};
    $self->rows_are_right("before it goes back", 'old');
    $self->roll_back;
    $self->end_back;
    return;
}

sub roll_back {
    my ($self) = @_;
    $self->{oracle}->goes_back('begun');
    $self->do(q{SELECT zdm_rollback('m')});
    return;
}

sub end_back {
    my ($self) = @_;
    $self->go_on;
    $self->reaches('rolled_back');
    $self->{oracle}->goes_back('done');
    $self->written(15);
    $self->leave('old');
    $self->rows_are_right('rolled back', 'old');
    $self->ended('rolled back', $self->{start}, $self->dump_of($self->{db}));
    return;
}

# Lines that only one of two texts has.
sub difference {
    my ($must, $is) = @_;
    return '' if $must eq $is;
    my (%count, @only);
    $count{$_}++ for split /\n/, $must;
    $count{$_}-- for split /\n/, $is;
    push @only, map { ($count{$_} > 0 ? '- ' : '+ ') . $_ } sort grep { $count{$_} } keys %count;
    return few(@only) if @only;
    my ($first) = grep { (split /\n/, $must)[$_] ne (split /\n/, $is)[$_] } 0 .. ($must =~ tr/\n//);
    return 'the order differs: ' . join "\n", (split /\n/, $must)[$first], (split /\n/, $is)[$first];
}

# What the applications say at their end. $most: how often a statement may have had to be prepared again; $named: one that
# names the columns which it returns.
sub no_errors {
    my ($self, $most, $named) = @_;
    $named //= $most;
    my ($way, $oracle) = @$self{qw(way oracle)};
    is(few($oracle->unexplained), '', "$way: every write is explained");
    is(few(@{ $oracle->{errors} }), '', "$way: no application got an error");
    if (my $changes = $self->{case}{changes}) {
        my @seen = sort split /\n/, $self->value($changes->{sql});
        my @made = sort $oracle->changes($changes->{column});
        is(difference(join("\n", @made), join "\n", @seen), '', "$way: the trigger saw each change once");
    }
    my $again = $oracle->{again};
    is(few(grep { $again->{$_} > (/SELECT \*/ ? $most : $named) } sort keys %$again), '',
        "$way: no statement was prepared again more often than its result changed");
    my %writes = %{ $oracle->{writes} };
    cmp_ok($writes{old}, '>', 50, "$way: the old application wrote");
    cmp_ok($writes{new}, '>', 50, "$way: the new application wrote") if $self->{entered}{new};
    note("$way: rows written by the old application: $writes{old}, the new one: $writes{new}; prepared again: "
            . (join(', ', map { "$_ ($again->{$_})" } sort keys %$again) || 'none'));
    return;
}

sub ended {
    my ($self, $when, $must, $is) = @_;
    my ($way, $oracle, $case) = @$self{qw(way oracle case)};
    is(difference($must, $is), '', "$way: pg_dump -s is as " . ($when eq 'done' ? 'plain SQL leaves it' : 'at the start'));
    $self->no_errors($case->{again}{$when} // ($when eq 'done' ? 1 : 2), $case->{named}{$when});
    is($self->value(<<'SQL'), '', "$way: nothing is left behind");
SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname = 'zz_zdm_sync'
UNION ALL SELECT 'sequence ' || relname FROM pg_class WHERE relname ~ '^(acted|wrote|differs)_\d+$'
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint WHERE conname LIKE '%zdm%' OR NOT convalidated
UNION ALL SELECT 'index ' || indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)
SQL
    $self->{session}->close;
    return;
}

1;
