#!/bin/sh
# Cleans up after a test that could not: sh test/lib/guard.sh WORD COMMAND ARGUMENTS… <PIPE
# Waits until nobody is left who could write to the pipe, which is when its owner ended, however that was (kill -9 of ctest's
# time limit, Ctrl-C); then until no script is at work that has WORD (the owner's folder) in its command line; then runs COMMAND.
# Start it by "setsid -f": neither a signal to the terminal's group nor a search for the owner's children may find it.
# It has to be harmless after an orderly end.
set -eu
word=$1
shift
cat >/dev/null
while pgrep -f "\.sh [a-z-]+ $word( |\$)" >/dev/null; do sleep 0.2; done
exec "$@"
