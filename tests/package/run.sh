#!/bin/bash
# The packages, as opkg and a router would have them: built, taken apart, installed into a root directory with
# busybox, their scripts run there, and the installed daemon served as its own user from a root that has no more
# than the jail would.
#
# rc.common, functions.sh, procd.sh and uci are stand-ins (tests/package/openwrt, which say what they do): this
# proves the package's own scripts, not OpenWrt's. A real `opkg` on PATH installs too. Needs root (chroot,
# mounts), busybox, strace, curl and nft; what is missing is installed where apt can, and said otherwise.
# TRUCAD=FILE tests another daemon than target/openwrt/trucad.
# shellcheck disable=SC2016 # what is in quotes is for another shell, or for grep
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tools/apt.sh
. tools/apt.sh

passed=0 failed=0
ok() { passed=$((passed + 1)); echo "package: $1 ... ok"; }
no() { failed=$((failed + 1)); echo "package: $1 ... FAILED"; }
# it SENTENCE COMMAND…: one test
it() {
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then ok "$what"; else no "$what"; sed 's/^/    /' "$work/out"; fi
}
skip() { echo "package: $1 ... skipped, $2"; }

[ "$(id -u)" = 0 ] || { echo "package: this needs root, for chroot and mounts: sudo make package-test" >&2; exit 1; }
for tool in busybox:busybox-static strace:strace setpriv:util-linux curl:curl openssl:openssl nft:nftables ip:iproute2; do
  command -v "${tool%:*}" >/dev/null || apt_install "${tool#*:}" ||
    { echo "package: ${tool%:*} is missing (Debian: apt-get install ${tool#*:})" >&2; exit 1; }
done

work=$(mktemp -d)
pid=
end() {
  # shellcheck disable=SC2317 # by the trap
  [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
  # shellcheck disable=SC2317
  rm -rf "$work"
}
trap end EXIT
root=$work/root

export TRUCAD=${TRUCAD:-${CARGO_TARGET_DIR:-target}/openwrt/trucad}
[ -x "$TRUCAD" ] || cargo build --quiet --locked --profile openwrt -p trucad

# --- the bytes -------------------------------------------------------------------------------------------------

build() { TRUCA_DIST=$1 tools/ipk.sh native >/dev/null; }
build "$work/one"
ipk=$(echo "$work"/one/truca_*.ipk)
same_bytes() {
  cp -R openwrt-feed "$work/touched" && touch "$work"/touched/truca/files/*
  (umask 077 && sleep_free_build)
  cmp "$ipk" "$work/two/${ipk##*/}"
}
sleep_free_build() { touch openwrt-feed/truca/files/truca.init && build "$work/two"; }
it "the same input gives the same bytes, whatever the time and the umask" same_bytes
it "the size alone is the same, and nothing is kept" \
  test "$(tools/ipk.sh --size-only native)" = "$(stat -c %s "$ipk")"

