#!/bin/sh
# A whole platform in one folder: private PostgreSQL, demo CA, configuration, running server(s).
#
#   sh etc/stack.sh up DIR [--upper] [--city]
#                                         --upper: 另建上级平台000000，由前者转发 / also the upper platform 000000, which the first forwards to
#                                         --city: 另建市级平台420100，转发至前者 / also a city platform 420100, which forwards to the first
#   sh etc/stack.sh down DIR [--purge]    停止全部，--purge并删除up所建 / stops everything; --purge removes what up made
#   sh etc/stack.sh status DIR            各部分是否在运行 / what of it is running
#   sh etc/stack.sh stop-server|kill-server|start-server|stop-db|kill-db|start-db DIR [upper|city]
#
# DIR/env holds shell variables for whoever works with it (". DIR/env"):
#   NHJC_URL NHJC_CONF NHJC_CA NHJC_PKI NHJC_BIN PGHOST PGPORT PGUSER PGDATABASE and with --upper
#   NHJC_UPPER_URL NHJC_UPPER_CONF NHJC_UPPER_PKI PGUPPERHOST PGUPPERPORT PGUPPERDATABASE
# and with --city the same with CITY. Folders: ca (CA, CRL), pki (certificates and keys), province, upper and city
# (configuration, log), pg (databases).
#
# NHJC_BUILD or NHJC_BIN_DIR: take the programs from there. NHJC_STACK_OPTIONS: further lines of both
# configurations, written when they are first made. NHJC_STOP_SECONDS (120): a server that takes longer to stop is
# killed by down, which then ends with 1.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
bin=${NHJC_BIN_DIR:-${NHJC_BUILD:-$top/build}/bin}

fail() {
    echo "stack.sh: $*" >&2
    exit 1
}

usage() {
    echo "用法 / usage:" >&2
    sed -n -e 's/^#   sh /    sh /p' -e 's/^#\( \{20,\}--\)/ \1/p' "$0" >&2
    exit 2
}

# ---------------------------------------------------------------- what must be there
prepare() {
    [ ! -e "$top/etc/packages.sh" ] || sh "$top/etc/packages.sh" run
    if [ ! -x "$bin/nhjcd" ] || [ ! -x "$bin/nhjcctl" ]; then
        [ "$bin" = "$top/build/bin" ] || fail "没有程序 / no nhjcd in $bin"
        [ ! -e "$top/etc/packages.sh" ] || sh "$top/etc/packages.sh" build
        sh "$top/etc/build.sh" default nhjcd nhjcctl nhjc-sim >&2
    fi
}

