#!/bin/sh
# Builds retally, imports two overlapping days of a public repository's CI history, rebuilds the
# report files and shows what they say. Leaves everything in logs/quickstart for you to look at.
set -eu
cd "$(dirname "$0")/.."

samples=fixtures/imports/github-actions
RETALLY_ROOT=logs/quickstart
export RETALLY_ROOT
rm -rf "$RETALLY_ROOT"

cargo build --locked
retally=${CARGO_TARGET_DIR:-target}/debug/retally

show() {
    printf '\n$ retally %s\n' "$*"
    "$retally" "$@"
}

show import github-actions "$samples"/*.json
show import github-actions "$samples"/*.json # again: nothing is counted twice
show rebuild
show runs
show report latest
show report latest --issue 2747
show check

printf '\nThe events and the report files:\n'
find "$RETALLY_ROOT" -type f | sort | head -n 12
