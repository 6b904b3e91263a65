#!/bin/sh
# The first benchmark: a stack of its own, many devices over kept mutual-TLS connections, one JSON object on standard output.
#   sh test/bench/run.sh [--devices N] [--items M] [--per-upload P] [--parallel K] [--seconds S] [--rate R] [--upper] [--bare]
# NHJC_BUILD chooses the build folder (default build/). README.md explains every number.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
exec python3 -B "$top/test/bench/bench.py" "$@"
