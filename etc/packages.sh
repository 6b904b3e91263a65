#!/bin/sh
# The one list of Debian packages: sh etc/packages.sh [--list] GROUP…   (groups: build run test report interop ha)
# Installs what is missing. Says nothing and takes no time when nothing is; without root it prints the
# command for the administrator and fails.
set -eu

# What compiling needs; check too, because configuring the tree reads its tests.
build="cmake ninja-build gcc libc6-dev pkg-config gsoap libgsoap-dev libuv1-dev libhttp-parser-dev libssl-dev
    libxml2-dev libpq-dev zlib1g-dev libzip-dev check"
# What the running stack and the demo need.
run="postgresql openssl tzdata ca-certificates procps python3"
# What the tests and checks need: sanitizer and fuzzer run-times come with gcc and with libclang-rt.
test="clang libclang-rt-14-dev clang-format clang-tidy shellcheck python3 python3-zeep libxml2-utils curl
    poppler-utils"
# What `nhjcctl report … --pdf` needs: HTML to PDF, and a font that has Chinese.
report="weasyprint fonts-wqy-microhei"
# SOAP stacks of others, against which the services are tested.
interop="python3-zeep php-cli php-soap libsoap-lite-perl"
# Backup and restore (backup.sh).
ha="pgbackrest"

list_only=
[ "${1:-}" != --list ] || { list_only=1; shift; }
[ $# -gt 0 ] || { echo "usage: packages.sh [--list] build|run|test|report|interop|ha…" >&2; exit 2; }

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    run) wanted="$wanted $run" ;;
    test) wanted="$wanted $test" ;;
    report) wanted="$wanted $report" ;;
    interop) wanted="$wanted $interop" ;;
    ha) wanted="$wanted $ha" ;;
    *) echo "packages.sh: no group $group" >&2; exit 2 ;;
    esac
done
# shellcheck disable=SC2086 # a list of words
wanted=$(printf '%s\n' $wanted | sort -u | tr '\n' ' ')
[ -z "$list_only" ] || { echo "$wanted"; exit 0; }

# shellcheck disable=SC2086
present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' || true)
missing=
for package in $wanted; do
    printf '%s\n' "$present" | grep -qx "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "packages.sh: packages are missing. As root:" >&2
    echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { # Debian's words matter only when something went wrong
    "$@" >"$log" 2>&1 || { code=$?; cat "$log" >&2; exit "$code"; }
}
export DEBIAN_FRONTEND=noninteractive
quietly apt-get update
# A cluster of the system's own is not wanted here: tests and demo make private ones.
if [ ! -d /etc/postgresql ] && [ ! -e /etc/postgresql-common/createcluster.d/nhjc.conf ]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/nhjc.conf
fi
# shellcheck disable=SC2086
quietly apt-get -y --no-install-recommends install $missing
