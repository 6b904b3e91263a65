#!/bin/sh
# The main job on one screen: sh etc/demo.sh [--data FILE] [--once]
#   Three enterprises upload a year of readings over mutual TLS to a provincial platform, which rolls them up and
#   forwards them to an upper platform; then the months of both platforms stand side by side.
#   --data FILE   CSV (plain or gzip) for the steel works instead of the built-in year
#   --once        end after the table; otherwise everything stays up until Ctrl-C
# Installs what is missing (as root), builds, and needs nothing started beforehand. NHJC_DEMO_DIR: work there and keep
# it; otherwise a folder in /tmp that is removed at the end. Fails when the platforms disagree.
set -eu
trap 'exit 141' PIPE # `demo.sh | head`: without a trap the shell would die and leave everything running
top=$(cd "$(dirname "$0")/.." && pwd)
data=
once=
while [ $# -gt 0 ]; do
    case $1 in
    --data)
        [ $# -ge 2 ] || { echo "demo.sh: --data 后须有文件 / --data needs a file" >&2; exit 2; }
        [ -r "$2" ] || { echo "demo.sh: 无法读取 / cannot read $2" >&2; exit 2; }
        data=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
        shift
        ;;
    --once) once=1 ;;
    *)
        echo "用法 / usage: sh etc/demo.sh [--data FILE] [--once]
  三家企业上传一年读数，汇总并转发，两级平台逐月对照；--data：第一家用自己的CSV；--once：打印后即结束" >&2
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done

# What the three enterprises are: code, region, industry, name, built-in load shape.
steel=91420107MA004101X5
enterprises="$steel 420107 C3130 steel 江城钢铁厂
91420500MA0041028L 420500 C3041 glass 西陵玻璃厂
91420106MA0041036H 420106 L7211 office 东湖办公楼"

terminal=
[ ! -t 1 ] || [ "${TERM:-dumb}" = dumb ] || terminal=1
bold='' green='' red='' plain=''
if [ -n "$terminal" ]; then
    bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
fi

step() { # ZH EN
    printf '%s▶ %s%s  %s\n' "$bold" "$1" "$plain" "$2"
}

now_ms() {
    date +%s%3N
}

seconds_since() { # MS: with one decimal
    elapsed=$(($(now_ms) - $1))
    [ "$elapsed" -gt 0 ] || elapsed=1
    echo "$((elapsed / 1000)).$((elapsed % 1000 / 100))"
}

# ---------------------------------------------------------------- the stack
dir=${NHJC_DEMO_DIR:-}
sims=
sleeper=
clean_up() {
    code=$?
    # Whoever watched may be gone, and every word to him fails: nothing may end this before the stack is down.
    set +e
    trap '' PIPE HUP INT TERM
    trap - EXIT
    for pid in $sims $sleeper; do kill "$pid" 2>/dev/null; done
    for pid in $sims $sleeper; do wait "$pid" 2>/dev/null; done
    if [ -n "$dir" ]; then
        {
            [ -z "$terminal" ] || echo
            step "停止" "stopping"
        } 2>/dev/null
        if [ -n "${NHJC_DEMO_DIR:-}" ]; then
            sh "$top/etc/stack.sh" down "$dir"
        else
            sh "$top/etc/stack.sh" down "$dir" --purge
            rm -rf "$dir"
        fi
    fi
    exit "$code"
}

quietly() { # WHAT COMMAND…: its output only on a terminal, or when it fails
    what=$1
    shift
    if [ -n "$terminal" ]; then
        "$@" || { echo "demo.sh: 失败 / failed: $what" >&2; exit 1; }
        return
    fi
    output=$(mktemp)
    "$@" >"$output" 2>&1 || { cat "$output" >&2; rm -f "$output"; echo "demo.sh: 失败 / failed: $what" >&2; exit 1; }
    rm -f "$output"
}

install_and_build() {
    step "安装缺少的软件包" "packages that are missing"
    sh "$top/etc/packages.sh" build run
    step "编译" "build"
    quietly build sh "$top/etc/build.sh" default nhjcd nhjcctl nhjc-sim
}

