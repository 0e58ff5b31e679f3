#!/bin/bash
# need.sh rust|node|rough …: is what a target needs on this machine? If not, say what to do and fail. `rough` is
# what some tests skip without: installed where apt can, said otherwise, and never a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# shellcheck source=tools/apt.sh
source tools/apt.sh

failed=0
missing() {
  echo "truca: $1" >&2
  echo "       $2" >&2
  failed=1
}

# at_least 1.95.0 1.88: version comparison by `sort -V`
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

rust() {
  local want have
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if ! have=$(cargo --version 2>/dev/null); then
    missing "cargo is missing: Truca is built with Rust $want or newer." "Install Rust by rustup (https://rustup.rs), then open a new shell."
  else
    have=$(echo "$have" | cut -d ' ' -f 2)
    at_least "$have" "$want" || missing "Rust $have is too old: $want or newer is needed." "rustup update stable"
  fi
  command -v cc >/dev/null || missing "cc, a C compiler, is missing: the cryptography library needs it." "Debian: apt-get install build-essential"
}

node_js() {
  local have
  if ! have=$(node --version 2>/dev/null); then
    missing "Node.js is missing: the page is built with version 20.19 or newer." "Install it from your system or https://nodejs.org."
  elif ! at_least "${have#v}" 20.19; then
    missing "Node.js $have is too old: 20.19 or newer is needed." "Install a newer one from https://nodejs.org."
  fi
  command -v npm >/dev/null || missing "npm is missing: it brings the page's two libraries." "It comes with Node.js (Debian: apt-get install npm)."
}

# tests/tests/rough.rs: a clock that is set for one program, and interfaces of its own; tests/tests/mdns.rs: another
# mDNS, and the bus that its tools speak by; tests/tests/turn_peer.rs: another TURN
rough() {
  local tool package
  for tool in faketime:faketime ip:iproute2 avahi-daemon:avahi-daemon avahi-browse:avahi-utils dbus-daemon:dbus-daemon turnutils_uclient:coturn; do
    package=${tool#*:}
    command -v "${tool%:*}" >/dev/null && continue
    if apt_install "$package"; then
      # only its tools are wanted: its server would hold the port of ours
      [ "$package" != coturn ] || systemctl disable --now coturn >/dev/null 2>&1 || true
      continue
    fi
    echo "truca: ${tool%:*} is missing, and some tests of a router in trouble, of mDNS or of TURN are skipped (Debian: apt-get install $package)" >&2
  done
}

for what in "$@"; do
  case $what in
    rough) rough ;;
    rust) rust ;;
    node) node_js ;;
    *) echo "need.sh: what is '$what'?" >&2; exit 2 ;;
  esac
done
exit "$failed"
