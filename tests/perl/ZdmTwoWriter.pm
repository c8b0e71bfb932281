# One writer of an application (ZdmTwoApps has the shapes, and what stands in its log): transactions of some rows each, in
# SQL of its shape.
package ZdmTwoWriter;

use strict;
use warnings;
use Time::HiRes qw(sleep time);
use ZdmLog;
use ZdmWire;

my $per_writer = 1_000_000;    # ids of new rows
my $limit = $ENV{ZDM_TEST_WAIT} // 120;

sub new {
    my ($class, $node, $db, $w, $dir, %how) = @_;
    srand($how{seed} * 31 + $w);
    my $self = bless { %how, node => $node, db => $db, w => $w, dir => $dir, n => 0, key => 0, parent => getppid }, $class;
    open $self->{log}, '>>', "$dir/$w.log" or die $!;
    $self->connect;
    return $self;
}

sub connect {
    my ($self) = @_;
    $self->{session} = ZdmWire->new($self->{node}, $self->{db}, user => $self->{user}, name => "$self->{name} application $self->{w}");
    return;
}

# After the server has gone away: once it is back, nobody else can still bring the last transaction to an end.
sub come_back {
    my ($self) = @_;
    $self->note_down({ t => 'lost' });
    my $ask = "SELECT count(*) FROM done WHERE writer = $self->{w} AND n = $self->{n}";
    my $end = time + $limit;
    my $is;
    until (defined $is) {
        last if eval { $self->connect; $is = $self->{session}->query($ask)->{rows}[0][0]; 1 };
        die $@ if time > $end || !ref $@ || $@->{code} ne 'lost';
        sleep 0.02;
    }
    $self->note_down({ t => $is ? 'committed' : 'aborted', n => $self->{n} }) if delete $self->{asked};
    return;
}

sub note_down {
    my ($self, $what) = @_;
    syswrite $self->{log}, ZdmLog::to_line($what) or die "log: $!";
    return;
}

sub over { my ($self) = @_; return -e "$self->{dir}/stop_$self->{name}" || getppid != $self->{parent} }

sub one_of { return $_[ int rand @_ ] }

sub work {
    my ($self) = @_;
    until ($self->over) {
        $self->turn;
        sleep 0.006 + rand 0.008;
    }
    $self->{session}->close;
    return;
}

# Runs one statement, whose parameters are $1, …; the odd writers prepare it.
sub run {
    my ($self, $sql, @values) = @_;
    return $self->{session}->execute($sql, @values) if $self->{w} % 2;
    $sql =~ s/\$(\d+)/literal($values[$1 - 1])/ge;
    return $self->{session}->query($sql);
}

sub literal {
    my ($value) = @_;
    return 'NULL' unless defined $value;
    $value =~ s/'/''/g;
    return "'$value'";
}

# One transaction. What it is to do is settled before, so that it can be done again from its beginning.
sub turn {
    my ($self) = @_;
    my @ops = $self->plan;
    my $ends = rand() < 0.1 ? 'ROLLBACK' : 'COMMIT';
    my %again;
    while (1) {
        return if eval { $self->transact($ends, @ops); 1 };
        my $error = $@;
        die $error unless ref $error && ($error->{code} ne 'lost' || $self->{survives});
        return $self->come_back if $error->{code} eq 'lost';
        $self->{session}->query('ROLLBACK') if $self->{session}->in_transaction;
        # Changes may follow closely on one another; how often a statement fails in all, the test counts at the end.
        if ($error->{code} eq '0A000' && $error->{message} =~ /cached plan/ && $again{ $error->{sql} }++ < 4) {
            $self->{session}->forget($error->{sql});
            $self->note_down({ t => 'again', sql => $error->{sql} });
            next;
        }
        $self->note_down({ t => 'error', %$error, app => $self->{name} });
        return;
    }
}