find_postgres() {
    pg_bin=${NHJC_PG_BIN:-}
    if [ -z "$pg_bin" ]; then
        for d in /usr/lib/postgresql/*/bin; do [ ! -x "$d/initdb" ] || pg_bin=$d; done
    fi
    [ -n "$pg_bin" ] || fail "未安装PostgreSQL / no PostgreSQL server is installed"
    pg_owner=
    if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
        pg_owner=nobody
        ! id postgres >/dev/null 2>&1 || pg_owner=postgres
    fi
}

as_postgres() {
    if [ -n "$pg_owner" ]; then
        setpriv --reuid "$pg_owner" --regid "$(id -g "$pg_owner")" --clear-groups env -C / HOME=/ LC_ALL=C.UTF-8 "$@"
    else
        env LC_ALL=C.UTF-8 "$@"
    fi
}

# One at a time works on DIR: a second up would remove the cluster that the first is making. Whoever waited may hold
# the lock of a folder that was purged meanwhile, and begins again. Daemons are started without descriptor 9.
lock_folder() {
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P) # one name, whatever symbolic links led here: processes are known by it
    while :; do
        mkdir -p "$dir"
        exec 9>>"$dir/.lock"
        flock 9
        [ "$(stat -L -c %d:%i /proc/self/fd/9)" != "$(stat -c %d:%i "$dir/.lock" 2>/dev/null)" ] || break
    done
}

# Sockets have at most 107 bytes of path, and DIR may lie where the database's user cannot go (/root): sockets live
# in a short folder, and so does the database when it must. Both are remembered in DIR.
remembered_folder() { # FILE TEMPLATE: sets $folder
    folder=
    [ ! -e "$dir/$1" ] || folder=$(cat "$dir/$1")
    if [ -z "$folder" ]; then
        folder=$(mktemp -d "$2")
        echo "$folder" >"$dir/$1"
    fi
    mkdir -p "$folder"
    [ "$(stat -c %u "$folder")" = "$(id -u)" ] || fail "文件夹属于他人 / $folder belongs to somebody else"
    chmod 711 "$folder"
}

make_folders() {
    umask 022
    lock_folder
    remembered_folder run.path /tmp/nhjc.XXXXXX
    run=$folder
    pg=$dir/pg
    mkdir -p "$pg" "$dir/pki" "$dir/province"
    if [ -n "$pg_owner" ] && ! as_postgres test -x "$pg"; then
        remembered_folder pg.path /var/tmp/nhjc-pg.XXXXXX
        pg=$folder
    fi
}

open_folders() {
    [ -d "$dir" ] || fail "没有此文件夹 / no such folder: $dir"
    dir=$(cd "$dir" && pwd -P)
    [ -e "$dir/run.path" ] || fail "不是stack.sh up建立的 / $dir was not made by stack.sh up"
    run=$(cat "$dir/run.path")
    pg=$dir/pg
    [ ! -e "$dir/pg.path" ] || pg=$(cat "$dir/pg.path")
}

# ---------------------------------------------------------------- processes
# One that only waits to be fetched by its parent is not alive; but after kill -9 the first thread looks like that
# while others still end, and until the last of them is gone the sockets stay open.
alive() { # PID
    [ -d "/proc/$1" ] || return 1
    ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null || [ -n "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 ! -name "$1" 2>/dev/null)" ]
}

is_process() { # PID WORD: a number may have been given to another process meanwhile
    alive "$1" && tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF "$2"
}

wait_gone() { # PID SECONDS
    tries=$(($2 * 20))
    while alive "$1"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

# ---------------------------------------------------------------- databases
db_pid() { # NAME: prints the number of the running postmaster, nothing otherwise
    [ -e "$pg/$1/data/postmaster.pid" ] || return 0
    postmaster=$(head -n 1 "$pg/$1/data/postmaster.pid")
    if is_process "$postmaster" "$pg/$1/data"; then echo "$postmaster"; fi
}

db_running() {
    [ -n "$(db_pid "$1")" ]
}

# An eighth of the memory, 128 MB to 2 GB.
shared_buffers() {
    awk '/^MemTotal:/ { mb = int($2 / 8192); if (mb < 128) mb = 128; if (mb > 2048) mb = 2048; print mb "MB" }' /proc/meminfo
}

write_postgres_conf() {
    cat >>"$1" <<CONF

# --- nhjc ---
listen_addresses = ''
unix_socket_directories = '$2'
port = 5432
max_connections = 200
shared_buffers = $(shared_buffers)
work_mem = 16MB
maintenance_work_mem = 256MB
# Acknowledged means durable: neither fsync nor synchronous_commit is ever turned off here.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = lz4
max_wal_size = 4GB
min_wal_size = 512MB
checkpoint_timeout = 15min
# Short statements through indexes on fast disks.
jit = off
random_page_cost = 1.1
# Marks and outbox rows come and go all the time.
autovacuum_naptime = 10s
autovacuum_vacuum_cost_delay = 1ms
timezone = 'Asia/Shanghai'
log_timezone = 'Asia/Shanghai'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
log_autovacuum_min_duration = -1
CONF
}

init_db() {
    [ ! -e "$pg/$1/ready" ] || return 0
    rm -rf "${pg:?}/$1"
    mkdir -p "$pg/$1"
    chmod 711 "$pg/$1"
    [ -z "$pg_owner" ] || chown "$pg_owner" "$pg/$1"
    # The invoking user is the superuser of this private cluster; whoever reaches its socket folder (0700) is trusted.
    as_postgres "$pg_bin/initdb" -D "$pg/$1/data" -U "$(id -un)" -A trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; fail "建立数据库失败 / initdb failed"; }
    write_postgres_conf "$pg/$1/data/postgresql.conf" "$run/pg-$1"
}

start_db() {
    if db_running "$1"; then return 0; fi
    # To PostgreSQL a killed postmaster lives until its parent has fetched it.
    tries=200
    while [ -e "$pg/$1/data/postmaster.pid" ] && [ -d "/proc/$(head -n 1 "$pg/$1/data/postmaster.pid")" ] && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.05
    done
    mkdir -p "$run/pg-$1"
    chmod 711 "$run"
    chmod 700 "$run/pg-$1"
    [ -z "$pg_owner" ] || chown "$pg_owner" "$run/pg-$1"
    as_postgres "$pg_bin/pg_ctl" -D "$pg/$1/data" -l "$pg/$1/log" -s -w -t 120 start >&2 </dev/null 9>&- ||
        { tail -n 20 "$pg/$1/log" >&2 || true; fail "数据库无法启动 / the database of $1 does not start"; }
}

make_db() {
    init_db "$1"
    start_db "$1"
    if [ ! -e "$pg/$1/ready" ]; then
        "$pg_bin/createdb" -h "$run/pg-$1" -p 5432 -U "$(id -un)" nhjc
        touch "$pg/$1/ready"
    fi
}

stop_db() { # NAME MODE
    if db_running "$1"; then
        # What somebody stopped by a signal could not follow.
        # shellcheck disable=SC2046 # a list of numbers
        kill -CONT "$(db_pid "$1")" $(ps -o pid= --ppid "$(db_pid "$1")") 2>/dev/null || true
        as_postgres "$pg_bin/pg_ctl" -D "$pg/$1/data" -m "$2" -s -w -t 120 stop >&2
    fi
}

# Every process of the cluster at once, as a power failure would.
kill_db() {
    postmaster=$(db_pid "$1")
    [ -n "$postmaster" ] || return 0
    kill -STOP "$postmaster" # it makes no further process while its children are counted
    children=$(ps -o pid= --ppid "$postmaster")
    # shellcheck disable=SC2086 # a list of numbers
    kill -9 "$postmaster" $children 2>/dev/null || true
    for pid in $postmaster $children; do
        wait_gone "$pid" 60 || fail "数据库无法终止 / the database of $1 does not die"
    done
}

# ---------------------------------------------------------------- servers
# A port below those that the system hands out to any client: there it would be taken one day when the server is started
# again. 0, the system's choice, where there is no such room.
free_port() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v seed="$(od -An -N4 -tu4 /dev/urandom)" \
        -v end="$(cut -f 1 /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || echo 0)" '
        function number(hex,   i, n) {
            for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
            return n
        }
        { sub(/.*:/, "", $2); used[number($2)] = 1 }
        END {
            begin = 10000 # no srand(): half of all such seeds are the same one to mawk
            for (tries = 0; tries < 1000 && end > begin + 100; tries++) {
                port = begin + (seed + 7919 * tries) % (end - begin)
                if (!(port in used)) { print port; exit }
            }
            print 0
        }'
}

server_pid() { # NAME: prints the number of the running server, nothing otherwise
    [ -e "$dir/$1/pid" ] || return 0
    pid=$(cat "$dir/$1/pid")
    if is_process "$pid" "$dir/$1/nhjcd.conf"; then echo "$pid"; fi
}

write_conf() { # NAME CODE TITLE
    conf=$dir/$1/nhjcd.conf
    [ ! -e "$conf" ] || return 0
    mkdir -p "$dir/$1"
    {
        echo "platform_code = $2"
        echo "platform_name = $3"
        echo "listen_host = 127.0.0.1"
        echo "listen_port = 0"
        echo "port_file = port"
        echo "database = \"host=$run/pg-$1 port=5432 user=$(id -un) dbname=nhjc\""
        echo "admin_socket = $run/$1.sock"
        echo "pki_dir = ../ca"
        echo "ca_file = ../ca/ca.pem"
        echo "crl_file = ../ca/crl.pem"
        echo "cert_file = ../pki/$1.pem"
        echo "key_file = ../pki/$1.key"
        [ -z "${NHJC_STACK_OPTIONS:-}" ] || printf '%s\n' "$NHJC_STACK_OPTIONS"
        case $1:$with_upper in
        city:*) write_destination province province "$2" ;;
        province:1) write_destination nation upper "$2" ;;
        esac
    } >"$conf.new"
    mv "$conf.new" "$conf"
}

write_destination() { # NAME PART CODE: PART is the folder of the platform it goes to, CODE who sends
    echo
    echo "[destination $1]"
    echo "url = https://127.0.0.1:$(cat "$dir/$2/port")"
    echo "cert_file = ../pki/$3.pem"
    echo "key_file = ../pki/$3.key"
    echo "ca_file = ../ca/ca.pem"
    echo "retry_min = 200ms"
    echo "retry_max = 5s"
}

launch_server() { # NAME: false when it ended before it listened
    rm -f "$dir/$1/port" # what is waited for
    # A session of its own: Ctrl-C at the terminal is for the script, which stops the server in order.
    setsid "$bin/nhjcd" -c "$dir/$1/nhjcd.conf" >>"$dir/$1/log" 2>&1 </dev/null 9>&- &
    pid=$!
    echo "$pid" >"$dir/$1/pid"
    tries=2400
    while [ ! -e "$dir/$1/port" ]; do
        tries=$((tries - 1))
        if ! alive "$pid" || [ "$tries" -le 0 ]; then
            kill -9 "$pid" 2>/dev/null || true
            return 1
        fi
        sleep 0.05
    done
}

start_server() { # NAME
    [ -z "$(server_pid "$1")" ] || return 0
    conf=$dir/$1/nhjcd.conf
    chosen=
    choices=5 # somebody else may take the port meanwhile
    while :; do
        if grep -q '^listen_port = 0$' "$conf"; then
            chosen=$(free_port)
            sed -i "s/^listen_port = 0\$/listen_port = $chosen/" "$conf"
        fi
        ! launch_server "$1" || break
        choices=$((choices - 1))
        if [ -z "$chosen" ] || [ "$choices" = 0 ] || ! tail -n 5 "$dir/$1/log" | grep -qi 'address already in use'; then
            tail -n 5 "$dir/$1/log" >&2
            fail "服务器无法启动，见日志 / nhjcd of $1 does not start, see $dir/$1/log"
        fi
        sed -i "s/^listen_port = .*/listen_port = 0/" "$conf"
    done
    # The port stays the same from now on.
    sed -i "s/^listen_port = 0\$/listen_port = $(cat "$dir/$1/port")/" "$conf"
}

