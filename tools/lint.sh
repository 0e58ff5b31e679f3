#!/bin/bash
# `make lint`: format, warnings as errors, types of the page, shell scripts, licences. Everything is tried;
# the end says what failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=()
check() {
  local what=$1
  shift
  if "$@"; then echo "lint: $what ... ok"; else echo "lint: $what ... FAILED"; failed+=("$what"); fi
}

check format cargo fmt --all --check
check clippy cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
check "page types" npm --prefix daemon/web run --silent check

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
for script in "${scripts[@]}"; do check "bash -n $script" bash -n "$script"; done
# A router's shell is busybox ash; these say so to shellcheck
mapfile -t router < <(git ls-files openwrt-feed luci-app tests/package/openwrt tests/router/guest | xargs grep -l '^# shellcheck shell=dash\|^#!/bin/sh')
scripts+=("${router[@]}")
if command -v busybox >/dev/null; then
  for script in "${router[@]}"; do check "ash -n $script" busybox ash -n "$script"; done
else
  echo "lint: ash -n ... skipped, busybox is not installed (Debian: apt-get install busybox)"
fi
if command -v shellcheck >/dev/null; then
  mapfile -t scripts < <(printf '%s\n' "${scripts[@]}" | sort -u)
  check shellcheck shellcheck --exclude=SC2317 "${scripts[@]}"
else
  echo "lint: shellcheck ... skipped, it is not installed (Debian: apt-get install shellcheck)"
fi
if cargo deny --version >/dev/null 2>&1; then
  # Advisories come from a git repository: a machine that reaches only package registries has none
  check "cargo deny" cargo deny --log-level error check licenses bans sources
else
  echo "lint: cargo deny ... skipped, it is not installed (cargo install --locked cargo-deny takes many minutes)"
fi

if ((${#failed[@]})); then
  printf 'lint: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
