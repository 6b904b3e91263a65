#!/bin/sh
# No function is longer than 60 lines: in one that is, look for the second function inside.
set -eu
cd "$(dirname "$0")/../.."
# clang-format puts the braces of a function, and only those, alone at the beginning of a line.
find server test -type f -name '*.c' ! -path '*/codegen/*' | sort | xargs awk '
    FNR == 1 { start = 0 }
    /^\{/ { start = FNR }
    /^\}/ && start { if (FNR - start - 1 > 60) { print FILENAME ":" start ": " FNR - start - 1 " lines"; bad = 1 }; start = 0 }
    END { exit bad }'