stop_server() { # NAME
    pid=$(server_pid "$1")
    if [ -n "$pid" ]; then
        kill -TERM "$pid"
        wait_gone "$pid" "${NHJC_STOP_SECONDS:-120}" || fail "服务器无法停止，见日志 / nhjcd of $1 does not stop, see $dir/$1/log"
    fi
    rm -f "$dir/$1/pid"
}

kill_server() { # NAME
    pid=$(server_pid "$1")
    if [ -n "$pid" ]; then
        kill -9 "$pid"
        wait_gone "$pid" 60 || fail "服务器无法终止 / nhjcd of $1 does not die"
    fi
    rm -f "$dir/$1/pid"
}

# ---------------------------------------------------------------- up
certificate() { # WORD NAME TITLE
    [ -e "$dir/pki/$2.pem" ] ||
        "$bin/nhjcctl" -c "$dir/tools.conf" pki issue "--$1" "$2" --name "$3" --out "$dir/pki" --days 3650 >/dev/null
}

migrate() { # CONF
    "$bin/nhjcctl" -c "$1" db migrate >"$dir/migrate.log" 2>&1 || { cat "$dir/migrate.log" >&2; fail "数据库升级失败 / db migrate failed"; }
}

# The CA comes before the servers, whose configurations need its certificates and each other's ports: a small
# configuration of its own says where it is.
make_certificates() {
    {
        echo "database = \"host=$run/pg-province port=5432 user=$(id -un) dbname=nhjc\""
        echo "pki_dir = ca"
    } >"$dir/tools.conf"
    migrate "$dir/tools.conf"
    "$bin/nhjcctl" -c "$dir/tools.conf" pki init >/dev/null
    certificate server province "湖北省级平台"
    certificate server upper "国家平台"
    certificate platform 420000 "湖北省级平台"
    certificate platform 000000 "国家平台"
    if [ -n "$with_city" ]; then
        certificate server city "武汉市级平台"
        certificate platform 420100 "武汉市级平台"
    fi
}

