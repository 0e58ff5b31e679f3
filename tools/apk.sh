#!/bin/bash
# apk.sh TARGET…: packages for apk (OpenWrt 25.12), in dist/: truca of each target, and luci-app-truca.
# The format (ADB) is written by apk-tools 3, which Debian does not have: `apk mkpkg` on PATH, or APK=FILE. An
# OpenWrt SDK brings it as staging_dir/host/bin/apk. Without it no apk is made, and this says so and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/package.sh
. tools/package.sh
# shellcheck source=/dev/null
[ ! -f cross/lib.sh ] || . cross/lib.sh

[ $# -gt 0 ] || die "which target? TARGET=mips, or several: TARGET=\"mips mipsel\"" "usage: tools/apk.sh TARGET…"
apk=${APK:-apk}
# apk-tools 2 has the same name and another format
case $("$apk" --version 2>/dev/null) in
  "apk-tools 3."*) ;;
  *) die "no apk was made: this needs apk-tools 3, which is not on this machine." \
    "Take staging_dir/host/bin/apk of an OpenWrt SDK (25.12 or newer), and name it: APK=FILE make apk TARGET=\"$*\"" \
    "Packages for opkg need nothing of the kind: make ipk TARGET=\"$*\"" ;;
esac
[ "$(id -u)" = 0 ] || command -v fakeroot >/dev/null || die "owners in an apk are those of the files: be root, or install fakeroot."
as_root=()
[ "$(id -u)" = 0 ] || as_root=(fakeroot)

targets=()
# none of them is packed before all are known and built
for word; do
  target=$(target_of "$word")
  program "$target" >/dev/null
  targets+=("$target")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# script NAME WHAT [FILE]: what OpenWrt's package-pack.mk makes of a package's own script
script() {
  echo '#!/bin/sh'
  case $2 in
    post-install | post-upgrade)
      # shellcheck disable=SC2016 # for the router's shell
      printf '%s\n' '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0'
      ;;
  esac
  [ "$2" != post-upgrade ] || echo 'export PKG_UPGRADE=1'
  # shellcheck disable=SC2016
  printf '%s\n' '[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0' '. ${IPKG_INSTROOT}/lib/functions.sh' \
    'export root="${IPKG_INSTROOT}"' "export pkgname=\"$1\""
  case $2 in
    pre-deinstall) echo default_prerm ;;
    *) printf '%s\n' add_group_and_user default_postinst ;;
  esac
  [ -z "${3:-}" ] || sed '/^#!/d' "$3"
}

# make_apk NAME ARCHITECTURE ROOT DESCRIPTION DEPENDS POSTINST PRERM FILE
make_apk() {
  local name=$1 architecture=$2 root=$3 info=$3/lib/apk/packages when
  mkdir -p "$info"
  (cd "$root" && find . \( -type f -o -type l \) -printf '/%P\n' | sort) >"$work/list"
  mv "$work/list" "$info/$name.list"
  if [ "$name" = truca ]; then
    value USERID >"$info/$name.rusers"
    block conffiles >"$info/$name.conffiles"
    block conffiles | while read -r when; do
      echo "$when $(sha256sum <"$root$when" | cut -d ' ' -f 1)"
    done >"$info/$name.conffiles_static"
  fi
  script "$name" post-install "$6" >"$work/post-install"
  script "$name" post-upgrade "$6" >"$work/post-upgrade"
  script "$name" pre-deinstall "$7" >"$work/pre-deinstall"
  settle "$root"
  "${as_root[@]}" "$apk" mkpkg --info "name:$name" --info "version:$(full_version)" --info "description:$4" \
    --info "arch:$architecture" --info "license:$(value PKG_LICENSE)" --info "origin:$name" --info "depends:$5" \
    --script "post-install:$work/post-install" --script "post-upgrade:$work/post-upgrade" \
    --script "pre-deinstall:$work/pre-deinstall" --files "$root" --output "$8"
  echo "apk: $8, $(stat -c %s "$8") bytes"
}

for target in "${targets[@]}"; do
  arch=$(arch_of "$target")
  rm -rf "$work/truca"
  mkdir -p "$work/truca" "$dist/$arch"
  stage_truca "$work/truca" "$(program "$target")"
  # apk has no architecture in a file's name
  make_apk truca "$arch" "$work/truca" "$(block description | tr '\n' ' ' | sed 's/ $//')" "" \
    "$feed/postinst" "$feed/prerm" "$dist/$arch/truca-$(full_version).apk"
done
mkdir "$work/luci"
if [ -d "$luci/htdocs" ]; then
  stage_luci "$work/luci"
  make_apk luci-app-truca noarch "$work/luci" "$luci_description" \
    "truca luci-base" "$luci/postinst" "" "$dist/luci-app-truca-$(full_version).apk"
fi
