#!/bin/bash
# image.sh DIRECTORY IPK: what a router in a box boots from, made in DIRECTORY: `kernel`, `initrd` and `rom.squashfs`.
# Called by tools/router.sh.
#
# Kernel, busybox and nft are Debian 12's for mipsel, fetched and unpacked in a folder of their own with an apt
# configuration of its own: this machine's list of architectures is not touched, and nothing of it is installed here.
# Of OpenWrt the box has the stand-ins of tests/package/openwrt, and tests/router/guest over them.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

out=$1 ipk=$2
debian=$cross_cache/router
# What the kernel needs before it has a root, and what nft asks it for
FIRST=(phram jffs2 overlay squashfs virtio_pci virtio_blk virtio_net)
# (crc32c is asked for by name, which no module's list of dependencies says)
LATER=(crc32c_generic nf_tables nft_ct nft_reject_inet nft_masq nft_chain_nat)

# private COMMAND ARGUMENT…: apt for mipsel, with lists, cache and status in $debian
private() { APT_CONFIG=$debian/apt/apt.conf "$@"; }

# The archive that this machine gets Debian 12 from; TRUCA_DEBIAN names another
archive() {
  local found=${TRUCA_DEBIAN:-}
  # shellcheck disable=SC2016 # apt's own
  [ -n "$found" ] || found=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "bookworm" && $3 == "main" { print $4; exit }')
  [ -n "$found" ] || cross_die "the box needs Debian 12's packages for mipsel, and this machine's apt names no Debian 12." \
    "TRUCA_DEBIAN=URI tells where an archive of Debian is"
  echo "$found"
}

fetch() {
  local apt=$debian/apt key=/usr/share/keyrings/debian-archive-keyring.gpg uri kernel libraries log
  rm -rf "$debian"
  mkdir -p "$apt"/{etc/apt.conf.d,etc/preferences.d,lists/partial,archives/partial} "$debian/debs" "$debian/root"
  : >"$apt/status"
  uri=$(archive)
  echo "deb [arch=mipsel$([ ! -e "$key" ] || echo " signed-by=$key")] $uri bookworm main" >"$apt/etc/sources.list"
  cat >"$apt/apt.conf" <<-EOF
	APT::Architecture "mipsel";
	APT::Architectures { "mipsel"; };
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Dir::Etc "$apt/etc";
	Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
	Dir::State "$apt";
	Dir::State::Lists "$apt/lists";
	Dir::State::Status "$apt/status";
	Dir::Cache "$apt";
	EOF
  echo "router: fetching Debian's kernel, busybox and nft for mipsel into $debian" >&2
  log=$apt/log
  private apt-get update -q >"$log" 2>&1 || cross_die "apt cannot read Debian's list of packages for mipsel: $(tail -n 1 "$log")"
  kernel=$(private apt-cache depends linux-image-4kc-malta | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
  libraries=$(private apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances nftables | grep '^[a-z]' | sort -u)
  # shellcheck disable=SC2086 # one word for each package
  (cd "$debian/debs" && private apt-get download -q ${kernel:?Debian has no kernel for malta} busybox-static $libraries >"$log" 2>&1) ||
    cross_die "apt cannot fetch Debian's packages for mipsel: $(tail -n 1 "$log")"
  for deb in "$debian"/debs/*.deb; do dpkg-deb -x "$deb" "$debian/root"; done
  rm -r "$debian/debs" "$apt/lists" "$apt/archives"
  # what a box has room for
  find "$debian/root/usr/share" -mindepth 1 -maxdepth 1 -exec rm -r {} +
  touch "$debian/whole"
}

# module NAME FOLDER: it and what it depends on, in FOLDER, and in their order in FOLDER/order
module() {
  local name=${1//-/_} folder=$2 file other
  [ ! -e "$folder/$name.ko" ] || return 0
  file=$(find "$debian/root/lib/modules" -name "$name.ko" -o -name "${name//_/-}.ko" | head -n 1)
  # else it is built in
  [ -n "$file" ] || return 0
  for other in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr , ' '); do module "$other" "$folder"; done
  cp "$file" "$folder/$name.ko"
  echo "$name" >>"$folder/order"
}

# modules FOLDER NAME…
modules() {
  local folder=$1 name
  shift
  mkdir -p "$folder"
  for name; do module "$name" "$folder"; done
}

initrd() {
  local root=$out/initrd.d
  mkdir -p "$root"/{bin,dev,proc,sys,rom,overlay,new}
  cp "$debian/root/bin/busybox" "$root/bin/"
  modules "$root/modules" "${FIRST[@]}"
  install -m 0755 tests/router/guest/init "$root/init"
  (cd "$root" && find . | cpio -o -H newc --quiet) >"$out/initrd"
}

rom() {
  local root=$out/rom.d applet
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,overlay,rom,root,etc/config,etc/rc.d,lib,usr/bin,usr/sbin,usr/lib/opkg/info,www}
  ln -s tmp "$root/var"
  cp "$debian/root/bin/busybox" "$root/bin/"
  while read -r applet; do ln -s busybox "$root/bin/$applet"; done <tests/router/guest/applets
  ln -s ../bin/busybox "$root/sbin/init"
  cp -R tests/package/openwrt/. "$root/"
  mv "$root/lib/functions/procd.sh" "$root/lib/functions/procd-message.sh"
  ln -s tmp/procd "$root/procd"
  cp -R tests/router/guest/rom/. "$root/"
  # nft's libraries, and the loader that all of them name
  mkdir "$root/lib/mipsel-linux-gnu"
  cp -P "$debian"/root/lib/mipsel-linux-gnu/*.so* "$debian"/root/usr/lib/mipsel-linux-gnu/*.so* "$root/lib/mipsel-linux-gnu/"
  cp -P "$debian/root/lib/ld.so.1" "$root/lib/"
  cp "$debian/root/usr/sbin/nft" "$root/usr/sbin/"
  modules "$root/lib/modules" "${LATER[@]}"
  cp "$ipk" "$root/truca.ipk"
  mksquashfs "$root" "$out/rom.squashfs" -noappend -quiet -no-progress -all-root -comp gzip >/dev/null
}

[ -e "$debian/whole" ] || fetch
rm -rf "$out"
mkdir -p "$out"
cp "$debian"/root/boot/vmlinuz-* "$out/kernel"
initrd
rom
rm -r "$out/initrd.d" "$out/rom.d"