env_line() { # NAME VALUE
    case $2 in
    *[!A-Za-z0-9_./:@%+,=-]*) printf "%s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s=%s\n' "$1" "$2" ;;
    esac
}

write_env() {
    {
        env_line NHJC_URL "https://127.0.0.1:$(cat "$dir/province/port")"
        env_line NHJC_CONF "$dir/province/nhjcd.conf"
        env_line NHJC_CA "$dir/ca/ca.pem"
        env_line NHJC_PKI "$dir/pki"
        env_line NHJC_BIN "$bin"
        env_line PGHOST "$run/pg-province"
        env_line PGPORT 5432
        env_line PGUSER "$(id -un)"
        env_line PGDATABASE nhjc
        [ -z "$with_upper" ] || write_env_of upper UPPER
        [ -z "$with_city" ] || write_env_of city CITY
    } >"$dir/env.new"
    mv "$dir/env.new" "$dir/env"
}

write_env_of() { # PART NAME
    env_line "NHJC_$2_URL" "https://127.0.0.1:$(cat "$dir/$1/port")"
    env_line "NHJC_$2_CONF" "$dir/$1/nhjcd.conf"
    env_line "NHJC_$2_PKI" "$dir/pki"
    env_line "PG$2HOST" "$run/pg-$1"
    env_line "PG$2PORT" 5432
    env_line "PG$2DATABASE" nhjc
}

