# shellcheck shell=bash
# Sizes and times of the demo. Sourced; each can be set before, for a quick look or a longer one:
# ZDM_DEMO_USERS=20000 ZDM_DEMO_ORDERS=60000 ZDM_DEMO_BEFORE=5 ZDM_DEMO_AFTER=5 tests/demo/run
USERS=${ZDM_DEMO_USERS:-1000000}
ORDERS=${ZDM_DEMO_ORDERS:-3000000}
# Seconds: the load at full speed, alone before the migration, and watched after it is done.
CAPACITY=${ZDM_DEMO_CAPACITY:-10}
BEFORE=${ZDM_DEMO_BEFORE:-30}
AFTER=${ZDM_DEMO_AFTER:-30}
# Share of what the machine can do that the applications ask for, in percent.
SHARE=${ZDM_DEMO_SHARE:-30}
# Transactions per second of the applications together; empty: measured.
RATE=${ZDM_DEMO_RATE:-}
# The gate wants to have seen no old application for so long. The default of 10 minutes is for people
# who deploy; here the old application is really gone when it is stopped.
QUIET=${ZDM_DEMO_QUIET:-5s}
# An application gives up on a statement after this time, as most are set up to do.
PATIENCE=${ZDM_DEMO_PATIENCE:-5s}
# Pairs of load alone and load beside a backfill that tests/demo/pairs measures.
PAIRS=${ZDM_DEMO_PAIRS:-7}
# Seconds of each window of load alone there.
WINDOW=${ZDM_DEMO_WINDOW:-20}
# What the backfill of a pair may take: its share of time at work and the time of a batch; empty: zdm's own.
DUTY=${ZDM_DEMO_DUTY:-}
BATCH=${ZDM_DEMO_BATCH:-}
