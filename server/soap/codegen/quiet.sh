#!/bin/sh
# Runs a command; what it prints is shown only when it fails.
out=$("$@" 2>&1) || {
    printf '%s\n' "$out" >&2
    exit 1
}
