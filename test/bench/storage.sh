#!/bin/sh
# Storage at real size: a private database is filled with years of history (fill.c), measured, and removed; one table.
#   sh test/bench/storage.sh [--enterprises N] [--items M] [--years Y] [--raw K] [--step S] [--seconds LIMIT] [--disk GB] [--no-pack] [--json]
# NHJC_BUILD chooses the build folder (default build/). README.md explains every number.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${NHJC_BUILD:-$top/build}
[ -e "$build/build.ninja" ] || sh "$top/etc/build.sh" default nhjcctl >&2
cmake --build "$build" --target nhjcctl bench_fill bench_storage >&2
export NHJC_BUILD="$build"
# fsync is off in this cluster, and a partition filled in the transaction that made it needs no log.
export NHJC_PG_SET="-c shared_buffers=1GB -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB -c random_page_cost=1.1 \
    -c jit=off -c maintenance_work_mem=256MB -c timezone=Asia/Shanghai"
exec sh "$top/test/lib/pg.sh" python3 -B "$top/test/bench/storage.py" "$@"