start_stack() {
    step "启动省级平台与上级平台" "two platforms with a private PostgreSQL each, and a demo CA"
    if [ -z "$dir" ]; then dir=$(mktemp -d /tmp/nhjc-demo.XXXXXX); fi
    [ -e "$dir/env" ] || rm -rf "$dir/sim" # a new platform has none of what a former one was sent
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    sh "$top/etc/stack.sh" up "$dir" --upper
    set -a
    # shellcheck disable=SC1091 # written by stack.sh
    . "$dir/env"
    set +a
    echo "  省级 province $NHJC_URL   上级 upper $NHJC_UPPER_URL   $dir"
}

ctl() {
    "$NHJC_BIN/nhjcctl" -c "$NHJC_CONF" "$@"
}

admit() {
    step "接入三家重点用能单位，签发证书" "three enterprises are admitted and get their certificates"
    echo "$enterprises" | while read -r code region industry _ name; do
        ctl enterprise admit "$code" --name "$name" --region "$region" --industry "$industry" | sed 's/^/  /'
        [ -e "$NHJC_PKI/$code.pem" ] || ctl pki issue --enterprise "$code" --name "$name" --out "$NHJC_PKI" >/dev/null
    done
}

# ---------------------------------------------------------------- the uploads
province() {
    psql -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 "$@"
}

upper() {
    psql -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -h "$PGUPPERHOST" -p "$PGUPPERPORT" -d "$PGUPPERDATABASE" "$@"
}

start_devices() {
    step "端设备上传一年的数据" "their end devices upload a year of readings, 200 in a message"
    mkdir -p "$dir/sim"
    while read -r code region industry shape name; do
        set -- --shape "$shape"
        if [ "$code" = "$steel" ] && [ -n "$data" ]; then set -- --csv "$data"; fi
        "$NHJC_BIN/nhjc-sim" --url "$NHJC_URL" --ca "$NHJC_CA" --cert "$NHJC_PKI/$code.pem" --key "$NHJC_PKI/$code.key" \
            --enterprise "$code" --name "$name" --region "$region" --industry "$industry" "$@" \
            --spool "$dir/sim/$code" --progress 0 --give-up 120 --json >"$dir/sim/$code.json" 2>"$dir/sim/$code.log" &
        sims="$sims $!"
    done <<LIST
$enterprises
LIST
}

running() { # any of the simulators?
    for pid in $sims; do
        if kill -0 "$pid" 2>/dev/null; then return 0; fi
    done
    return 1
}

# uploads, readings, hours still to be rolled up, readings at the upper platform
counts() {
    here=$(province -c "SELECT count(*), coalesce(sum(received), 0), (SELECT count(*) FROM rollup_mark) FROM upload")
    there=$(upper -c "SELECT coalesce(sum(received), 0) FROM upload")
    # shellcheck disable=SC2086 # numbers, as words
    set -- $here $there
    uploads=$1 readings=$2 marks=$3 forwarded=$4
}

show_progress() {
    counts
    line=$(printf '上传 uploads %s  读数 readings %s  待汇总 hours to roll up %s  已转发 forwarded %s' \
        "$uploads" "$readings" "$marks" "$forwarded")
    if [ -n "$terminal" ]; then printf '\r  %s\033[K' "$line"; else printf '  %s\n' "$line"; fi
}

poll() { # looks five times a second, tells twice a second on a terminal, else every five seconds
    sleep 0.2
    [ "$(($(now_ms) - shown))" -ge "$tell_every" ] || return 0
    shown=$(now_ms)
    show_progress
}

# "NAME":NUMBER of every simulator's summary; the decimals of a number stay.
of_summaries() { # NAME
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$dir"/sim/*.json
}

