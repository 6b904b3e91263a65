#!/bin/sh
# The top level holds what everybody must see first and nothing else.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for name in *; do
    case $name in
    server | wsdl | schema | sql | etc | test | docker | CMakeLists.txt | README.md | LICENSE) ;;
    build | build-*) ;; # what etc/build.sh makes
    *) echo "$name does not belong to the top level"; bad=1 ;;
    esac
done
for name in server wsdl schema sql etc test CMakeLists.txt README.md LICENSE; do
    [ -e "$name" ] || { echo "$name is missing"; bad=1; }
done
exit "$bad"
