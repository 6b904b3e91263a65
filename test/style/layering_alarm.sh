#!/bin/sh
# layering.sh refuses what it must refuse: each file of a small bad tree is named, the good one is not.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/base" "$dir/net" "$dir/db" "$dir/payload" "$dir/other"
echo '#include "db/db.h"' >"$dir/base/upward.c"
echo '#include "payload/payload.h"' >"$dir/net/sideways.c"
echo '#include <libpq-fe.h>' >"$dir/net/library.c"
echo '#  include "uv.h"' >"$dir/db/quoted.c"
echo '#include "base/buf.h"' >"$dir/other/unknown.c"
printf '#include <uv.h>\n#include "base/buf.h"\n#include "own.h"\n#include "net/own.h"\n' >"$dir/net/good.c"

if sh "$here/layering.sh" "$dir" >"$dir/found"; then
    echo "a bad tree was accepted"
    exit 1
fi
for file in base/upward.c net/sideways.c net/library.c db/quoted.c other/unknown.c; do
    grep -q "^$file:1: " "$dir/found" || { echo "$file was not found"; cat "$dir/found"; exit 1; }
done
if grep -q good.c "$dir/found"; then
    echo "a good file was refused"
    exit 1
fi
