#!/bin/bash
# `make mutants`: a copy of the sources is changed in one small place after another, and each time the tests of that
# part must fail. Parts: window, sync, gossip, calls (all of each) and sample (MUTANTS of them, 400, from the core and
# the node, chosen by SEED, 1). MUTANTS_PART runs some of them, MUTANTS_SHARD=0/8 an eighth of each: a whole run is
# one for the night.
#
# What comes of it is added to docs/mutants.jsonl, and docs/mutants.md is written from that and from the list of
# survivors that are accepted, each with its reason (tools/mutants.accepted).
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(realpath -m "${CARGO_TARGET_DIR:-target}/mutants")
parts=${MUTANTS_PART:-window sync gossip calls sample}

if ! cargo mutants --version >/dev/null 2>&1; then
  echo "mutants: installing cargo-mutants"
  cargo install --quiet --locked cargo-mutants
fi

# The copy keeps its own target, so that only what was changed is built again. What a run without words leaves
# behind is no matter: the copy is made anew.
mkdir -p "$work"
rm -rf "$work/tree"
mkdir "$work/tree"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then printf '%s\0' "$file"; fi
done | tar --null -T - -cf - | tar -xf - -C "$work/tree"
export CARGO_TARGET_DIR="$work/target" TRUCA_NO_PAGE=1
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_INCREMENTAL=1

# part NAME: which mutants, and which tests must notice them. One test at a time would be too slow for the whole
# suite, so each part names the tests that are about it; what others notice beside them does not count.
part() {
  local name=$1 files=() tests=() status=0
  case $name in
    window) files=(-f daemon/core/src/directory/window.rs) tests=(--test-package truca-core -- --lib -- directory) ;;
    sync) files=(-f daemon/core/src/directory/sync.rs) tests=(--test-package truca-core -- --lib -- directory) ;;
    gossip) files=(-f 'daemon/core/src/gossip/**') tests=(--test-package truca-core -- --lib -- gossip) ;;
    calls) files=(-f 'daemon/src/node/calls.rs') tests=(--test-package truca-tests -- --test neighbours) ;;
    sample-core) files=(-f 'daemon/core/src/**') tests=(--test-package truca-core -- --lib --tests) ;;
    sample-node)
      files=(-f 'daemon/src/node/**')
      tests=(--test-package trucad --test-package truca-tests -- --lib --test neighbours --test password --test admission --test sim)
      ;;
    *) echo "mutants.sh: what is '$name'?" >&2; exit 2 ;;
  esac
  local config=.cargo/mutants.toml
  if [[ $name = sample-* ]]; then
    config=$work/$name.toml
    (cd "$work/tree" && cargo mutants --list --json "${files[@]}") |
      python3 tools/mutants.py sample "$name" "${MUTANTS:-400}" "${SEED:-1}" .cargo/mutants.toml >"$config"
  fi
  echo "== mutants: $name"
  # 2 says that some were missed, 3 that some took too long: both are what is counted here
  (cd "$work/tree" && cargo mutants --in-place --no-shuffle --colors never --config "$config" --output "$work/$name" \
    ${MUTANTS_SHARD:+--shard "$MUTANTS_SHARD"} "${files[@]}" "${tests[@]}") || status=$?
  case $status in 0 | 2 | 3) ;; *) return "$status" ;; esac
  python3 tools/mutants.py keep "$name" "$work/$name/mutants.out/outcomes.json" "${MUTANTS_SHARD:-}"
}

for name in $parts; do
  if [ "$name" = sample ]; then part sample-core; part sample-node; else part "$name"; fi
done
exec python3 tools/mutants.py document
