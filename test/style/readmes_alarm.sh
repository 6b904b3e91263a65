#!/bin/sh
# readmes.py refuses what it must refuse: each fault of a small bad tree is named, nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/server/net" "$dir/test/unit" "$dir/build/server/net"
touch "$dir/server/net/named.h" "$dir/server/net/by_source.h" "$dir/server/net/by_source.c" "$dir/server/net/cmd_one.h" \
    "$dir/server/net/silent.h" "$dir/test/unit/test_net.c" "$dir/build/server/net/built.h"
# shellcheck disable=SC2016 # backquotes of Markdown
echo '`named.h`, `by_source.c`, `cmd_*.h`, `test_net.c`, `test/unit/test_net.c`, `test_NAME.c`, silently; `gone.c`, `built.h`, `unit/test_net.c`' \
    >"$dir/server/net/README.md"

if /usr/bin/python3 -B "$here/readmes.py" "$dir" >"$dir/found"; then
    echo "a bad tree was accepted"
    exit 1
fi
cat >"$dir/expected" <<END
server/net/README.md: there is no gone.c
server/net/README.md: there is no built.h
server/net/README.md: there is no unit/test_net.c
server/net/README.md: does not name silent.h
END
diff "$dir/expected" "$dir/found"
