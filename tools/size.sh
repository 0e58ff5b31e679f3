#!/bin/bash
# size.sh [--save] TARGET…: what trucad weighs on routers of these targets and what its bytes are for. Fails when the
# mips package is over its limit. --save keeps the figures in cross/sizes.tsv and draws docs/sizes.svg.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

# A quarter of a router's 4 MB that is free beside the system; and where we want to be (docs/sizes.md)
BUDGET=$((800 * 1024))
WANTED=$((600 * 1024))
# What it weighs above the budget today is a debt (docs/sizes.md), and may not grow
LIMIT=$((815 * 1024))

save=false
if [ "${1:-}" = --save ]; then
  save=true
  shift
fi
[ $# -gt 0 ] || cross_die "which target?" "There are: ${CROSS_TARGETS[*]}"
cross_install xz xz-utils || cross_die "xz is missing." "Debian: apt-get install xz-utils"
tools/cross.sh "$@"

out=${CARGO_TARGET_DIR:-target}/size
mkdir -p "$out"
: >"$out/results.jsonl"
table=$out/sizes.tsv
printf '# target\twhat\tbytes\tgzip\n' >"$table"

# kept TARGET WHAT COLUMN: the figure in cross/sizes.tsv
kept() { awk -F '\t' -v target="$1" -v what="$2" -v column="$3" '$1 == target && $2 == what { print $column }' cross/sizes.tsv 2>/dev/null || true; }

# line TARGET WHAT BYTES: prints it beside what is kept, and notes it
line() {
  local before
  before=$(kept "$1" "$2" 3)
  printf 'size: %-8s %-7s %9d bytes %6d KiB%s\n' "${1%%-*}" "$2" "$3" $((($3 + 1023) / 1024)) \
    "${before:+$(printf ' (%+d since cross/sizes.tsv)' $(($3 - before)))}"
  printf '%s\t%s\t%d\t\n' "$1" "$2" "$3" >>"$table"
}

# metric NAME TARGET BYTES: for the charts of make bench
metric() {
  printf '{"bench":"size","metric":"%s","subject":"%s","value":%s,"unit":"KiB"}\n' "$1" "$2" \
    "$(awk -v bytes="$3" 'BEGIN { printf "%.1f", bytes / 1024 }')" >>"$out/results.jsonl"
}

over=
for name in "$@"; do
  target=$(cross_full "$name")
  program=$(cross_program "$target")
  binary=$(stat -c %s "$program")
  line "$target" binary "$binary"
  line "$target" gzip "$(gzip -9 -n -c "$program" | wc -c)"
  line "$target" xz "$(xz -9 -e -c "$program" | wc -c)"
  ipk=$(tools/ipk.sh --size-only "$target")
  line "$target" ipk "$ipk"
  metric binary_kib "$target" "$binary"
  metric ipk_kib "$target" "$ipk"
  if [ "${target%%-*}" = mips ]; then
    if ((ipk > LIMIT)); then over="the mips package has $ipk bytes, over its limit of $LIMIT"; fi
    if ((ipk > BUDGET)); then echo "size: mips     OVER ITS BUDGET by $((ipk - BUDGET)) bytes: a debt, see docs/sizes.md" >&2; fi
    echo "size: mips     package $((ipk * 100 / BUDGET)) % of its budget, $((ipk - WANTED)) bytes from where we want to be"
  fi
  echo "size: ${target%%-*}: bytes and gzip bytes of each part"
  python3 tools/sizes.py parts "$program.symbols" | while IFS=$'\t' read -r part bytes gzip; do
    printf 'size:   %-18s %9d %9d\n' "$part" "$bytes" "$gzip"
    printf '%s\tpart:%s\t%d\t%d\n' "$target" "$part" "$bytes" "$gzip" >>"$table"
  done
done

if $save; then
  # Other targets keep their lines
  {
    head -n 1 "$table"
    { grep -v '^#' cross/sizes.tsv 2>/dev/null || true; } |
      awk -F '\t' 'NR == FNR { new[$1] = 1; next } !($1 in new)' "$table" -
    tail -n +2 "$table"
  } >cross/sizes.tsv.new
  mv cross/sizes.tsv.new cross/sizes.tsv
  python3 tools/sizes.py chart cross/sizes.tsv docs/sizes.svg
fi
if [ -n "$over" ]; then
  echo "size: $over" >&2
  exit 1
fi
