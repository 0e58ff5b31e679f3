#!/bin/bash
# ipk.sh [--size-only] TARGET…: packages for opkg, in dist/: truca of each target, and luci-app-truca.
# TARGET is one of cross/lib.sh's, or `native`. --size-only prints the bytes that truca's would have, and keeps
# nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/package.sh
. tools/package.sh
# shellcheck source=/dev/null
[ ! -f cross/lib.sh ] || . cross/lib.sh

size_only=
[ "${1:-}" != --size-only ] || { size_only=1; shift; }
[ $# -gt 0 ] || die "which target? TARGET=mips, or several: TARGET=\"mips mipsel\"" "usage: tools/ipk.sh [--size-only] TARGET…"
targets=()
# none of them is packed before all are known and built
for word; do
  target=$(target_of "$word")
  program "$target" >/dev/null
  targets+=("$target")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# opkg runs these; OpenWrt's functions.sh does what every package needs, and then sources NAME-pkg
wrapper() {
  echo '#!/bin/sh'
  # shellcheck disable=SC2016 # for the router's shell
  [ "$1" != postinst ] || echo '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0'
  # shellcheck disable=SC2016
  printf '%s\n' '[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0' '. ${IPKG_INSTROOT}/lib/functions.sh'
  # shellcheck disable=SC2016
  echo "default_$1"' $0 $@'
}

# ipk NAME ARCHITECTURE ROOT CONTROL FILE: one package; CONTROL has the scripts and the control file's own fields
ipk() {
  local name=$1 architecture=$2 root=$3 control=$4 file=$5 script
  settle "$root"
  mkdir "$work/outer"
  pack "$root" "$work/outer/data.tar.gz"
  for script in postinst prerm; do wrapper "$script" >"$control/$script"; done
  {
    field Package "$name"
    field Version "$(full_version)"
    cat "$control/fields"
    field License "$(value PKG_LICENSE)"
    field SourceDateEpoch "$SOURCE_DATE_EPOCH"
    field Architecture "$architecture"
    field Installed-Size "$(gzip -dc "$work/outer/data.tar.gz" | wc -c)"
    sed '1s/^/Description: /;2,$s/^/ /' "$control/description"
  } >"$control/control"
  rm "$control/fields" "$control/description"
  chmod 0644 "$control"/*
  chmod 0755 "$control"/{postinst,prerm}*
  settle "$control"
  pack "$control" "$work/outer/control.tar.gz"
  echo 2.0 >"$work/outer/debian-binary"
  pack "$work/outer" "$file" ./debian-binary ./data.tar.gz ./control.tar.gz
  rm -r "$work/outer"
}

# truca TARGET FILE
truca() {
  local root=$work/truca control=$work/truca-control
  rm -rf "$root" "$control"
  mkdir "$root" "$control"
  stage_truca "$root" "$(program "$1")"
  block conffiles >"$control/conffiles"
  block description >"$control/description"
  cp "$feed/postinst" "$control/postinst-pkg"
  cp "$feed/prerm" "$control/prerm-pkg"
  {
    field Source "$feed"
    field Section net
    field Require-User "$(value USERID)"
  } >"$control/fields"
  ipk truca "$(arch_of "$1")" "$root" "$control" "$2"
}

luci() {
  local root=$work/luci control=$work/luci-control
  mkdir "$root" "$control"
  stage_luci "$root"
  echo "$luci_description" >"$control/description"
  cp "$luci/postinst" "$control/postinst-pkg"
  {
    field Depends "truca, luci-base"
    field Source "$luci"
    field Section luci
  } >"$control/fields"
  ipk luci-app-truca all "$root" "$control" "$1"
}

if [ "$size_only" ]; then
  for target in "${targets[@]}"; do
    truca "$target" "$work/truca.ipk"
    stat -c %s "$work/truca.ipk"
  done
  exit
fi

mkdir -p "$dist"
for target in "${targets[@]}"; do
  file=$dist/truca_$(full_version)_$(arch_of "$target").ipk
  truca "$target" "$file"
  echo "ipk: $file, $(stat -c %s "$file") bytes"
done
if [ -d "$luci/htdocs" ]; then
  file=$dist/luci-app-truca_$(full_version)_all.ipk
  luci "$file"
  echo "ipk: $file, $(stat -c %s "$file") bytes"
else
  echo "ipk: no $luci here, so no luci-app-truca"
fi
