#!/bin/sh
# Modules know only modules below them, and libraries stop at their folder's door (layers.txt).
# sh test/style/layering.sh [SERVER_FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
server=${1:-$here/../../server}
cd "$server"
find . -type f -name '*.[ch]' ! -path '*/codegen/*' | sed 's|^\./||' | sort | xargs grep -Hn '^[[:space:]]*#[[:space:]]*include' |
    awk -v layers="$here/layers.txt" -f "$here/layering.awk"
