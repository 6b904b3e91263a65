#!/bin/sh
# Builds with a sanitizer and runs the tests under it: sh etc/sanitize.sh asan|tsan [words for ctest…]
# asan is AddressSanitizer with LeakSanitizer and UndefinedBehaviorSanitizer. Tests labelled nosan stay out, for tsan also notsan.
# Fails when a test fails, or when any program left a report, also a server that nobody asked at its end.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
kind=${1:?asan or tsan}
shift
case $kind in asan | tsan) ;; *) echo "sanitize.sh: asan or tsan" >&2; exit 2 ;; esac
build=${NHJC_BUILD:-$top/build}-$kind
reports=$build/reports

sh "$top/etc/build.sh" "$kind"
rm -rf "$reports"
mkdir -p "$reports"

# The first report ends the program with its own code: no test takes that for the answer it hoped for.
common="exitcode=99:halt_on_error=1:log_path=$reports/report"
export ASAN_OPTIONS="$common:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1"
export LSAN_OPTIONS="exitcode=99:suppressions=$top/etc/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="$common:print_stacktrace=1"
export TSAN_OPTIONS="$common:second_deadlock_stack=1:suppressions=$top/etc/tsan.supp"
export NHJC_SANITIZER="$kind"

without=nosan
[ "$kind" = asan ] || without='nosan|notsan'
[ $# -gt 0 ] || set -- -L 'unit|sql|integration' -LE "$without"
code=0
(cd "$build" && ctest --output-on-failure --no-label-summary --no-tests=error -j "$(nproc)" "$@") || code=$?
for report in "$reports"/*; do
    [ -e "$report" ] || continue
    echo "==== $report"
    head -n 80 "$report"
    code=1
done
exit "$code"
