#!/bin/bash
# A feed of the packages, as routers read it: indexes, signatures, HTTP, and LuCI's package in it. opkg and
# apk-tools 3, which Debian does not have, install from it where they are on PATH; that apk's format is not written
# without them is a test too. Needs root (a network of its own) and what is named below, which apt brings.
# TRUCAD=FILE packs another daemon than target/openwrt/trucad.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/apt.sh
. tools/apt.sh

passed=0 failed=0
# it SENTENCE COMMAND…: one test
it() {
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    passed=$((passed + 1))
    echo "package: $what ... ok"
  else
    failed=$((failed + 1))
    echo "package: $what ... FAILED"
    sed 's/^/    /' "$work/out"
  fi
}
skip() { echo "package: $1 ... skipped, $2"; }

[ "$(id -u)" = 0 ] || { echo "package: this needs root, for a network of its own: sudo make package-test" >&2; exit 1; }
for tool in busybox:busybox-static curl:curl signify-openbsd:signify-openbsd openssl:openssl ip:iproute2; do
  command -v "${tool%:*}" >/dev/null || apt_install "${tool#*:}" ||
    { echo "package: ${tool%:*} is missing (Debian: apt-get install ${tool#*:})" >&2; exit 1; }
done
export TRUCAD=${TRUCAD:-${CARGO_TARGET_DIR:-target}/openwrt/trucad}
[ -x "$TRUCAD" ] || cargo build --quiet --locked --profile openwrt -p trucad

# From here on in a network where every port is free
if [ -z "${TRUCA_FEED_INSIDE:-}" ]; then
  exec env TRUCA_FEED_INSIDE=1 unshare -n "$0" "$@"
fi
ip link set lo up

work=$(mktemp -d)
server=
end() {
  # shellcheck disable=SC2317 # by the trap
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  # shellcheck disable=SC2317
  rm -rf "$work"
}
trap end EXIT
export TRUCA_DIST=$work/dist
arch=$(uname -m)
here=http://127.0.0.1:8000/feed

# --- without what it needs -------------------------------------------------------------------------------------

no_apk() {
  ! APK=/nonexistent tools/apk.sh native && grep -q 'no apk was made: this needs apk-tools 3' "$work/out" &&
    grep -q 'APK=FILE make apk' "$work/out" && [ -z "$(find "$work" -name '*.apk')" ]
}
it "without apk-tools 3 no apk is made, and that is said with what to do" no_apk
apk_2() {
  printf '#!/bin/sh\necho "apk-tools 2.14.0, compiled for x86_64."\n' >"$work/apk2" && chmod +x "$work/apk2"
  ! APK=$work/apk2 tools/apk.sh native && grep -q 'no apk was made' "$work/out"
}
it "apk-tools 2, of the same name, is not taken for it" apk_2
nothing() { ! tools/feed.sh && grep -q 'make ipk TARGET=mips comes first' "$work/out"; }
it "a feed of nothing is refused" nothing

# --- opkg's index ----------------------------------------------------------------------------------------------

tools/ipk.sh native >/dev/null
unsigned() { tools/feed.sh && grep -q 'is not signed: USIGN_KEY names no key' "$work/out" && [ ! -e "$work/dist/feed/opkg/$arch/Packages.sig" ]; }
it "without a key the feed is not signed, and that is said" unsigned
signify-openbsd -G -n -p "$work/key.pub" -s "$work/key.sec"
signify-openbsd -G -n -p "$work/other.pub" -s "$work/other.sec"
signed() {
  local at=$work/dist/feed/opkg/$arch
  USIGN_KEY=$work/key.sec tools/feed.sh
  signify-openbsd -V -p "$work/key.pub" -m "$at/Packages" -x "$at/Packages.sig" || return
  ! signify-openbsd -V -p "$work/other.pub" -m "$at/Packages" -x "$at/Packages.sig" || return
  sed 's/^Size: ./&1/' "$at/Packages" >"$work/changed"
  ! signify-openbsd -V -p "$work/key.pub" -m "$work/changed" -x "$at/Packages.sig"
}
it "with a key the index has a signature that holds for these bytes and this key" signed
bad_key() { ! USIGN_KEY=$work/nowhere.sec tools/feed.sh && grep -q 'could not sign with' "$work/out"; }
it "a key that is not there ends it" bad_key
USIGN_KEY=$work/key.sec tools/feed.sh >/dev/null

busybox httpd -f -p 127.0.0.1:8000 -h "$work/dist" &
server=$!
until curl -s -o /dev/null "$here/"; do kill -0 "$server"; done
# What a router does: index, then each package by what the index says of it
fetched() {
  local line name='' size='' sum='' count=0
  mkdir -p "$work/got"
  curl -sf "$here/opkg/$arch/Packages.gz" | gzip -dc >"$work/got/Packages"
  cmp "$work/got/Packages" "$work/dist/feed/opkg/$arch/Packages"
  while read -r line; do
    case $line in
      "Filename: "*) name=${line#*: } ;;
      "Size: "*) size=${line#*: } ;;
      "SHA256sum: "*) sum=${line#*: } ;;
      "")
        curl -sf -o "$work/got/$name" "$here/opkg/$arch/$name"
        [ "$(stat -c %s "$work/got/$name")" = "$size" ] && echo "$sum  $work/got/$name" | sha256sum -c || return
        count=$((count + 1))
        ;;
    esac
  done <"$work/got/Packages"
  [ "$count" = 2 ] && [ "$(grep -c '^Package: \(truca\|luci-app-truca\)$' "$work/got/Packages")" = 2 ] &&
    grep -qx "Architecture: $arch" "$work/got/Packages" && grep -qx 'Architecture: all' "$work/got/Packages" &&
    grep -qx 'Depends: truca, luci-base' "$work/got/Packages"
}
it "over HTTP the index leads to both packages, with their sizes and sums" fetched