mkdir "$work/ipk" "$work/control" "$work/data"
tar -xzf "$ipk" -C "$work/ipk"
tar -xzf "$work/ipk/control.tar.gz" -C "$work/control"
members() { [ "$(tar -tzf "$ipk" | tr '\n' ' ')" = "./debian-binary ./data.tar.gz ./control.tar.gz " ] && [ "$(cat "$work/ipk/debian-binary")" = 2.0 ]; }
it "an ipk has opkg's three members in their order" members
no_time_or_user() { [ "$(head -c 8 "$ipk" | od -An -tx1)" = " 1f 8b 08 00 00 00 00 00" ] && ! tar --numeric-owner -tvzf "$work/ipk/data.tar.gz" | grep -v ' 0/0 '; }
it "its gzip has no name and no time, and everything belongs to root, by number" no_time_or_user
modes() {
  tar -tvzf "$work/ipk/data.tar.gz" | awk '$1 !~ /^d/ { print $1, $6 }' | sort -k2 >"$work/modes"
  diff - "$work/modes" <<-EOF
	-rw-r--r-- ./etc/capabilities/truca.json
	-rw------- ./etc/config/truca
	-rwxr-xr-x ./etc/hotplug.d/iface/80-truca
	-rwxr-xr-x ./etc/init.d/truca
	-rw-r--r-- ./etc/seccomp/truca.json
	-rwxr-xr-x ./etc/uci-defaults/80-truca
	-rw-r--r-- ./lib/functions/truca.sh
	-rw-r--r-- ./lib/upgrade/keep.d/truca
	-rw-r--r-- ./lib/upgrade/truca.sh
	-rwxr-xr-x ./usr/sbin/trucad
	-rw-r--r-- ./usr/share/acl.d/truca.json
	-rwxr-xr-x ./usr/share/truca/firewall.sh
	-rw-r--r-- ./www/truca/index.html
	lrwxrwxrwx ./www/truca/port.js
	-rw-r--r-- ./www/truca/truca.css
	-rw-r--r-- ./www/truca/truca.js
	EOF
}
it "the files are where a router wants them, with their modes" modes
control() {
  local line
  for line in "Package: truca" "Architecture: $(uname -m)" "License: AGPL-3.0-or-later" "Require-User: truca=843:truca=843" \
    "Version: $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)-r1" \
    "Installed-Size: $(gzip -dc "$work/ipk/data.tar.gz" | wc -c)"; do
    grep -qxF "$line" "$work/control/control" || { echo "no '$line' in:"; cat "$work/control/control"; return 1; }
  done
  [ "$(cat "$work/control/conffiles")" = /etc/config/truca ]
}
it "the control file says what opkg needs" control
json() { node -e 'process.argv.slice(1).forEach((f) => JSON.parse(require("fs").readFileSync(f, "utf8")))' openwrt-feed/truca/files/*.json; }
it "the JSON files are JSON" json

# What LuCI's own po2lmo makes of this file; 78 catalogues of LuCI came out of both with the same bytes
lmo() {
  node tools/po2lmo.mjs tests/package/words.po "$work/words.lmo"
  [ "$(sha256sum <"$work/words.lmo")" = "feccca1910c5b5d35c2299fe3f07aab925a92a6c9908e269a1a14d108b8ca368  -" ]
}
it "translations are compiled as LuCI's own tool does" lmo

# The feed's Makefile installs the same files: run by make, with nothing of OpenWrt but the macros that it uses
same_install() {
  mkdir -p "$work/sdk/include" "$work/sdk/feeds/packages/lang/rust" "$work/sdk/bin"
  cp "$TRUCAD" "$work/sdk/bin/trucad"
  printf '%s\n' 'INCLUDE_DIR:=$(TOPDIR)/include' 'PKG_INSTALL_DIR:=$(TOPDIR)' 'INSTALL_DIR:=install -d -m0755' \
    'INSTALL_BIN:=install -m0755' 'LN:=ln -sf' >"$work/sdk/rules.mk"
  printf '%s\n' 'define BuildPackage' install: $'\t$(call Package/$(1)/install,$(DESTINATION))' profile: \
    $'\t@echo $(CARGO_PKG_PROFILE) $(RUST_PKG_LOCKED) $(MAKE_PATH)' endef >"$work/sdk/include/package.mk"
  echo 'CARGO_PKG_PROFILE:=release' >"$work/sdk/feeds/packages/lang/rust/rust-package.mk"
  make -s -C openwrt-feed/truca TOPDIR="$work/sdk" DESTINATION="$work/sdk/root" install
  [ "$(make -s -C openwrt-feed/truca TOPDIR="$work/sdk" profile)" = "openwrt 1 daemon" ]
  tar -xzf "$work/ipk/data.tar.gz" -C "$work/data"
  diff -r --no-dereference "$work/data" "$work/sdk/root" &&
    diff <(cd "$work/data" && find . -printf '%M %p\n' | sort) <(cd "$work/sdk/root" && find . -printf '%M %p\n' | sort)
}
it "the SDK's Makefile installs the same files with the same modes" same_install

# --- a router --------------------------------------------------------------------------------------------------

# into ROOT PROGRAM…: programs of this machine with their libraries
into() {
  local to=$1 program file
  shift
  for program; do
    for file in "$program" $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
      [ -e "$to$file" ] || install -D "$(readlink -f "$file")" "$to$file"
    done
  done
}

router() {
  local applet
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,etc/config,etc/init.d,proc,procd,sbin,tmp,usr/sbin,usr/lib/opkg/info,usr/share,var/run,www}
  into "$root" "$(command -v busybox)"
  for applet in $("$root$(command -v busybox)" --list); do
    [ -e "$root/bin/$applet" ] || ln -s "$(command -v busybox)" "$root/bin/$applet"
  done
  cp -R tests/package/openwrt/. "$root/"
  # the libraries of a daemon that was linked with this machine's
  into "$root" "$(realpath "$TRUCAD")" && rm "$root$(realpath "$TRUCAD")"
  echo root:x:0:0:root:/root:/bin/ash >"$root/etc/passwd"
  echo root:x:0: >"$root/etc/group"
  mknod -m 666 "$root/dev/null" c 1 3
  printf '#!/bin/sh\necho "$*" >>/log\n' >"$root/bin/logger.new" && chmod +x "$root/bin/logger.new" && mv "$root/bin/logger.new" "$root/bin/logger"
  : >"$root/log"
}
# on COMMAND…: on that router
on() { env -i PATH=/sbin:/usr/sbin:/bin chroot "$root" "$@"; }

# What opkg does, in its order: unpack, keep an edited conffile, write the control files down, run postinst
install_ipk() { # install_ipk [upgrade]
  local file kept=''
  if [ "${1:-}" = upgrade ]; then
    on env PKG_UPGRADE=1 /usr/lib/opkg/info/truca.prerm upgrade
    cmp -s "$root/etc/config/truca" "$work/data/etc/config/truca" || kept=1
  fi
  tar -xzf "$work/ipk/data.tar.gz" -C "$root" ${kept:+--exclude=./etc/config/truca}
  for file in control conffiles postinst prerm postinst-pkg prerm-pkg; do
    cp "$work/control/$file" "$root/usr/lib/opkg/info/truca.$file"
  done
  tar -tzf "$work/ipk/data.tar.gz" | sed -n 's#^\.\(/.*[^/]\)$#\1#p' >"$root/usr/lib/opkg/info/truca.list"
  on env ${1:+PKG_UPGRADE=1} /usr/lib/opkg/info/truca.postinst configure
}
remove_ipk() {
  local file
  on /usr/lib/opkg/info/truca.prerm remove
  while read -r file; do
    # an edited conffile stays
    [ "$file" != /etc/config/truca ] || cmp -s "$root$file" "$work/data$file" || continue
    rm -f "$root$file"
  done <"$root/usr/lib/opkg/info/truca.list"
  rm "$root"/usr/lib/opkg/info/truca.*
}

# said LINE…: the service's message to procd has these lines
said() {
  local line
  for line; do
    grep -qxF -- "$line" "$root/procd/truca" || { echo "procd was not told '$line', but:"; cat "$root/procd/truca"; return 1; }
  done
}
firewall_config() {
  cat >"$root/etc/config/firewall" <<-'EOF'
	config zone
		option name 'lan'
		option input 'ACCEPT'

	config zone
		option name 'wan'
		option input 'REJECT'

	config zone
		option name 'mesh_batman'
		option input 'REJECT'
	EOF
}

router
firewall_config
it "it installs" install_ipk
started() {
  said name=truca instances.instance1.command.0=/usr/sbin/trucad instances.instance1.command.1=--syslog instances.instance1.user=truca \
    instances.instance1.group=truca instances.instance1.stderr=1 instances.instance1.respawn.0=300 \
    instances.instance1.respawn.1=10 instances.instance1.respawn.2=6 \
    'triggers.0=config.change truca reload' 'triggers.1=config.change firewall reload' \
    'triggers.2=interface.* 3000 /etc/init.d/truca reload' \
    instances.instance1.data.mdns.https_8443.service=_https._tcp.local \
    instances.instance1.data.mdns.https_8443.port=8443 &&
    [ -L "$root/etc/rc.d/S95truca" ] && ! grep -q jail "$root/procd/truca"
}
it "it is enabled and started, without a jail where there is no ujail" started
owners() {
  [ "$(stat -c '%u:%g %a' "$root/etc/truca")" = "843:843 700" ] && [ "$(stat -c '%u:%g %a' "$root/var/run/truca")" = "843:843 755" ] &&
    [ "$(stat -c '%u:%g %a' "$root/etc/config/truca")" = "0:843 640" ] && [ "$(cat "$root/var/run/truca-port.js")" = "trucaPort = 8443;" ]
}
it "its user can write the state, and read the configuration without owning it" owners
zones() {
  local rules
  rules=$(sed -n "s/^config rule '\(truca_.*\)'/\1/p" "$root/etc/config/firewall" | sort | tr '\n' ' ')
  [ "$rules" = "truca_lan truca_mesh_batman " ] && grep -qx "	option dest_port '3478 3480-3483 8080 8443 24576-24831'" "$root/etc/config/firewall" &&
    ! grep -q "instance1.data.firewall.0" "$root/procd/truca"
}
it "the LAN and the mesh are let in, the Internet is not" zones
again() {
  cp "$root/etc/config/firewall" "$work/before"
  sed -i "/truca_mesh_batman/,\$s/option enabled '1'/option enabled '0'/" "$root/etc/config/firewall"
  cp "$root/etc/config/firewall" "$work/edited"
  install -m 0755 "$work/data/etc/uci-defaults/80-truca" "$root/etc/uci-defaults/80-truca"
  on /etc/uci-defaults/80-truca
  on /etc/uci-defaults/80-truca
  ! cmp -s "$work/before" "$work/edited" && cmp "$work/edited" "$root/etc/config/firewall"
}
it "80-truca run again changes nothing, not even a rule that was switched off" again
other_port() {
  sed -i "s/^\t#option port '8443'/\toption port '9443'/" "$root/etc/config/truca"
  on /etc/init.d/truca reload
  said instances.instance1.data.firewall.0.src=lan instances.instance1.data.firewall.0.proto=tcp \
    instances.instance1.data.firewall.0.dest_port=9443 instances.instance1.data.firewall.1.proto=udp \
    instances.instance1.data.firewall.1.dest_port=9443 instances.instance1.data.mdns.https_9443.port=9443 || return
  # the switched-off zone has none, and what the rule opens already is not said twice
  ! grep -q "firewall.2" "$root/procd/truca" && [ "$(grep -c "^changed firewall" "$root/procd/requests")" = 1 ] &&
    [ "$(tail -n 1 "$root/procd/requests")" = 'signal truca * HUP' ] && [ "$(cat "$root/var/run/truca-port.js")" = "trucaPort = 9443;" ] &&
    on /etc/init.d/truca reload && [ "$(grep -c "^changed firewall" "$root/procd/requests")" = 1 ]
}
it "another port reaches the firewall, once, and only where the owner lets Truca in" other_port
restart_for() { said 'instances.instance1.env.TRUCA_RESTART_FOR=9443 8080 3478 1 /etc/truca /var/run/truca ' instances.instance1.file.0=/usr/sbin/trucad; }
it "procd is told for what to restart" restart_for

# What a masqueraded client's call would be spoiled by (docs/operations.md, "The firewall and calls")
stray() {
	cp "$root/etc/config/firewall" "$work/quiet"
	cat >>"$root/etc/config/firewall" <<-'EOF'

	config defaults
		option input 'ACCEPT'

	config zone
		option name 'mesh_nat'
		option masq '1'

	config zone
		option name 'mesh_routed'

	config zone
		option name 'mesh_shut'
		option masq '1'
		option input 'REJECT'

	config rule
		option name 'SIP of the house'
		option src 'mesh_nat'
		option proto 'udp'
		option dest_port '40000:40009'
		option target 'ACCEPT'
	EOF
	printf "config interface 'wg0'\n\toption proto 'wireguard'\n\toption listen_port '51820'\n" >"$root/etc/config/network"
	install -m 0755 "$work/data/etc/uci-defaults/80-truca" "$root/etc/uci-defaults/80-truca"
	on /etc/uci-defaults/80-truca
	on /etc/init.d/truca reload
}
rejected() { # rejected [ZONE]: what is rejected there, in words
	sed -n 's/^instances.instance1.data.firewall.\([0-9]*\).target=REJECT$/\1/p' "$root/procd/truca" | while read -r i; do
		sed -n "s/^instances.instance1.data.firewall.$i.\(src\|proto\|family\|dest_port\)=//p" "$root/procd/truca" | xargs
	done
}
stray_rules() {
	stray
	diff - <(rejected) <<-EOF
	mesh_nat udp 32768-39999 ipv4
	mesh_nat udp 40010-51819 ipv4
	mesh_nat udp 51821-65535 ipv4
	EOF
	[ "$(grep -c "^changed firewall" "$root/procd/requests")" = 2 ] && on /etc/init.d/truca reload &&
		[ "$(grep -c "^changed firewall" "$root/procd/requests")" = 2 ]
}
it "where a zone masquerades and accepts, stray UDP is rejected but for WireGuard and what the owner accepts" stray_rules
stray_off() {
	cp "$root/etc/config/truca" "$work/on"
	printf "\nconfig firewall\n\toption reject_stray '0'\n" >>"$root/etc/config/truca"
	on /etc/init.d/truca reload
	local told
	told=$(rejected)
	cp "$work/on" "$root/etc/config/truca"
	# a zone in which the owner does not let Truca in is not ours to touch
	sed -i "/truca_mesh_nat/,\$s/option enabled '1'/option enabled '0'/" "$root/etc/config/firewall"
	on /etc/init.d/truca reload
	[ -z "$told" ] && [ -z "$(rejected)" ]
	cp "$work/quiet" "$root/etc/config/firewall"
	rm "$root/etc/config/network"
	on /etc/init.d/truca reload
}
it "and not if the owner says no, or has shut Truca out of the zone" stray_off

# --- beside others of this router ------------------------------------------------------------------------------

taken_ports() {
  local was=$work/config-before
  cp "$root/etc/config/truca" "$was" && cp "$work/data/etc/config/truca" "$root/etc/config/truca" && : >"$root/log"
  cat >"$root/etc/config/uhttpd" <<-'EOF'
	config uhttpd 'main'
		list listen_http '0.0.0.0:80'
		list listen_http '[::]:8080'
		list listen_http '0.0.0.0:8081'
		list listen_https '0.0.0.0:8443'
	EOF
  install -m 0755 "$work/data/etc/uci-defaults/80-truca" "$root/etc/uci-defaults/80-truca"
  on /etc/uci-defaults/80-truca && on /etc/uci-defaults/80-truca
  grep -qx "	option port '8444'" "$root/etc/config/truca" && grep -qx "	option http_port '8082'" "$root/etc/config/truca" &&
    [ "$(grep -c "^	option .*port" "$root/etc/config/truca")" = 2 ] && grep -q 'another program has TCP port 8443: port is 8444' "$root/log" &&
    [ "$(on /etc/init.d/truca check)" = ok ] || return
  # one that listens without any settings, and the owner's own choice, which stands
  rm "$root/etc/config/uhttpd" && cp "$work/data/etc/config/truca" "$root/etc/config/truca"
  sed -i "s/^\t#option port '8443'/\toption port '8443'/" "$root/etc/config/truca"
  unshare -n -m bash -c 'ip link set lo up && mount --bind /proc "$1/proc" && node -e "
    const { createServer } = require(\"net\"), { execFileSync } = require(\"child_process\"), ports = [8443, 8080];
    const next = () => {
      const port = ports.shift();
      if (port) return createServer().listen(port, \"127.0.0.1\", next);
      execFileSync(\"chroot\", [process.argv[1], \"/etc/uci-defaults/80-truca\"], { env: { PATH: \"/sbin:/usr/sbin:/bin\" } });
      process.exit();
    };
    next()" "$1"' taken "$root"
  ! grep -q "option port '8444'" "$root/etc/config/truca" && grep -qx "	option http_port '8081'" "$root/etc/config/truca" || return
  cp "$was" "$root/etc/config/truca"
}
it "where uhttpd or another has its ports it takes the next ones at installation, but never instead of the owner's" taken_ports
rebound() {
  local was=$work/config-before
  cp "$root/etc/config/truca" "$was"
  printf "config node\n\toption community_host 'truca.mesh'\n\toption certificate '/a.crt'\n\toption key '/a.key'\n" >"$root/etc/config/truca"
  rebind() { printf '%b' "config dnsmasq\n\toption rebind_protection '$1'\n${2:-}" >"$root/etc/config/dhcp"; on sh -c '. /lib/functions.sh; . /lib/functions/truca.sh; truca_load; truca_is_rebound'; }
  rebind 1 && ! rebind 0 && ! rebind 1 "\tlist rebind_domain 'truca.mesh'\n" && ! rebind 1 "\tlist rebind_domain '/mesh/'\n" &&
    rebind 1 "\tlist rebind_domain 'a.mesh'\n" && ! rebind 1 "config domain\n\toption name 'truca.mesh'\n\toption ip '10.13.1.1'\n" || return
  printf "config node\n\toption name 'casa'\n" >"$root/etc/config/truca"
  if rebind 1; then return 1; fi
  rm "$root/etc/config/dhcp" && cp "$was" "$root/etc/config/truca"
}
it "it knows when dnsmasq would drop the community host's private address" rebound

# --- bad input -------------------------------------------------------------------------------------------------

broken_while_running() {
  cp "$root/procd/truca" "$work/before" && : >"$root/procd/requests" && : >"$root/log"
  sed -i "s/option port '9443'/option port '94430'/" "$root/etc/config/truca"
  ! on /etc/init.d/truca reload && cmp "$work/before" "$root/procd/truca" && [ ! -s "$root/procd/requests" ] &&
    grep -q 'not reloaded.*line [0-9]*: section `node`, option `port`: `94430` is not allowed' "$root/log"
}
it "a broken configuration changes nothing in a daemon that runs, and the log names section and option" broken_while_running
broken_at_boot() {
  rm "$root/procd/truca" && : >"$root/log"
  on /etc/init.d/truca boot
  grep -q '^instances.instance1.error.0=/etc/config/truca line [0-9]*: section `node`, option `port`' "$root/procd/truca" &&
    ! grep -q 'respawn' "$root/procd/truca" && grep -q '^-t truca -p daemon.err -- not started: .*option `port`' "$root/log" &&
    ! on /etc/init.d/truca running && grep -q "config.change truca reload" "$root/procd/truca"
}
it "at boot it is an error that procd shows, not a loop, and mending it by uci starts the daemon" broken_at_boot
not_uci() {
  local text
  for text in "config node 'node" 'nonsense' $'config node\n\toption port 1 2' "$(head -c 70000 /dev/zero | tr '\0' '#')"; do
    echo "$text" >"$root/etc/config/truca"
    on /etc/init.d/truca check && return 1
  done
  rm "$root/etc/config/truca" && on /etc/init.d/truca check
}
it "what is not UCI is refused too, and no file at all means all defaults" not_uci
no_user() {
  cp "$work/data/etc/config/truca" "$root/etc/config/truca" && cp "$root/etc/passwd" "$work/passwd" && sed -i /truca/d "$root/etc/passwd"
  on /etc/init.d/truca start
  cp "$work/passwd" "$root/etc/passwd"
  grep -q 'error.0=the user truca is missing' "$root/procd/truca"
}
it "without its user it does not run as root instead" no_user
read_only() { # /etc read-only, /var/run full
  local status=0
  on mkdir -p /etc/ro && mount --bind "$root/etc" "$root/etc" && mount -o remount,bind,ro "$root/etc"
  mount -t tmpfs -o size=4k,nr_inodes=2 full "$root/var/run"
  on /etc/init.d/truca start || status=$?
  umount "$root/var/run" "$root/etc"
  [ "$status" = 0 ] && said instances.instance1.command.0=/usr/sbin/trucad
}
it "a read-only /etc and a full /var/run do not keep it from being started" read_only

full_tmp() { # changed ports are to be told, and nothing can be remembered
  local status=0
  cp "$root/etc/config/truca" "$work/config-before" && printf "config node\n\toption port '9555'\n" >"$root/etc/config/truca"
  : >"$root/procd/requests" && : >"$root/log"
  mount -t tmpfs -o size=4k none "$root/var/run" && head -c 4096 /dev/zero >"$root/var/run/full"
  on /etc/init.d/truca reload && on /etc/init.d/truca reload || status=$?
  umount "$root/var/run"
  cp "$work/config-before" "$root/etc/config/truca"
  # each telling would come back as a reload, which tells again
  [ "$status" = 0 ] && ! grep -q '^changed firewall' "$root/procd/requests" && grep -q 'the firewall is not told' "$root/log"
}
it "a full /tmp does not make service and firewall call each other for ever" full_tmp
no_room_for_rules() {
  cp "$root/etc/config/firewall" "$work/rules" && firewall_config
  install -m 0755 "$work/data/etc/uci-defaults/80-truca" "$root/etc/uci-defaults/80-truca"
  mount --bind "$root/etc" "$root/etc" && mount -o remount,bind,ro "$root/etc"
  local status=0
  on /etc/uci-defaults/80-truca || status=$?
  umount "$root/etc"
  # not ended well, it is kept and runs at the next boot
  [ "$status" != 0 ] && on /etc/uci-defaults/80-truca && grep -q truca_lan "$root/etc/config/firewall" && cp "$work/rules" "$root/etc/config/firewall"
}
it "firewall rules that there was no room for are written at the next boot" no_room_for_rules

# --- the life of a package -------------------------------------------------------------------------------------

kept() {
  echo identity >"$root/etc/truca/node.key" && chown 843:843 "$root/etc/truca/node.key"
  echo "# mine" >>"$root/etc/config/truca"
  cp "$root/etc/config/truca" "$work/mine"
  : >"$root/procd/requests"
  install_ipk upgrade
  [ "$(cat "$root/etc/truca/node.key")" = identity ] && cmp "$work/mine" "$root/etc/config/truca" &&
    [ -L "$root/etc/rc.d/S95truca" ] && grep -qx 'kill truca' "$root/procd/requests" && said instances.instance1.command.0=/usr/sbin/trucad &&
    [ "$(grep -c "^config rule 'truca_" "$root/etc/config/firewall")" = 2 ]
}
it "an upgrade keeps identity, edited configuration and rules, and starts the new daemon" kept
restored() {
  chown 0:0 "$root/etc/truca/node.key" && ln -s /etc/passwd "$root/etc/truca/link"
  on /etc/init.d/truca start
  [ "$(stat -c %u "$root/etc/truca/node.key")" = 843 ] && [ "$(stat -c %u "$root/etc/passwd")" = 0 ] && rm "$root/etc/truca/link"
}
it "files that root has restored are the daemon's again, and no link leads out" restored
foreign() {
  mkdir -p "$root/srv/photos" && touch "$root/srv/photos/one" && : >"$root/log"
  sed -i "s#^\t\#option state .*#\toption state '/srv/photos'#" "$root/etc/config/truca"
  on /etc/init.d/truca start
  cp "$work/mine" "$root/etc/config/truca"
  [ "$(stat -c %u "$root/srv/photos/one")" = 0 ] && grep -q "srv/photos is not the user truca's" "$root/log"
}
it "somebody else's directory is never taken over" foreign
gone() {
  remove_ipk
  [ -f "$root/etc/truca/node.key" ] && cmp "$work/mine" "$root/etc/config/truca" && [ ! -e "$root/usr/sbin/trucad" ] &&
    [ ! -e "$root/etc/rc.d/S95truca" ] && ! grep -q truca "$root/etc/config/firewall" && [ ! -e "$root/procd/truca" ]
}
it "removal asks nothing, closes the firewall and leaves the identity" gone
back() { install_ipk && [ "$(cat "$root/etc/truca/node.key")" = identity ] && said instances.instance1.user=truca && rm "$root/etc/truca/node.key"; }
it "installed again, it is the same node" back

# --- the jail --------------------------------------------------------------------------------------------------

jailed() {
  touch "$root/sbin/ujail" && chmod +x "$root/sbin/ujail"
  mkdir -p "$root/var/run/ubus" "$root/var/run/bmx6"
  cp "$work/data/etc/config/truca" "$root/etc/config/truca"
  on /etc/init.d/truca start
  said instances.instance1.jail.name=truca instances.instance1.jail.procfs=1 instances.instance1.no_new_privs=1 \
    instances.instance1.capabilities=/etc/capabilities/truca.json \
    instances.instance1.jail.mount./etc/truca=1 instances.instance1.jail.mount./var/run/truca=1 \
    instances.instance1.jail.mount./etc/config=0 instances.instance1.jail.mount./var/run/bmx6=0
}
it "with ujail it asks for a jail without capabilities" jailed
# What is not there must not be asked for: ujail logs an error for the one, and makes no jail for the other
only_what_is_there() {
  ! grep -q 'seccomp\|jail.log' "$root/procd/truca" || return
  : >"$root/lib/libpreload-seccomp.so"
  # ended by force, a server leaves its socket
  node -e 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))' "$root/dev/log" || true
  on /etc/init.d/truca start
  said instances.instance1.seccomp=/etc/seccomp/truca.json instances.instance1.jail.log=1
}
it "the list of system calls where procd-seccomp is, syslog's socket where there is one" only_what_is_there
# R1: as OpenWrt's acme lays it out, and other ways in which a file is reached
reached() {
  mkdir -p "$root/etc/ssl/acme" "$root/etc/acme/casa_ecc" "$root/mnt/disk/le/live/casa" "$root/mnt/disk/le/archive/casa" "$root/etc/pki"
  for file in fullchain.cer casa.key; do
    echo "$file" >"$root/etc/acme/casa_ecc/$file"
    ln -sf "/etc/acme/casa_ecc/$file" "$root/etc/ssl/acme/$file"
    echo "$file" >"$root/mnt/disk/le/archive/casa/1-$file"
    ln -sf "../../archive/casa/1-$file" "$root/mnt/disk/le/live/casa/$file"
  done
  ln -sfn /mnt/disk/le "$root/etc/letsencrypt"
  echo bare >"$root/etc/bare.pem"
  ln -sf /etc/pki/round "$root/etc/pki/circle" && ln -sf circle "$root/etc/pki/round"
  diff - <(on sh -c '. /lib/functions/truca.sh
    for file in /etc/ssl/acme/casa.key /etc/letsencrypt/live/casa/casa.key /etc/bare.pem /etc/truca/own.key; do truca_reached $file; done
    truca_reached ""; truca_reached own.key; truca_reached /etc/pki/circle | sort -u') <<-EOF
	/etc/ssl/acme
	/etc/acme/casa_ecc
	/etc/letsencrypt/live/casa
	/etc/letsencrypt/archive/casa
	/etc/bare.pem
	/etc/truca
	/etc/pki
	EOF
}
it "the jail's mounts follow a certificate's links to where it is" reached
owners_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=casa \
    -keyout "$root/etc/acme/casa_ecc/casa.key" -out "$root/etc/acme/casa_ecc/fullchain.cer" 2>/dev/null
  chmod 600 "$root"/etc/acme/casa_ecc/* && chmod 700 "$root/etc/acme" && : >"$root/log"
  sed -i "s#^\t\#option certificate .*#\toption certificate '/etc/ssl/acme/fullchain.cer'#; s#^\t\#option key .*#\toption key '/etc/ssl/acme/casa.key'#" "$root/etc/config/truca"
  # only root can read it: said by the check, said in the log, and started all the same
  local said
  if said=$(on /etc/init.d/truca check 2>&1); then return 1; fi
  [[ $said == *"the user truca cannot enter /etc/acme (mode 700"* ]] || return
  on /etc/init.d/truca start && grep -q 'daemon.warn -- the certificate cannot be used.*the user truca cannot enter /etc/acme' "$root/log" &&
    said instances.instance1.command.0=/usr/sbin/trucad instances.instance1.jail.mount./etc/ssl/acme=0 instances.instance1.jail.mount./etc/acme/casa_ecc=0
}
it "a certificate that only root can read is said by check and log, and costs no start" owners_certificate
readable_again() {
  chmod 755 "$root/etc/acme" && chgrp 843 "$root"/etc/acme/casa_ecc/* && chmod 640 "$root"/etc/acme/casa_ecc/*
  [ "$(on /etc/init.d/truca check)" = ok ] && on /etc/init.d/truca start
}
it "and what the check says to do is enough" readable_again

# The jail as ujail would make it of these mounts: the daemon, its libraries, and nothing else
jail=$work/jail
make_jail() {
  local line path
  mkdir -p "$jail"/{proc,etc,dev} && mount -t proc proc "$jail/proc"
  into "$jail" "$(command -v setpriv)" "$(command -v env)"
  cp -R "$root/usr/sbin" "$jail/usr/" 2>/dev/null || { mkdir -p "$jail/usr" && cp -R "$root/usr/sbin" "$jail/usr/"; }
  into "$jail" "$(realpath "$TRUCAD")" && rm "$jail$(realpath "$TRUCAD")"
  cp "$root"/etc/{passwd,group} "$jail/etc/"
  mknod -m 666 "$jail/dev/null" c 1 3
  sed -n 's/^instances.instance1.jail.mount.//p' "$root/procd/truca" | while read -r line; do
    path=${line%=*}
    [ -e "$root$path" ] || continue
    if [ -d "$root$path" ]; then mkdir -p "$jail$path"; else install -D /dev/null "$jail$path"; fi
    mount --bind "$root$path" "$jail$path"
    [ "${line##*=}" = 1 ] || mount -o remount,bind,ro "$jail$path"
  done
}
# A network of its own, so that the default ports are free; the daemon as procd would start it
serve() {
  unshare -n -m bash -c '
    set -eu
    '"$(declare -f into make_jail)"'
    root=$1 jail=$2 TRUCAD=$3 work=$4
    make_jail
    ip link set lo up
    ip link add mesh0 type veth peer name far0
    ip link set mesh0 up && ip link set far0 up && ip address add 10.99.0.1/24 dev mesh0
    : >"$work/daemon.log"
    strace -D -f -qq -o "$work/strace" chroot "$jail" "$(command -v env)" -i "$(command -v setpriv)" --reuid 843 --regid 843 --clear-groups \
      --bounding-set=-all --inh-caps=-all --no-new-privs /usr/sbin/trucad 2>"$work/daemon.log" &
    daemon=$!
    # the daemon says when it is ready; if it ends first, so do we
    until grep -q "ready:" "$work/daemon.log"; do kill -0 $daemon; done
    curl -sk --compressed --max-time 10 -o "$work/page" https://10.99.0.1:8443/
    curl -s --compressed --max-time 10 -o "$work/plain" http://10.99.0.1:8080/
    chroot "$jail" /usr/sbin/trucad ctl status >"$work/status"
    chroot "$jail" /usr/sbin/trucad ctl stun >"$work/stun"
    grep -E "^(Cap|NoNew|Uid)" "/proc/$(sed -n "s/^\([0-9]*\) .*execve(\"\/usr\/sbin\/trucad\".*/\1/p" "$work/strace" | tail -n 1)/status" >"$work/caps"
    openssl s_client -connect 10.99.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -subject >"$work/subject"
    kill -HUP $daemon
    until grep -q reloaded "$work/daemon.log"; do kill -0 $daemon; done
    kill $daemon
    wait $daemon
  ' serve "$root" "$jail" "$TRUCAD" "$work"
}
it "the installed daemon starts in that jail, serves, reloads and ends well" timeout 60 bash -c "$(declare -f serve into make_jail); root=$root jail=$jail TRUCAD=$TRUCAD work=$work; serve"
pages() {
  head -c 300 "$work"/{page,plain,status,stun}
  grep -qi '<!doctype html>' "$work/page" && grep -q 8443 "$work/plain" && grep -q '^node id' "$work/status" && grep -q '10.99.0.1:3478' "$work/stun"
}
it "it served the page, the way to it, its status and STUN" pages
linked() { grep -q 'CN *= *casa$' "$work/subject"; }
it "in the jail it showed the owner's certificate, which was a link out of its directory" linked
powerless() { [ "$(grep -c '0000000000000000$' "$work/caps")" = 5 ] && grep -q 'NoNewPrivs:.1' "$work/caps" && grep -q 'Uid:.843.843' "$work/caps"; }
it "it had no capability in any set, and its own user" powerless
state() { [ -f "$root/etc/truca/node.key" ] && [ "$(stat -c '%u %a' "$root/etc/truca/node.key")" = "843 600" ]; }
it "it made its identity, for itself alone" state
listed() {
  node -e '
    const fs = require("fs"), seen = new Set();
    let running = false;
    for (const line of fs.readFileSync(process.argv[1], "utf8").split("\n")) {
      if (line.includes("execve(\"/usr/sbin/trucad\"")) { running = true; continue; }
      const call = /^\d+ +([a-z0-9_]+)\(/.exec(line);
      if (running && call) seen.add(call[1]);
    }
    const list = new Set(JSON.parse(fs.readFileSync(process.argv[2], "utf8")).syscalls.flatMap((rule) => rule.names));
    const missing = [...seen].filter((name) => !list.has(name));
    console.log(`${seen.size} system calls; not listed: ${missing.join(" ") || "none"}`);
    process.exit(seen.size > 30 && missing.length === 0 ? 0 : 1);
  ' "$work/strace" "$root/etc/seccomp/truca.json"
}
it "it used no system call that is not on the list" listed

# --- sysupgrade ------------------------------------------------------------------------------------------------

# As /sbin/sysupgrade makes its list: keep.d, conffiles, and what scripts in /lib/upgrade add
sysupgrade_list() {
  on sh -c '
    . /lib/functions.sh
    for file in /lib/upgrade/*.sh; do . "$file"; done
    find $(cat /lib/upgrade/keep.d/*) \( -type f -o -type l \) 2>/dev/null
    cat /usr/lib/opkg/info/*.conffiles
    : >/tmp/conffiles
    for hook in $sysupgrade_init_conffiles; do $hook /tmp/conffiles; done
    cat /tmp/conffiles' | sort
}
upgraded() {
  sysupgrade_list >"$work/kept"
  # what the daemon has made, on what outlives a restart
  (cd "$root" && find . -xdev -user 843 -type f ! -path './var/*' ! -path './tmp/*' ! -path './proc/*' | sed 's/^\.//' | sort) >"$work/made"
  grep -qx /etc/truca/node.key "$work/made" || return
  [ -z "$(comm -13 "$work/kept" "$work/made")" ] || { echo "made and not kept:"; comm -13 "$work/kept" "$work/made"; return 1; }
  local file
  for file in /etc/config/truca /etc/ssl/acme/casa.key /etc/acme/casa_ecc/casa.key /etc/ssl/acme/fullchain.cer /etc/acme/casa_ecc/fullchain.cer; do
    grep -qx "$file" "$work/kept" || { echo "$file is not kept"; return 1; }
  done
  [ -z "$(uniq -d "$work/kept")" ] && ! grep -q bare.pem "$work/kept"
}
it "sysupgrade keeps what the daemon has made, its settings, and the owner's certificate wherever it is" upgraded
elsewhere() {
  mkdir -p "$root/mnt/disk/truca" && touch "$root/mnt/disk/truca/node.key"
  cp "$root/etc/config/truca" "$work/config-before" && printf "config node\n\toption state '/mnt/disk/truca'\n" >"$root/etc/config/truca"
  sysupgrade_list | grep -qx /mnt/disk/truca/node.key && cp "$work/config-before" "$root/etc/config/truca"
}
it "and a state that is elsewhere" elsewhere

# --- a router without fw3 and fw4 ------------------------------------------------------------------------------

plain_nft() {
  unshare -n bash -c '
    set -eu
    run() { env PATH="$PATH" busybox ash "$1" "$2" "8443 8080 3478" "8443 3478 24576-24831"; }
    count() { nft list ruleset | grep -c "comment \"truca\"" || true; }
    run "$1" open
    [ "$(nft list ruleset | grep -c accept)" = 0 ]
    nft -f - <<-EOF
	table inet own {
	  chain in { type filter hook input priority 0; policy drop; ct state established accept; }
	  chain nat { type nat hook prerouting priority 0; }
	}
	EOF
    before=$(nft list ruleset)
    run "$1" open
    run "$1" open
    [ "$(count)" = 2 ]
    nft list chain inet own in | grep -A2 policy | grep -q "dport { .*8443.* } accept comment \"truca\""
    run "$1" close
    [ "$(nft list ruleset)" = "$before" ]
  ' plain "$work/data/usr/share/truca/firewall.sh"
}
it "without fw4 the ports are opened in the chains that there are, once, and closed again (nft)" plain_nft
# Real packets: to a port of a flow, to one where a program listens, to a service below; and what answers the router.
# What is rejected comes back as ICMP, and leaves no entry in the connection table
plain_stray() {
  unshare -n -m bash -c '
    set -eu
    run() { env PATH="$PATH" busybox ash "$1" "$2" "8443 8080 3478" "8443 3478 24576-24831" "$3"; }
    mount -t tmpfs none /run && ip netns add mesh
    ip link add mesh0 type veth peer name mesh0 netns mesh
    ip addr add 10.99.0.1/24 dev mesh0 && ip link set mesh0 up && ip link set lo up
    ip -n mesh addr add 10.99.0.2/24 dev mesh0 && ip -n mesh link set mesh0 up
    nft -f - <<-EOF
	table inet own {
	  chain post { type nat hook postrouting priority srcnat; oifname "mesh0" ip saddr 192.168.1.0/24 masquerade; }
	}
	EOF
    before=$(nft list ruleset)
    run "$1" open "$2"
    run "$1" open "$2"
    [ "$(nft list chain inet truca stray | grep -c reject)" = 1 ]
    ip netns exec mesh node "$3" stray 10.99.0.1 40001
    node "$3" listen 51820 & ip netns exec mesh node "$3" heard 10.99.0.1 51820 && wait $!
    node "$3" listen 6696 & ip netns exec mesh node "$3" heard 10.99.0.1 6696 && wait $!
    ip netns exec mesh node "$3" listen 5000 & node "$3" heard 10.99.0.2 5000 && wait $!
    nft list chain inet truca stray | grep -q "packets 1 "
    run "$1" close ""
    [ "$(nft list ruleset)" = "$before" ]
    # the owner did not masquerade: nothing to protect
    nft delete table inet own && run "$1" open "$2" && [ -z "$(nft list tables)" ]
  ' plain "$work/data/usr/share/truca/firewall.sh" "32768-51819 51821-65535" tests/package/udp.mjs
}
it "without fw4 a masquerading router rejects stray UDP, and no service or answer with it (nft, real packets)" plain_stray
if command -v iptables-legacy >/dev/null && unshare -n iptables-legacy -w -L >/dev/null 2>&1; then
  plain_iptables() {
    mkdir -p "$work/legacy" && ln -sf "$(command -v iptables-legacy)" "$work/legacy/iptables"
    unshare -n bash -c '
      set -eu
      run() { env PATH="$3:/bin" busybox ash "$1" "$2" "8443 8080 3478" "8443 3478 24576-24831" "32768-51819 51821-65535"; }
      run "$1" open "$2"
      [ "$(iptables-legacy -S | grep -c truca)" = 0 ]
      iptables-legacy -P INPUT DROP
      run "$1" open "$2"
      run "$1" open "$2"
      [ "$(iptables-legacy -S truca | grep -c ACCEPT)" = 2 ]
      [ "$(iptables-legacy -S INPUT | grep -c truca)" = 1 ]
      ! iptables-legacy -S truca | grep -q REJECT
      iptables-legacy -t nat -A POSTROUTING -o mesh0 -j MASQUERADE
      iptables-legacy -P INPUT ACCEPT
      run "$1" open "$2"
      iptables-legacy -S truca | grep -qx -- "-A truca -p udp -m udp --dport 51821:65535 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable"
      [ "$(iptables-legacy -S truca | grep -c REJECT)" = 2 ]
      run "$1" close "$2"
      [ "$(iptables-legacy -S | grep -c truca)" = 0 ]
    ' plain "$work/data/usr/share/truca/firewall.sh" "$work/legacy"
  }
  it "and by iptables" plain_iptables
else
  skip "and by iptables" "there is no iptables-legacy that works here"
fi

# --- the real thing, where it is -------------------------------------------------------------------------------

if command -v opkg >/dev/null; then
  real_opkg() {
    local conf=$work/opkg.conf
    mkdir -p "$work"/real/{usr/lib/opkg,tmp,var/lock}
    printf 'dest root /\noption tmp_dir /tmp\narch all 1\narch %s 10\nlists_dir ext /var/opkg-lists\n' "$(uname -m)" >"$conf"
    opkg --conf "$conf" --offline-root "$work/real" --nodeps install "$ipk" &&
      [ -x "$work/real/usr/sbin/trucad" ] && grep -q '^Package: truca$' "$work/real/usr/lib/opkg/status" &&
      opkg --conf "$conf" --offline-root "$work/real" remove truca && [ ! -e "$work/real/usr/sbin/trucad" ]
  }
  it "the real opkg installs and removes it" real_opkg
else
  skip "the real opkg installs and removes it" "there is none on PATH"
fi

echo "package: $passed passed, $failed failed"
[ "$failed" = 0 ]
