#!/bin/sh
# Configures and builds one preset: sh etc/build.sh [default|clang|asan|tsan|coverage|fuzz] [targets…]
# The default preset builds into build/, the others into build-NAME/; NHJC_BUILD names another folder than build.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
preset=${1:-default}
[ $# -eq 0 ] || shift
base=${NHJC_BUILD:-$top/build}
dir=$base
[ "$preset" = default ] || dir=$base-$preset
[ -e "$top/etc/presets/$preset.cmake" ] || { echo "build.sh: no preset $preset" >&2; exit 2; }

# One at a time: two at once would write the same files.
mkdir -p "$dir"
exec 9>>"$dir/build.lock"
flock 9
if [ ! -e "$dir/build.ninja" ]; then
    cmake -S "$top" -G Ninja -C "$top/etc/presets/$preset.cmake" -B "$dir" >"$dir/configure.log" 2>&1 ||
        { cat "$dir/configure.log" >&2; exit 1; }
fi
if [ $# -gt 0 ]; then exec cmake --build "$dir" --target "$@"; else exec cmake --build "$dir"; fi
