#!/bin/sh
# A private PostgreSQL cluster for one command: sh test/lib/pg.sh COMMAND ARGUMENTS…
# Unix socket only, in a folder of its own that is gone at the end; PGHOST, PGPORT, PGUSER and PGDATABASE
# lead there. fsync is off: what these tests need to survive is not a power failure.
# NHJC_PG_BIN: where initdb and postgres are; NHJC_PG_SET: further settings ("-c name=value …").
set -eu
[ $# -gt 0 ] || { echo "usage: pg.sh COMMAND…" >&2; exit 2; }

bin=${NHJC_PG_BIN:-}
[ -n "$bin" ] || for d in /usr/lib/postgresql/*/bin; do [ -x "$d/initdb" ] && bin=$d; done
[ -n "$bin" ] || { echo "pg.sh: no PostgreSQL server is installed" >&2; exit 1; }

dir=$(mktemp -d /tmp/nhjc-pg.XXXXXX)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
    owner=nobody
    id postgres >/dev/null 2>&1 && owner=postgres
    chown "$owner" "$dir"
    as() { setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups env -C "$dir" HOME="$dir" "$@"; }
fi

stop() {
    status=$?
    trap - EXIT INT TERM HUP
    # A test may have ended while it had the server stopped by a signal.
    postmaster=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) && kill -CONT "$postmaster" 2>/dev/null
    as "$bin/pg_ctl" -D "$dir/data" -m immediate -s stop >/dev/null 2>&1 || true
    [ "$status" = 0 ] || [ -z "${NHJC_PG_KEEP_LOG:-}" ] || cp "$dir/log" "$NHJC_PG_KEEP_LOG" || true
    rm -rf "$dir"
    exit "$status"
}
trap stop EXIT
trap 'exit 129' INT TERM HUP

# kill -9 of this script lets nothing survive either: nobody but the script itself holds the pipe's other end.
mkfifo "$dir/life"
exec 9<>"$dir/life"
# shellcheck disable=SC2016 # $1 is the guardian's
setsid -f sh "$(dirname "$0")/guard.sh" "$dir" sh -c '
    postmaster=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$postmaster" && kill -CONT "$postmaster"
    while [ -e "$1/data/postmaster.pid" ] && [ -d "/proc/$postmaster" ]; do sleep 0.1; done
    rm -rf "$1"' sh "$dir" <"$dir/life" >/dev/null 2>&1 9>&-

chmod 755 "$dir" # whoever runs the command must reach the socket
as "$bin/initdb" -D "$dir/data" -U nhjc -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 9>&- ||
    { cat "$dir/initdb.log" >&2; exit 1; }
as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -t 60 start -o \
    "-k $dir -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60 \
     -c shared_buffers=64MB ${NHJC_PG_SET:-}" 9>&- || { cat "$dir/log" >&2; exit 1; }
export PGHOST="$dir" PGPORT=5432 PGUSER=nhjc PGDATABASE=nhjc
"$bin/createdb" -E UTF8 nhjc
"$@" 9>&-
