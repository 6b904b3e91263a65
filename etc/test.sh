#!/bin/sh
# Everything that must be green: sh etc/test.sh. Only the unit tests: sh etc/test.sh quick.
# Installs missing packages (as root), builds, runs all tests by ctest; the last line is ctest's summary.
# Other words go to ctest: sh etc/test.sh -L integration
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${NHJC_BUILD:-$top/build}

case ${1:-} in
quick) shift; set -- -L unit "$@" ;;
esac

sh "$top/etc/packages.sh" build run test report interop
sh "$top/etc/build.sh" default

log=$build/test.log
status=$build/test.status
{
    code=0
    (cd "$build" && ctest --output-on-failure --no-label-summary -j "$(nproc)" "$@") || code=$?
    echo "$code" >"$status"
} 2>&1 | tee "$log"
summary=$(grep -a 'tests passed, .* tests failed out of' "$log" || true)
[ -n "$summary" ] || { echo "test.sh: no test ran" >&2; exit 1; }
echo "$summary"
exit "$(cat "$status")"
