#!/bin/sh
# Reads the code without running it: sh etc/check.sh [format|shell|tidy] [--all]
#   format  every C file looks as .clang-format says        (sh etc/check.sh format --fix repairs)
#   shell   every script passes shellcheck
#   tidy    clang-tidy on the files changed since the last commit, or since NHJC_SINCE; with --all on every file
# Without a word: format and shell.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

# What a build makes is not ours to judge; codegen/ holds input of soapcpp2, which is not C.
c_files() {
    find server test -type f -name '*.[ch]' ! -path '*/codegen/*' | sort
}

shell_files() {
    find etc test server docker .ci -type f \( -name '*.sh' -o -path '.ci/run' \) 2>/dev/null | sort
}

format() {
    if [ "${1:-}" = --fix ]; then
        c_files | xargs clang-format -i
    else
        c_files | xargs clang-format --dry-run -Werror
    fi
}

shell() {
    shell_files | xargs shellcheck
}

changed() {
    { git diff --name-only "${NHJC_SINCE:-HEAD}" && git ls-files --others --exclude-standard; } |
        grep -E '^(server|test)/.*\.c$' | grep -v '/codegen/' | sort -u || true
}

tidy() {
    build=${NHJC_BUILD:-$top/build}
    sh etc/build.sh default
    if [ "${1:-}" = --all ]; then files=$(c_files | grep '\.c$'); else files=$(changed); fi
    [ -n "$files" ] || { echo "no C file changed"; return 0; }
    # One file at a time: given several, clang-tidy 14 sees uninitialised va_lists that are none.
    printf '%s\n' "$files" | xargs -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build"
}

what=${1:-both}
[ $# -eq 0 ] || shift
case $what in
format) format "$@" ;;
shell) shell ;;
tidy) tidy "$@" ;;
both) format && shell ;;
*) echo "usage: check.sh [format|shell|tidy] [--all|--fix]" >&2; exit 2 ;;
esac
