#!/bin/sh
# Backup and point-in-time restore with pgBackRest, without knowing pgBackRest.
#
#   sh etc/backup.sh setup REPO DATA SOCKET [PORT] [USER]   once: settings, archive command of the cluster in DATA;
#                                           USER: a superuser of the cluster, by default named as the owner of DATA
#   sh etc/backup.sh start REPO             once, after the cluster was restarted: makes the repository
#   sh etc/backup.sh full|diff|incr REPO    a backup, while everything goes on
#   sh etc/backup.sh info|check REPO        what is there; does archiving work?
#   sh etc/backup.sh restore REPO NEWDATA [TIME]   into an empty folder: the latest state, or that of TIME
#                                           ("2026-05-01 12:30:00+08"); nothing is overwritten, nothing started
#
# REPO holds everything: pgbackrest.conf, the repository, logs. It belongs on another disk than DATA, better on another
# machine's. Run as the owner of DATA or as root (README.md says how this fits together).
set -eu

fail() {
    echo "backup.sh: $*" >&2
    exit 1
}

usage() {
    sed -n 's/^#   sh /    sh /p' "$0" >&2
    exit 2
}

# As the user the cluster belongs to.
as_owner() { # USER COMMAND…
    user=$1
    shift
    if [ "$(id -u)" = 0 ] && [ "$user" != root ]; then
        setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env -C / HOME=/ "$@"
    else
        "$@"
    fi
}

# The paths stand in files of pgBackRest and PostgreSQL, which run a shell on one of them.
absolute() { # FOLDER
    path=$(cd "$1" && pwd) || fail "没有此文件夹 / no such folder: $1"
    case $path in
    *[\'\"\\\$\`%]*) fail "路径含有不允许的字符 / quotes, backslashes, dollar and percent signs are not possible in $path" ;;
    esac
    echo "$path"
}

owner_of() {
    stat -c %U "$1"
}

pgbackrest_in() { # REPO WORD…
    repo=$1
    shift
    [ -e "$repo/pgbackrest.conf" ] || fail "$repo 未经 backup.sh setup 建立 / was not made by backup.sh setup"
    as_owner "$(owner_of "$repo/pgbackrest.conf")" pgbackrest --config="$repo/pgbackrest.conf" --stanza=nhjc "$@"
}

setup() { # REPO DATA SOCKET PORT USER
    [ -e "$2/PG_VERSION" ] || fail "$2 不是数据库集群 / is no database cluster"
    [ ! -e "$1/pgbackrest.conf" ] || fail "$1 已经建立 / is set up already"
    data=$(absolute "$2")
    socket=$(absolute "$3")
    owner=$(owner_of "$data")
    mkdir -p "$1"
    repo=$(absolute "$1")
    mkdir -p "$repo/repository" "$repo/log" "$repo/lock" "$repo/spool"
    cat >"$repo/pgbackrest.conf" <<CONF
[global]
repo1-path=$repo/repository
# Two full backups and what lies between them and now can be restored to any instant.
repo1-retention-full=2
compress-type=lz4
start-fast=y
log-path=$repo/log
lock-path=$repo/lock
spool-path=$repo/spool
log-level-console=warn

[nhjc]
pg1-path=$data
pg1-socket-path=$socket
pg1-port=$4
pg1-user=${5:-$owner}
CONF
    chmod 700 "$repo"
    [ "$(id -u)" != 0 ] || chown -R "$owner" "$repo"
    # postgresql.auto.conf comes last and wins over postgresql.conf.
    as_owner "$owner" tee -a "$data/postgresql.auto.conf" >/dev/null <<CONF
archive_mode = 'on'
archive_timeout = '60s'
archive_command = 'pgbackrest --config="$repo/pgbackrest.conf" --stanza=nhjc archive-push "%p"'
CONF
    echo "已建立，请重启集群，然后 / set up: restart the cluster, then: sh etc/backup.sh start $repo"
}

restore() { # REPO NEWDATA [TIME]
    owner=$(owner_of "$1/pgbackrest.conf")
    [ -z "$(ls -A "$2" 2>/dev/null)" ] || fail "$2 不是空文件夹 / is not empty"
    mkdir -p "$2"
    chmod 700 "$2"
    [ "$(id -u)" != 0 ] || chown "$owner" "$2"
    target=$(cd "$2" && pwd)
    # The copy archives nothing: it would write into the history of the original.
    if [ -n "${3:-}" ]; then
        pgbackrest_in "$1" --pg1-path="$target" --archive-mode=off --type=time --target="$3" --target-action=promote restore
    else
        pgbackrest_in "$1" --pg1-path="$target" --archive-mode=off restore
    fi
    echo "已恢复到 $target，请启动检查 / restored into $target: start it, look, then point the server's option database at it"
}

[ $# -ge 2 ] || usage
command -v pgbackrest >/dev/null || fail "未安装 pgbackrest / pgbackrest is not installed: sh etc/packages.sh ha"
verb=$1
shift
case $verb in
setup)
    [ $# -ge 3 ] || usage
    setup "$1" "$2" "$3" "${4:-5432}" "${5:-}"
    ;;
start) pgbackrest_in "$1" stanza-create && pgbackrest_in "$1" check ;;
full | diff | incr) pgbackrest_in "$1" --type="$verb" backup ;;
info | check) pgbackrest_in "$1" "$verb" ;;
restore)
    [ $# -ge 2 ] || usage
    restore "$@"
    ;;
*) usage ;;
esac
