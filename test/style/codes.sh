#!/bin/sh
# Every code that the platform can answer is provoked by a test through the real server: prints the table code, test file, test,
# and fails for a code without one. What counts: a number handed to one of the assertions of test/integration/stack.py.
set -eu
cd "$(dirname "$0")/../.."
table=server/payload/finding_table.c
codes=$(sed -n 's/^    {\([0-9]*\), [A-Z]*, [A-Z]*, .*/\1/p' "$table")
[ "$(printf '%s\n' "$codes" | wc -l)" -ge 40 ] || { echo "codes.sh: the table in $table cannot be read" >&2; exit 1; }
awk -v codes="$codes" '
    FNR == 1 { test = "" }
    /^ *def test_/ { test = $2; sub(/\(.*/, "", test) }
    /^(    )?def / && !/^ *def test_/ { test = "" }                   # a helper of its own; one inside a test belongs to it
    test != "" && !/^ *#/ && /self\.(code|finding|fault|refused|audited|not_now)\(/ {
        line = $0
        gsub(/'"'"'[^'"'"']*'"'"'/, "", line)                      # texts are not codes
        while (match(line, /[^0-9A-Za-z_.][0-9]+[^0-9A-Za-z_.]/)) {
            number = substr(line, RSTART + 1, RLENGTH - 2)
            # a small number is a code only as the last word of code()
            if (number + 0 < 1000 && line !~ "self[.]code[(].*, " number "[)]") { line = substr(line, RSTART + RLENGTH - 1); continue }
            if (!((number, test) in seen)) {
                seen[number, test] = 1
                file = FILENAME
                sub(/.*\//, "", file)
                if (count[number]++ < 2)
                    where[number] = where[number] (where[number] ? ", " : "") file ":" test
            }
            line = substr(line, RSTART + RLENGTH - 1)
        }
    }
    END {
        n = split(codes, all, "\n")
        for (i = 1; i <= n; i++) {
            printf "%-5s %s\n", all[i], count[all[i]] ? where[all[i]] (count[all[i]] > 2 ? " and " count[all[i]] - 2 " more" : "") : "NO TEST"
            if (!count[all[i]]) { missing = 1 }
        }
        exit missing
    }' test/integration/test_*.py
