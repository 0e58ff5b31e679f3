#!/bin/bash
# zig.sh -m ziglang ARGUMENT…: zig as cargo-zigbuild calls it, by Python. Programs for routers are linked a second
# time, with what zig's `cc` does not pass on to its linker (docs/sizes.md, How programs for routers are built):
#
# - functions with the same code become one, and so do constants with the same content, the functions' tables among
#   them: nothing here asks where a constant lies;
# - functions and data are laid out so that what is alike lies within gzip's window;
# - tables for unwinding are left out: nothing here unwinds.
#
# CROSS_PYTHON is the real Python; CROSS_RELINK=no leaves programs as zig links them.
set -euo pipefail

if [ "${3:-}" != cc ] || [ "${CROSS_RELINK:-yes}" = no ]; then exec "$CROSS_PYTHON" "$@"; fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
ZIG_VERBOSE_LINK=1 "$CROSS_PYTHON" "$@" 2>"$said" || status=$?
grep -vE '^(ld\.lld|ar) ' "$said" >&2 || true
[ "$status" = 0 ] || exit "$status"
# No program was linked, or not by this linker: zig's own parts are, at their first use, with -r. It quotes nothing:
# where a path has a space its own result stays
line=$(grep '^ld\.lld .*/crt1\.o ' "$said" | grep -v ' -r ' | tail -n 1) || exit 0
[ -n "$line" ] || exit 0
read -ra words <<<"${line#ld.lld }"
for word in "${words[@]}"; do
  case $word in /*) [ -e "$word" ] || exit 0 ;; esac
done
"$CROSS_PYTHON" -m ziglang ld.lld "${words[@]/--eh-frame-hdr/--no-eh-frame-hdr}" --icf=all --ignore-data-address-equality \
  --bp-compression-sort=both \
  "${BASH_SOURCE%/*}/sections.ld"
