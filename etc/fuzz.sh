#!/bin/sh
# Runs fuzz harnesses: sh etc/fuzz.sh [SECONDS [NAME…]]   (default: all, ten seconds each)
# Seeds lie in test/fuzz/corpus/NAME; what the fuzzer finds new is kept in build-fuzz/corpus/NAME. A crash is
# written to build-fuzz/crash-*: make it small, add it to the seeds, and it is replayed by every build.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${NHJC_BUILD:-$top/build}-fuzz
seconds=${1:-10}
[ $# -eq 0 ] || shift
[ -n "${NHJC_FUZZ_BUILT:-}" ] || sh "$top/etc/build.sh" fuzz fuzzers # ctest builds once for all harnesses
if [ $# -eq 0 ]; then
    for harness in "$dir"/bin/fuzz_*; do set -- "$@" "${harness##*/fuzz_}"; done
fi

export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
run() {
    seeds=$top/test/fuzz/corpus/$1
    mkdir -p "$dir/corpus/$1"
    [ -d "$seeds" ] || seeds=
    "$dir/bin/fuzz_$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="$dir/crash-$1-" -print_final_stats=0 "$dir/corpus/$1" ${seeds:+"$seeds"} \
        >"$dir/$1.log" 2>&1
}
for name in "$@"; do
    if [ "$name" = alarm ]; then # must find its planted fault, else none of the others would be believed
        rm -rf "$dir/corpus/alarm"
        if run alarm; then echo "fuzz.sh: the alarm did not ring" >&2; exit 1; fi
        grep -q 'the planted fault' "$dir/alarm.log" || { tail -n 40 "$dir/alarm.log" >&2; exit 1; }
        rm -f "$dir"/crash-alarm-*
        echo "alarm: rang"
    else
        run "$name" || { tail -n 60 "$dir/$name.log" >&2; exit 1; }
        echo "$name: $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$dir/$name.log" | tail -n 1) runs"
    fi
done
