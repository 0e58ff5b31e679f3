# Sourced by ipk.sh, apk.sh, feed.sh and dist.sh: what is in the packages, and bytes that depend on nothing else.
# shellcheck shell=bash disable=SC2034,SC2100,SC2154
#
# The same input gives the same bytes: one time for every file (the last commit's, or SOURCE_DATE_EPOCH), sorted
# names, root as owner by number, gzip without name and time by one compressor. Values come from Cargo.toml and the feed's Makefile.

# shellcheck source=tools/apt.sh
. tools/apt.sh

umask 022
export LC_ALL=C TZ=UTC

die() {
  echo "truca: $1" >&2
  shift
  [ $# = 0 ] || printf '       %s\n' "$@" >&2
  exit 1
}

# The directory of finished packages
dist=${TRUCA_DIST:-dist}
feed=openwrt-feed/truca
luci=luci-app/luci-app-truca
luci_description="LuCI views of Truca: the node, its mesh, its people and its settings."

# Not under git, a source tarball has its time in a file
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || cat .epoch 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

# value NAME: what the feed's Makefile says
value() { sed -n "s/^ *$1:=//p" "$feed/Makefile"; }

version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml; }

# As OpenWrt writes it since 24.10
full_version() { echo "$(version)-r$(value PKG_RELEASE)"; }

# block NAME: the lines of `define Package/truca/NAME`
block() { sed -n "\#^define Package/truca/$1\$#,/^endef/p" "$feed/Makefile" | sed '1d;$d'; }

# program TARGET: the daemon to pack. TRUCAD names another; `native` is this machine's, for trials.
program() {
  local found
  case $1 in
    native) found=${CARGO_TARGET_DIR:-target}/openwrt/trucad ;;
    *) found=$cross_out/$1/openwrt/trucad ;;
  esac
  found=${TRUCAD:-$found}
  [ -f "$found" ] || die "there is no $found to pack." "make cross TARGET=${1%%-*} builds it; TRUCAD=FILE names another."
  echo "$found"
}

# target_of WORD, arch_of TARGET: cross/lib.sh knows them
target_of() { if [ "$1" = native ]; then echo native; else cross_full "$1"; fi; }
arch_of() {
  case $1 in
    native) uname -m | sed 's/^aarch64$/aarch64_generic/' ;;
    *) cross_arch "$1" ;;
  esac
}

# stage_truca ROOT PROGRAM: the files as they lie on the router
stage_truca() {
  local mode path source
  install -D -m 0755 "$2" "$1/usr/sbin/trucad"
  while read -r mode path source; do
    case $mode in
      '#'*) ;;
      link) mkdir -p "$1${path%/*}" && ln -s "$source" "$1$path" ;;
      *) install -D -m "$mode" "$feed/files/$source" "$1$path" ;;
    esac
    case $source in *.sh | *.init | *.defaults | *.hotplug) sed -i -f "$feed/strip.sed" "$1$path" ;; esac
  done <"$feed/manifest"
}

# stage_luci ROOT: LuCI's layout, with the translations compiled
stage_luci() {
  local po language
  mkdir -p "$1/www"
  cp -R "$luci/htdocs/." "$1/www/"
  [ ! -d "$luci/root" ] || cp -R "$luci/root/." "$1/"
  for po in "$luci"/po/*/*.po; do
    [ -f "$po" ] || continue
    language=${po%/*}
    mkdir -p "$1/usr/lib/lua/luci/i18n"
    node tools/po2lmo.mjs "$po" "$1/usr/lib/lua/luci/i18n/truca.${language##*/}.lmo"
  done
  find "$1" -type d -exec chmod 0755 {} +
  find "$1" -type f -exec chmod 0644 {} +
  find "$1/etc/uci-defaults" "$1/etc/init.d" -type f -exec chmod 0755 {} + 2>/dev/null || true
}

# settle ROOT: the one time for everything
settle() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# packer COMMAND PACKAGE: a program that packs what goes on a router
packer() {
  command -v "$1" >/dev/null || apt_install "$2" ||
    die "$1 is missing: it packs what goes on a router." "Debian: apt-get install $2"
}
# libdeflate makes the same gzip as gzip -9 does, 3.6 % smaller; zopfli, which is slow, makes it a little smaller
packer libdeflate-gzip libdeflate-tools
packer zopfli zopfli

# pack ROOT FILE [NAME…]: tar and gzip, the same bytes for the same files
pack() {
  local root=$1 file=$2
  shift 2
  [ $# != 0 ] || set -- .
  tar -C "$root" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -cf "$file.tar" "$@"
  case $file in
    */data.tar.gz) zopfli --i15 -c "$file.tar" >"$file" ;;
    *) libdeflate-gzip -12 -c "$file.tar" >"$file" ;;
  esac
  rm "$file.tar"
}

# field NAME VALUE: a line of a control file, unless the value is empty
field() { [ -z "$2" ] || printf '%s: %s\n' "$1" "$2"; }
