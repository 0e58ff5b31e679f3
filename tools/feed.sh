#!/bin/bash
# feed.sh: what `make ipk` and `make apk` have put into dist/, as a feed that routers read over HTTP:
#   dist/feed/opkg/ARCH/  the .ipk files, Packages, Packages.gz; Packages.sig when USIGN_KEY names a usign key
#                         (made by `usign -G`, or by Debian's `signify-openbsd -G -n`, which write and sign the same)
#   dist/feed/apk/ARCH/   the .apk files, packages.adb; signed when APK_KEY names an EC key in PEM
# Packages for all architectures are in every ARCH. docs/openwrt.md has the lines for the router.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/package.sh
. tools/package.sh

shopt -s nullglob
rm -rf "$dist/feed"

# What opkg's index has of a package: its control file, and how to get and check it
entry() {
  local control
  control=$(tar -xzOf "$1" ./control.tar.gz | tar -xzO ./control)
  sed '/^Description:/,$d' <<<"$control"
  field Filename "${1##*/}"
  field Size "$(stat -c %s "$1")"
  field SHA256sum "$(sha256sum <"$1" | cut -d ' ' -f 1)"
  sed -n '/^Description:/,$p' <<<"$control"
  echo
}

# sign FILE: into FILE.sig, by USIGN_KEY
sign() {
  local tool
  for tool in usign signify-openbsd; do
    if command -v "$tool" >/dev/null; then
      "$tool" -S -m "$1" -s "$USIGN_KEY" -x "$1.sig" || die "$tool could not sign with $USIGN_KEY."
      return
    fi
  done
  die "USIGN_KEY is given, and there is nothing here to sign with." \
    "Debian: apt-get install signify-openbsd; an OpenWrt SDK has staging_dir/host/bin/usign."
}

for file in "$dist"/truca_*.ipk; do
  arch=${file##*_}
  arch=$(tar -xzOf "$file" ./control.tar.gz | tar -xzO ./control | sed -n 's/^Architecture: //p')
  to=$dist/feed/opkg/$arch
  mkdir -p "$to"
  cp "$file" "$dist"/luci-app-truca_*_all.ipk "$to/"
  for package in "$to"/*.ipk; do entry "$package"; done >"$to/Packages"
  libdeflate-gzip -12 -c <"$to/Packages" >"$to/Packages.gz"
  if [ -z "${USIGN_KEY:-}" ]; then
    echo "feed: $to is not signed: USIGN_KEY names no key"
  else
    sign "$to/Packages"
    echo "feed: $to, signed"
  fi
done

for file in "$dist"/*/truca-*.apk; do
  command -v "${APK:-apk}" >/dev/null || die "apk-tools 3 is not here to make an index of ${file%/*}." "APK=FILE names it."
  arch=${file%/*}
  to=$dist/feed/apk/${arch##*/}
  mkdir -p "$to"
  cp "$file" "$dist"/luci-app-truca-*.apk "$to/"
  "${APK:-apk}" mkndx --allow-untrusted ${APK_KEY:+--sign-key "$APK_KEY"} --output "$to/packages.adb" "$to"/*.apk
  echo "feed: $to${APK_KEY:+, signed}"
done

[ -d "$dist/feed" ] || die "there is no package in $dist: make ipk TARGET=mips comes first."
