#!/bin/bash
# `make e2e`: real daemons and real browsers across a mesh of namespaces. E2E=routed, nat,
# turn, reflexive, quality, matrix, firefox, discovery, anywhere or genuine runs one part.
#
# It needs root and a few Debian packages, which it installs when it can. What is missing is named, and the
# run fails: a proof that was not made must not look like one. SKIP_E2E=1 leaves it out, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/apt.sh
source tools/apt.sh

if [ "${SKIP_E2E:-}" = 1 ]; then
  cat >&2 <<T

  #############################################################################
  #  SKIP_E2E=1: the end-to-end tests were NOT run. Nothing here shows that   #
  #  two people behind two routers can ring each other.                       #
  #############################################################################

T
  exit 0
fi

if [ "$(id -u)" != 0 ]; then
  cat >&2 <<'T'
truca: the end-to-end tests build network namespaces, which needs root:
         sudo env "PATH=$PATH" make e2e
       or leave them out: make test SKIP_E2E=1
T
  exit 1
fi

part=${E2E:-all}
case $part in
  all) files='routed.test.js nat.test.js turn.test.js reflexive.test.js quality.test.js matrix.test.js firefox.test.js discovery.test.js anywhere.test.js genuine.test.js' ;;
  routed | nat | turn | reflexive | quality | matrix | firefox | discovery | anywhere | genuine) files=$part.test.js ;;
  *) echo "e2e: E2E is routed, nat, turn, reflexive, quality, matrix, firefox, discovery, anywhere or genuine, not '$part'" >&2; exit 2 ;;
esac

missing() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "${CHROMIUM:-}" ] || echo chromium
  case $files in *firefox* | *genuine*) command -v firefox-esr >/dev/null || command -v firefox >/dev/null || [ -n "${FIREFOX:-}" ] || echo firefox-esr ;; esac
  command -v ip >/dev/null || echo iproute2
  command -v nft >/dev/null || echo nftables
  command -v babeld >/dev/null || echo babeld
  command -v openssl >/dev/null || echo openssl
}

packages=$(missing)
if [ -n "$packages" ]; then
  echo "e2e: installing $(echo "$packages" | xargs)"
  # shellcheck disable=SC2086 # one word for each package
  apt_install $packages || true
  packages=$(missing)
fi
if [ -n "$packages" ]; then
  echo "truca: the end-to-end tests need: $(echo "$packages" | xargs) (Debian packages; they could not be installed)" >&2
  echo "       or leave them out: make test SKIP_E2E=1" >&2
  exit 1
fi

probe=truca-probe-$$
if ! ip netns add "$probe" 2>/dev/null; then
  echo "truca: this machine does not let root make network namespaces (a container without CAP_SYS_ADMIN?)" >&2
  echo "       leave the end-to-end tests out: make test SKIP_E2E=1" >&2
  exit 1
fi
ip netns del "$probe"

tools/need.sh node
# The link that a test can make bad
case ${E2E:-all} in all | quality) cargo build --quiet --locked -p truca-tests --bin shaper ;; esac
cd tests/e2e
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --silent
fi
# shellcheck disable=SC2086 # one word for each file
npm test --silent -- $files