collect_devices() {
    failed=
    for pid in $sims; do
        wait "$pid" || failed=1
    done
    sims=
    if [ -n "$failed" ]; then
        cat "$dir"/sim/*.log >&2
        echo "demo.sh: 模拟端设备失败 / a simulator failed" >&2
        exit 1
    fi
}

upload() {
    tell_every=5000
    [ -z "$terminal" ] || tell_every=500
    begin=$(now_ms)
    shown=$begin
    start_devices
    while running; do poll; done
    collect_devices
    counts
    sent=$(of_summaries readings | awk '{ n += $1 } END { print n + 0 }')
    sent_in=$(of_summaries uploads | awk '{ n += $1 } END { print n + 0 }')
    upload_time=$(of_summaries seconds | sort -n | tail -n 1)
    rate=$(echo "$sent $upload_time" | awk '{ printf "%d", ($2 > 0) ? $1 / $2 : 0 }')
}

wait_for_the_rest() {
    while :; do
        if ctl wait --timeout 0 >/dev/null 2>&1 &&
            "$NHJC_BIN/nhjcctl" -c "$NHJC_UPPER_CONF" wait --timeout 0 >/dev/null 2>&1; then break; fi
        [ "$(($(now_ms) - begin))" -lt 1800000 ] || { echo "demo.sh: 半小时内未完成 / not done within half an hour" >&2; exit 1; }
        poll
    done
    show_progress
    [ -z "$terminal" ] || echo
    all_time=$(seconds_since "$begin")
}

# ---------------------------------------------------------------- the table
# Months and years of the two items that say most: bought electricity and gas; the first item where there is neither.
months() { # CODE: period, data code, item, value
    cat <<SQL
WITH item AS (
    SELECT i.data_code FROM unit u JOIN collect_item i ON i.unit_id = u.id
    WHERE u.code = '$1' AND i.stat_type = 0
    ORDER BY i.data_code NOT IN ('0000000002330010', '0000000001150010'), i.slot
    LIMIT greatest(1, (SELECT count(*) FROM collect_item j JOIN unit v ON v.id = j.unit_id WHERE v.code = '$1'
                       AND j.stat_type = 0 AND j.data_code IN ('0000000002330010', '0000000001150010'))))
SELECT to_char(stat_date, CASE granularity WHEN 'month' THEN 'YYYY-MM' ELSE 'YYYY' END), data_code,
       replace(point_name, ' ', '_'), value
FROM bv_infodb_energydata_province
WHERE enterprise_code = '$1' AND granularity IN ('month', 'year') AND data_code IN (SELECT data_code FROM item)
ORDER BY data_code DESC, granularity, stat_date
SQL
}

# Values are compared as text: every digit counts.
side_by_side() { # PROVINCE UPPER
    head='                    省级 province             上级 upper' # awk's widths would count bytes
    awk -v green="$green" -v red="$red" -v plain="$plain" -v head="$head" '
        function grouped(v,   sign, whole, rest, out) {
            if (v == "") return "-"
            sign = sub(/^-/, "", v) ? "-" : ""
            whole = v; rest = ""
            if (index(v, ".")) { whole = substr(v, 1, index(v, ".") - 1); rest = substr(v, index(v, ".")) }
            while (length(whole) > 3) { out = "," substr(whole, length(whole) - 2) out; whole = substr(whole, 1, length(whole) - 3) }
            return sign whole out rest
        }
        FNR == NR { there[$1 " " $2] = $4; next }
        $2 != item { item = $2; printf "  %s  %s\n%s\n", $3, $2, head }
        {
            key = $1 " " $2
            same = (key in there) && there[key] "" == $4 ""
            if (!same) bad++
            printf "  %-8s %22s %22s  %s\n", $1, grouped($4), grouped(there[key]), same ? green "=" plain : red "≠" plain
            delete there[key]
            rows++
        }
        END {
            for (key in there) { print "  仅上级平台有 only upper: " key; bad++ }
            if (!rows) { print "  没有数据 no rows"; bad++ }
            exit bad > 0
        }' "$2" "$1"
}

print_table() {
    different=
    while read -r code _ _ _ name; do
        printf '\n%s%s%s  %s\n' "$bold" "$name" "$plain" "$code"
        months "$code" | province >"$dir/sim/province.txt"
        months "$code" | upper >"$dir/sim/upper.txt"
        side_by_side "$dir/sim/province.txt" "$dir/sim/upper.txt" || different=1
    done <<LIST
$enterprises
LIST
}

verify() {
    echo
    step "由原始读数重算并核对" "every hour, day, month and year recomputed from the readings"
    ctl rollup verify >"$dir/sim/verify.txt" || different=1
    "$NHJC_BIN/nhjcctl" -c "$NHJC_UPPER_CONF" rollup verify >"$dir/sim/verify-upper.txt" || different=1
    printf '  省级 province: %s\n  上级 upper:    %s\n' "$(tail -n 1 "$dir/sim/verify.txt")" "$(tail -n 1 "$dir/sim/verify-upper.txt")"
}

# An own file is held against a computation that shares no code with the platform.
oracle() {
    [ -n "$data" ] || return 0
    # It takes every cell: what the platform refused one by one would only differ.
    refused=$(province -c "SELECT coalesce(sum(rejected), 0) FROM upload JOIN unit ON unit.id = upload.unit_id WHERE code = '$steel'")
    if [ "$refused" != 0 ]; then
        step "平台拒绝了 $refused 条读数，不与CSV重算比较" "$refused readings were refused: not compared with the CSV (nhjcctl upload list)"
        return 0
    fi
    step "独立程序由CSV重算并核对" "the CSV's months and years, computed by a script of its own, against both platforms"
    PYTHONDONTWRITEBYTECODE=1 python3 "$top/test/oracle/compare.py" --csv "$data" --enterprise "$steel" >"$dir/sim/oracle.txt" || different=1
    sed 's/^/  /' "$dir/sim/oracle.txt"
}

print_rates() {
    printf '\n%s速度%s  rates\n' "$bold" "$plain"
    printf '  上传并落盘 uploaded and durable: %s 个读数 readings, %s 次上传 uploads, %s s, 每秒 %s readings/s, 3 个连接 connections\n' \
        "$sent" "$sent_in" "$upload_time" "$rate"
    printf '  汇总并转发完毕 rolled up and at the upper platform: 首次上传后 %s s after the first upload\n' "$all_time"
}

print_next() {
    cat <<NEXT

${bold}接着看${plain}  how to look further (in another terminal)
  set -a; . '$dir/env'; set +a; PATH=\$NHJC_BIN:\$PATH
  nhjcctl -c "\$NHJC_CONF" enterprise list
  nhjcctl -c "\$NHJC_CONF" upload list --limit 5
  nhjcctl -c "\$NHJC_CONF" destination list;  nhjcctl -c "\$NHJC_CONF" status;  nhjcctl -c "\$NHJC_CONF" metrics
  psql -c "SELECT * FROM bv_infodb_energydata_province WHERE granularity = 'day' LIMIT 5"
  sh etc/stack.sh stop-server '$dir' upper     and later start-server: what is uploaded meanwhile arrives exactly once
NEXT
    ! command -v curl >/dev/null || printf '  %s\n' \
        "curl --cacert \"\$NHJC_CA\" --cert \"\$NHJC_PKI/$steel.pem\" --key \"\$NHJC_PKI/$steel.key\" \"\$NHJC_URL/services/access?wsdl\""
}

install_and_build
start_stack
admit
upload
wait_for_the_rest
print_table
verify
oracle
print_rates
if [ -n "$different" ]; then
    echo "${red}数据不一致 / the platforms disagree, or a rollup or the computation from the CSV differs${plain}" >&2
    exit 1
fi
printf '\n%s两级平台数据完全一致 / both platforms agree to the last digit%s\n' "$green" "$plain"
[ -z "$once" ] || exit 0
print_next
printf '\n%s按 Ctrl-C 结束 / press Ctrl-C to stop%s\n' "$bold" "$plain"
trap 'exit 0' INT
while :; do
    sleep 3600 &
    sleeper=$!
    wait "$sleeper" || true
done
