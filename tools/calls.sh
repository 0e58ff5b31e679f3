#!/bin/bash
# `make bench`: how long a call takes to connect in every network of the matrix, BENCH_CALLS (5) calls in each, with
# the release daemon. calls.sh TARGET [calls]: the lines go to the end of TARGET/bench/results.jsonl, or are all of
# it when nothing else was measured. It fails over the goals of docs/connectivity.md. Without root there are no networks to call through: that is said, and no error.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 alone=${2:-}

if [ "$(id -u)" != 0 ]; then
  echo "calls: skipped: namespaces need root"
  exit 0
fi
echo "calls: the figures hold for a machine that does nothing else; now the load is $(cut -d ' ' -f 1 /proc/loadavg)"
mkdir -p "$target/bench"
rm -f "$target/bench/calls.jsonl"
failed=0
E2E=matrix MATRIX_CALLS=${BENCH_CALLS:-5} TRUCA=$target/release/trucad CALLS_OUT=$target/bench/calls.jsonl tools/e2e.sh || failed=$?
# What was measured is kept also when a call was too slow
[ -e "$target/bench/calls.jsonl" ] || exit "$failed"
if [ "$alone" = calls ]; then : >"$target/bench/results.jsonl"; fi
cat "$target/bench/calls.jsonl" >>"$target/bench/results.jsonl"
exit "$failed"