sub transact {
    my ($self, $ends, @ops) = @_;
    my $n = ++$self->{n};
    $self->{asked} = 0;
    $self->{session}->query('BEGIN' . ($self->{survives} ? "; INSERT INTO done VALUES ($self->{w}, $n)" : ''));
    $self->{done} = [];
    for my $op (@ops) {
        my $do = $self->can("do_$op->{kind}");
        if (!$op->{undone}) { $do->($self, $op); next }
        my @before = @{ $self->{done} };
        $self->{session}->query('SAVEPOINT s');
        $do->($self, $op);
        $self->{session}->query('ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s');
        $self->{done} = \@before;
    }
    if ($ends eq 'COMMIT') {
        # In the log before anybody can see it.
        $self->note_down({ t => 'commit', n => $n, app => $self->{name}, ops => $self->{done} });
        $self->{asked} = 1;
        $self->{session}->query('COMMIT');
        $self->{asked} = 0;
        $self->note_down({ t => 'committed', n => $n });
    } else {
        $self->{session}->query('ROLLBACK');
    }
    return;
}

# --- what a transaction does ---

# Some rows in the order of their ids, so that nobody waits in a circle; new rows are nobody else's.
sub plan {
    my ($self) = @_;
    my %chosen = map { $self->some_id => 1 } 1 .. 1 + int rand 3;
    my @ids = sort { $a <=> $b } keys %chosen;
    my @ops = map { $self->plan_op($_) } @ids;
    push @ops, $self->plan_many($ids[-1]) if rand() < 0.1;
    push @ops, $self->plan_new(one_of(qw(insert insert insert), $self->may('upsert'), $self->may('copy'))) if rand() < 0.5;
    $_->{undone} = rand() < 0.05 for @ops;
    return @ops;
}

sub may { my ($self, $kind) = @_; return $self->{shape}{without}{$kind} ? () : ($kind) }

# Of the first load, some of them often; or one that a writer has added, if it is there.
sub some_id {
    my ($self) = @_;
    my $dice = rand;
    return 1 + int rand 40 if $dice < 0.2;
    return 1 + int rand $self->{rows} if $dice < 0.8;
    return $per_writer * (1 + int rand 4) + 1 + int rand(1 + $self->{key});
}

# Rows that are never deleted, so that an INSERT … ON CONFLICT of one of them never adds a row.
sub stays { my ($self, $id) = @_; return $id <= $self->{rows} && $id % 10 == 0 }

