#!/bin/sh
# Nothing is left for later in the source: what is missing is an issue, not a comment.
set -eu
cd "$(dirname "$0")/../.."
left='TO''DO|FIX''ME|HA''CK' # cut, so that this file does not find itself
found=$(grep -rnswE "$left" --include='*.[ch]' --include='*.sh' --include='*.py' --include='*.sql' --include='*.cmake' \
    --include='CMakeLists.txt' --include='*.md' --include='*.wsdl' --include='*.xsd' \
    server wsdl schema sql etc test docker README.md || true)
[ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