# --- LuCI's package --------------------------------------------------------------------------------------------

luci_files() {
  local app=luci-app/luci-app-truca data=$work/luci/data
  mkdir -p "$data" "$work/luci/control"
  tar -xzf "$work"/dist/luci-app-truca_*_all.ipk -C "$work/luci"
  tar -xzf "$work/luci/data.tar.gz" -C "$data"
  tar -xzf "$work/luci/control.tar.gz" -C "$work/luci/control"
  diff -r "$app/htdocs" "$data/www" && diff -r "$app/root/usr/share" "$data/usr/share" || return
  for language in "$app"/po/*/truca.po; do
    language=${language%/*} && language=${language##*/}
    [ -s "$data/usr/lib/lua/luci/i18n/truca.$language.lmo" ] || { echo "no $language"; return 1; }
  done
  [ "$(tar --numeric-owner -tvzf "$work/luci/data.tar.gz" | awk '{ print substr($1, 2), $2 }' | sort -u | tr '\n' ' ')" = "rw-r--r-- 0/0 rwxr-xr-x 0/0 " ]
}
it "LuCI's package has the application, its rights, its menu and its translations" luci_files
luci_post() {
  # shellcheck disable=SC2016 # for that shell
  unshare -m busybox ash -c 'mount -t tmpfs none /tmp && mkdir /tmp/luci-modulecache && touch /tmp/luci-indexcache.7.json
    (. /dev/stdin) && [ -z "$(ls /tmp)" ]' <"$work/luci/control/postinst-pkg"
}
it "its script makes LuCI forget the old menu" luci_post

# --- the real tools, where they are ----------------------------------------------------------------------------

if command -v opkg >/dev/null; then
  real_opkg() {
    local conf=$work/opkg.conf root=$work/opkg
    mkdir -p "$root"/{usr/lib/opkg,tmp,var/lock}
    printf '%s\n' 'dest root /' 'option tmp_dir /tmp' 'arch all 1' "arch $arch 10" 'lists_dir ext /var/opkg-lists' \
      "src/gz truca $here/opkg/$arch" >"$conf"
    run() { opkg --conf "$conf" --offline-root "$root" "$@"; }
    # of LuCI itself, that it is there
    printf '%s\n' 'Package: luci-base' 'Version: 1' 'Status: install ok installed' 'Architecture: all' '' >"$root/usr/lib/opkg/status"
    mkdir "$root/usr/lib/opkg/info" && touch "$root/usr/lib/opkg/info/luci-base.list"
    run update && run install truca luci-app-truca && [ -x "$root/usr/sbin/trucad" ] &&
      [ "$(run list-installed | cut -d ' ' -f 1 | sort | tr '\n' ' ')" = "luci-app-truca luci-base truca " ] || return
    echo "# mine" >>"$root/etc/config/truca"
    # it counts an edited conffile, which it keeps, as an error
    run --force-reinstall install truca || true
    [ -x "$root/usr/sbin/trucad" ] && grep -qx '# mine' "$root/etc/config/truca" || return
    run remove luci-app-truca truca && [ ! -e "$root/usr/sbin/trucad" ] && [ ! -e "$root/www/luci-static/resources/truca/daemon.js" ]
  }
  it "the real opkg updates, installs, installs again and removes from the feed" real_opkg
else
  skip "the real opkg updates, installs, installs again and removes from the feed" "there is none on PATH"
fi

if [[ $("${APK:-apk}" --version 2>/dev/null) == "apk-tools 3."* ]]; then
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/apk.pem"
  mkdir -p "$work/keys" "$work/nokeys"
  openssl ec -in "$work/apk.pem" -pubout -out "$work/keys/truca.pem" 2>/dev/null
  real_apk() {
    local root=$work/apk
    tools/apk.sh native
    USIGN_KEY=$work/key.sec APK_KEY=$work/apk.pem tools/feed.sh
    run() {
      "${APK:-apk}" --root "$root" --arch "$arch" --keys-dir "$keys" --repositories-file /dev/null --no-scripts --no-cache \
        --repository "$here/apk/$arch/packages.adb" "$@"
    }
    mkdir -p "$root"
    local keys=$work/nokeys
    ! run add --initdb truca || return
    keys=$work/keys
    run add --initdb truca && [ -x "$root/usr/sbin/trucad" ] || return
    tar -xzOf "$work"/dist/truca_*.ipk ./data.tar.gz | tar -tz | sed -n 's#^\./\(.*[^/]\)$#\1#p' | sort >"$work/ipk.list"
    (cd "$root" && find . \( -type f -o -type l \) -printf '%P\n' | grep -v '^lib/apk/\|^etc/apk/\|^var/' | sort) | diff "$work/ipk.list" - || return
    echo "# mine" >>"$root/etc/config/truca"
    run fix --reinstall truca && grep -qx '# mine' "$root/etc/config/truca" || return
    run del truca && [ ! -e "$root/usr/sbin/trucad" ]
  }
  it "the real apk refuses a feed whose key it does not know, and installs the same files with it" real_apk
else
  skip "the real apk refuses a feed whose key it does not know, and installs the same files with it" "there is no apk-tools 3 on PATH"
fi

echo "package: $passed passed, $failed failed"
[ "$failed" = 0 ]
