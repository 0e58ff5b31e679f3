#!/bin/bash
# cross-test.sh TARGET…: the core's own tests as programs of these targets, and a session of people with the
# cross-built daemon, both under an emulator where this machine cannot run them.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

[ $# -gt 0 ] || cross_die "which target?" "There are: ${CROSS_TARGETS[*]}"
tools/cross.sh "$@"
cross_toolchain

for name in "$@"; do
  target=$(cross_full "$name")
  runner=$(cross_runner "$target")
  if [ -n "$runner" ]; then
    cross_install "${runner%% *}" qemu-user-static ||
      cross_die "${runner%% *} is missing, which runs programs of $target here." "Debian: apt-get install qemu-user-static"
  fi
  echo "== $target: the core's tests"
  key=${target^^}
  # Property tests with fewer cases: each takes some thirty times as long under an emulator
  env "CARGO_TARGET_${key//-/_}_RUNNER=$runner" PROPTEST_CASES="${PROPTEST_CASES:-16}" CROSS_UNWIND=yes \
    bash -c 'source cross/lib.sh; cross_cargo "$@"' - "$target" test -p truca-core --lib
  echo "== $target: a session"
  TRUCA_DAEMON="$(realpath "$(cross_program "$target")")" TRUCA_RUNNER=$runner \
    cargo test --locked -p truca-tests --test cross
done
