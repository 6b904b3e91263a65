#!/bin/sh
# Backup, point-in-time restore and failover, tried on private clusters: sh etc/test-ha.sh [TEST…]
# Not part of etc/test.sh: it needs pgBackRest and takes some minutes. TEST: as python3 -m unittest takes it, for
# example test_ha.Failover.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${NHJC_BUILD:-$top/build}
sh "$top/etc/packages.sh" build run test ha
[ -n "${NHJC_BUILD:-}" ] || sh "$top/etc/build.sh" default nhjcd nhjcctl nhjc-sim
cd "$top/test/ha"
NHJC_BUILD=$build exec /usr/bin/python3 -B -m unittest -v "${@:-test_ha}"
