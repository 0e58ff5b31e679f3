#!/bin/bash
# cross.sh TARGET…: trucad as it goes on routers of these targets, checked for what they can run.
# cross.sh --check TARGET…: cargo check for them only.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=cross/lib.sh
source cross/lib.sh

# expect PROGRAM WORDS-FOR-A-PERSON EXPECTED FOUND
expect() { [[ $4 == *$3* ]] || cross_die "$1 is not $2: readelf says '$4'"; }

# Static at fixed addresses, and of the family that the target's name says.
verify() {
  local target=$1 program=$2 header abi
  header=$(readelf -h "$program") abi=$(readelf -A "$program")
  expect "$program" "at fixed addresses" "EXEC (Executable file)" "$(grep 'Type:' <<<"$header")"
  if readelf -lW "$program" | grep -qE '^ +(INTERP|DYNAMIC) '; then
    cross_die "$program is not static: $(readelf -lW "$program" | grep -E '^ +(INTERP|DYNAMIC) ')"
  fi
  case $target in
    mips-* | mipsel-*)
      if [[ $target == mips-* ]]; then
        expect "$program" "big-endian" "big endian" "$(grep 'Data:' <<<"$header")"
      else
        expect "$program" "little-endian" "little endian" "$(grep 'Data:' <<<"$header")"
      fi
      expect "$program" "for MIPS" "MIPS" "$(grep 'Machine:' <<<"$header")"
      expect "$program" "o32, MIPS32r2" "o32, mips32r2" "$(grep 'Flags:' <<<"$header")"
      expect "$program" "MIPS32r2" "MIPS32r2" "$(grep 'ISA:' <<<"$abi")"
      expect "$program" "soft float" "Soft float" "$(grep 'FP ABI:' <<<"$abi")"
      ;;
    armv7-*)
      expect "$program" "for ARM" "ARM" "$(grep 'Machine:' <<<"$header")"
      expect "$program" "EABI5" "Version5 EABI" "$(grep 'Flags:' <<<"$header")"
      expect "$program" "ARMv7" "v7" "$(grep 'Tag_CPU_arch:' <<<"$abi")"
      expect "$program" "hard float" "VFP registers" "$(grep 'Tag_ABI_VFP_args:' <<<"$abi")"
      ;;
    aarch64-*) expect "$program" "for AArch64" "AArch64" "$(grep 'Machine:' <<<"$header")" ;;
    x86_64-*) expect "$program" "for x86-64" "X86-64" "$(grep 'Machine:' <<<"$header")" ;;
  esac
}

# With a container engine and `cross` there is a second way, by Cross.toml; TRUCA_CROSS=cross or =zig decides.
way() {
  if [ -n "${TRUCA_CROSS:-}" ]; then echo "$TRUCA_CROSS"; return; fi
  if command -v cross >/dev/null && { docker info || podman info; } >/dev/null 2>&1; then echo cross; else echo zig; fi
}

# build TARGET build|check ARGUMENT…
build() {
  local target=$1 command=$2 flags
  shift 2
  if [ "$way" = zig ]; then
    [ "$command" = check ] || command=zigbuild
    cross_cargo "$target" "$command" "$@"
  else
    # The containers' linkers are no zig: static by rustc's own doing, with the startup files of its images
    flags="$(cross_flags "$target") -Ctarget-feature=+crt-static"
    CROSS_CONFIG=cross/Cross.toml RUSTFLAGS=${flags/-Clink-self-contained=no/} CFLAGS=$cross_cflags \
      CARGO_TARGET_DIR="$cross_out" CARGO_PROFILE_OPENWRT_STRIP=false CARGO_PROFILE_OPENWRT_DEBUG=line-tables-only \
      cross +nightly "$command" --locked --target "$target" -Zbuild-std-features=optimize_for_size "$@"
  fi
}

check=false
if [ "${1:-}" = --check ]; then check=true; shift; fi
[ $# -gt 0 ] || cross_die "which target?" "There are: ${CROSS_TARGETS[*]}"
way=$(way)
cross_install readelf binutils || cross_die "readelf is missing." "Debian: apt-get install binutils"
if [ "$way" = zig ]; then cross_toolchain; fi

for name in "$@"; do
  target=$(cross_full "$name")
  program=$(cross_program "$target")
  if $check; then
    TRUCA_NO_PAGE=1 build "$target" check --workspace --exclude truca-tests
    continue
  fi
  build "$target" build --profile openwrt -p trucad --bin trucad
  # What cargo links here at every run keeps its symbols, beside the stripped one
  ln -f "$program" "$program.symbols"
  llvm-objcopy --strip-all "$program.symbols" "$program.new"
  mv "$program.new" "$program"
  verify "$target" "$program"
  echo "cross: $program, $(stat -c %s "$program") bytes, $(gzip -9 -c "$program" | wc -c) as gzip"
done
