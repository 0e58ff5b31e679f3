#!/bin/bash
# `make router`: a router in a box (docs/router.md): our package on a MIPS board under a real kernel, its people, and
# power cuts. TRUCA_ROUTER_CUTS=3 for a short run, TRUCA_ROUTER_SEED to have the same moments again, CONSOLE=1 for a
# router by hand.
#
# It needs root and a few Debian packages, which it installs when it can. What is missing is named, and the run fails:
# a proof that was not made must not look like one. SKIP_ROUTER=1 leaves it out, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

if [ "${SKIP_ROUTER:-}" = 1 ]; then
  echo "router: all of it ... skipped, by SKIP_ROUTER=1: nothing here shows that the package holds on a router"
  exit 0
fi
[ "$(id -u)" = 0 ] || cross_die "the router in a box has a network of its own, which needs root:" \
  "sudo env \"PATH=\$PATH\" make router" "or leave it out: SKIP_ROUTER=1"

for tool in qemu-system-mipsel:qemu-system-mips cpio:cpio mksquashfs:squashfs-tools ip:iproute2 unshare:util-linux; do
  cross_install "${tool%:*}" "${tool#*:}" || cross_die "${tool%:*} is missing (Debian: apt-get install ${tool#*:})"
done
unshare -mn true 2>/dev/null || cross_die "this machine does not let root make namespaces (a container without CAP_SYS_ADMIN?)"
[ -c /dev/net/tun ] || cross_die "this machine has no /dev/net/tun, by which the box is on a network"

work=$(realpath -m "${CARGO_TARGET_DIR:-target}/router")
mkdir -p "$work"
tools/cross.sh mipsel
TRUCA_DIST=$work/dist tools/ipk.sh mipsel
# The newest, should there be one of an older version too
ipk=$(find "$work/dist" -name 'truca_*.ipk' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
tests/router/image.sh "$work/image" "$ipk"
cargo build --quiet --locked -p trucad -p truca-tests --bin trucad --bin router

# Everything ends with the first process of the namespaces: boxes, interfaces, and their files in memory
export ROUTER_IMAGE=$work/image ROUTER_FOLDER=/mnt ROUTER_OUT=$work/results.jsonl ROUTER_CONSOLE=${CONSOLE:-}
# shellcheck disable=SC2016 # for the shell inside
exec unshare -mnp --fork --kill-child --mount-proc -- bash -c \
  'ip link set lo up && mount -t tmpfs -o size=256m none /mnt && exec "$@"' bash \
  "$(realpath "${CARGO_TARGET_DIR:-target}/debug/router")"
