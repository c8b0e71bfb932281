# shellcheck shell=bash
# Sizes and repetitions. Sourced; each can be set before, for a quick look:
# ZDM_BENCH_ROWS=20000 ZDM_BENCH_LARGE=60000 ZDM_BENCH_REPEAT=1 ZDM_BENCH_PAIRS=1 tests/bench/run --quick
# QUICK has all tables and targets, on smaller tables and with fewer repetitions; the ways of old only where
# no other part has them.
if [ -n "${QUICK:-}" ]; then
    rows=200000 others=100000 large=500000 repeat=3 others_repeat=1 aa=2 pairs=7 side_pairs=1 window=4 beside=6 minutes=11 old=''
else
    rows=1000000 others=1000000 large=10000000 repeat=5 others_repeat=3 aa=5 pairs=7 side_pairs=7 window=10 beside=60 minutes=0 old='a b'
fi
# Rows of the first table, with and without sync trigger; of the other tables; of the large one.
ROWS=${ZDM_BENCH_ROWS:-$rows}
OTHERS=${ZDM_BENCH_OTHERS:-$((ROWS < others ? ROWS : others))}
LARGE=${ZDM_BENCH_LARGE:-$large}
# Rows of 3.5 kB are a lot for their number.
WIDE=${ZDM_BENCH_WIDE:-$((OTHERS / 4))}
REPEAT=${ZDM_BENCH_REPEAT:-$repeat}
OTHERS_REPEAT=${ZDM_BENCH_OTHERS_REPEAT:-$others_repeat}
# Equal runs, for the noise.
AA=${ZDM_BENCH_AA:-$aa}
# Workers of zdm that are measured: duty N is N processes that never rest.
read -ra WORKERS <<<"${ZDM_BENCH_WORKERS:-1 2}"
# Ways that are measured on the first table and under load in any case, on other tables only if named here.
read -ra OLD_WAYS <<<"${ZDM_BENCH_OLD_WAYS-$old}"
# Under load: pairs of windows, those of them with all ways, seconds of the window without a backfill, at most
# those beside it, what the application asks for in percent of what the machine can do, its connections,
# seconds to find out what that is.
PAIRS=${ZDM_BENCH_PAIRS:-$pairs}
SIDE_PAIRS=${ZDM_BENCH_SIDE_PAIRS:-$side_pairs}
# Of each pair: nothing (the noise), a process without a database, and ways that a target is about.
read -ra LOAD_WAYS <<<"${ZDM_BENCH_LOAD_WAYS:-none x c d}"
WINDOW=${ZDM_BENCH_WINDOW:-$window}
BESIDE=${ZDM_BENCH_BESIDE:-$beside}
# ZDM_BENCH_LOGS: a folder, which the unprivileged user may write, that keeps what pgbench wrote down, for perl/quarters.pl.
# No pair begins so many minutes after the benchmarks began (0: whenever it is); one there is always.
MINUTES=${ZDM_BENCH_MINUTES:-$minutes}
SHARE=${ZDM_BENCH_SHARE:-50}
CLIENTS=${ZDM_BENCH_CLIENTS:-8}
CAPACITY=${ZDM_BENCH_CAPACITY:-5}
# An application gives up on a statement after this time.
PATIENCE=${ZDM_BENCH_PATIENCE:-5s}
# Parts of the benchmark: noise first sync others large commit vacuum load
read -ra PARTS <<<"${ZDM_BENCH_PARTS:-noise first sync others large commit vacuum load}"
unset rows others large repeat others_repeat aa pairs side_pairs window beside minutes old
