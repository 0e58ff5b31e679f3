#!/bin/bash
# `make size`: what trucad weighs as it goes on a router (profile openwrt, this machine's architecture).
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --locked --profile openwrt -p trucad
binary=$target/openwrt/trucad
mkdir -p "$target/size"
: >"$target/size/results.jsonl"
machine=$(uname -m)
line() {
  printf 'size: %-8s %9d bytes (%d KiB)\n' "$1" "$2" $((($2 + 1023) / 1024))
  printf '{"bench":"size","metric":"%s","subject":"trucad-%s","value":%d,"unit":"B"}\n' "$1" "$machine" "$2" >>"$target/size/results.jsonl"
}
line binary "$(stat -c %s "$binary")"
line gzip "$(gzip -9 -c "$binary" | wc -c)"
if command -v xz >/dev/null; then line xz "$(xz -9 -e -c "$binary" | wc -c)"; else echo "size: xz is not here"; fi
