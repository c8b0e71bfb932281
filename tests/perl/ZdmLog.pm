# The logs of writers: an entry a line, frozen, because JSON::PP took more time than all that it told about. To read one:
#     perl -Itests/perl -MZdmLog -MData::Dumper -ne 'print Dumper(ZdmLog::from_line($_))' 1.log
package ZdmLog;

use strict;
use warnings;
use Storable ();

sub to_line { return unpack('H*', Storable::freeze($_[0])) . "\n" }

sub from_line {
    my ($line) = @_;
    chomp $line;
    return Storable::thaw(pack 'H*', $line);
}

1;
