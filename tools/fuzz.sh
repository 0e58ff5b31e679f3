#!/bin/bash
# `make fuzz`: every target of daemon/fuzz for FUZZ_SECONDS (60), two at a time.
#
# libFuzzer needs a nightly toolchain. Without one, the same inputs go through the same entry points on
# stable: the corpus test, which says so.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
work=$(realpath -m "${CARGO_TARGET_DIR:-target}/fuzz")

stable() {
  echo "fuzz: $1: the corpus goes through the same entry points on stable instead"
  exec cargo test -p truca-tests --test corpus
}

targets=$(find daemon/fuzz/fuzz_targets -name '*.rs' -printf '%f\n' 2>/dev/null | sed 's/\.rs$//' | sort)
[ -n "$targets" ] || { echo "truca: daemon/fuzz has no targets" >&2; exit 1; }
if [ "${FUZZ:-}" = stable ]; then stable "FUZZ=stable"; fi
cargo +nightly --version >/dev/null 2>&1 || stable "no nightly toolchain"
command -v c++ >/dev/null || stable "no C++ compiler for libFuzzer"
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: installing cargo-fuzz"
  cargo install --quiet --locked cargo-fuzz || stable "cargo-fuzz could not be installed"
fi

mkdir -p "$work"
export CARGO_TARGET_DIR="$work/target"
cd daemon
# shellcheck disable=SC2086 # built once, together
if ! cargo +nightly fuzz build >"$work/build.log" 2>&1; then
  tail -n 60 "$work/build.log" >&2
  echo "truca: the fuzz targets do not build with the nightly toolchain" >&2
  exit 1
fi

# What is found goes to a corpus of this machine; the checked-in seeds are only read.
one() {
  local target=$1 corpus=$work/corpus/$1 log=$work/$1.log inputs
  mkdir -p "$corpus"
  inputs=("$corpus")
  for seeds in "fuzz/corpus/$target" "fuzz/seeds/$target"; do [ ! -d "$seeds" ] || inputs+=("$seeds"); done
  mkdir -p "fuzz/artifacts/$target"
  # not by `cargo fuzz run`: each would build again what is built, and wait for the other
  if "$built/$target" "${inputs[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 >"$log" 2>&1; then
    echo "fuzz: $target ... ok ($(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1) inputs in $seconds s)"
  else
    tail -n 40 "$log"
    echo "fuzz: $target ... FAILED (whole log: $log)"
    return 1
  fi
}
export -f one
built=$CARGO_TARGET_DIR/$(rustc +nightly --print host-tuple)/release
# as cargo-fuzz sets it: two copies of one Rust crate are no violation
export ASAN_OPTIONS=detect_odr_violation=0
export work seconds built
status=0
# shellcheck disable=SC2016 # the inner shell expands it
echo "$targets" | xargs -P 2 -I {} bash -c 'one "$1"' one {} || status=1
exit "$status"