# From above to below: the port of each stands in the configuration of the next.
start_all() {
    make_db province
    [ -z "$with_upper" ] || make_db upper
    [ -z "$with_city" ] || make_db city
    make_certificates
    if [ -n "$with_upper" ]; then
        write_conf upper 000000 "国家平台"
        migrate "$dir/upper/nhjcd.conf"
        start_server upper
    fi
    write_conf province 420000 "湖北省级平台"
    start_server province
    if [ -n "$with_city" ]; then
        write_conf city 420100 "武汉市级平台"
        migrate "$dir/city/nhjcd.conf"
        start_server city
    fi
    write_env
}

on_exit() {
    code=$?
    trap - EXIT
    [ "$code" = 0 ] || (stop_all) || true
    exit "$code"
}

up() {
    prepare
    find_postgres
    make_folders
    [ ! -d "$dir/upper" ] || with_upper=1
    if [ -n "$with_upper" ] && [ ! -d "$dir/upper" ] && [ -e "$dir/province/nhjcd.conf" ]; then
        fail "建立时没有--upper，请先清除 / $dir was made without --upper: down --purge it first"
    fi
    [ ! -d "$dir/city" ] || with_city=1
    [ -z "$with_upper" ] || mkdir -p "$dir/upper"
    [ -z "$with_city" ] || mkdir -p "$dir/city"
    # Nothing stays behind when something fails.
    trap on_exit EXIT
    trap 'exit 130' INT
    trap 'exit 141' PIPE
    trap 'exit 143' TERM HUP
    start_all
    trap - EXIT INT PIPE TERM HUP
}

# ---------------------------------------------------------------- down
stop_all() {
    # What is thrown away need not be written out first.
    mode=fast
    [ -z "$purge" ] || mode=immediate
    # A part that does not stop in order is killed and told by the exit status; the others are stopped all the same.
    bad=
    for name in city province upper; do
        [ ! -d "$dir/$name" ] || (stop_server "$name") || { kill_server "$name"; bad=1; }
    done
    for name in city province upper; do
        [ ! -d "$pg/$name" ] || stop_db "$name" "$mode" || { kill_db "$name"; bad=1; }
    done
}

down() {
    [ -e "$dir/run.path" ] || { [ -n "$purge" ] || echo "stack.sh: 没有在运行 / nothing was up in $dir" >&2; return 0; }
    find_postgres
    lock_folder
    [ -e "$dir/run.path" ] || { rm -f "$dir/.lock"; rmdir "$dir" 2>/dev/null || true; return 0; } # another down was faster
    open_folders
    stop_all
    rm -rf "$run"
    [ -n "$purge" ] || return "${bad:-0}"
    [ ! -e "$dir/pg.path" ] || rm -rf "${pg:?}"
    for name in city province upper ca pki pg env tools.conf run.path pg.path initdb.log migrate.log .lock; do
        rm -rf "${dir:?}/$name"
    done
    rmdir "$dir" 2>/dev/null || true
    return "${bad:-0}"
}

status() {
    find_postgres
    open_folders
    for name in city province upper; do
        [ -d "$dir/$name" ] || continue
        if db_running "$name"; then db="运行中 running"; else db="已停止 stopped"; fi
        pid=$(server_pid "$name")
        echo "$name: 服务器 server ${pid:+运行中 running, pid }${pid:-已停止 stopped}, 数据库 database $db"
    done
}

one_part() { # VERB
    find_postgres
    open_folders
    lock_folder
    [ -d "$dir/$part" ] || fail "没有该平台 / $dir has no $part"
    case $1 in
    start-server) start_server "$part" ;;
    stop-server) stop_server "$part" ;;
    kill-server) kill_server "$part" ;;
    start-db) start_db "$part" ;;
    stop-db) stop_db "$part" fast ;;
    kill-db) kill_db "$part" ;;
    esac
}

[ $# -ge 2 ] || usage
verb=$1
dir=$2
shift 2
with_upper=
with_city=
purge=
part=province
for word in "$@"; do
    case $verb:$word in
    up:--upper) with_upper=1 ;;
    up:--city) with_city=1 ;;
    down:--purge) purge=1 ;;
    *-server:upper | *-db:upper | *-server:province | *-db:province | *-server:city | *-db:city) part=$word ;;
    *) usage ;;
    esac
done
case $verb in
up) up ;;
down) down ;;
status) status ;;
start-server | stop-server | kill-server | start-db | stop-db | kill-db) one_part "$verb" ;;
*) usage ;;
esac