sub group {
    my ($self) = @_;
    my $shape = $self->{shape};
    my @all = sort keys %{ $shape->{values} };
    return @{ one_of(@{ $shape->{updates} // [ [@all], map { [$_] } @all ] }) };
}

sub values_for {
    my ($self, $id, @columns) = @_;
    return { map { $_ => $self->{shape}{values}{$_}->($id) } sort @columns };
}

sub plan_op {
    my ($self, $id) = @_;
    my $shape = $self->{shape};
    my @kinds = (qw(update update update update update_locked star find), $self->may('merge'));
    push @kinds, $self->stays($id) ? $self->may('upsert') : rand() < 0.5 ? 'delete' : 'update';
    push @kinds, 'more' if $shape->{more};
    my $kind = one_of(@kinds);
    return { kind => $kind, id => $id, which => int rand @{ $shape->{more} } } if $kind eq 'more';
    my @columns = $kind eq 'upsert' ? keys %{ $shape->{values} } : $self->group;
    @columns = grep { $shape->{types}{$_} } @columns if $kind eq 'merge';
    $kind = 'update', @columns = $self->group unless @columns;
    return { kind => $kind, id => $id, set => $self->values_for($id, @columns) };
}

# One UPDATE of several rows.
sub plan_many {
    my ($self, $after) = @_;
    my $from = $after + 1 + int rand 20;
    my @columns = $self->group;
    return { kind => 'many', ids => [ $from .. $from + 4 ], set => $self->values_for($from, @columns) }
        unless $self->{shape}{unique} && grep { $self->{shape}{unique}{$_} } @columns;
    return { kind => 'star', id => $from };
}

sub plan_new {
    my ($self, $kind) = @_;
    my %leave = map { $_ => 1 } grep { rand() < 0.4 } @{ $self->{shape}{omits} // [] };
    my @rows;
    for (1 .. ($kind eq 'copy' ? 3 : 1)) {
        my $id = $per_writer * ($self->{w} + 1) + ++$self->{key};
        push @rows, { id => $id, set => $self->values_for($id, grep { !$leave{$_} } sort keys %{ $self->{shape}{values} }) };
    }
    return { kind => $kind, %{ $rows[0] }, rows => \@rows };
}

# --- SQL ---

sub columns { my ($self) = @_; return join ', ', 'id', 'ver', @{ $self->{shape}{columns} } }

# Notes what a statement did to a row, with the row as it gave it back, and sees that it has what was written.
sub wrote {
    my ($self, $kind, $set, $values) = @_;
    my %back;
    @back{ 'id', 'ver', @{ $self->{shape}{columns} } } = @$values;
    $set = {%$set};
    ZdmTwoApps::mean($self->{shape}, $_) for $set, \%back;
    for my $column (keys %$set) {
        next unless exists $back{$column};
        my ($wrote, $is) = map { $_ // 'NULL' } $set->{$column}, $back{$column};
        $self->note_down({ t => 'broken', why => "row $back{id}: wrote $column = $wrote, but it is $is" }) if $wrote ne $is;
    }
    push @{ $self->{done} }, { id => $back{id}, kind => $kind, set => $set, ver => $back{ver}, back => \%back };
    return;
}

sub update_sql {
    my ($self, $set, $where) = @_;
    my $n = 1;
    my $list = join ', ', map { "$_ = \$" . ++$n } sort keys %$set;
    return "UPDATE $self->{shape}{table} SET $list, ver = ver + 1 WHERE $where RETURNING " . $self->columns;
}

sub do_update {
    my ($self, $op) = @_;
    my $set = $op->{set};
    my $result = $self->run($self->update_sql($set, 'id = $1'), $op->{id}, @$set{ sort keys %$set });
    $self->wrote('update', $set, $_) for @{ $result->{rows} };
    return;
}

sub do_update_locked {
    my ($self, $op) = @_;
    my $locked = $self->run('SELECT ' . $self->columns . " FROM $self->{shape}{table} WHERE id = \$1 FOR UPDATE", $op->{id});
    return @{ $locked->{rows} } ? $self->do_update($op) : ();
}

sub do_many {
    my ($self, $op) = @_;
    my $set = $op->{set};
    my $ids = '{' . join(',', @{ $op->{ids} }) . '}';
    $self->run("SELECT id FROM $self->{shape}{table} WHERE id = ANY (\$1) ORDER BY id FOR UPDATE", $ids);
    my $result = $self->run($self->update_sql($set, 'id = ANY ($1)'), $ids, @$set{ sort keys %$set });
    $self->wrote('update', $set, $_) for @{ $result->{rows} };
    return;
}

sub do_merge {
    my ($self, $op) = @_;
    my ($shape, $set) = ($self->{shape}, $op->{set});
    my @columns = sort keys %$set;
    my $n = 1;
    my $values = join ', ', map { '$' . ++$n . "::$shape->{types}{$_}" } @columns;
    my $names = join ', ', @columns;
    my $list = join ', ', map { "$_ = s.$_" } @columns;
    my $done = $self->run("MERGE INTO $shape->{table} AS x USING (VALUES (\$1::bigint, $values)) AS s (id, $names) ON x.id = s.id"
            . " WHEN MATCHED THEN UPDATE SET $list, ver = x.ver + 1", $op->{id}, @$set{@columns});
    return $done->{tag} eq 'MERGE 1' ? $self->see('update', $set, $op->{id}) : ();
}

# The row that this transaction has just written with a statement that gives nothing back.
sub see {
    my ($self, $kind, $set, $id) = @_;
    my $result = $self->run('SELECT ' . $self->columns . " FROM $self->{shape}{table} WHERE id = \$1", $id);
    $self->note_down({ t => 'broken', why => "row $id was written and is not there" }) unless @{ $result->{rows} } == 1;
    $self->wrote($kind, $set, $_) for @{ $result->{rows} };
    return;
}

sub insert_sql {
    my ($self, $set) = @_;
    my @columns = ('id', sort keys %$set);
    my $places = join ', ', map { "\$$_" } 1 .. @columns;
    return "INSERT INTO $self->{shape}{table} AS x (" . join(', ', @columns) . ") VALUES ($places)";
}

# Without a list of columns, where the shape says that this row may be written so.
sub is_by_place {
    my ($self, $op) = @_;
    my $shape = $self->{shape};
    return $shape->{by_place} && $op->{id} % 2 && !grep({ !exists $op->{set}{$_} } @{ $shape->{columns} }) && $shape->{by_place}->($op->{set});
}

sub insert_by_place {
    my ($self, $op) = @_;
    my @columns = @{ $self->{shape}{columns} };
    my $places = join ', ', map { '$' . ($_ + 1) } 1 .. @columns;
    return $self->run("INSERT INTO $self->{shape}{table} VALUES (\$1, 0, $places) RETURNING " . $self->columns, $op->{id}, @{ $op->{set} }{@columns});
}

sub do_insert {
    my ($self, $op) = @_;
    my $set = $op->{set};
    my $result = $self->is_by_place($op) ? $self->insert_by_place($op) : $self->run($self->insert_sql($set) . ' RETURNING ' . $self->columns, $op->{id}, @$set{ sort keys %$set });
    $self->wrote('insert', $set, $_) for @{ $result->{rows} };
    return;
}

sub do_upsert {
    my ($self, $op) = @_;
    my $set = $op->{set};
    my $list = join ', ', (map { "$_ = EXCLUDED.$_" } sort keys %$set), 'ver = x.ver + 1';
    my $result = $self->run($self->insert_sql($set) . " ON CONFLICT (id) DO UPDATE SET $list RETURNING "
            . $self->columns, $op->{id}, @$set{ sort keys %$set });
    $self->wrote($_->[1] == 0 ? 'insert' : 'update', $set, $_) for @{ $result->{rows} };
    return;
}

sub do_copy {
    my ($self, $op) = @_;
    my @columns = sort keys %{ $op->{set} };
    my $data = '';
    for my $row (@{ $op->{rows} }) {
        $data .= join("\t", map { defined $_ ? s/\\/\\\\/gr : '\N' } $row->{id}, @{ $row->{set} }{@columns}) . "\n";
    }
    $self->{session}->copy_in("COPY $self->{shape}{table} (" . join(', ', 'id', @columns) . ') FROM STDIN', $data);
    $self->see('insert', $_->{set}, $_->{id}) for @{ $op->{rows} };
    return;
}

sub do_delete {
    my ($self, $op) = @_;
    my $result = $self->run("DELETE FROM $self->{shape}{table} WHERE id = \$1 RETURNING " . $self->columns, $op->{id});
    $self->wrote('delete', {}, $_) for @{ $result->{rows} };
    return;
}

# An application that takes what there is by its names.
sub do_star {
    my ($self, $op) = @_;
    my $result = $self->run("SELECT * FROM $self->{shape}{table} WHERE id = \$1", $op->{id});
    my %is = map { $_ => 1 } @{ $result->{names} };
    my @missing = grep { !$is{$_} } @{ $self->{shape}{columns} };
    $self->note_down({ t => 'broken', why => "SELECT * has no @missing" }) if @missing;
    return;
}

# By the value of a column, as an index serves it.
sub do_find {
    my ($self, $op) = @_;
    my $column = (sort keys %{ $op->{set} })[0];
    my $columns = $self->columns;
    $self->do_update($op);
    my $value = $op->{set}{$column};
    my $is = defined $value ? "$column = \$2" : "$column IS NULL";
    my $result = $self->run("SELECT $columns FROM $self->{shape}{table} WHERE id = \$1 AND $is", $op->{id}, $value // ());
    my $wrote = @{ $self->{done} } && $self->{done}[-1]{id} == $op->{id};
    $self->note_down({ t => 'broken', why => "row $op->{id} is not found by $column" }) if $wrote && !@{ $result->{rows} };
    return;
}

sub do_more {
    my ($self, $op) = @_;
    return $self->{shape}{more}[ $op->{which} ]->($self, $op->{id});
}

1;
