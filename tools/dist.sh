#!/bin/bash
# dist.sh: the source tarball dist/truca-VERSION.tar.gz that OpenWrt's feed builds from: what is in git, the page
# ready made (so that the building machine needs no Node.js), and the time of the last commit. The same commit
# gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/package.sh
. tools/package.sh

git rev-parse --git-dir >/dev/null 2>&1 || die "this is not a git work tree, so what belongs into the tarball is not known."
[ -f daemon/web/dist/index.html ] || die "the page is not built: make web"
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "dist: what is not committed is in it too" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=truca-$(version)
mkdir -p "$work/$name" "$dist"
git ls-files -z | while IFS= read -r -d '' file; do
  # listed and gone: removed, and not yet committed
  [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --null -T - -cf - | tar -C "$work/$name" -xf -
cp -R daemon/web/dist "$work/$name/daemon/web/"
echo "$SOURCE_DATE_EPOCH" >"$work/$name/.epoch"
chmod -R u=rwX,go=rX "$work/$name"
pack "$work" "$dist/$name.tar.gz" "$name"
echo "dist: $dist/$name.tar.gz, $(stat -c %s "$dist/$name.tar.gz") bytes, sha256 $(sha256sum <"$dist/$name.tar.gz" | cut -d ' ' -f 1)"
